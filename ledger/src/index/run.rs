//! One file of the index: `state/index/<start>-<end>.run`, sorted entries about rows `start` to `end`.
//!
//! Frames as in the write-ahead log: a header that names the log, the rows and the root of the first `end` rows; blocks of
//! entries, all but the last of the same length; the number of entries. An entry is the key of an event id and, as `u64`, the
//! row, with the highest bit set if the row is an amendment of that event.

use std::ops::Range;
use std::sync::Arc;

use parquet::bloom_filter::Sbbf;

use super::Key;
use crate::error::{Error, Kind};
use crate::frame::{self, End, FRAME_OVERHEAD, Frames};
use crate::journal::scan;
use crate::limits::{INDEX_BLOCK_ENTRIES, INDEX_MISTAKES, SCAN_BYTES, TREE_SIZE_MAX};
use crate::storage::Storage;
use crate::tlog::Hash;

/// Where runs lie.
pub(super) const FOLDER: &str = "state/index";

/// The name of the format, in the header.
const FORMAT: &str = "backtrail/index/1";
/// Frame: sorted entries.
const BLOCK: u8 = b'B';
/// Frame: the number of entries, after the last of them.
const END: u8 = b'E';
/// Set in the row of an amendment.
const AMENDS: u64 = 1 << 63;

/// A key and a row, in the order of their bytes.
pub(super) type Entry = [u8; ENTRY_BYTES];
const ENTRY_BYTES: usize = 24;
const BLOCK_BYTES: usize = INDEX_BLOCK_ENTRIES * ENTRY_BYTES;

/// The entry of row `seq`: of the event with this key, or an amendment of it.
pub(super) fn entry(key: &Key, seq: u64, amends: bool) -> Entry {
    let mut entry = [0; ENTRY_BYTES];
    entry[..16].copy_from_slice(key);
    entry[16..].copy_from_slice(&(if amends { seq | AMENDS } else { seq }).to_be_bytes());
    entry
}

/// The row of an entry, and whether it is an amendment.
fn row_of(entry: &[u8]) -> (u64, bool) {
    let row = u64::from_be_bytes(entry[16..].try_into().expect("8 of 24 bytes"));
    (row & !AMENDS, row & AMENDS != 0)
}

/// The first bytes of an entry as a number in the same order.
fn prefix(entry: &[u8]) -> u64 {
    u64::from_be_bytes(entry[..8].try_into().expect("8 of 24 bytes"))
}

/// The path of the run about `rows`.
pub(super) fn path(rows: &Range<u64>) -> String {
    format!("{FOLDER}/{:020}-{:020}.run", rows.start, rows.end)
}

/// The rows of the run at `at`, if it is a name of one.
pub(super) fn rows_of(at: &str) -> Option<Range<u64>> {
    let rows = at.strip_prefix(FOLDER)?.strip_prefix('/')?.strip_suffix(".run")?;
    let (start, end) = rows.split_once('-')?;
    let rows = start.parse().ok()?..end.parse().ok()?;
    (rows.start < rows.end && rows.end <= TREE_SIZE_MAX && path(&rows) == at).then_some(rows)
}

/// What a run is about.
pub(super) struct Heading {
    pub(super) origin: String,
    pub(super) rows: Range<u64>,
    /// The root of the first `rows.end` rows.
    pub(super) root: Hash,
}

impl Heading {
    fn text(&self) -> String {
        let Self { origin, rows, root } = self;
        format!("{FORMAT}\n{origin}\n{}\n{}\n{root}\n", rows.start, rows.end)
    }
}

/// What a run has of one key.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub(super) row: Option<u64>,
    pub(super) amendments: Vec<u64>,
}

/// A run that is to be written: of these runs and new entries, in any order.
pub(super) struct Plan {
    pub(super) heading: Heading,
    pub(super) old: Vec<Arc<Run>>,
    pub(super) new: Vec<Entry>,
}

impl Plan {
    /// Merges them. Durable when it returns.
    pub(super) fn write(mut self, store: &dyn Storage) -> Result<Run, Error> {
        self.new.sort_unstable();
        let path = path(&self.heading.rows);
        store.remove(&path)?;
        let mut staged = Vec::new();
        frame::push(&mut staged, frame::HEADER, self.heading.text().as_bytes());
        store.create(&[(path.clone(), std::mem::take(&mut staged))])?;
        let mut run = Run::empty(&self.heading);
        let mut block = Vec::with_capacity(BLOCK_BYTES);
        for entry in merge(store, &self.old, self.new) {
            let entry = entry?;
            run.take(&entry);
            block.extend_from_slice(&entry);
            if block.len() == BLOCK_BYTES {
                frame::push(&mut staged, BLOCK, &block);
                block.clear();
            }
            if staged.len() >= SCAN_BYTES {
                store.append(&path, &staged)?;
                staged.clear();
            }
        }
        if !block.is_empty() {
            frame::push(&mut staged, BLOCK, &block);
        }
        frame::push(&mut staged, END, &run.entries.to_be_bytes());
        store.append(&path, &staged)?;
        store.sync(&[&path])?;
        Ok(run)
    }
}

/// A run on disk, and what of it is in memory.
#[derive(Debug)]
pub(super) struct Run {
    rows: Range<u64>,
    /// The length of the header frame.
    header: usize,
    /// The [`prefix`] of each block's first entry.
    fences: Vec<u64>,
    filter: Sbbf,
    entries: u64,
}

impl Run {
    fn empty(heading: &Heading) -> Self {
        let rows = heading.rows.clone();
        let filter = Sbbf::new_with_ndv_fpp(rows.end - rows.start, INDEX_MISTAKES);
        Self {
            rows,
            header: heading.text().len() + FRAME_OVERHEAD,
            fences: Vec::new(),
            filter: filter.expect("a share between 0 and 1"),
            entries: 0,
        }
    }

    /// The rows that it is about.
    pub(super) fn rows(&self) -> Range<u64> {
        self.rows.clone()
    }

    /// Reads the run of `heading`; `None` if it is not whole, or another one.
    pub(super) fn open(store: &dyn Storage, heading: &Heading) -> Result<Option<Self>, Error> {
        let mut run = Self::empty(heading);
        let mut last = [0; ENTRY_BYTES];
        let (mut headed, mut ended, mut good) = (false, false, true);
        let end = scan(store, &path(&heading.rows), u64::MAX, |_, kind, payload| {
            // Blocks are found by their number, so all before this one are full.
            let in_place =
                headed && !ended && run.entries.is_multiple_of(INDEX_BLOCK_ENTRIES as u64);
            good &= match kind {
                frame::HEADER => !headed && payload == heading.text().as_bytes(),
                BLOCK => in_place && (1..=BLOCK_BYTES).contains(&payload.len()),
                END => headed && !ended && payload == run.entries.to_be_bytes(),
                _ => false,
            };
            headed |= kind == frame::HEADER;
            ended |= kind == END;
            if kind == BLOCK && good {
                let (entries, rest) = payload.as_chunks::<ENTRY_BYTES>();
                good &= rest.is_empty();
                for entry in entries {
                    good &= last < *entry && heading.rows.contains(&row_of(entry).0);
                    run.take(entry);
                    last = *entry;
                }
            }
            Ok(())
        })?;
        Ok((good && ended && end == End::Clean).then_some(run))
    }

    /// Takes the next entry into what is in memory.
    fn take(&mut self, entry: &Entry) {
        if self.entries.is_multiple_of(INDEX_BLOCK_ENTRIES as u64) {
            self.fences.push(prefix(entry));
        }
        self.filter.insert(&entry[..16]);
        self.entries += 1;
    }

    /// What the run has of a key.
    ///
    /// # Errors
    /// `Retry` if it is damaged: whoever opens the ledger again makes it again.
    pub(super) fn find(&self, store: &dyn Storage, key: &Key) -> Result<Found, Error> {
        let mut found = Found::default();
        if !self.filter.check(&key[..]) {
            return Ok(found);
        }
        // The entries of a key may begin in the block before the first one that begins with it.
        let wanted = prefix(key);
        let begin = self.fences.partition_point(|fence| *fence < wanted).saturating_sub(1);
        let blocks = (begin..self.fences.len()).take_while(|at| self.fences[*at] <= wanted);
        for at in blocks {
            for entry in self.block(store, at)?.chunks_exact(ENTRY_BYTES) {
                match (&entry[..16] == key, row_of(entry)) {
                    (true, (row, true)) => found.amendments.push(row),
                    (true, (row, false)) => found.row = found.row.or(Some(row)),
                    _ => {}
                }
            }
        }
        Ok(found)
    }

    /// The entries of block `at`.
    fn block(&self, store: &dyn Storage, at: usize) -> Result<Vec<u8>, Error> {
        let count = (self.entries as usize - at * INDEX_BLOCK_ENTRIES).min(INDEX_BLOCK_ENTRIES);
        let from = (self.header + at * (BLOCK_BYTES + FRAME_OVERHEAD)) as u64;
        let length = count * ENTRY_BYTES;
        let path = path(&self.rows);
        let damaged = || Error::new(Kind::Retry, format!("`{path}` is damaged; it is made again"));
        let bytes = match store.read(&path, from..from + (length + FRAME_OVERHEAD) as u64) {
            Err(e) if e.kind() == Kind::Missing => return Err(damaged()),
            other => other?,
        };
        let frame = Frames::new(&bytes).next().filter(|frame| frame.kind == BLOCK);
        let entries = frame.map(|frame| frame.payload.to_vec());
        entries.filter(|entries| entries.len() == length).ok_or_else(damaged)
    }

    /// All entries, some blocks in memory at a time.
    fn entries<'a>(
        &'a self,
        store: &'a dyn Storage,
    ) -> impl Iterator<Item = Result<Entry, Error>> + 'a {
        (0..self.fences.len()).flat_map(move |at| {
            let (entries, failed) = match self.block(store, at) {
                Ok(bytes) => (bytes.as_chunks::<ENTRY_BYTES>().0.to_vec(), None),
                Err(e) => (Vec::new(), Some(Err(e))),
            };
            entries.into_iter().map(Ok).chain(failed)
        })
    }
}

/// The entries of all runs and the new ones, sorted.
fn merge<'a>(
    store: &'a dyn Storage,
    runs: &'a [Arc<Run>],
    new: Vec<Entry>,
) -> impl Iterator<Item = Result<Entry, Error>> + 'a {
    let mut sources: Vec<Box<dyn Iterator<Item = Result<Entry, Error>> + 'a>> =
        vec![Box::new(new.into_iter().map(Ok))];
    for run in runs {
        sources.push(Box::new(run.entries(store)));
    }
    let mut sources: Vec<_> = sources.into_iter().map(Iterator::peekable).collect();
    std::iter::from_fn(move || {
        let heads = sources.iter_mut().filter_map(|source| {
            // An error sorts first: nothing may follow it.
            Some((source.peek()?.as_ref().ok().copied(), source))
        });
        heads.min_by_key(|(entry, _)| *entry)?.1.next()
    })
}
