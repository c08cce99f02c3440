//! Which row has which event id.
//!
//! The rows of the tail are in memory, those of segments in *runs*: files of sorted entries below `state/index/`, about
//! consecutive rows, each of at least twice as many rows as the next. So there are at most as many as the log has doublings,
//! and a filter for each says of nearly every new id, without reading, that it is not there. A run is written beside appends,
//! which find its ids in memory until it is there.
//!
//! Runs are made from the log and never believed against it. One that is missing, torn, damaged or of another history is made
//! again when the ledger is opened; damage that shows up later makes the writer open it again; and a row that a run names is
//! looked at before it counts.

mod run;

use std::collections::HashMap;
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use backtrail_schemas::Event;

use crate::error::{Error, Kind};
use crate::snapshot::frontier_at;
use crate::storage::Storage;
use crate::tlog::Frontier;
use crate::tlog::hash::sha256;
use run::{FOLDER, Heading, Plan, Run, entry};

/// The first 16 bytes of SHA-256 of an event id.
pub(crate) type Key = [u8; 16];

/// The inference rule of amendments that the ledger makes when a later delivery fills what was unknown.
pub(crate) const FILLS_UNKNOWN: &str = "ledger.fills_unknown";

/// The key of an event id.
pub(crate) fn key(event_id: &str) -> Key {
    sha256(event_id.as_bytes()).0[..16].try_into().expect("16 of 32 bytes")
}

/// What the index keeps of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Keys {
    event: Key,
    /// The event whose unknowns it fills.
    amends: Option<Key>,
}

impl Keys {
    /// Those of a row with these columns.
    pub(crate) fn new(event_id: &str, amends: Option<&str>, rule: Option<&str>) -> Self {
        let amends = amends.filter(|_| rule == Some(FILLS_UNKNOWN)).map(key);
        Self { event: key(event_id), amends }
    }

    /// Those of a row of which only the key is left.
    pub(crate) fn of_key(event: Key) -> Self {
        Self { event, amends: None }
    }

    /// Those of an event.
    pub(crate) fn of(event: &Event) -> Self {
        let id = event.text("event_id").unwrap_or_default();
        Self::new(id, event.text("amends_event_id"), event.text("inference_rule"))
    }
}

/// The index.
#[derive(Debug, Default)]
pub(crate) struct Index {
    runs: Vec<Arc<Run>>,
    /// The run that is being written.
    writing: Option<JoinHandle<Result<Run, Error>>>,
    /// The rows behind the runs.
    recent: HashMap<Key, u64>,
    /// The amendments among them that fill unknowns, by the event that they amend, in order.
    amendments: HashMap<Key, Vec<u64>>,
}

impl Index {
    /// Takes the runs about rows before `first` that are whole and of this history, and removes every other file. What the
    /// runs do not reach, the caller adds; `repairs` says what was damaged.
    ///
    /// # Errors
    /// The disk fails; a damaged file is no error.
    pub(crate) fn load(
        store: &dyn Storage,
        origin: &str,
        first: u64,
        repairs: &mut Vec<String>,
    ) -> Result<Self, Error> {
        let mut files: Vec<String> =
            store.list(FOLDER)?.into_iter().map(|(path, _)| path).collect();
        let mut index = Self::default();
        while index.covered() < first {
            let start = index.covered();
            let named = files.iter().filter_map(|path| run::rows_of(path));
            let fitting = named.filter(|rows| rows.start == start && rows.end <= first);
            // The longest: it took the place of the others.
            let Some(rows) = fitting.max_by_key(|rows| rows.end) else { break };
            let path = run::path(&rows);
            files.retain(|other| *other != path);
            let root = frontier_at(store, rows.end)?.root();
            if let Some(run) = Run::open(store, &Heading { origin: origin.into(), rows, root })? {
                index.runs.push(Arc::new(run));
            } else {
                store.remove(&path)?;
                repairs.push(format!("{path}: damaged; made again"));
            }
        }
        files.iter().try_for_each(|path| store.remove(path))?;
        Ok(index)
    }

    /// The first row that no run is about.
    pub(crate) fn covered(&self) -> u64 {
        self.runs.last().map_or(0, |run| run.rows().end)
    }

    /// How many rows are in memory.
    pub(crate) fn recent(&self) -> usize {
        self.recent.len()
    }

    /// Adds row `seq`. False if a row in memory has the id already: then one event has two leaves.
    pub(crate) fn insert(&mut self, seq: u64, keys: Keys) -> bool {
        if let Some(amended) = keys.amends {
            self.amendments.entry(amended).or_default().push(seq);
        }
        self.recent.insert(keys.event, seq).is_none()
    }

    /// The row of an event, as the index has it.
    ///
    /// # Errors
    /// `Retry` if a run is damaged.
    pub(crate) fn get(&self, store: &dyn Storage, event_id: &str) -> Result<Option<u64>, Error> {
        self.row_of(store, &Keys::new(event_id, None, None))
    }

    /// As [`Index::get`], of the event with these keys.
    pub(crate) fn row_of(&self, store: &dyn Storage, keys: &Keys) -> Result<Option<u64>, Error> {
        let key = keys.event;
        if let Some(seq) = self.recent.get(&key) {
            return Ok(Some(*seq));
        }
        for run in &self.runs {
            if let Some(seq) = run.find(store, &key)?.row {
                return Ok(Some(seq));
            }
        }
        Ok(None)
    }

    /// The amendments that filled unknowns of an event, in order.
    ///
    /// # Errors
    /// As [`Index::get`].
    pub(crate) fn amendments(
        &self,
        store: &dyn Storage,
        event_id: &str,
    ) -> Result<Vec<u64>, Error> {
        let key = key(event_id);
        let mut found = Vec::new();
        for run in &self.runs {
            found.extend(run.find(store, &key)?.amendments);
        }
        found.extend(self.amendments.get(&key).into_iter().flatten());
        Ok(found)
    }

    /// Moves the rows of `tree` that are in memory into a run, together with as many runs before it as have less than twice
    /// its rows.
    ///
    /// A crash within it leaves a run that is torn, or runs about the same rows: [`Index::load`] takes the longest that is
    /// whole.
    pub(crate) fn spill(
        &mut self,
        store: &dyn Storage,
        origin: &str,
        tree: &Frontier,
    ) -> Result<(), Error> {
        let run = self.plan(origin, tree).write(store)?;
        self.take(store, run)
    }

    /// Begins what [`Index::spill`] does, in a thread; [`Index::settle`] ends it.
    pub(crate) fn spill_beside(&mut self, store: Arc<dyn Storage>, origin: &str, tree: &Frontier) {
        let plan = self.plan(origin, tree);
        self.writing = Some(thread::spawn(move || plan.write(&*store)));
    }

    /// Whether a run is being written.
    pub(crate) fn is_writing(&self) -> bool {
        self.writing.is_some()
    }

    /// Takes the run that was being written, if it is there; with `wait`, once it is.
    pub(crate) fn settle(&mut self, store: &dyn Storage, wait: bool) -> Result<(), Error> {
        let Some(writing) = self.writing.take_if(|writing| wait || writing.is_finished()) else {
            return Ok(());
        };
        let ended = |_| Error::new(Kind::Reopen, "event ids could not be written");
        let run = writing.join().map_err(ended)??;
        self.take(store, run)
    }

    /// The run of the rows of `tree` that are in memory.
    fn plan(&self, origin: &str, tree: &Frontier) -> Plan {
        let mut rows = self.covered()..tree.size();
        let first = self.runs.iter().rposition(|run| {
            let long = run.rows().end - run.rows().start >= 2 * (rows.end - rows.start);
            if !long {
                rows.start = run.rows().start;
            }
            long
        });
        let old = self.runs[first.map_or(0, |at| at + 1)..].to_vec();
        let before = |seq: &u64| *seq < rows.end;
        let ids = self.recent.iter().filter(|(_, seq)| before(seq));
        let mut new: Vec<_> = ids.map(|(key, seq)| entry(key, *seq, false)).collect();
        for (key, amendments) in &self.amendments {
            new.extend(
                amendments.iter().filter(|seq| before(seq)).map(|seq| entry(key, *seq, true)),
            );
        }
        Plan { heading: Heading { origin: origin.into(), rows, root: tree.root() }, old, new }
    }

    /// Goes on with a run that was written, in place of the rows in memory and the runs that went into it.
    fn take(&mut self, store: &dyn Storage, run: Run) -> Result<(), Error> {
        let rows = run.rows();
        self.recent.retain(|_, seq| *seq >= rows.end);
        self.amendments.retain(|_, amendments| {
            amendments.retain(|seq| *seq >= rows.end);
            !amendments.is_empty()
        });
        let merged = self.runs.partition_point(|run| run.rows().start < rows.start);
        let merged = self.runs.split_off(merged);
        self.runs.push(Arc::new(run));
        merged.iter().try_for_each(|run| store.remove(&run::path(&run.rows())))
    }

    /// Makes the runs unusable, so that they are made again: one of them named row `seq` for an event that it is not.
    pub(crate) fn distrust(&self, store: &dyn Storage, seq: u64) -> Error {
        let mut paths = self.runs.iter().map(|run| run::path(&run.rows()));
        let emptied = paths.try_for_each(|path| store.replace(&path, b""));
        let what =
            format!("`{FOLDER}` names row {seq} for an event that is another; it is made again");
        emptied.err().unwrap_or_else(|| Error::new(Kind::Retry, what))
    }
}

impl Drop for Index {
    /// Waits for the run that is being written: nobody may write it a second time meanwhile.
    fn drop(&mut self) {
        if let Some(writing) = self.writing.take() {
            // What became of it, the next start finds out.
            let _ = writing.join();
        }
    }
}
