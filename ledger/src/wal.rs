//! The write-ahead log: `wal/<first>.wal`, the rows that no segment holds yet.
//!
//! After the header come batches: leaf frames `L` with the canonical leaf as payload, then one commit frame `C`. Rows
//! count only once their commit frame is there; it is written and synced with them.

use std::collections::BTreeMap;

use crate::error::{Error, Kind};
use crate::frame::{self, End, Frame, Frames};
use crate::limits::TREE_SIZE_MAX;
use crate::storage::Storage;
use crate::tlog::Hash;
use crate::vault;

/// The name of the format, in the header.
pub const FORMAT: &str = "backtrail/wal/1";
/// The type of a leaf frame.
pub const LEAF: u8 = b'L';
/// The type of a commit frame.
pub const COMMIT: u8 = b'C';

/// The path of the file whose first row is `first`.
pub fn path(first: u64) -> String {
    format!("wal/{first:020}.wal")
}

/// The first row of the file at `path`, if it is one of these files.
pub fn first_of(path_: &str) -> Option<u64> {
    let first = path_.strip_prefix("wal/")?.strip_suffix(".wal")?.parse().ok()?;
    (first <= TREE_SIZE_MAX && path(first) == path_).then_some(first)
}

/// What a commit frame says: five `u64` and a hash, big-endian, 72 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Commit {
    /// The first row of the batch.
    pub first: u64,
    /// The size of the log with the batch.
    pub end: u64,
    /// The root of the log with the batch.
    pub root: Hash,
    /// The length of `vault/<first>.vault` with the batch, where `first` is that of this file; 0 if there is none.
    pub vault_bytes: u64,
    /// The length of `vault/identities` with the batch.
    pub identities_bytes: u64,
    /// The length of `quarantine/<first>.quarantine` with the batch; 0 if there is none.
    pub quarantine_bytes: u64,
}

impl Commit {
    /// The payload of the frame.
    pub fn to_bytes(self) -> Vec<u8> {
        let mut out = Vec::with_capacity(72);
        out.extend_from_slice(&self.first.to_be_bytes());
        out.extend_from_slice(&self.end.to_be_bytes());
        out.extend_from_slice(&self.root.0);
        for length in [self.vault_bytes, self.identities_bytes, self.quarantine_bytes] {
            out.extend_from_slice(&length.to_be_bytes());
        }
        out
    }

    /// Reads the payload of a frame.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let bytes: &[u8; 72] = bytes.try_into().ok()?;
        let number = |at: usize| u64::from_be_bytes(bytes[at..at + 8].try_into().expect("8 bytes"));
        Some(Self {
            first: number(0),
            end: number(8),
            root: Hash(bytes[16..48].try_into().expect("32 bytes")),
            vault_bytes: number(48),
            identities_bytes: number(56),
            quarantine_bytes: number(64),
        })
    }
}

/// What a file holds.
#[derive(Debug)]
pub struct Contents<'a> {
    /// The leaf frames of whole batches, in order: the first is row `first` of the file.
    pub leaves: Vec<Frame<'a>>,
    /// The commit frames, in order.
    pub commits: Vec<Commit>,
    /// The offset behind each.
    pub ends: Vec<usize>,
    /// The offset behind the last commit frame.
    pub committed: usize,
    /// What follows there.
    pub end: End,
}

impl Contents<'_> {
    /// Drops the last batch if its rows are there and its records are not: a batch goes to several files at once, and this
    /// one was interrupted. `lengths` are those of the vault, the identities and the quarantine; a batch that the head
    /// covers stays.
    pub fn drop_interrupted(&mut self, head: u64, lengths: [u64; 3]) {
        let whole = |commit: &Commit| {
            let needed = [commit.vault_bytes, commit.identities_bytes, commit.quarantine_bytes];
            needed.iter().zip(lengths).all(|(needed, length)| *needed <= length)
        };
        let [.., before, last] = self.commits[..] else { return };
        if last.end > head && whole(&before) && !whole(&last) {
            self.commits.pop();
            self.ends.pop();
            self.leaves.truncate(self.leaves.len() - (last.end - last.first) as usize);
            self.committed = self.ends.last().copied().expect("there is a commit before");
            self.end = End::Torn;
        }
    }
}

/// The lengths of the files that the commits of the file of `first` speak of, for [`Contents::drop_interrupted`].
///
/// # Errors
/// As [`Storage::len`], except `Missing`.
pub fn lengths(store: &dyn Storage, first: u64) -> Result<[u64; 3], Error> {
    let length = |path: &str| match store.len(path) {
        Err(e) if e.kind() == Kind::Missing => Ok(0),
        other => other,
    };
    let [vault, quarantine] = [vault::path(first), vault::quarantine_path(first)];
    Ok([length(&vault)?, length(vault::IDENTITIES)?, length(&quarantine)?])
}

/// Reads the committed rows of the bytes of the file of `first`.
///
/// # Errors
/// The header is another one, or frames of whole batches contradict each other: that is never the work of a crash.
pub fn read<'a>(bytes: &'a [u8], origin: &str, first: u64) -> Result<Contents<'a>, Error> {
    let at = |offset: usize, what: &str| {
        Error::tampered(format!("`{}` offset {offset}: {what}", path(first)))
    };
    let mut frames = Frames::new(bytes);
    frame::check_header(frames.next(), FORMAT, origin, first).map_err(|e| at(0, &e.to_string()))?;
    let mut contents = Contents {
        leaves: Vec::new(),
        commits: Vec::new(),
        ends: Vec::new(),
        committed: 0,
        end: End::Clean,
    };
    contents.committed = frames.at();
    let mut pending = Vec::new();
    for frame in frames.by_ref() {
        match frame.kind {
            LEAF => pending.push(frame),
            COMMIT => {
                let size = first + contents.leaves.len() as u64;
                let commit = Commit::from_bytes(frame.payload);
                let commit =
                    commit.filter(|c| c.first == size && c.end == size + pending.len() as u64);
                let commit = commit
                    .ok_or_else(|| at(frame.offset, "a commit that does not fit its rows"))?;
                contents.leaves.append(&mut pending);
                contents.commits.push(commit);
                contents.ends.push(frame.end());
                contents.committed = frame.end();
            }
            other => {
                return Err(at(
                    frame.offset,
                    &format!("a frame of type {other}, which this file cannot have"),
                ));
            }
        }
    }
    contents.end = match frames.end() {
        // Whole frames without their commit are an interrupted append too.
        Some((End::Clean, _)) if !pending.is_empty() => End::Torn,
        Some((end, _)) => end,
        None => End::Clean,
    };
    // Damage followed by a later batch lies in rows that were acknowledged: a crash tears only the end.
    if contents.end != End::Clean
        && later_commit(bytes, contents.committed, first + contents.leaves.len() as u64)
    {
        return Err(at(contents.committed, "damaged within committed rows"));
    }
    Ok(contents)
}

/// Whether somewhere behind `from` lies a whole commit frame of a batch that begins after row `size`.
fn later_commit(bytes: &[u8], from: usize, size: u64) -> bool {
    let length = 72u32.to_be_bytes();
    (from..bytes.len().saturating_sub(85)).filter(|&at| bytes[at..at + 4] == length).any(|at| {
        let frame = Frames::new(&bytes[at..]).next();
        let commit = frame.filter(|f| f.kind == COMMIT).and_then(|f| Commit::from_bytes(f.payload));
        commit.is_some_and(|c| c.first > size)
    })
}

/// The files of the write-ahead log, by first row.
///
/// # Errors
/// As [`Storage::list`].
pub fn files(store: &dyn Storage) -> Result<BTreeMap<u64, String>, Error> {
    let listed = store.list("wal")?;
    Ok(listed.into_iter().filter_map(|(path, _)| Some((first_of(&path)?, path))).collect())
}
