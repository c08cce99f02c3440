//! What upkeep did to the rows' files: rows that were pruned, segments that others took the place of.

use std::collections::BTreeSet;

use backtrail_schemas::{Event, leaf};

use super::{Walk, prefix};
use crate::entry;
use crate::error::Error;
use crate::pruned::{self, Kept, Pruning};
use crate::segment::{self, Seal};
use crate::storage::Storage;
use crate::tiles::TileReader;
use crate::tlog::{leaf_hash, tile};
use crate::vault;
use crate::verify::{Check, Finding};

impl Walk<'_> {
    /// The rows that were pruned: their hashes from the tiles, which must give the root that the entry says; what stays of
    /// them; and nothing of their times and contents.
    pub(super) fn pruned(
        &mut self,
        check: &mut Check,
        pruning: &Pruning,
        kept: &Kept,
    ) -> Result<(), Error> {
        let path = pruned::path(pruning.end);
        check.claim(pruning.end, pruning.root, "a `ledger/retention_prune` entry", "pruned", 11);
        check.coverage.push(format!(
            "{} rows were pruned: their hashes are in the tree, what they said was not read",
            pruning.end
        ));
        let tiles = TileReader::new(check.store, self.head.size);
        for (key, seq) in kept.keys.iter().zip(0u64..) {
            let tile = tiles.tile(0, seq / tile::WIDTH)?;
            let hash = tile[(seq % tile::WIDTH) as usize];
            self.place(check, hash);
            self.ids.push(prefix(key));
            let Some(bytes) = kept.leaves.get(&seq) else { continue };
            if leaf_hash(bytes) != hash {
                let message = "an entry that was kept is not the one that was signed";
                check.add(Finding::new("pruned", 10, message).row(seq).file(&path));
                continue;
            }
            let event = leaf::decode(bytes)?;
            self.entry(check, &event, seq);
            if seq > 0 && entry::is(&event, "segment_sealed") {
                self.must_keep(seq);
            }
        }
        self.must_keep(pruning.end);
        self.expected.insert(path);
        Ok(())
    }

    /// The file that an entry names.
    pub(super) fn name_segment(&mut self, check: &mut Check, event: &Event, seq: u64) {
        let seal = if entry::is(event, "segment_sealed") {
            Seal::parse(event, seq)
        } else if entry::is(event, "segment_rewritten") {
            Seal::parse_rewritten(event, seq)
        } else {
            return;
        };
        match seal {
            Ok(seal) => self.named.push(seal),
            Err(e) => check.add(Finding::new("segment", 11, e.to_string()).row(seq)),
        }
    }

    /// Files that others took the place of, and those of a rewrite that was interrupted: the chain does not have them.
    pub(super) fn replaced(&mut self, check: &mut Check, chain: &[Seal], files: &[(String, u64)]) {
        let there: BTreeSet<&str> = files.iter().map(|(path, _)| path.as_str()).collect();
        for seal in self.named.iter().filter(|seal| there.contains(seal.file.as_str())) {
            if chain.iter().any(|live| live.file == seal.file) {
                continue;
            }
            if self.expected.insert(seal.file.clone()) {
                check.coverage.push(format!("{}: another file took its place", seal.file));
            }
            if check.store.read_all(&seal.file).is_ok_and(|bytes| seal.is_of(&bytes)) {
                continue;
            }
            let message = "it is not the file that was sealed, and another took its place";
            check.add(Finding::new("segment", 11, message).file(&seal.file));
        }
        for (path, rows, n) in files
            .iter()
            .filter_map(|(path, _)| segment::rows_of(path).map(|(rows, n)| (path, rows, n)))
        {
            let begins = chain.iter().position(|seal| seal.rows.start == rows.start);
            let ends = chain.iter().position(|seal| seal.rows.end == rows.end);
            let of_several = begins.zip(ends).is_some_and(|(first, last)| first < last);
            if n > 0 && of_several && !self.expected.contains(path) {
                check.leftover(path, "left by a rewrite under way");
                self.expected.insert(path.clone());
            }
        }
    }

    /// Files of pruned rows that are still there, or of a pruning that was interrupted.
    pub(super) fn left_by_pruning(
        &mut self,
        check: &mut Check,
        start: u64,
        files: &[(String, u64)],
    ) {
        for (path, _) in files {
            let block = vault::first_of(path, vault::path)
                .or_else(|| vault::first_of(path, vault::quarantine_path));
            let of_rows = block.is_some_and(|first| first < start);
            let kept = pruned::end_of(path).is_some_and(|end| self.kept.contains(&end));
            if (of_rows || kept) && !self.expected.contains(path) {
                check.leftover(path, "left by a pruning");
                self.expected.insert(path.clone());
            }
        }
    }
}
