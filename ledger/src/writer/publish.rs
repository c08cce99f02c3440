//! From durable rows to a signed head.

use std::collections::BTreeSet;

use backtrail_schemas::Timestamp;

use super::Ledger;
use crate::checkpoint::Checkpoint;
use crate::error::{Error, Kind};
use crate::frame::Frames;
use crate::key::sign_note;
use crate::limits::{NOTE_SIGNATURES_MAX, READ_BACK_ROWS, TILES_AHEAD};
use crate::note::{Note, NoteSignature};
use crate::state::{self, State};
use crate::storage::Storage;
use crate::tiles::TileReader;
use crate::tlog::{Tile, leaf_hash, root_of, tile};
use crate::wal;
use crate::witness::client::read_cosignatures;

/// The newest signed note.
pub(crate) const CHECKPOINT: &str = "checkpoint";

/// The microseconds of a UTC day.
const DAY_US: i64 = 24 * 3600 * 1_000_000;

/// The path of a note that is kept.
pub(crate) fn note_path(size: u64) -> String {
    format!("checkpoints/{size:020}.note")
}

/// The size of a kept note's path.
pub(crate) fn size_of(path: &str) -> Option<u64> {
    let size = path.strip_prefix("checkpoints/")?.strip_suffix(".note")?.parse().ok()?;
    (note_path(size) == path).then_some(size)
}

/// The path of the cosignatures of a kept note.
pub(crate) fn cosignatures_path(size: u64) -> String {
    format!("checkpoints/{size:020}.cosig")
}

/// The size of a path of cosignatures.
pub(crate) fn cosignatures_size(path: &str) -> Option<u64> {
    let size = path.strip_prefix("checkpoints/")?.strip_suffix(".cosig")?.parse().ok()?;
    (cosignatures_path(size) == path).then_some(size)
}

/// Whether two instants lie in different UTC days.
pub(crate) fn day_changes(before: Timestamp, after: Timestamp) -> bool {
    before.micros() / DAY_US != after.micros() / DAY_US
}

impl Ledger {
    /// Signs and publishes the head of everything that was flushed; with `keep`, its note stays for good.
    pub(super) fn publish_head(&mut self, keep: bool) -> Result<Checkpoint, Error> {
        let head = Checkpoint {
            origin: self.log.origin.clone(),
            size: self.log.committed,
            root: self.log.frontier.root(),
        };
        if self.log.published.as_ref() == Some(&head) {
            if keep {
                let note = self.store.read_all(CHECKPOINT)?;
                self.keep_note(head.size, &note)?;
            }
            return Ok(head);
        }
        // 1. Tiles. A crash here leaves tiles that nobody signed: the next run writes them again, or others.
        self.write_full_tiles()?;
        self.write_partial_tiles()?;
        // 2. What is on disk must give the root that is about to be signed: a bit that flipped in memory or on its way
        //    would otherwise be signed for ever.
        self.read_back(&head)?;
        // 3. The intention. A crash here leaves a head that is intended and not published: recovery publishes it or a
        //    later one, after it found that its root is the log's.
        self.write_state(head.clone())?;
        // 4. The one irreversible step. A crash before it: as after step 3. After it, the note that was to be kept may be
        //    missing: whatever needs it asks for it again before it goes on.
        let signers = self.signers.of(self.log.keys.valid_at(head.size));
        if signers.is_empty() {
            return Err(Error::reject(format!(
                "no key here may sign a head of {} rows",
                head.size
            )));
        }
        let note = sign_note(head.to_string(), &signers)?.to_string();
        self.store.replace(CHECKPOINT, note.as_bytes())?;
        if keep {
            self.keep_note(head.size, note.as_bytes())?;
        }
        let before = self.log.published.replace(head.clone());
        // 5. A crash here leaves partial tiles of the head before: they are still true.
        self.remove_partials(before.map_or(0, |head| head.size), head.size)?;
        Ok(head)
    }

    /// Keeps the head that ends a UTC day, so that its note must be there for ever. A simulated clock has no days.
    pub(super) fn close_day(&mut self, at: Timestamp) -> Result<(), Error> {
        let ends = self.log.last_recorded.is_some_and(|last| day_changes(last, at));
        if ends && !self.log.simulated {
            self.flush()?;
            self.publish_head(true)?;
        }
        Ok(())
    }

    /// Keeps a checkpoint that was published before, with its partial tiles, and returns its size.
    pub(super) fn keep_checkpoint(&self, note: &str) -> Result<u64, Error> {
        let refused = |e: Error| Error::reject(format!("not a checkpoint of this log: {e}"));
        let note: Note = note.parse().map_err(refused)?;
        let checkpoint: Checkpoint = note.text.parse().map_err(refused)?;
        self.log.keys.open(&note, checkpoint.size).map_err(refused)?;
        let tiles = TileReader::new(&*self.store, checkpoint.size);
        let published = self.log.published.as_ref().map_or(0, |head| head.size);
        if checkpoint.origin != self.log.origin
            || checkpoint.size == 0
            || checkpoint.size > published
            || root_of(checkpoint.size, &tiles)? != checkpoint.root
        {
            return Err(Error::reject("not a checkpoint of this log"));
        }
        // Tiles first: a kept note says that they are there.
        let mut missing = Vec::new();
        for (level, full, partial) in Tile::levels(checkpoint.size) {
            let Some(partial) = partial else { continue };
            if self.store.read_if_any(&partial.path())?.is_none() {
                missing.push((partial.path(), tile::to_bytes(&tiles.tile(level, full)?)));
            }
        }
        self.store.create(&missing)?;
        // Whoever handed the newest one in may have left out lines, or added some: what is published is kept.
        let note = if checkpoint.size == published {
            self.store.read_all(CHECKPOINT)?
        } else {
            note.to_string().into_bytes()
        };
        self.keep_note(checkpoint.size, &note)?;
        Ok(checkpoint.size)
    }

    pub(super) fn keep_note(&self, size: u64, note: &[u8]) -> Result<(), Error> {
        let path = note_path(size);
        match self.store.read_if_any(&path)? {
            Some(kept) if kept == note => Ok(()),
            Some(_) => Err(Error::tampered(format!("`{path}` is not the note that was signed"))),
            // In one step, so that it is never torn.
            None => self.store.replace(&path, note),
        }
    }

    /// Stores the cosignatures of the published head, and keeps its note for good. The first line of each key stays: it
    /// shows the earliest time.
    pub(super) fn store_cosignatures(&mut self, lines: &[NoteSignature]) -> Result<(), Error> {
        let head = self.publish_head(true)?;
        let mut stored = read_cosignatures(&*self.store, head.size)?;
        let before = stored.len();
        for line in lines {
            let known = |old: &NoteSignature| old.name == line.name && old.key_id == line.key_id;
            if !stored.iter().any(known) && stored.len() < NOTE_SIGNATURES_MAX {
                stored.push(line.clone());
            }
        }
        if stored.len() == before {
            return Ok(());
        }
        // A crash before this leaves a note without cosignatures: the witness gives the line again when it is asked.
        let text: String = stored.iter().map(ToString::to_string).collect();
        self.store.replace(&cosignatures_path(head.size), text.as_bytes())
    }

    /// Does what the next head would have to wait for. A crash here leaves tiles that nobody signed, as in a publication.
    pub(super) fn prepare_head(&mut self) -> Result<(), Error> {
        if self.log.full_tiles.len() < TILES_AHEAD {
            return Ok(());
        }
        self.write_full_tiles()?;
        self.read_back_rows()
    }

    fn write_full_tiles(&mut self) -> Result<(), Error> {
        self.write_tiles(self.log.full_tiles.iter().cloned())?;
        self.log.full_tiles.clear();
        Ok(())
    }

    fn write_partial_tiles(&self) -> Result<(), Error> {
        let partials = self.log.tiles.partials();
        self.write_tiles(partials.map(|(name, hashes)| (name, tile::to_bytes(hashes))))
    }

    fn write_tiles(&self, tiles: impl Iterator<Item = (Tile, Vec<u8>)>) -> Result<(), Error> {
        let signed = self.log.published.as_ref().map_or(0, |head| head.size);
        let mut missing = Vec::new();
        for (name, bytes) in tiles {
            let path = name.path();
            match self.store.read_if_any(&path)? {
                Some(there) if there == bytes => {}
                Some(_) if is_covered(&name, signed) => {
                    return Err(Error::tampered(format!(
                        "`{path}` is not the tile that was signed"
                    )));
                }
                Some(_) => {
                    self.store.remove(&path)?;
                    missing.push((path, bytes));
                }
                None => missing.push((path, bytes)),
            }
        }
        self.store.create(&missing)
    }

    /// Recomputes the root of `head` from the bytes on disk, once from the rows and once from the tiles.
    fn read_back(&mut self, head: &Checkpoint) -> Result<(), Error> {
        self.read_back_rows()?;
        let rows = &self.log.read_back;
        let tiles = TileReader::new(&*self.store, head.size);
        if rows.root() == head.root
            && rows.size() == head.size
            && root_of(head.size, &tiles)? == head.root
        {
            return Ok(());
        }
        Err(Error::new(
            Kind::Reopen,
            format!("what was read back is not what was written; {} is not signed", head.size),
        ))
    }

    fn read_back_rows(&mut self) -> Result<(), Error> {
        let log = &mut self.log;
        for from in (log.read_back.size()..log.committed).step_by(READ_BACK_ROWS) {
            let range = log.tail_bytes(from..log.committed.min(from + READ_BACK_ROWS as u64));
            let bytes = self.store.read(log.wal.path(), range)?;
            for frame in Frames::new(&bytes).filter(|frame| frame.kind == wal::LEAF) {
                log.read_back.push(leaf_hash(frame.payload));
            }
        }
        Ok(())
    }

    /// Records the head that is about to be signed. Heads never go back or sideways (invariant L5).
    pub(super) fn write_state(&self, head: Checkpoint) -> Result<(), Error> {
        if let Some(state) = State::read(&*self.store)? {
            let sideways = state.head.size == head.size && state.head.root != head.root;
            if state.head.size > head.size || sideways {
                return Err(Error::tampered(format!(
                    "a head of size {} was signed already",
                    state.head.size
                )));
            }
            if state.epoch > self.epoch {
                return Err(Error::new(Kind::Reopen, "another writer opened this ledger"));
            }
        }
        self.store.replace(state::PATH, State { head, epoch: self.epoch }.to_text().as_bytes())
    }

    /// Removes the partial tiles of the head before, unless a kept head has them too.
    fn remove_partials(&self, before: u64, now: u64) -> Result<(), Error> {
        let kept = kept_sizes(&*self.store)?;
        let partials = |size: u64| Tile::levels(size).filter_map(|(_, _, partial)| partial);
        let needed: BTreeSet<Tile> = kept.into_iter().chain([now]).flat_map(partials).collect();
        for stale in partials(before).filter(|tile| !needed.contains(tile)) {
            self.store.remove(&stale.path())?;
        }
        Ok(())
    }
}

/// The sizes of all kept notes.
pub(crate) fn kept_sizes(store: &dyn Storage) -> Result<Vec<u64>, Error> {
    Ok(store.list("checkpoints")?.into_iter().filter_map(|(path, _)| size_of(&path)).collect())
}

/// Whether all hashes of a tile belong to the tree of `size` leaves.
fn is_covered(name: &Tile, size: u64) -> bool {
    name.index * tile::WIDTH + u64::from(name.width) <= size >> (8 * u32::from(name.level))
}
