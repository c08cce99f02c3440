//! Small segments become larger ones: the same rows in another file.

use std::collections::BTreeSet;
use std::ops::Range;

use backtrail_schemas::Event;
use backtrail_schemas::rows::{Rows, to_batch};
use bytes::Bytes;

use super::Ledger;
use super::publish::note_path;
use crate::checkpoint::Checkpoint;
use crate::error::{Error, Kind};
use crate::limits::{REPLACED_US, ROW_GROUP_ROWS, SEGMENT_ROWS};
use crate::log::Cache;
use crate::segment::read::Segment;
use crate::segment::write::{Heading, Writer, pages_end};
use crate::segment::{Seal, chain, path_of, rows_of};
use crate::snapshot::{frontier_at, read_note};
use crate::tlog::{Frontier, leaf_hash};

impl Ledger {
    /// Rewrites neighbouring segments that together have at most [`SEGMENT_ROWS`] rows into one file each, and returns the
    /// new files. The old ones stay for an hour, for readers that opened them.
    ///
    /// # Errors
    /// As [`Ledger::publish`]; `Reject` if a segment has columns that this version does not know.
    pub fn compact(&mut self) -> Result<Vec<Seal>, Error> {
        self.guarded(|ledger| {
            let mut made = Vec::new();
            while let Some(group) = small(&ledger.log.seals) {
                made.push(ledger.rewrite(group)?);
            }
            ledger.remove_replaced()?;
            Ok(made)
        })
    }

    fn rewrite(&mut self, group: Range<usize>) -> Result<Seal, Error> {
        let old = self.log.seals[group.clone()].to_vec();
        // 1. The file, read back. A crash here leaves one that no entry names: the next start removes it.
        let seal = self.write_again(&old)?;
        // 2. The entry. A crash before it is published leaves two files with these rows, and readers use the old ones.
        let fields = seal.fields();
        let fields: Vec<(&str, &str)> = fields.iter().map(|(k, v)| (*k, v.as_str())).collect();
        let row = self.push_entry("segment_rewritten", &seal.file, &fields)?;
        self.flush()?;
        self.publish_head(false)?;
        // 3. From here on the chain has the new file. The old ones go once no reader can need them.
        debug_assert!(row >= seal.rows.end, "an entry is about rows before it");
        self.log.seals.splice(group, [seal.clone()]);
        self.log.rewritten.extend(self.log.last_recorded.map(|at| (seal.file.clone(), at)));
        self.log.cache = Cache::default();
        Ok(seal)
    }

    fn write_again(&self, old: &[Seal]) -> Result<Seal, Error> {
        let rows = old[0].rows.start..old[old.len() - 1].rows.end;
        let rewrites = old.iter().filter_map(|seal| rows_of(&seal.file)).map(|(_, n)| n).max();
        let path = path_of(&rows, rewrites.unwrap_or(0) + 1);
        let note = read_note(&*self.store, &note_path(rows.end))?;
        self.log.keys.open(&note, rows.end)?;
        let head: Checkpoint = note.text.parse()?;
        let note = note.to_string();
        let start = frontier_at(&*self.store, rows.start)?;
        let mut columns = BTreeSet::new();
        for seal in old {
            columns.extend(chain::open(&*self.store, seal)?.compressed());
        }
        let origin = &self.log.origin;
        let heading = Heading { origin, rows: rows.clone(), frontier: &start, checkpoint: &note };
        let mut writer = Writer::new(&columns)?;
        let mut group: Vec<Event> = Vec::with_capacity(ROW_GROUP_ROWS);
        let mut seq = rows.start;
        for seal in old {
            for batch in chain::open(&*self.store, seal)?.batches()? {
                let batch = Rows::new(&batch?)?;
                for at in 0..batch.len() {
                    group.push(batch.event(at)?);
                    if group.len() == ROW_GROUP_ROWS {
                        writer.push(&to_batch(seq, &group)?)?;
                        seq += group.len() as u64;
                        group.clear();
                    }
                }
            }
        }
        if !group.is_empty() {
            writer.push(&to_batch(seq, &group)?)?;
        }
        self.store.remove(&path)?;
        self.store.create(&[(path.clone(), writer.finish(&heading)?)])?;
        // What takes the place of signed rows is what the disk gives back, and gives the root that was signed.
        let segment = Segment::open(Bytes::from(self.store.read_all(&path)?))?;
        let tree = tree_with(start, &segment)?;
        if tree.size() != head.size || tree.root() != head.root {
            self.store.remove(&path)?;
            return Err(Error::new(
                Kind::Reopen,
                format!("`{path}` does not have the rows that were signed; nothing was replaced"),
            ));
        }
        let meta_offset = pages_end(segment.metadata());
        Ok(Seal::of_file(path, rows, segment.bytes(), meta_offset))
    }

    /// Removes segments that others took the place of an hour ago, and files of a rewrite that was interrupted.
    pub(super) fn remove_replaced(&self) -> Result<(), Error> {
        for (path, _) in self.store.list("segments")? {
            let Some((rows, n)) = rows_of(&path) else { continue };
            let holder = self
                .log
                .seals
                .iter()
                .find(|seal| seal.rows.start <= rows.start && rows.end <= seal.rows.end);
            let goes = match holder {
                Some(seal) if seal.file == path => false,
                Some(seal) => self.is_settled(seal),
                None => n > 0,
            };
            if goes {
                self.store.remove(&path)?;
            }
        }
        Ok(())
    }

    /// Whether a rewritten segment has been there for so long that no reader uses those before it.
    fn is_settled(&self, seal: &Seal) -> bool {
        let Some(at) = self.log.rewritten.get(&seal.file) else { return false };
        self.log.simulated || self.clock.now().micros() - at.micros() > REPLACED_US
    }
}

/// The tree of the rows before a segment, with those of the segment.
fn tree_with(mut tree: Frontier, segment: &Segment) -> Result<Frontier, Error> {
    let mut bytes = Vec::new();
    for batch in segment.batches()? {
        let batch = Rows::new(&batch?)?;
        for at in 0..batch.len() {
            batch.write_leaf(at, &mut bytes)?;
            if batch.seq(at).cast_unsigned() != tree.size() {
                return Err(Error::new(Kind::Reopen, "a new segment has rows out of order"));
            }
            tree.push(leaf_hash(&bytes));
        }
    }
    Ok(tree)
}

/// The first two or more neighbours that fit into one segment, as many as do.
fn small(seals: &[Seal]) -> Option<Range<usize>> {
    let (mut from, mut rows) = (0, 0);
    for (at, seal) in seals.iter().enumerate() {
        let more = seal.rows.end - seal.rows.start;
        if rows + more > SEGMENT_ROWS {
            if at - from > 1 {
                return Some(from..at);
            }
            (from, rows) = (at, 0);
        }
        rows += more;
    }
    (seals.len() - from > 1).then_some(from..seals.len())
}
