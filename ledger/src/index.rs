//! Which row has which event id.
//!
//! The rows of the tail are in memory, those of segments in *runs*: files of sorted entries below `state/index/`, about
//! consecutive rows, each of at least twice as many rows as the next. So there are at most as many as the log has doublings,
//! and a filter for each says of nearly every new id, without reading, that it is not there.
//!
//! Runs are made from the log and never believed against it. One that is missing, torn, damaged or of another history is made
//! again when the ledger is opened; damage that shows up later makes the writer open it again; and a row that a run names is
//! looked at before it counts.

mod run;

use std::collections::HashMap;
use std::ops::Range;

use backtrail_schemas::Event;

use crate::error::{Error, Kind};
use crate::snapshot::frontier_at;
use crate::storage::Storage;
use crate::tlog::Frontier;
use crate::tlog::hash::sha256;
use run::{Entry, FOLDER, Heading, Run, entry};

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
    runs: Vec<Run>,
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
            if let Some(run) = Run::open(store, &Heading { origin, rows, root })? {
                index.runs.push(run);
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
        let mut rows = self.covered()..tree.size();
        let entries = self.take_before(rows.end);
        let mut merged = Vec::new();
        let short = |run: &Run, rows: &Range<u64>| {
            run.rows().end - run.rows().start < 2 * (rows.end - rows.start)
        };
        while let Some(run) = self.runs.pop_if(|run| short(run, &rows)) {
            rows.start = run.rows().start;
            merged.push(run);
        }
        let heading = Heading { origin, rows, root: tree.root() };
        self.runs.push(Run::write(store, &heading, &merged, entries)?);
        merged.iter().try_for_each(|run| store.remove(&run::path(&run.rows())))
    }

    /// The sorted entries of the rows in memory before `end`, which are no longer there then.
    fn take_before(&mut self, end: u64) -> Vec<Entry> {
        let mut entries = Vec::with_capacity(self.recent.len());
        self.recent.retain(|key, seq| {
            let stays = *seq >= end;
            if !stays {
                entries.push(entry(key, *seq, false));
            }
            stays
        });
        self.amendments.retain(|key, rows| {
            let before = rows.iter().filter(|seq| **seq < end);
            entries.extend(before.map(|seq| entry(key, *seq, true)));
            rows.retain(|seq| *seq >= end);
            !rows.is_empty()
        });
        entries.sort_unstable();
        entries
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
