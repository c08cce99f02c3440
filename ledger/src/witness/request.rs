//! The body of `add-checkpoint`. *Source*: C2SP tlog-witness, "add-checkpoint".

use std::fmt;

use crate::error::Error;
use crate::limits::{ADD_CHECKPOINT_BYTES_MAX, ADD_CHECKPOINT_HASHES_MAX, TREE_SIZE_MAX};
use crate::note::Note;
use crate::tlog::Hash;

/// A head, and the proof that it continues the one of size `old`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AddCheckpoint {
    /// The size that the witness cosigned last; 0 if none.
    pub old: u64,
    /// The consistency proof from there; empty from 0.
    pub proof: Vec<Hash>,
    /// The signed head.
    pub note: Note,
}

impl AddCheckpoint {
    /// Reads a request in its one right form.
    ///
    /// # Errors
    /// It is anything else.
    pub fn parse(body: &[u8]) -> Result<Self, Error> {
        let bad = |what: &str| Error::reject(format!("not an add-checkpoint request: {what}"));
        if body.len() > ADD_CHECKPOINT_BYTES_MAX {
            return Err(bad("too long"));
        }
        let text = std::str::from_utf8(body).map_err(|_| bad("not UTF-8"))?;
        let (head, note) = text.split_once("\n\n").ok_or_else(|| bad("no empty line"))?;
        let mut lines = head.split('\n');
        let old = lines.next().and_then(|line| line.strip_prefix("old "));
        let old = old.and_then(decimal).ok_or_else(|| bad("the first line is not `old <size>`"))?;
        let proof = lines.take(ADD_CHECKPOINT_HASHES_MAX + 1).map(Hash::from_base64);
        let proof = proof.collect::<Result<Vec<_>, _>>().map_err(|e| bad(&e.to_string()))?;
        if proof.len() > ADD_CHECKPOINT_HASHES_MAX {
            return Err(bad("more than 63 hashes"));
        }
        let note = note.parse().map_err(|e: Error| bad(&e.to_string()))?;
        Ok(Self { old, proof, note })
    }
}

impl fmt::Display for AddCheckpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "old {}", self.old)?;
        self.proof.iter().try_for_each(|hash| writeln!(f, "{hash}"))?;
        write!(f, "\n{}", self.note)
    }
}

/// A size in ASCII digits without leading zeros.
pub(super) fn decimal(text: &str) -> Option<u64> {
    let size: u64 = text.parse().ok()?;
    (size <= TREE_SIZE_MAX && size.to_string() == text).then_some(size)
}
