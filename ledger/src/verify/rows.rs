//! Every row in order: leaves, tree, tiles, segments, and what the rows say must be there.

mod since;
mod upkeep;

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::mpsc::{self, Receiver};
use std::thread::{self, ScopedJoinHandle};

use arrow::array::{Array as _, AsArray as _, StringArray, new_null_array};
use arrow::record_batch::RecordBatch;
use backtrail_schemas::columns::REQUIRED;
use backtrail_schemas::rows::{self, Rows};
use backtrail_schemas::{Event, Timestamp, leaf};
use parquet::file::properties::WriterProperties;

use super::stores::{self, Block};
use super::{Check, Finding, Level, VerifyOptions, kept};
use crate::checkpoint::Checkpoint;
use crate::entry;
use crate::erasure::Erasures;
use crate::error::Error;
use crate::frame::End;
use crate::index::{Key, key};
use crate::segment::chain::{self, Known};
use crate::segment::read::Segment;
use crate::segment::write::{Heading, Writer, key_values};
use crate::segment::{self, Seal, keys};
use crate::state;
use crate::storage::Storage;
use crate::tlog::hash::sha256;
use crate::tlog::{Hash, Tile, TileBuilder, leaf_hash, tile};
use crate::wal::{self, Commit};
use crate::writer::{CHECKPOINT, cosignatures_path, cosignatures_size, day_changes};

/// Checks all rows, and returns the paths of the files that belong to the log.
pub(super) fn check(
    check: &mut Check,
    head: &Checkpoint,
    files: &[(String, u64)],
) -> Result<BTreeSet<String>, Error> {
    let mut walk = Walk::new(head, files, check.options);
    let (first, path) = tail_file(check.store, head)?;
    walk.leftovers(check, first, files)?;
    let bytes = check.store.read_all(&path)?;
    let mut contents = wal::read(&bytes, &head.origin, first)?;
    contents.drop_interrupted(head.size, wal::lengths(check.store, first)?);
    let leaves: Vec<&[u8]> = contents.leaves.iter().map(|frame| frame.payload).collect();
    if first + (leaves.len() as u64) < head.size {
        return Err(Error::tampered(format!("`{path}` ends before row {}", head.size)));
    }
    let tail = &leaves[..(head.size - first) as usize];
    let known = Known { until: check.since, ..Known::default() };
    let chain = chain::read_back(check.store, first, tail, known)?;
    check.erasures = Erasures::of(&chain.upkeep, head.size);
    if let Some((pruning, kept)) = &chain.pruned {
        walk.pruned(check, pruning, kept)?;
    }
    let start = chain.seals.first().map_or(first, |seal| seal.rows.start);
    if start > 0 && chain.pruned.is_none() {
        walk.begin_at(check, start, files)?;
    }
    let kept = chain.pruned.map(|(_, kept)| kept.keys).unwrap_or_default();
    let seals = chain.seals;
    if contents.end != End::Clean {
        check.leftover(&path, "rows of an append that was interrupted");
    }
    walk.expected.insert(path);
    for seal in &seals {
        walk.segment(check, seal)?;
    }
    walk.tail(check, &leaves, &contents.commits)?;
    walk.next_tail(check);
    walk.replaced(check, &seals, files);
    walk.check_ids(check, &kept, &seals, (first, &leaves))?;
    stores::finish(check, &mut walk.block, contents.commits.last(), &mut walk.expected)?;
    walk.finish_tiles(check);
    walk.left_by_pruning(check, kept.len() as u64, files);
    Ok(walk.expected)
}

/// The newest write-ahead log with a row below the head.
fn tail_file(store: &dyn Storage, head: &Checkpoint) -> Result<(u64, String), Error> {
    let below = wal::files(store)?.into_iter().rev().find(|(first, _)| *first < head.size);
    below.ok_or_else(|| Error::tampered("no write-ahead log has the rows below the head"))
}

struct Walk<'a> {
    head: &'a Checkpoint,
    tiles: TileBuilder,
    /// Tiles on disk that are not compared yet.
    open_tiles: HashSet<Tile>,
    matched_tiles: HashSet<Tile>,
    /// The prefix of each event id's key: sorted at the end, which takes a fraction of the memory of a set.
    ids: Vec<u64>,
    last: Option<Timestamp>,
    block: Block,
    /// Sizes whose note must be kept, for the partial tiles.
    kept: BTreeSet<u64>,
    expected: BTreeSet<String>,
    /// Every file that an entry names as a segment.
    named: Vec<Seal>,
}

impl<'a> Walk<'a> {
    fn new(head: &'a Checkpoint, files: &[(String, u64)], options: &VerifyOptions) -> Self {
        let mut expected: BTreeSet<String> = [CHECKPOINT, state::PATH].map(str::to_owned).into();
        let notes = files.iter().filter(|(path, _)| crate::writer::size_of(path).is_some());
        expected.extend(notes.map(|(path, _)| path.clone()));
        // Cosignatures are about a note that must be there with them.
        for size in files.iter().filter_map(|(path, _)| cosignatures_size(path)) {
            expected.extend([cosignatures_path(size), kept(size)]);
        }
        let kept = files.iter().filter_map(|(path, _)| crate::writer::size_of(path)).collect();
        Self {
            head,
            tiles: TileBuilder::default(),
            open_tiles: files.iter().filter_map(|(path, _)| path.parse().ok()).collect(),
            matched_tiles: HashSet::new(),
            ids: Vec::new(),
            last: None,
            block: Block::new(options),
            kept,
            expected,
            named: Vec::new(),
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

    /// The rows of one sealed file, and everything that the file says of them. At level content the file is also written
    /// again from its rows and compared: so nothing in it, no statistic, index or bloom filter, says anything else.
    fn segment(&mut self, check: &mut Check, seal: &Seal) -> Result<(), Error> {
        self.expected.insert(seal.file.clone());
        self.must_keep(seal.rows.end);
        let segment = chain::open(check.store, seal)?;
        let start = self.tiles.frontier();
        if start.size() != seal.rows.start {
            return Err(Error::tampered(format!(
                "`{}` does not begin where the one before ends",
                seal.file
            )));
        }
        let note = note_in(&segment);
        let heading = Heading {
            origin: &self.head.origin.clone(),
            rows: seal.rows.clone(),
            frontier: &start,
            checkpoint: &note,
        };
        let end = check_footer(check, seal, &segment, &heading);
        let again = match check.options.level {
            Level::Content if is_ours(&segment) => Some(Writer::new(&segment.compressed())?),
            _ => None,
        };
        self.block.begin(seal.rows.start);
        let again = thread::scope(|scope| {
            // Writing takes as long as reading: they go on beside each other, one batch apart.
            let (sender, batches) = mpsc::sync_channel(1);
            let again = again.map(|writer| scope.spawn(|| write_again(writer, batches, &heading)));
            for batch in segment.batches()? {
                let batch = batch?;
                self.batch(check, seal, &batch)?;
                if again.is_some() {
                    // If nobody takes it, writing failed, and says why below.
                    let _ = sender.send(batch);
                }
            }
            drop(sender);
            let joined = |thread: ScopedJoinHandle<_>| thread.join().expect("it does not panic");
            again.map(joined).transpose()
        })?;
        if self.tiles.size() != seal.rows.end {
            let (file, end) = (&seal.file, self.tiles.size());
            return Err(Error::tampered(format!("`{file}` has rows up to {end}")));
        }
        if again.is_some_and(|sha256| sha256 != seal.sha256) {
            let message =
                "the file is not what its rows give: statistics, indexes or bloom filters may lie";
            check.add(Finding::new("statistics", 10, message).file(&seal.file));
        } else if again.is_none() && check.options.level == Level::Content {
            let by = segment.metadata().file_metadata().created_by().unwrap_or("nobody");
            let said = format!("{}: statistics, written by {by}, were not made again", seal.file);
            check.coverage.push(said);
        }
        if let Some(end) = end {
            check.claim(end.size, end.root, &seal.file, "footer", 11);
            check.settle(end.size, &self.tiles);
        }
        stores::check(check, &mut self.block, None, &mut self.expected)
    }

    /// The rows of one batch of a segment.
    fn batch(&mut self, check: &mut Check, seal: &Seal, batch: &RecordBatch) -> Result<(), Error> {
        let first = self.tiles.size();
        let not_read = || Error::tampered("rows behind one that is none are not read");
        let broken = |check: &mut Check, row: u64, what: String| {
            check.add(Finding::new("leaf", 10, what).row(row).file(&seal.file));
            not_read()
        };
        let rows = Rows::new(batch).map_err(|e| broken(check, first, e.to_string()))?;
        if let Some((row, name)) = rows.lacks() {
            return Err(broken(check, first + row as u64, format!("it has no `{name}`")));
        }
        let text = |name| rows.texts(name).expect("a required column");
        let (ids, kinds, phases) = (text("event_id"), text("kind"), text("phase"));
        let times = rows.timestamps("recorded_at").expect("a required column");
        let commitments: Vec<(&str, &StringArray)> = rows
            .names()
            .filter_map(|name| Some((name.strip_suffix("_commitment")?, rows.texts(name)?)))
            .collect();
        let mut bytes = Vec::with_capacity(4096);
        for at in 0..rows.len() {
            let seq = first + at as u64;
            if rows.seq(at).cast_unsigned() != seq {
                let message = format!("`seq` is {}", rows.seq(at));
                check.add(Finding::new("seq", 11, message).row(seq).file(&seal.file));
            }
            rows.write_leaf(at, &mut bytes).map_err(|e| broken(check, seq, e.to_string()))?;
            let recorded = Timestamp::from_micros(times.value(at)).expect("the leaf has it");
            self.row(check, ids.value(at), recorded, &bytes);
            if seq == 0 || kinds.value(at) == "ledger" {
                self.entry(check, &leaf::decode(&bytes)?, seq);
            }
            // Within a rewritten segment: what lies beside the rows is still cut where the first one ended.
            if kinds.value(at) == "ledger"
                && phases.value(at) == "segment_sealed"
                && seq > seal.rows.start
            {
                self.must_keep(seq);
                stores::check(check, &mut self.block, None, &mut self.expected)?;
                self.block.begin(seq);
            }
            let held = commitments.iter().filter(|(_, column)| column.is_valid(at));
            let held = held.map(|(field, column)| (*field, column.value(at)));
            self.block.take(ids.value(at), kinds.value(at), phases.value(at), held);
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
        self.block.begin(self.tiles.size());
        for bytes in leaves {
            let seq = self.tiles.size();
            let read = leaf::decode(bytes).and_then(|event| {
                match REQUIRED.iter().find(|name| event.get(name).is_none()) {
                    Some(name) => Err(backtrail_schemas::Error::field(*name, "is missing")),
                    None => Ok(event),
                }
            });
            let event = match read {
                Ok(event) => event,
                Err(e) => {
                    check.add(Finding::new("leaf", 10, e.to_string()).row(seq));
                    return Err(Error::tampered("rows behind one that is none are not read"));
                }
            };
            let text = |name: &str| event.text(name).unwrap_or_default();
            let recorded = event.timestamp("recorded_at").expect("checked above");
            self.row(check, text("event_id"), recorded, bytes);
            if seq == 0 || text("kind") == "ledger" {
                self.entry(check, &event, seq);
            }
            let held = event.iter().filter_map(|(name, _)| {
                Some((name.strip_suffix("_commitment")?, event.text(name)?))
            });
            self.block.take(text("event_id"), text("kind"), text("phase"), held);
        }
        Ok(())
    }

    /// The entry of a seal whose head is not published yet, in a write-ahead log of its own: only its place in the tree.
    fn next_tail(&mut self, check: &mut Check) {
        let first = self.tiles.size();
        let bytes = check.store.read_all(&wal::path(first)).unwrap_or_default();
        let Ok(contents) = wal::read(&bytes, &self.head.origin, first) else { return };
        for frame in contents.leaves {
            self.tiles.push(leaf_hash(frame.payload), |_, _| ());
            check.settle(self.tiles.size(), &self.tiles);
        }
    }

    /// One row: its place in the tree, and in time.
    fn row(&mut self, check: &mut Check, id: &str, recorded: Timestamp, bytes: &[u8]) {
        let seq = self.tiles.size();
        self.place(check, leaf_hash(bytes));
        self.ids.push(prefix(&key(id)));
        self.check_times(check, recorded, seq);
    }

    /// One leaf's place in the tree, and what is said of the tree that it ends.
    fn place(&mut self, check: &mut Check, hash: Hash) {
        let covered = self.tiles.size() < self.head.size;
        let (open, matched, store) = (&mut self.open_tiles, &mut self.matched_tiles, check.store);
        let mut wrong = Vec::new();
        self.tiles.push(hash, |name, hashes| {
            if covered && open.remove(&name) {
                let there = store.read_all(&name.path());
                if !there.is_ok_and(|bytes| bytes == tile::to_bytes(hashes)) {
                    wrong.push(name.path());
                }
                matched.insert(name);
            }
        });
        for path in wrong {
            check.add(Finding::new("tile", 11, "the tile is not what the rows give").file(&path));
        }
        check.settle(self.tiles.size(), &self.tiles);
    }

    /// Whether an event id has two rows.
    fn check_ids(
        &mut self,
        check: &mut Check,
        kept: &[Key],
        seals: &[Seal],
        (first, tail): (u64, &[&[u8]]),
    ) -> Result<(), Error> {
        self.ids.sort_unstable();
        let twice = self.ids.windows(2).filter(|pair| pair[0] == pair[1]).map(|pair| pair[0]);
        let twice: HashSet<u64> = twice.collect();
        if twice.is_empty() {
            return Ok(());
        }
        let store = check.store;
        let mut seen: HashSet<Key> = HashSet::new();
        let mut take = |key: Key, seq: u64, id: Option<&str>| {
            if twice.contains(&prefix(&key)) && !seen.insert(key) {
                let id =
                    id.map_or("an event id whose row was pruned".into(), |id| format!("`{id}`"));
                let message = format!("{id} is in the log twice");
                check.add(Finding::new("event_id", 11, message).row(seq));
            }
        };
        for (key, seq) in kept.iter().zip(0u64..) {
            take(*key, seq, None);
        }
        for seal in seals {
            let ids = chain::open(store, seal)?.columns(&["event_id"])?;
            let ids = ids.iter().flat_map(|batch| batch.column(0).as_string::<i32>());
            for (id, seq) in ids.zip(seal.rows.start..) {
                let id = id.unwrap_or_default();
                take(key(id), seq, Some(id));
            }
        }
        for (bytes, seq) in tail.iter().zip(first..) {
            let event = leaf::decode(bytes)?;
            let id = event.text("event_id").unwrap_or_default();
            take(key(id), seq, Some(id));
        }
        Ok(())
    }

    fn check_times(&mut self, check: &mut Check, now: Timestamp, seq: u64) {
        if let Some(last) = self.last.replace(now) {
            if now < last {
                let message = "the row before was recorded later";
                check.add(Finding::new("recorded_at", 14, message).row(seq));
            }
            if !self.block.simulated && day_changes(last, now) && seq <= self.head.size {
                self.must_keep(seq);
            }
        }
    }

    /// One of the ledger's own entries.
    fn entry(&mut self, check: &mut Check, event: &Event, seq: u64) {
        let genesis = entry::is(event, "genesis");
        if let Some(size) = check.take_key(event, seq) {
            self.must_keep(size);
        }
        if genesis != (seq == 0) {
            check.add(
                Finding::new("genesis", 11, "row 0, and no other, is the first entry").row(seq),
            );
        }
        if seq == 0 {
            if event.attribute("origin") != Some(&self.head.origin) {
                check
                    .add(Finding::new("genesis", 12, "the first entry names another log").row(seq));
            }
            self.block.simulated = event.attribute("simulated_clock") == Some("true");
            self.block.vault_key = event.attribute("vault_key_commitment").map(str::to_owned);
        }
        self.name_segment(check, event, seq);
        if let Some(committed) =
            event.attribute("identity_commitment").filter(|_| entry::is(event, "identity"))
        {
            let pseudonym = event.attribute("pseudonym").unwrap_or_default();
            self.block.take_identity(
                event.text("event_id").unwrap_or_default(),
                committed,
                pseudonym,
            );
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

/// The footer's metadata.
fn check_footer(
    check: &mut Check,
    seal: &Seal,
    segment: &Segment,
    heading: &Heading,
) -> Option<Checkpoint> {
    let metadata = segment.metadata().file_metadata();
    let said = metadata.key_value_metadata().cloned().unwrap_or_default();
    if !key_values(heading).iter().all(|pair| said.contains(pair)) {
        let message = "the footer does not say what the log says of these rows";
        check.add(Finding::new("footer", 11, message).file(&seal.file));
    }
    match check.open_note(heading.checkpoint.as_bytes(), "footer", Some(&seal.file)) {
        Ok(end) if end.size == seal.rows.end => Some(end),
        Ok(end) => {
            let message = format!("the footer has a head of {} rows", end.size);
            check.add(Finding::new("footer", 11, message).file(&seal.file));
            None
        }
        Err(e) => {
            let message = format!("the head in the footer: {e}");
            check.add(Finding::new("footer", 12, message).file(&seal.file));
            None
        }
    }
}

/// The signed head in a segment's footer.
fn note_in(segment: &Segment) -> String {
    let said = segment.metadata().file_metadata().key_value_metadata();
    let note = said.and_then(|said| said.iter().find(|pair| pair.key == keys::CHECKPOINT));
    note.and_then(|pair| pair.value.clone()).unwrap_or_default()
}

/// Whether a segment was written by this version of the writer, which alone gives the same bytes again.
fn is_ours(segment: &Segment) -> bool {
    let by = segment.metadata().file_metadata().created_by();
    let known = |name: &String| backtrail_schemas::columns::column(name).is_some();
    by == Some(WriterProperties::default().created_by())
        && segment.schema().fields().iter().all(|field| known(field.name()))
}

/// SHA-256 of the segment that `writer` makes of `batches`.
fn write_again(
    mut writer: Writer,
    batches: Receiver<RecordBatch>,
    heading: &Heading,
) -> Result<Hash, Error> {
    for batch in batches {
        writer.push(&with_our_schema(&batch)?)?;
    }
    Ok(sha256(&writer.finish(heading)?))
}

/// The same rows under the schema that our writer gives a file.
fn with_our_schema(batch: &RecordBatch) -> Result<RecordBatch, Error> {
    let schema = rows::schema();
    let columns = schema.fields().iter().map(|field| {
        let column = batch.column_by_name(field.name()).cloned();
        column.unwrap_or_else(|| new_null_array(field.data_type(), batch.num_rows()))
    });
    let columns = columns.collect();
    RecordBatch::try_new(schema, columns)
        .map_err(|e| Error::tampered(format!("a column of another type than ours: {e}")))
}

/// The first 8 bytes of the key of an event id.
fn prefix(key: &Key) -> u64 {
    u64::from_be_bytes(key[..8].try_into().expect("8 of 16 bytes"))
}
