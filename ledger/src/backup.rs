//! Copies of a ledger: consistent while a writer goes on, and read-only until somebody confirms that nothing newer exists.
//!
//! A copy is the ledger at one checkpoint, without `state/`: the writer's memory of what it signed must not be restored
//! with what it is the memory of. What is sealed is copied once; the vault is compared, since values are erased there.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use crate::checkpoint::Checkpoint;
use crate::clock::Clock;
use crate::error::{Error, Kind};
use crate::frame::Frames;
use crate::key::Signers;
use crate::limits::SCAN_BYTES;
use crate::note::Note;
use crate::pruned;
use crate::segment::chain::{self, Known};
use crate::snapshot::{Snapshot, frontier_of};
use crate::state::{self, State};
use crate::storage::{Local, Storage};
use crate::tiles::TileReader;
use crate::tlog::{Tile, tile};
use crate::vault;
use crate::wal::{self, Commit};
use crate::writer::{CHECKPOINT, Ledger, cosignatures_path, size_of};

/// How often a copy begins again because the writer moved files meanwhile.
const ATTEMPTS: usize = 10;

/// Files that are created together, before they are synced.
const BATCH: usize = 256;

/// What a copy took.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Copied {
    /// The head of the copy.
    pub checkpoint: Checkpoint,
    /// Files that were written.
    pub written: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Files that the ledger no longer has, and that were removed.
    pub removed: u64,
}

/// Makes `to` a copy of the ledger in `from` at its newest checkpoint, or brings an older copy up to it. Takes no lock.
///
/// # Errors
/// `Reject` if `to` is no older copy of this ledger; `RolledBack` if it is a newer one, or one of another history.
pub fn copy(from: &Path, to: &Path) -> Result<Copied, Error> {
    let source = Local::new(from);
    if !from.join(CHECKPOINT).is_file() {
        return Err(Error::new(Kind::Missing, format!("`{}` is not a ledger", from.display())));
    }
    fs::create_dir_all(to).map_err(|e| Error::io(format!("make `{}`", to.display()), e))?;
    let (a, b) = (from.canonicalize(), to.canonicalize());
    if a.ok().zip(b.ok()).is_none_or(|(a, b)| a.starts_with(&b) || b.starts_with(&a)) {
        return Err(Error::reject("a copy must lie outside the ledger, and not around it"));
    }
    let mut attempt = 0;
    loop {
        attempt += 1;
        let before = source.read_all(CHECKPOINT)?;
        let done = Copy::new(&source, Local::new(to), &before)
            .and_then(|mut copy| Ok(copy.run(&before)?.then_some(copy)));
        // The folder of temporary files is the storage's, and no part of a copy.
        let _ =
            fs::remove_dir(to.join("state/tmp")).and_then(|()| fs::remove_dir(to.join("state")));
        match done {
            Ok(Some(copy)) => {
                let snapshot = Snapshot::open(to, None)?;
                if *snapshot.checkpoint() != copy.head {
                    return Err(Error::new(Kind::Reopen, "the copy is not what was copied"));
                }
                let Copy { head, written, bytes, removed, .. } = copy;
                return Ok(Copied { checkpoint: head, written, bytes, removed });
            }
            // The writer moved: what was missing or did not fit is elsewhere now.
            Err(e) if matches!(e.kind(), Kind::RolledBack | Kind::Reject) => return Err(e),
            Err(e) if source.read_all(CHECKPOINT)? == before => return Err(e),
            Ok(None) | Err(_) if attempt < ATTEMPTS => {}
            Ok(None) | Err(_) => {
                return Err(Error::new(Kind::Retry, "the writer moves faster than the copy"));
            }
        }
    }
}

struct Copy<'a> {
    from: &'a Local,
    to: Local,
    head: Checkpoint,
    /// What is in the copy, with lengths.
    there: BTreeMap<String, u64>,
    /// What belongs to it.
    belongs: BTreeSet<String>,
    written: u64,
    bytes: u64,
    removed: u64,
}

impl<'a> Copy<'a> {
    fn new(from: &'a Local, to: Local, note: &[u8]) -> Result<Self, Error> {
        let head = head_of(note)?;
        let there: BTreeMap<String, u64> = to.list("")?.into_iter().collect();
        if there.contains_key(state::PATH) {
            return Err(Error::reject("the folder is a ledger that is in use, not a copy of one"));
        }
        if let Some(old) = to.read_if_any(CHECKPOINT)? {
            is_prefix(&head_of(&old)?, &head, from)?;
        } else if there.keys().any(|path| !is_part(path)) {
            // A first copy that was interrupted has files of a ledger only, and no head yet.
            return Err(Error::reject("the folder is not empty, and no copy of a ledger"));
        }
        let (belongs, written, bytes, removed) = (BTreeSet::new(), 0, 0, 0);
        Ok(Self { from, to, head, there, belongs, written, bytes, removed })
    }

    /// Copies everything below the head, the head last. False if something was erased or sealed meanwhile.
    fn run(&mut self, note: &[u8]) -> Result<bool, Error> {
        let (first, path) = tail_of(self.from, &self.head)?;
        let bytes = self.from.read_all(&path)?;
        let (tail, commit) = committed(&bytes, &self.head, &path)?;
        let contents = wal::read(tail, &self.head.origin, first)?;
        let leaves: Vec<&[u8]> = contents.leaves.iter().map(|frame| frame.payload).collect();
        // 1. What never changes: segments, tiles, notes.
        let chain = chain::read_back(self.from, first, &leaves, Known::default())?;
        let start = chain.start();
        if let Some((pruning, _)) = &chain.pruned {
            let path = pruned::path(pruning.end);
            let bytes = self.from.read_all(&path)?;
            self.put(&path, &bytes)?;
        }
        for seal in chain.seals {
            let same = self.there.get(&seal.file) == Some(&seal.bytes)
                && seal.is_of(&self.to.read_all(&seal.file)?);
            if same {
                self.belongs.insert(seal.file);
            } else {
                let segment = chain::open(self.from, &seal)?;
                self.put(&seal.file, segment.bytes())?;
            }
        }
        let kept = self.notes()?;
        self.tiles(&kept)?;
        // 2. What may be erased, and the tail, cut where the head ends.
        self.stores(start..first, &commit)?;
        self.put(&path, tail)?;
        if self.moved(first)? {
            return Ok(false);
        }
        // 3. The head: from here on the copy is the newer one. Then what is no longer part of it goes.
        self.put(CHECKPOINT, note)?;
        let stale = |path: &&String| is_part(path) && !self.belongs.contains(*path);
        for path in self.there.keys().filter(stale) {
            self.to.remove(path)?;
            self.removed += 1;
        }
        Ok(true)
    }

    fn put(&mut self, path: &str, bytes: &[u8]) -> Result<(), Error> {
        self.belongs.insert(path.to_owned());
        if self.there.get(path) == Some(&(bytes.len() as u64)) && self.has(path, bytes)? {
            return Ok(());
        }
        self.to.replace(path, bytes)?;
        self.written += 1;
        self.bytes += bytes.len() as u64;
        Ok(())
    }

    /// Whether a file of the copy has these bytes, a part in memory at a time.
    fn has(&self, path: &str, bytes: &[u8]) -> Result<bool, Error> {
        for (part, at) in bytes.chunks(SCAN_BYTES).zip((0..).step_by(SCAN_BYTES)) {
            if self.to.read(path, at..at + part.len() as u64)? != part {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Kept notes up to the head, with their cosignatures; returns their sizes. A note that is only in the copy stays: it is evidence.
    fn notes(&mut self) -> Result<Vec<u64>, Error> {
        let mut sizes = Vec::new();
        for (path, _) in self.from.list("checkpoints")? {
            let Some(size) = size_of(&path).filter(|size| *size <= self.head.size) else {
                continue;
            };
            sizes.push(size);
            let bytes = self.from.read_all(&path)?;
            self.put(&path, &bytes)?;
            if let Some(lines) = self.from.read_if_any(&cosignatures_path(size))? {
                self.put(&cosignatures_path(size), &lines)?;
            }
        }
        let only_there = self.there.keys().filter(|path| path.starts_with("checkpoints/"));
        self.belongs.extend(only_there.cloned());
        Ok(sizes)
    }

    fn tiles(&mut self, kept: &[u64]) -> Result<(), Error> {
        let mut missing = Vec::new();
        for size in kept.iter().copied().chain([self.head.size]) {
            let tiles = TileReader::new(self.from, size);
            for (level, full, partial) in Tile::levels(size) {
                let names = (0..full).map(|index| Tile { level, index, width: 256 }).chain(partial);
                for name in names {
                    let path = name.path();
                    if !self.belongs.insert(path.clone()) {
                        continue;
                    }
                    let length = u64::from(name.width) * 32;
                    if self.there.get(&path) == Some(&length) {
                        continue;
                    }
                    if self.there.contains_key(&path) {
                        self.to.remove(&path)?;
                    }
                    missing.push((path, tile::to_bytes(&tiles.tile(level, name.index)?)));
                    self.written += 1;
                    self.bytes += length;
                    if missing.len() == BATCH {
                        self.to.create(&std::mem::take(&mut missing))?;
                    }
                }
            }
        }
        self.to.create(&missing)
    }

    fn stores(&mut self, sealed: Range<u64>, commit: &Commit) -> Result<(), Error> {
        let identities = self.from.read(vault::IDENTITIES, 0..commit.identities_bytes)?;
        self.put(vault::IDENTITIES, &identities)?;
        self.store_files(&sealed, "vault", vault::path, commit.vault_bytes)?;
        self.store_files(&sealed, "quarantine", vault::quarantine_path, commit.quarantine_bytes)
    }

    /// The files of a folder up to the tail's, of which as much as was committed.
    fn store_files(
        &mut self,
        sealed: &Range<u64>,
        folder: &str,
        name: fn(u64) -> String,
        of_tail: u64,
    ) -> Result<(), Error> {
        for (path, len) in self.from.list(folder)? {
            let Some(block) = vault::first_of(&path, name) else { continue };
            let len = if block == sealed.end { of_tail } else { len };
            if (sealed.start..=sealed.end).contains(&block) && len > 0 {
                let bytes = self.from.read(&path, 0..len)?;
                self.put(&path, &bytes)?;
            }
        }
        Ok(())
    }

    /// Whether the writer sealed, or something was erased, since the head was read: the vault may be newer than it.
    fn moved(&self, first: u64) -> Result<bool, Error> {
        let now = head_of(&self.from.read_all(CHECKPOINT)?)?;
        if now == self.head {
            return Ok(false);
        }
        let (newest, path) = tail_of(self.from, &now)?;
        let bytes = self.from.read_all(&path)?;
        let contents = wal::read(&bytes, &now.origin, newest)?;
        let new = contents.leaves.get((self.head.size.saturating_sub(newest)) as usize..);
        Ok(newest != first
            || new.is_none_or(|new| new.iter().any(|leaf| chain::is_upkeep(leaf.payload))))
    }
}

/// Whether a path is one of a ledger's folders.
fn is_part(path: &str) -> bool {
    let folders = [
        "checkpoints/",
        "pruned/",
        "quarantine/",
        "segments/",
        "state/tmp/",
        "tile/",
        "vault/",
        "wal/",
    ];
    folders.iter().any(|folder| path.starts_with(folder))
}

fn head_of(note: &[u8]) -> Result<Checkpoint, Error> {
    let text =
        std::str::from_utf8(note).map_err(|_| Error::tampered("a checkpoint that is not text"))?;
    text.parse::<Note>()?.text.parse()
}

fn tail_of(store: &dyn Storage, head: &Checkpoint) -> Result<(u64, String), Error> {
    let below = wal::files(store)?.into_iter().rev().find(|(first, _)| *first < head.size);
    below.ok_or_else(|| Error::tampered("no write-ahead log has the rows below the checkpoint"))
}

/// The bytes of the tail up to the commit frame of the head's size.
fn committed<'b>(
    bytes: &'b [u8],
    head: &Checkpoint,
    path: &str,
) -> Result<(&'b [u8], Commit), Error> {
    let commits = Frames::new(bytes).filter(|frame| frame.kind == wal::COMMIT);
    let mut commits =
        commits.filter_map(|frame| Some((frame.end(), Commit::from_bytes(frame.payload)?)));
    let found = commits.find(|(_, commit)| commit.end == head.size && commit.root == head.root);
    let (end, commit) = found
        .ok_or_else(|| Error::tampered(format!("`{path}` has no commit of the checkpoint")))?;
    Ok((&bytes[..end], commit))
}

/// Refuses a head that is not a prefix of `head`, whose tiles are in `store`.
fn is_prefix(old: &Checkpoint, head: &Checkpoint, store: &dyn Storage) -> Result<(), Error> {
    if old.origin != head.origin {
        return Err(Error::reject(format!(
            "`{}` is another log than `{}`",
            old.origin, head.origin
        )));
    }
    if old.size > head.size {
        return Err(Error::new(
            Kind::RolledBack,
            format!(
                "a head of {} rows exists, this copy has {}: {} rows are missing",
                old.size,
                head.size,
                old.size - head.size
            ),
        ));
    }
    let tiles = TileReader::new(store, head.size);
    if frontier_of(&tiles, old.size)?.root() == old.root {
        return Ok(());
    }
    Err(Error::new(
        Kind::RolledBack,
        format!("the heads of {} and {} rows are not of one history", old.size, head.size),
    ))
}

impl Ledger {
    /// Makes a copy without `state/` writable: `note` is the newest note that the log is known to have signed, from another
    /// place than the copy, and must be of the copy's own head. Appends a `ledger/recovery` entry.
    ///
    /// # Errors
    /// `RolledBack` if the note has more rows than the copy, or is of another history; `Reject` if it is older than the
    /// copy: then it is not the newest, and says nothing about what was signed later.
    pub fn confirm(
        dir: &Path,
        note: &str,
        signers: impl Into<Signers>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, Error> {
        let store = Local::new(dir);
        let lock = store.lock()?;
        if store.read_if_any(state::PATH)?.is_some() {
            return Err(Error::reject("the ledger has its `state/`: there is nothing to confirm"));
        }
        let head = confirmed(dir, note)?;
        let size = head.size;
        store.replace(state::PATH, State { head, epoch: 0 }.to_text().as_bytes())?;
        drop(lock);
        let mut ledger = Self::open(dir, signers, clock)?;
        ledger
            .log_recovery(&format!("restored; the head of {size} rows was confirmed by a note"))?;
        Ok(ledger)
    }
}

/// The head of the copy in `dir`, if `note` confirms it.
fn confirmed(dir: &Path, note: &str) -> Result<Checkpoint, Error> {
    let snapshot = Snapshot::open(dir, None)?;
    let head = snapshot.checkpoint().clone();
    let note: Note = note.parse()?;
    let brought: Checkpoint = note.text.parse()?;
    snapshot.keys()?.open(&note, brought.size)?;
    is_prefix(&brought, &head, &Local::new(dir))?;
    if brought.size < head.size {
        return Err(Error::reject(format!(
            "the note is of {} rows, this copy has {}: it is not the newest that was signed",
            brought.size, head.size
        )));
    }
    Ok(head)
}
