//! Proofs at the newest checkpoint, without its rows: from tiles alone.

use std::path::Path;

use crate::checkpoint::{Checkpoint, TlogProof};
use crate::error::Error;
use crate::note::Note;
use crate::snapshot::read_note;
use crate::storage::{Local, Storage};
use crate::tiles::TileReader;
use crate::tlog::{NodeSource as _, inclusion_proof, verify_inclusion};
use crate::writer::CHECKPOINT;

/// Proves rows of a ledger to be in its newest log.
#[derive(Debug)]
pub struct Prover {
    store: Local,
    head: Option<(Note, Checkpoint)>,
}

impl Prover {
    /// The prover of the ledger in `dir`.
    pub fn new(dir: &Path) -> Self {
        Self { store: Local::new(dir), head: None }
    }

    /// The proof that row `seq` is in the log, at a checkpoint that was read once and is read again only for later rows.
    ///
    /// # Errors
    /// No checkpoint covers the row yet, or a tile is missing or not the one that was signed.
    pub fn proof(&mut self, seq: u64) -> Result<TlogProof, Error> {
        let head = match self.head.take() {
            Some(head) if seq < head.1.size => head,
            _ => {
                let note = read_note(&self.store, CHECKPOINT)?;
                let checkpoint = note.text.parse()?;
                (note, checkpoint)
            }
        };
        let (note, checkpoint) = self.head.insert(head);
        prove(&self.store, note, checkpoint, seq)
    }
}

/// The proof that row `seq` is in the tree of `checkpoint`.
pub(crate) fn prove(
    store: &dyn Storage,
    note: &Note,
    checkpoint: &Checkpoint,
    seq: u64,
) -> Result<TlogProof, Error> {
    let tiles = TileReader::new(store, checkpoint.size);
    let hashes = inclusion_proof(seq, checkpoint.size, &tiles)?;
    let leaf = tiles.node(0, seq)?;
    if !verify_inclusion(&leaf, seq, checkpoint.size, &hashes, &checkpoint.root) {
        return Err(Error::tampered(format!(
            "the tiles around row {seq} are not those that were signed"
        )));
    }
    Ok(TlogProof { index: seq, extra: None, hashes, checkpoint: note.clone() })
}
