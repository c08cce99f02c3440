//! Rows of the tail that are encoded before it is sealed, in row groups that are read back once they are whole: what is left for
//! the seal itself, while nobody can append, is the last few rows, reading the last group, and the footer.

use std::ops::Range;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{self, JoinHandle};

use arrow::record_batch::RecordBatch;
use backtrail_schemas::leaf;
use backtrail_schemas::rows::{Rows, to_batch};

use crate::error::{Error, Kind};
use crate::frame::Frames;
use crate::limits::{AHEAD_ROWS, ROW_GROUP_ROWS, SEGMENT_ROWS};
use crate::log::Log;
use crate::segment::read::Segment;
use crate::segment::write::Writer;
use crate::storage::Storage;
use crate::wal;

/// Consecutive rows of the tail, and where they lie.
pub(super) struct Stretch {
    start: u64,
    path: String,
    bytes: Range<u64>,
}

/// A thread that encodes rows of the tail, and the row that it has been given up to.
pub(super) struct Ahead {
    first: u64,
    next: u64,
    give: SyncSender<Stretch>,
    thread: JoinHandle<Result<Writer, Error>>,
}

impl Ahead {
    /// Begins with the first row of the tail. Which columns are compressed is decided now: by those that have a value so far.
    pub(super) fn begin(store: Arc<dyn Storage>, log: &Log) -> Result<Self, Error> {
        let mut writer = Writer::new(&log.columns)?;
        let (give, take): (_, Receiver<Stretch>) = sync_channel(STRETCHES_MAX);
        let thread = thread::spawn(move || {
            let mut group: Option<Stretch> = None;
            for rows in take {
                writer.push(&rows.batch(&*store)?)?;
                let group_so_far = match group.take() {
                    Some(before) => before.and(&rows),
                    None => rows,
                };
                match writer.last_group()? {
                    Some(encoded) => group_so_far.check(&*store, &encoded, 0)?,
                    None => group = Some(group_so_far),
                }
            }
            Ok(writer)
        });
        Ok(Self { first: log.first, next: log.first, give, thread })
    }

    /// Hands over rows that are durable. What does not fit into the queue stays for the next time.
    pub(super) fn go_on(&mut self, log: &Log) {
        while log.committed - self.next >= AHEAD_ROWS {
            let rows = self.next..self.next + AHEAD_ROWS;
            if self.give.try_send(Stretch::of(log, rows.clone())).is_err() {
                return;
            }
            self.next = rows.end;
        }
    }

    /// The row that is to be encoded next, and the first of its row group, which nobody has read back.
    pub(super) fn next(&self) -> (u64, u64) {
        (self.next, self.next - (self.next - self.first) % ROW_GROUP_ROWS as u64)
    }

    /// The writer with all rows up to the next.
    pub(super) fn finish(self) -> Result<Writer, Error> {
        drop(self.give);
        let gave_up = |_| Error::new(Kind::Reopen, "row groups of the tail could not be encoded");
        self.thread.join().map_err(gave_up)?
    }
}

/// All of a full tail.
const STRETCHES_MAX: usize = (SEGMENT_ROWS / AHEAD_ROWS) as usize;

impl Stretch {
    pub(super) fn of(log: &Log, rows: Range<u64>) -> Self {
        let path = log.wal.path().to_owned();
        Self { start: rows.start, path, bytes: log.tail_bytes(rows) }
    }

    /// These rows and the next ones.
    fn and(mut self, next: &Self) -> Self {
        self.bytes.end = next.bytes.end;
        self
    }

    /// The rows, as they go into a segment.
    pub(super) fn batch(&self, store: &dyn Storage) -> Result<RecordBatch, Error> {
        let bytes = store.read(&self.path, self.bytes.clone())?;
        let events = leaves(&bytes).map(leaf::decode).collect::<Result<Vec<_>, _>>();
        let events = events.map_err(|e| Error::tampered(format!("a row of the tail: {e}")))?;
        Ok(to_batch(self.start, &events)?)
    }

    /// Whether row group `at` of a new segment has exactly these rows (invariant L1).
    pub(super) fn check(
        &self,
        store: &dyn Storage,
        segment: &Segment,
        at: usize,
    ) -> Result<(), Error> {
        let batch = Rows::new(&segment.group(at)?)?;
        let bytes = store.read(&self.path, self.bytes.clone())?;
        let (mut written, mut rows) = (Vec::new(), 0);
        for (seq, leaf) in (self.start..).zip(leaves(&bytes)) {
            if rows == batch.len() {
                return Err(differs(seq));
            }
            batch.write_leaf(rows, &mut written)?;
            if written != leaf || batch.seq(rows).cast_unsigned() != seq {
                return Err(differs(seq));
            }
            rows += 1;
        }
        if rows == batch.len() { Ok(()) } else { Err(differs(self.start + rows as u64)) }
    }
}

fn leaves(frames: &[u8]) -> impl Iterator<Item = &[u8]> {
    Frames::new(frames).filter(|frame| frame.kind == wal::LEAF).map(|frame| frame.payload)
}

/// What a new segment that does not have row `seq` is refused with.
pub(super) fn differs(seq: u64) -> Error {
    Error::new(Kind::Reopen, format!("row {seq} of a new segment is not the row of the tail"))
}
