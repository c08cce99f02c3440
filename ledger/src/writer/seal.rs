//! From the tail to a segment.

use std::ops::Range;
use std::sync::Arc;
use std::sync::mpsc::sync_channel;
use std::thread;

use bytes::Bytes;

use super::Ledger;
use super::ahead::{Ahead, Stretch, differs};
use super::publish::CHECKPOINT;
use crate::error::{Error, Kind};
use crate::journal::Journal;
use crate::limits::{AHEAD_ROWS, ROW_GROUP_ROWS};
use crate::log::Cache;
use crate::segment::read::Segment;
use crate::segment::write::{Heading, Writer};
use crate::segment::{self, Seal};
use crate::vault;
use crate::wal;

impl Ledger {
    /// Seals the tail, if there is more in it than the entry of the last seal.
    pub(super) fn seal_tail(&mut self) -> Result<(), Error> {
        if self.log.tail.len() < 2 {
            return Ok(());
        }
        // Of the segments before, the ids of two at most stay in memory, and no write-ahead log.
        self.log.index.settle(&*self.store, true)?;
        self.tidy()?;
        // 1. The head that the segment carries; its note stays.
        self.publish_head(true)?;
        let rows = self.log.first..self.log.committed;
        // 2. The file. A crash here leaves a segment without its entry: recovery seals again and adopts it.
        let ahead = self.ahead.take();
        let seal = self.write_segment(&rows, ahead)?;
        // 3. A new write-ahead log that begins with the entry. A crash before the entry is durable leaves an empty one:
        //    recovery removes it and goes on with the old one.
        self.rotate(&seal)?;
        let fields = seal.fields();
        let fields: Vec<(&str, &str)> =
            fields.iter().map(|(key, text)| (*key, text.as_str())).collect();
        self.push_entry("segment_sealed", &seal.file, &fields)?;
        self.flush()?;
        // 4. Only a published entry makes the old write-ahead log superfluous.
        self.publish_head(false)?;
        Ok(())
    }

    /// What a seal leaves to be done, apart from it, so that appends come in between: the event ids of its rows go to disk, and
    /// the old write-ahead log goes. A crash before it: the next start does both.
    pub(super) fn tidy(&mut self) -> Result<(), Error> {
        let log = &mut self.log;
        log.index.settle(&*self.store, false)?;
        if log.index.covered() < log.first && !log.index.is_writing() {
            log.index.spill_beside(Arc::clone(&self.store), &log.origin, &log.first_frontier);
        }
        self.remove_old_wal()
    }

    /// Goes on with a seal that a crash interrupted.
    pub(super) fn adopt_segment(&mut self) -> Result<(), Error> {
        let rows = self.log.first..self.log.committed;
        match self.store.len(&segment::path(&rows)) {
            Ok(_) => self.seal_tail(),
            Err(e) if e.kind() == Kind::Missing => Ok(()),
            Err(e) => Err(e),
        }
    }

    fn write_segment(&self, rows: &Range<u64>, ahead: Option<Ahead>) -> Result<Seal, Error> {
        let path = segment::path(rows);
        if let Some(bytes) = self.store.read_if_any(&path)? {
            if let Ok(seal) = self.check_segment(rows, rows.start, bytes.into()) {
                return Ok(seal);
            }
            self.store.remove(&path)?;
        }
        let note = self.store.read_all(CHECKPOINT)?;
        let note =
            String::from_utf8(note).map_err(|_| Error::tampered("`checkpoint` is not UTF-8"))?;
        let heading = Heading {
            origin: &self.log.origin,
            rows: rows.clone(),
            frontier: &self.log.first_frontier,
            checkpoint: &note,
        };
        let ((next, unread), mut writer) = match ahead {
            Some(ahead) => (ahead.next(), ahead.finish()?),
            None => ((rows.start, rows.start), Writer::new(&self.log.columns)?),
        };
        let (store, log) = (&*self.store, &self.log);
        // The next row group is decoded while the one before it is written.
        thread::scope(|scope| {
            let (give, take) = sync_channel(0);
            scope.spawn(move || {
                let groups = (next..rows.end).step_by(ROW_GROUP_ROWS);
                let mut batches = groups.map(|start| {
                    let end = rows.end.min(start + ROW_GROUP_ROWS as u64);
                    Stretch::of(log, start..end).batch(store)
                });
                // Whoever takes them has given up after an error.
                batches.try_for_each(|batch| give.send(batch))
            });
            take.iter().try_for_each(|batch| writer.push(&batch?))
        })?;
        let bytes = Bytes::from(writer.finish(&heading)?);
        thread::scope(|scope| {
            let checked = scope.spawn(|| self.check_segment(rows, unread, bytes.clone()));
            store.create(&[(path.clone(), bytes.to_vec())])?;
            // What is sealed is what the disk gives back.
            if store.read_all(&path)? != bytes {
                return Err(differs(rows.start));
            }
            checked.join().expect("it does not panic")
        })
    }

    /// The seal of a file, once its rows from `unread` on were found to be those of the tail (invariant L1).
    fn check_segment(&self, rows: &Range<u64>, unread: u64, bytes: Bytes) -> Result<Seal, Error> {
        let segment = Segment::open(bytes)?;
        let mut groups = Vec::new();
        let mut seq = rows.start;
        for (at, group) in segment.metadata().row_groups().iter().enumerate() {
            let end = seq + group.num_rows().cast_unsigned();
            if seq >= unread {
                groups.push((at, seq..end));
            }
            seq = end;
        }
        if seq != rows.end {
            return Err(differs(seq.min(rows.end)));
        }
        let (store, log, segment, groups) = (&*self.store, &self.log, &segment, &groups);
        // Nobody can append meanwhile: as many groups at once as there are usually processors.
        thread::scope(|scope| {
            let check = |from: usize| {
                let mut some = groups.iter().skip(from).step_by(READERS);
                some.try_for_each(|(at, rows)| {
                    Stretch::of(log, rows.clone()).check(store, segment, *at)
                })
            };
            let readers: Vec<_> =
                (0..READERS).map(|from| scope.spawn(move || check(from))).collect();
            readers.into_iter().try_for_each(|reader| reader.join().expect("it does not panic"))
        })?;
        let meta_offset = segment::write::pages_end(segment.metadata());
        Ok(Seal::of(rows.clone(), segment.bytes(), meta_offset))
    }

    /// Has rows of the tail encoded.
    pub(super) fn encode_ahead(&mut self) -> Result<(), Error> {
        if self.log.committed - self.log.first < AHEAD_ROWS {
            return Ok(());
        }
        let ahead = match self.ahead.take() {
            Some(ahead) => ahead,
            None => Ahead::begin(Arc::clone(&self.store), &self.log)?,
        };
        self.ahead.insert(ahead).go_on(&self.log);
        Ok(())
    }

    /// Begins the next tail behind `seal`.
    fn rotate(&mut self, seal: &Seal) -> Result<(), Error> {
        let (log, first) = (&mut self.log, seal.rows.end);
        log.seals.push(seal.clone());
        log.first = first;
        log.first_frontier = log.frontier.clone();
        log.tail.clear();
        log.tail_since = None;
        log.columns.clear();
        log.wal = Journal::new(wal::path(first), wal::FORMAT, &log.origin, first, 0);
        log.vault = Journal::new(vault::path(first), vault::FORMAT, &log.origin, first, 0);
        log.quarantine = Journal::new(
            vault::quarantine_path(first),
            vault::QUARANTINE_FORMAT,
            &log.origin,
            first,
            0,
        );
        log.vault_index.clear();
        log.cache = Cache::default();
        log.wal.create(&*self.store)
    }

    /// Removes write-ahead logs whose rows are sealed, their entry published.
    pub(super) fn remove_old_wal(&self) -> Result<(), Error> {
        for (_, path) in wal::files(&*self.store)?.range(..self.log.first) {
            self.store.remove(path)?;
        }
        Ok(())
    }
}

/// How many threads read a new segment back.
const READERS: usize = 2;
