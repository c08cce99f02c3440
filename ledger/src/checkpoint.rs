//! Checkpoints and the proofs that end in one. *Source*: C2SP tlog-checkpoint and tlog-proof.

use std::fmt;
use std::str::FromStr;

use data_encoding::BASE64;

use crate::error::Error;
use crate::key::{Algorithm, Vkey};
use crate::limits::{PROOF_HASHES_MAX, TREE_SIZE_MAX};
use crate::note::Note;
use crate::tlog::{Hash, verify_inclusion};

/// The head of a log: what one signature covers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// The name of the log, which is also the name of its key.
    pub origin: String,
    /// How many leaves the log has.
    pub size: u64,
    /// The root of their tree.
    pub root: Hash,
}

impl fmt::Display for Checkpoint {
    /// The note text: three lines.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}\n{}\n{}\n", self.origin, self.size, self.root)
    }
}

impl FromStr for Checkpoint {
    type Err = Error;

    /// Reads exactly three lines; extension lines are refused, since this log writes none.
    fn from_str(text: &str) -> Result<Self, Error> {
        let bad = || Error::tampered("not a checkpoint: origin, size and root in three lines");
        let lines: Vec<&str> = text.strip_suffix('\n').ok_or_else(bad)?.split('\n').collect();
        let [origin, size, root] = lines[..] else { return Err(bad()) };
        let checkpoint = Self {
            origin: origin.to_owned(),
            size: size.parse().map_err(|_| bad())?,
            root: Hash::from_base64(root).map_err(|_| bad())?,
        };
        // The comparison refuses leading zeros and signs.
        let same = checkpoint.to_string() == text
            && !origin.is_empty()
            && checkpoint.size <= TREE_SIZE_MAX;
        if same { Ok(checkpoint) } else { Err(bad()) }
    }
}

impl Checkpoint {
    /// Reads the head of any log, which may have written extension lines below the three that everybody understands.
    /// *Source*: C2SP tlog-checkpoint.
    ///
    /// # Errors
    /// The text is not a checkpoint.
    pub fn parse_any(text: &str) -> Result<Self, Error> {
        let third = text.match_indices('\n').nth(2).map_or(text.len(), |(at, _)| at + 1);
        let (head, extensions) = text.split_at(third);
        let whole = extensions.is_empty() || extensions.ends_with('\n');
        if !whole || extensions.starts_with('\n') || extensions.contains("\n\n") {
            return Err(Error::tampered("not a checkpoint: an extension line is empty or cut"));
        }
        head.parse()
    }

    /// Reads a note that one of `keys` signed, and whose origin is the name of that key. A witness's keys are no log's.
    ///
    /// # Errors
    /// The note is malformed, not signed by one of `keys`, or of another log.
    pub fn open(note: &str, keys: &[Vkey]) -> Result<(Self, Note), Error> {
        let note: Note = note.parse()?;
        let logs = keys.iter().filter(|key| key.algorithm() == Algorithm::Ed25519).cloned();
        let checkpoint: Self = note.open(&logs.collect::<Vec<_>>())?.parse()?;
        if !keys.iter().any(|key| key.name() == checkpoint.origin) {
            return Err(Error::tampered(format!(
                "the checkpoint is of `{}`, another log",
                checkpoint.origin
            )));
        }
        Ok((checkpoint, note))
    }
}

/// The first line of a proof.
const PROOF_HEADER: &str = "c2sp.org/tlog-proof@v1";

/// The proof that a leaf is in the log, checkable offline with the log's key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlogProof {
    /// The position of the leaf.
    pub index: u64,
    /// Bytes for the application; nothing vouches for them.
    pub extra: Option<Vec<u8>>,
    /// The inclusion proof, from the leaf up.
    pub hashes: Vec<Hash>,
    /// The checkpoint that it leads to.
    pub checkpoint: Note,
}

impl TlogProof {
    /// Checks that the leaf of this hash is in the log that one of `keys` signs, and returns the checkpoint.
    ///
    /// # Errors
    /// The checkpoint's signature or the proof does not hold.
    pub fn verify(&self, leaf: &Hash, keys: &[Vkey]) -> Result<Checkpoint, Error> {
        let (checkpoint, _) = Checkpoint::open(&self.checkpoint.to_string(), keys)?;
        if verify_inclusion(leaf, self.index, checkpoint.size, &self.hashes, &checkpoint.root) {
            Ok(checkpoint)
        } else {
            Err(Error::tampered(format!(
                "the leaf is not entry {} of `{}`",
                self.index, checkpoint.origin
            )))
        }
    }
}

impl fmt::Display for TlogProof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{PROOF_HEADER}")?;
        if let Some(extra) = &self.extra {
            writeln!(f, "extra {}", BASE64.encode(extra))?;
        }
        writeln!(f, "index {}", self.index)?;
        for hash in &self.hashes {
            writeln!(f, "{hash}")?;
        }
        write!(f, "\n{}", self.checkpoint)
    }
}

impl FromStr for TlogProof {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let bad = |what: &str| Error::reject(format!("not a tlog-proof: {what}"));
        let (head, note) = text.split_once("\n\n").ok_or_else(|| bad("no blank line"))?;
        let mut lines = head.split('\n').peekable();
        if lines.next() != Some(PROOF_HEADER) {
            return Err(bad("another first line"));
        }
        let extra = match lines.peek().and_then(|line| line.strip_prefix("extra ")) {
            Some(base64) => {
                lines.next();
                Some(BASE64.decode(base64.as_bytes()).map_err(|_| bad("`extra` is not base64"))?)
            }
            None => None,
        };
        let index = lines
            .next()
            .and_then(|line| line.strip_prefix("index "))
            .ok_or_else(|| bad("no index"))?;
        let index: u64 = index.parse().map_err(|_| bad("the index is not a number"))?;
        let hashes = lines
            .take(PROOF_HASHES_MAX + 1)
            .map(Hash::from_base64)
            .collect::<Result<Vec<_>, _>>()?;
        if hashes.len() > PROOF_HASHES_MAX {
            return Err(bad("too many hashes"));
        }
        let proof = Self { index, extra, hashes, checkpoint: note.parse()? };
        if proof.to_string() == text { Ok(proof) } else { Err(bad("not in canonical form")) }
    }
}
