//! Two signed heads of one log that cannot be of one history, and the proof of it that anybody can check.
//!
//! As a file: the line `backtrail/split-view/1`; `root` and the root, in base64, that the tree of the larger head has at
//! the smaller head's size; a line of base64 for each hash of the consistency proof from there to the larger head (RFC
//! 9162, section 2.1.4); then both notes, the smaller first, each as `note` and its length in bytes on a line, and its
//! bytes. With equal sizes the two notes alone prove it: there are no hashes, and the root is that of the second.

use std::fmt;
use std::path::Path;
use std::str::FromStr;

use data_encoding::BASE64;

use crate::checkpoint::Checkpoint;
use crate::error::Error;
use crate::key::Vkey;
use crate::limits::{NOTE_BYTES_MAX, PROOF_HASHES_MAX};
use crate::note::Note;
use crate::storage::Local;
use crate::tiles::TileReader;
use crate::tlog::{Hash, consistency_proof, root_of, verify_consistency};

/// The first line of a proof.
pub const HEADER: &str = "backtrail/split-view/1";

/// Two heads, and why they contradict each other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SplitView {
    /// The head of the smaller tree, or the one given first.
    pub smaller: Note,
    /// The head of the larger tree.
    pub larger: Note,
    /// The root that the larger tree has at the size of the smaller.
    pub root: Hash,
    /// The consistency proof from there to the larger head.
    pub hashes: Vec<Hash>,
}

/// Compares two signed heads; `None` if the tree of the larger begins with that of the smaller. `dir` is a ledger, or an
/// export of one, that has the larger head; with equal sizes it is not read.
///
/// # Errors
/// A note is not signed by `keys`, the notes are of two logs, or `dir` is not the tree of the larger head.
pub fn compare(
    one: &str,
    other: &str,
    keys: &[Vkey],
    dir: &Path,
) -> Result<Option<SplitView>, Error> {
    let (a, b) = (Checkpoint::open(one, keys)?, Checkpoint::open(other, keys)?);
    let ((small, smaller), (large, larger)) = if a.0.size <= b.0.size { (a, b) } else { (b, a) };
    if small.origin != large.origin {
        return Err(Error::reject(format!(
            "`{}` and `{}` are two logs",
            small.origin, large.origin
        )));
    }
    if small.size == large.size {
        let split = SplitView { smaller, larger, root: large.root, hashes: Vec::new() };
        return Ok((small.root != large.root).then_some(split));
    }
    if small.size == 0 {
        return Ok(None);
    }
    let store = Local::new(dir);
    let tiles = TileReader::new(&store, large.size);
    if root_of(large.size, &tiles)? != large.root {
        return Err(Error::reject(format!(
            "the tiles in `{}` are not those of the larger head",
            dir.display()
        )));
    }
    let root = root_of(small.size, &tiles)?;
    let hashes = consistency_proof(small.size, large.size, &tiles)?;
    Ok((root != small.root).then_some(SplitView { smaller, larger, root, hashes }))
}

impl SplitView {
    /// Checks that the log that one of `keys` signs showed two histories, and returns the two heads.
    ///
    /// # Errors
    /// A signature does not hold, or the heads may well be of one history.
    pub fn verify(&self, keys: &[Vkey]) -> Result<(Checkpoint, Checkpoint), Error> {
        let (small, _) = Checkpoint::open(&self.smaller.to_string(), keys)?;
        let (large, _) = Checkpoint::open(&self.larger.to_string(), keys)?;
        let proved = if small.size == large.size {
            self.root == large.root
        } else {
            verify_consistency(small.size, &self.root, large.size, &large.root, &self.hashes)
        };
        if small.origin == large.origin && proved && self.root != small.root {
            Ok((small, large))
        } else {
            Err(Error::tampered("the two heads may be of one history"))
        }
    }
}

impl fmt::Display for SplitView {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{HEADER}\nroot {}", self.root)?;
        for hash in &self.hashes {
            writeln!(f, "{hash}")?;
        }
        for note in [&self.smaller, &self.larger] {
            let note = note.to_string();
            write!(f, "note {}\n{note}", note.len())?;
        }
        Ok(())
    }
}

impl FromStr for SplitView {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let bad = || Error::reject("not a proof of a split view");
        let hash = |line: &str| {
            let bytes = BASE64.decode(line.as_bytes()).ok()?;
            bytes.try_into().ok().map(Hash)
        };
        let rest = text.strip_prefix(HEADER).and_then(|rest| rest.strip_prefix("\nroot "));
        let (root, mut rest) = rest.and_then(|rest| rest.split_once('\n')).ok_or_else(bad)?;
        let mut hashes = Vec::new();
        while !rest.starts_with("note ") && hashes.len() < PROOF_HASHES_MAX {
            let (line, behind) = rest.split_once('\n').ok_or_else(bad)?;
            hashes.push(hash(line).ok_or_else(bad)?);
            rest = behind;
        }
        let mut note = || {
            let (length, behind) = rest.strip_prefix("note ")?.split_once('\n')?;
            let length = length.parse().ok().filter(|length| *length <= NOTE_BYTES_MAX)?;
            let note = behind.get(..length)?.parse::<Note>().ok()?;
            rest = &behind[length..];
            Some(note)
        };
        let (smaller, larger) = note().zip(note()).ok_or_else(bad)?;
        let split = Self { smaller, larger, root: hash(root).ok_or_else(bad)?, hashes };
        if split.to_string() == text { Ok(split) } else { Err(bad()) }
    }
}
