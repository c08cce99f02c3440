//! Beginning where the note that the auditor holds allows it, instead of at row 0.

use super::Walk;
use crate::error::Error;
use crate::pruned;
use crate::segment::read::Segment;
use crate::segment::rows_of;
use crate::storage::Storage;
use crate::tiles::TileReader;
use crate::tlog::tile::WIDTH;
use crate::tlog::{Tile, inclusion_proof, leaf_hash, verify_inclusion};
use crate::vault;
use crate::verify::{Check, Finding};
use backtrail_schemas::leaf;

impl Walk<'_> {
    /// Goes on from the tree of the first `start` rows as the tiles have it. That it is the right one shows when the root
    /// at the size of the auditor's note, which is `start` or more, is the one in the note.
    pub(super) fn begin_at(
        &mut self,
        check: &mut Check,
        start: u64,
        files: &[(String, u64)],
    ) -> Result<(), Error> {
        let tiles = TileReader::new(check.store, start);
        self.tiles = tiles.builder()?;
        let genesis = genesis(check.store, files, &self.head.origin)?;
        let proof = inclusion_proof(0, start, &tiles)?;
        let root = self.tiles.frontier().root();
        if !verify_inclusion(&leaf_hash(&genesis), 0, start, &proof, &root) {
            return Err(Error::tampered("the first entry is not the one that was signed"));
        }
        self.entry(check, &leaf::decode(&genesis)?, 0);
        check.assume_pinned();
        self.pass_over(check, start, files);
        check.settle(start, &self.tiles);
        Ok(())
    }

    /// Files about rows before `start` have to be there; they are not read.
    fn pass_over(&mut self, check: &mut Check, start: u64, files: &[(String, u64)]) {
        let mut segments = Vec::new();
        let mut covered = 0;
        let mut passed = 0;
        for (path, _) in files {
            let tile = path.parse().ok().filter(|tile| rows_end(tile) <= start);
            let segment = rows_of(path).map(|(rows, _)| rows).filter(|rows| rows.end <= start);
            let block = vault::first_of(path, vault::path)
                .or_else(|| vault::first_of(path, vault::quarantine_path));
            let pruned = pruned::end_of(path).filter(|end| *end <= start);
            if let Some(tile) = tile {
                self.open_tiles.remove(&tile);
                self.matched_tiles.insert(tile);
            } else if segment.is_some()
                || block.is_some_and(|first| first < start)
                || pruned.is_some()
            {
                self.expected.insert(path.clone());
            } else {
                continue;
            }
            passed += 1;
            segments.extend(segment);
            covered = covered.max(pruned.unwrap_or(0));
        }
        segments.sort_by_key(|rows| rows.start);
        for rows in segments {
            if rows.start <= covered {
                covered = covered.max(rows.end);
            }
        }
        if covered < start {
            let message = format!("no segment has row {covered}");
            check.add(Finding::new("missing_file", 30, message).row(covered));
        }
        check.coverage.push(format!(
            "rows before {start} were not read: your note vouches for them; nor were {passed} files about them"
        ));
    }
}

/// How many rows the tree of a tile's last hash has.
fn rows_end(tile: &Tile) -> u64 {
    let hashes = tile.index.saturating_mul(WIDTH).saturating_add(tile.width.into());
    1u64.checked_shl(8 * u32::from(tile.level)).map_or(u64::MAX, |each| hashes.saturating_mul(each))
}

/// The leaf of row 0, from wherever it lies now.
fn genesis(store: &dyn Storage, files: &[(String, u64)], origin: &str) -> Result<Vec<u8>, Error> {
    let named = files.iter().map(|(path, _)| path);
    let first = named.clone().find(|path| rows_of(path).is_some_and(|(rows, _)| rows.start == 0));
    if let Some(path) = first {
        let segment = Segment::open(store.read_all(path)?.into())?;
        return Ok(segment.first_rows()?.leaf(0)?);
    }
    let pruned = named.filter_map(|path| pruned::end_of(path)).max();
    let end = pruned.ok_or_else(|| Error::tampered("no file has row 0"))?;
    pruned::genesis(&store.read_all(&pruned::path(end))?, origin, end)
}
