//! Row groups of the tail that are encoded before it is sealed: what is left for the seal itself, while nobody can append,
//! is the last group, the footer and reading it all back.

use std::ops::Range;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{self, JoinHandle};

use arrow::record_batch::RecordBatch;
use backtrail_schemas::leaf;
use backtrail_schemas::rows::to_batch;

use crate::error::{Error, Kind};
use crate::frame::Frames;
use crate::limits::{ROW_GROUP_ROWS, SEGMENT_ROWS};
use crate::log::Log;
use crate::segment::write::Writer;
use crate::storage::Storage;
use crate::wal;

/// Rows of the tail, and where they lie.
struct Group {
    start: u64,
    path: String,
    bytes: Range<u64>,
}

/// A thread that encodes whole row groups of the tail, and the row that it has been given up to.
pub(super) struct Ahead {
    pub(super) next: u64,
    give: SyncSender<Group>,
    thread: JoinHandle<Result<Writer, Error>>,
}

impl Ahead {
    /// Begins with the first row of the tail. Which columns are compressed is decided now: by those that have a value so far.
    pub(super) fn begin(store: Arc<dyn Storage>, log: &Log) -> Result<Self, Error> {
        let mut writer = Writer::new(&log.columns)?;
        let (give, take): (_, Receiver<Group>) = sync_channel(GROUPS_MAX);
        let thread = thread::spawn(move || {
            for group in take {
                writer.push(&group.read(&*store)?)?;
            }
            Ok(writer)
        });
        Ok(Self { next: log.first, give, thread })
    }

    /// Hands over the groups that are whole and durable. What does not fit into the queue stays for the next time.
    pub(super) fn go_on(&mut self, log: &Log) {
        while log.committed - self.next >= ROW_GROUP_ROWS as u64 {
            let rows = self.next..self.next + ROW_GROUP_ROWS as u64;
            if self.give.try_send(Group::of(log, rows.clone())).is_err() {
                return;
            }
            self.next = rows.end;
        }
    }

    /// The writer with all groups up to `next`.
    pub(super) fn finish(self) -> Result<Writer, Error> {
        drop(self.give);
        let gave_up = |_| Error::new(Kind::Reopen, "row groups of the tail could not be encoded");
        self.thread.join().map_err(gave_up)?
    }
}

/// All groups of a full tail.
const GROUPS_MAX: usize = SEGMENT_ROWS as usize / ROW_GROUP_ROWS;

impl Group {
    fn of(log: &Log, rows: Range<u64>) -> Self {
        let path = log.wal.path().to_owned();
        Self { start: rows.start, path, bytes: log.tail_bytes(rows) }
    }

    fn read(&self, store: &dyn Storage) -> Result<RecordBatch, Error> {
        let bytes = store.read(&self.path, self.bytes.clone())?;
        let leaves = Frames::new(&bytes).filter(|frame| frame.kind == wal::LEAF);
        let events = leaves.map(|frame| leaf::decode(frame.payload)).collect::<Result<Vec<_>, _>>();
        let events = events.map_err(|e| Error::tampered(format!("a row of the tail: {e}")))?;
        Ok(to_batch(self.start, &events)?)
    }
}

/// The row group of the tail that has these rows.
pub(super) fn tail_batch(
    store: &dyn Storage,
    log: &Log,
    rows: Range<u64>,
) -> Result<RecordBatch, Error> {
    Group::of(log, rows).read(store)
}
