//! Every row in order: leaves, tree, tiles, segments, and what the rows say must be there.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use backtrail_schemas::rows::Rows;
use backtrail_schemas::{Event, Timestamp, leaf};

use super::stores::{self, Block};
use super::{Check, Finding, Level, kept};
use crate::checkpoint::Checkpoint;
use crate::entry;
use crate::error::Error;
use crate::frame::End;
use crate::segment::read::Segment;
use crate::segment::write::{Heading, key_values, write};
use crate::segment::{self, Seal, chain, keys};
use crate::state;
use crate::storage::Storage;
use crate::tlog::hash::sha256;
use crate::tlog::{Frontier, Tile, TileBuilder, leaf_hash, tile};
use crate::wal::{self, Commit};
use crate::writer::{CHECKPOINT, day_changes};

/// Checks all rows, and returns the paths of the files that belong to the log.
pub(super) fn check(
    check: &mut Check,
    head: &Checkpoint,
    files: &[(String, u64)],
) -> Result<BTreeSet<String>, Error> {
    let mut walk = Walk::new(head, files);
    let (first, path) = tail_file(check.store, head)?;
    walk.leftovers(check, first, files)?;
    let bytes = check.store.read_all(&path)?;
    let contents = wal::read(&bytes, &head.origin, first)?;
    let leaves: Vec<&[u8]> = contents.leaves.iter().map(|frame| frame.payload).collect();
    if first + (leaves.len() as u64) < head.size {
        return Err(Error::tampered(format!("`{path}` ends before row {}", head.size)));
    }
    let first_row = leaf::decode(leaves[0])?;
    let seals =
        if first == 0 { Vec::new() } else { chain::read_back(check.store, first, first_row, &[])? };
    if contents.end != End::Clean {
        check.leftover(&path, "rows of an append that was interrupted");
    }
    walk.expected.insert(path);
    for seal in &seals {
        walk.segment(check, seal)?;
    }
    walk.tail(check, &leaves, &contents.commits)?;
    stores::finish(check, &mut walk.block, contents.commits.last(), &mut walk.expected)?;
    walk.finish_tiles(check);
    Ok(walk.expected)
}

/// The newest write-ahead log with a row below the head.
fn tail_file(store: &dyn Storage, head: &Checkpoint) -> Result<(u64, String), Error> {
    let below = wal::files(store)?.into_iter().rev().find(|(first, _)| *first < head.size);
    below.ok_or_else(|| Error::tampered("no write-ahead log has the rows below the head"))
}

struct Walk<'a> {
    head: &'a Checkpoint,
    frontier: Frontier,
    tiles: TileBuilder,
    /// Tiles on disk that are not compared yet.
    open_tiles: HashSet<Tile>,
    matched_tiles: HashSet<Tile>,
    /// The first 16 bytes of the hash of each event id.
    ids: HashSet<[u8; 16]>,
    last: Option<Timestamp>,
    block: Block,
    /// Sizes whose note must be kept, for the partial tiles.
    kept: BTreeSet<u64>,
    expected: BTreeSet<String>,
}

impl<'a> Walk<'a> {
    fn new(head: &'a Checkpoint, files: &[(String, u64)]) -> Self {
        let mut expected: BTreeSet<String> = [CHECKPOINT, state::PATH].map(str::to_owned).into();
        let notes = files.iter().filter(|(path, _)| crate::writer::size_of(path).is_some());
        expected.extend(notes.map(|(path, _)| path.clone()));
        let kept = files.iter().filter_map(|(path, _)| crate::writer::size_of(path)).collect();
        Self {
            head,
            frontier: Frontier::default(),
            tiles: TileBuilder::default(),
            open_tiles: files.iter().filter_map(|(path, _)| path.parse().ok()).collect(),
            matched_tiles: HashSet::new(),
            ids: HashSet::new(),
            last: None,
            block: Block::new(0),
            kept,
            expected,
        }
    }

    /// Files of a seal that was begun, or whose last step is missing: they hold no row that another file does not.
    fn leftovers(
        &mut self,
        check: &mut Check,
        first: u64,
        files: &[(String, u64)],
    ) -> Result<(), Error> {
        let wals = wal::files(check.store)?;
        let size = self.head.size;
        let others = wals.into_iter().filter(|(other, _)| *other < first || *other == size);
        let others = others.map(|(_, path)| path);
        let begun = segment::path(&(first..size));
        let begun = files.iter().map(|(path, _)| path).find(|path| **path == begun).cloned();
        for path in others.chain(begun) {
            check.leftover(&path, "left by a seal under way");
            self.expected.insert(path);
        }
        Ok(())
    }

    /// The rows of one sealed file, and everything that the file says of them.
    fn segment(&mut self, check: &mut Check, seal: &Seal) -> Result<(), Error> {
        self.expected.insert(seal.file.clone());
        self.must_keep(seal.rows.end);
        let segment = chain::open(check.store, seal)?;
        let start = self.frontier.clone();
        if start.size() != seal.rows.start {
            return Err(Error::tampered(format!(
                "`{}` does not begin where the one before ends",
                seal.file
            )));
        }
        self.block.begin(seal.rows.start);
        for batch in segment.batches()? {
            let rows = Rows::new(&batch?)?;
            for at in 0..rows.len() {
                let seq = self.frontier.size();
                if rows.seq(at).cast_unsigned() != seq {
                    let message = format!("`seq` is {}", rows.seq(at));
                    check.add(Finding::new("seq", 11, message).row(seq).file(&seal.file));
                }
                let encoded = rows
                    .event(at)
                    .and_then(|event| leaf::encode(&event).map(|bytes| (event, bytes)));
                match encoded {
                    Ok((event, bytes)) => self.row(check, &event, &bytes),
                    Err(e) => {
                        let finding = Finding::new("leaf", 10, e.to_string());
                        check.add(finding.row(seq).file(&seal.file));
                        return Err(Error::tampered("rows behind one that is none are not read"));
                    }
                }
            }
        }
        if self.frontier.size() != seal.rows.end {
            return Err(Error::tampered(format!(
                "`{}` has rows up to {}",
                seal.file,
                self.frontier.size()
            )));
        }
        self.check_footer(check, seal, &segment, &start)?;
        stores::check(check, &mut self.block, None, &mut self.expected)
    }

    /// The footer's metadata, and at level content the whole file, written again from its rows: so nothing in it, no
    /// statistic, index or bloom filter, says anything else than the rows do.
    fn check_footer(
        &mut self,
        check: &mut Check,
        seal: &Seal,
        segment: &Segment,
        start: &Frontier,
    ) -> Result<(), Error> {
        let metadata = segment.metadata().file_metadata();
        let said = metadata.key_value_metadata().cloned().unwrap_or_default();
        let note = said.iter().find(|pair| pair.key == keys::CHECKPOINT);
        let note = note.and_then(|pair| pair.value.clone()).unwrap_or_default();
        match check.open_note(note.as_bytes()) {
            Ok(end) if end.size == seal.rows.end => {
                check.claim(end.size, end.root, &seal.file, "footer", 11);
                check.settle(end.size, self.frontier.root());
            }
            Ok(end) => {
                let message = format!("the footer has a head of {} rows", end.size);
                check.add(Finding::new("footer", 11, message).file(&seal.file));
            }
            Err(e) => {
                let message = format!("the head in the footer: {e}");
                check.add(Finding::new("footer", 12, message).file(&seal.file));
            }
        }
        let heading = Heading {
            origin: &self.head.origin,
            rows: seal.rows.clone(),
            frontier: start,
            checkpoint: &note,
        };
        if !key_values(&heading).iter().all(|pair| said.contains(pair)) {
            let message = "the footer does not say what the log says of these rows";
            check.add(Finding::new("footer", 11, message).file(&seal.file));
        }
        if check.options.level < Level::Content {
            return Ok(());
        }
        let (again, _) = write(
            &heading,
            segment.batches()?.map(|batch| batch.and_then(|b| with_our_schema(&b))),
        )?;
        let same_writer =
            Segment::open(again.clone().into())?.metadata().file_metadata().created_by()
                == metadata.created_by();
        if !same_writer {
            let by = metadata.created_by().unwrap_or("an unnamed writer");
            check
                .coverage
                .push(format!("statistics of {}, written by {by}, were not recomputed", seal.file));
        } else if sha256(&again) != seal.sha256 {
            let message =
                "the file is not what its rows give: statistics, indexes or bloom filters may lie";
            check.add(Finding::new("statistics", 10, message).file(&seal.file));
        }
        Ok(())
    }

    fn tail(
        &mut self,
        check: &mut Check,
        leaves: &[&[u8]],
        commits: &[Commit],
    ) -> Result<(), Error> {
        for commit in commits {
            check.claim(commit.end, commit.root, "a commit frame of the tail", "commit", 11);
        }
        self.block.begin(self.frontier.size());
        for bytes in leaves {
            let seq = self.frontier.size();
            match leaf::decode(bytes) {
                Ok(event) => self.row(check, &event, bytes),
                Err(e) => {
                    check.add(Finding::new("leaf", 10, e.to_string()).row(seq));
                    return Err(Error::tampered("rows behind one that is none are not read"));
                }
            }
        }
        Ok(())
    }

    /// One row: its place in the tree, and what follows from what it says.
    fn row(&mut self, check: &mut Check, event: &Event, bytes: &[u8]) {
        let seq = self.frontier.size();
        let hash = leaf_hash(bytes);
        self.frontier.push(hash);
        if seq < self.head.size {
            let (open, matched, store) =
                (&mut self.open_tiles, &mut self.matched_tiles, check.store);
            let mut wrong = Vec::new();
            self.tiles.push(hash, |name, hashes| {
                if open.remove(&name) {
                    let same = store
                        .read_all(&name.path())
                        .is_ok_and(|bytes| bytes == tile::to_bytes(hashes));
                    if !same {
                        wrong.push(name.path());
                    }
                    matched.insert(name);
                }
            });
            for path in wrong {
                check.add(
                    Finding::new("tile", 11, "the tile is not what the rows give").file(&path),
                );
            }
        }
        check.settle(seq + 1, self.frontier.root());
        let id = event.text("event_id").unwrap_or_default();
        let key: [u8; 16] = sha256(id.as_bytes()).0[..16].try_into().expect("a hash has 32 bytes");
        if !self.ids.insert(key) {
            check.add(Finding::new("event_id", 11, format!("`{id}` is in the log twice")).row(seq));
        }
        self.check_times(check, event, seq);
        self.check_entry(check, event, seq);
        self.block.take(event);
    }

    fn check_times(&mut self, check: &mut Check, event: &Event, seq: u64) {
        let recorded = event.timestamp("recorded_at");
        if recorded.is_none() || recorded < self.last {
            check.add(
                Finding::new("recorded_at", 14, "missing, or before that of the row before")
                    .row(seq),
            );
        }
        let simulated = self.block.simulated;
        let (Some(last), Some(now)) = (self.last, recorded) else {
            self.last = recorded;
            return;
        };
        if !simulated && day_changes(last, now) && seq <= self.head.size {
            self.must_keep(seq);
        }
        self.last = Some(now);
    }

    fn check_entry(&mut self, check: &mut Check, event: &Event, seq: u64) {
        let genesis = entry::is(event, "genesis");
        if genesis != (seq == 0) {
            check.add(
                Finding::new("genesis", 11, "row 0, and no other, is the first entry").row(seq),
            );
        }
        if seq == 0 {
            let key = event.attribute("vkey").unwrap_or_default();
            if event.attribute("origin") != Some(&self.head.origin)
                || !check.options.keys.iter().any(|k| k.to_string() == key)
            {
                check.add(
                    Finding::new("genesis", 12, "the first entry names another log or key")
                        .row(seq),
                );
            }
            self.block.simulated = event.attribute("simulated_clock") == Some("true");
            self.block.vault_key = event.attribute("vault_key_commitment").map(str::to_owned);
        }
        if let Some(size) =
            event.attribute("checkpoint").filter(|_| entry::is(event, "report_issued"))
            && let Ok(size) = size.parse()
        {
            self.must_keep(size);
        }
    }

    fn must_keep(&mut self, size: u64) {
        self.expected.insert(kept(size));
        self.kept.insert(size);
    }

    /// The tiles of the head and of kept heads must be there, and no tile must be left over.
    fn finish_tiles(&mut self, check: &mut Check) {
        let mut needed: BTreeMap<String, Tile> = BTreeMap::new();
        for size in self.kept.iter().copied().chain([self.head.size]) {
            for (level, full, partial) in Tile::levels(size) {
                let names = (0..full).map(|index| Tile { level, index, width: 256 }).chain(partial);
                needed.extend(names.map(|name| (name.path(), name)));
            }
        }
        for (path, name) in needed {
            let full = Tile { width: 256, ..name };
            if !self.matched_tiles.contains(&name) && !self.matched_tiles.contains(&full) {
                check.add(Finding::new("tile", 30, "the tile is missing").file(&path));
            }
        }
        for name in &self.open_tiles {
            check.leftover(&name.path(), "a tile of later rows");
        }
        let known = self.matched_tiles.iter().chain(&self.open_tiles).map(Tile::path);
        self.expected.extend(known);
    }
}

/// The same rows under the schema that our writer gives a file.
fn with_our_schema(
    batch: &arrow::record_batch::RecordBatch,
) -> Result<arrow::record_batch::RecordBatch, Error> {
    let rows = Rows::new(batch)?;
    let events = (0..rows.len()).map(|at| rows.event(at)).collect::<Result<Vec<_>, _>>()?;
    let start = if rows.is_empty() { 0 } else { rows.seq(0).cast_unsigned() };
    Ok(backtrail_schemas::rows::to_batch(start, &events)?)
}
