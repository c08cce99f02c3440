//! The log in memory: the tree, the tail, and what intake must know of older rows.

use std::collections::{BTreeSet, HashMap};
use std::ops::Range;

use backtrail_schemas::rows::Rows;
use backtrail_schemas::{Event, Timestamp, leaf};

use crate::checkpoint::Checkpoint;
use crate::error::{Error, Kind};
use crate::frame::FRAME_OVERHEAD;
use crate::index::{Index, Key, Keys, key};
use crate::intake::compare::Known;
use crate::intake::people::People;
use crate::journal::{Journal, scan};
use crate::keyring::KeyRing;
use crate::pruned::Pruning;
use crate::segment::read::Segment;
use crate::segment::{Seal, chain};
use crate::storage::Storage;
use crate::tlog::{Frontier, Hash, Tile, TileBuilder, leaf_hash, tile};
use crate::vault::{self, EventRecord};
use crate::wal;

/// Where a frame lies in its file.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    pub(crate) offset: u64,
    pub(crate) len: u32,
}

/// What the writer knows. Everything here can be rebuilt from disk, and is, after any failure.
pub(crate) struct Log {
    pub(crate) origin: String,
    pub(crate) simulated: bool,
    pub(crate) vault_key: [u8; 32],
    /// Who may sign.
    pub(crate) keys: KeyRing,
    pub(crate) frontier: Frontier,
    pub(crate) tiles: TileBuilder,
    /// Full tiles that are not on disk yet.
    pub(crate) full_tiles: Vec<(Tile, Vec<u8>)>,
    pub(crate) seals: Vec<Seal>,
    /// When rewritten segments took the place of others, by file.
    pub(crate) rewritten: HashMap<String, Timestamp>,
    /// The first row that is not pruned, and what stays of those before it.
    pub(crate) pruned: u64,
    pub(crate) kept: Option<Pruning>,
    /// How long genesis says that rows are kept.
    pub(crate) retention: String,
    /// The first row of the tail.
    pub(crate) first: u64,
    /// The compact range of `[0, first)`.
    pub(crate) first_frontier: Frontier,
    /// Where each row of the tail lies in the write-ahead log.
    pub(crate) tail: Vec<Place>,
    /// The columns that a row of the tail has.
    pub(crate) columns: BTreeSet<String>,
    /// When the first row of the tail was recorded.
    pub(crate) tail_since: Option<Timestamp>,
    /// The size at the last commit frame.
    pub(crate) committed: u64,
    pub(crate) wal: Journal,
    pub(crate) vault: Journal,
    pub(crate) vault_index: HashMap<Key, Place>,
    pub(crate) identities: Journal,
    pub(crate) quarantine: Journal,
    pub(crate) people: People,
    pub(crate) index: Index,
    pub(crate) last_recorded: Option<Timestamp>,
    /// The head that is published.
    pub(crate) published: Option<Checkpoint>,
    /// The compact range of the rows that were read back from disk.
    pub(crate) read_back: Frontier,
    pub(crate) cache: Cache,
}

/// The rows and vault entries that were last asked for.
#[derive(Default)]
pub(crate) struct Cache {
    segment: Option<(u64, Segment)>,
    group: Option<(u64, Rows)>,
    vault: Option<(u64, HashMap<Key, Place>)>,
    blocks: Option<BTreeSet<u64>>,
}

impl Log {
    /// How many rows there are, staged ones included.
    pub(crate) fn size(&self) -> u64 {
        self.frontier.size()
    }

    /// Adds `event` as the next row and returns its position. It is staged, not durable.
    ///
    /// # Errors
    /// It has no canonical leaf, or its id has a row already; then nothing changed.
    pub(crate) fn push(&mut self, store: &dyn Storage, event: &Event) -> Result<u64, Error> {
        let leaf = leaf::encode(event)?;
        self.push_leaf(store, event, &leaf)
    }

    /// As [`Log::push`], with the canonical leaf of the event.
    pub(crate) fn push_leaf(
        &mut self,
        store: &dyn Storage,
        event: &Event,
        leaf: &[u8],
    ) -> Result<u64, Error> {
        let (seq, keys) = (self.size(), Keys::of(event));
        // Invariant L6: one event id, one leaf. Intake asked before; the ledger's own entries end here.
        if self.index.row_of(store, &keys)?.is_some() {
            let id = event.text("event_id").unwrap_or_default();
            return Err(Error::reject(format!("event `{id}` is in the log")));
        }
        self.index.insert(seq, keys);
        let offset = self.wal.stage(wal::LEAF, leaf);
        self.take(leaf_hash(leaf), Place { offset, len: leaf.len() as u32 }, event);
        Ok(seq)
    }

    /// The row of an event. A sealed row is looked at: the index alone is not believed.
    ///
    /// # Errors
    /// `Retry` if the index is wrong: it is made again then.
    pub(crate) fn find(
        &mut self,
        store: &dyn Storage,
        event_id: &str,
    ) -> Result<Option<u64>, Error> {
        let Some(seq) = self.index.get(store, event_id)? else { return Ok(None) };
        if (self.pruned..self.first).contains(&seq)
            && self.row(store, seq)?.text("event_id") != Some(event_id)
        {
            return Err(self.index.distrust(store, seq));
        }
        Ok(Some(seq))
    }

    /// Takes one row of the tail into the tree.
    pub(crate) fn take(&mut self, hash: Hash, place: Place, event: &Event) {
        let recorded_at = event.timestamp("recorded_at");
        for (name, _) in event.iter() {
            if !self.columns.contains(name) {
                self.columns.insert(name.to_owned());
            }
        }
        self.frontier.push(hash);
        let full = &mut self.full_tiles;
        self.tiles.push(hash, |name, hashes| {
            if u64::from(name.width) == tile::WIDTH {
                full.push((name, tile::to_bytes(hashes)));
            }
        });
        self.tail.push(place);
        self.tail_since = self.tail_since.or(recorded_at);
        self.last_recorded = self.last_recorded.max(recorded_at);
    }

    /// The leaf of a row of the tail.
    pub(crate) fn tail_leaf(&self, store: &dyn Storage, seq: u64) -> Result<Vec<u8>, Error> {
        let place = self.tail[(seq - self.first) as usize];
        self.wal.read(store, place.offset, place.len as usize)
    }

    /// The bytes of the write-ahead log that hold rows `rows` of the tail.
    pub(crate) fn tail_bytes(&self, rows: Range<u64>) -> Range<u64> {
        let place = |seq: u64| self.tail[(seq - self.first) as usize];
        let last = place(rows.end - 1);
        place(rows.start).offset..last.offset + u64::from(last.len) + FRAME_OVERHEAD as u64
    }

    /// The event of a row.
    pub(crate) fn row(&mut self, store: &dyn Storage, seq: u64) -> Result<Event, Error> {
        if seq >= self.first {
            let event = leaf::decode(&self.tail_leaf(store, seq)?);
            return event.map_err(|e| Error::tampered(format!("row {seq}: {e}")));
        }
        if seq < self.pruned {
            return Err(Error::reject(format!("row {seq} was pruned")));
        }
        let seal = self.seal_of(seq)?.clone();
        if self.cache.segment.as_ref().is_none_or(|(start, _)| *start != seal.rows.start) {
            self.cache.segment = Some((seal.rows.start, chain::open(store, &seal)?));
            self.cache.group = None;
        }
        let (start, segment) = self.cache.segment.as_ref().expect("set above");
        let missing = || Error::tampered(format!("row {seq} is not in `{}`", seal.file));
        let (group, at) = segment.group_of(seq - start).ok_or_else(missing)?;
        let group_start = seq - at as u64;
        if self.cache.group.as_ref().is_none_or(|(start, _)| *start != group_start) {
            self.cache.group = Some((group_start, Rows::new(&segment.group(group)?)?));
        }
        let (_, rows) = self.cache.group.as_ref().expect("set above");
        if at >= rows.len() {
            return Err(missing());
        }
        rows.event(at).map_err(|e| Error::tampered(format!("row {seq}: {e}")))
    }

    fn seal_of(&self, seq: u64) -> Result<&Seal, Error> {
        let at = self.seals.partition_point(|seal| seal.rows.end <= seq);
        self.seals.get(at).ok_or_else(|| Error::tampered(format!("no segment holds row {seq}")))
    }

    /// What is known of the event of row `seq`: its columns and texts, with the amendments that filled unknowns.
    pub(crate) fn known(&mut self, store: &dyn Storage, seq: u64) -> Result<Known, Error> {
        let mut known = Known { event: self.row(store, seq)?, ..Known::default() };
        let id = known.event.text("event_id").unwrap_or_default().to_owned();
        self.add_texts(store, seq, &known.event.clone(), &mut known)?;
        for amendment in self.index.amendments(store, &id)? {
            let event = self.row(store, amendment)?;
            self.add_texts(store, amendment, &event, &mut known)?;
            known.merge(&event);
        }
        Ok(known)
    }

    fn add_texts(
        &mut self,
        store: &dyn Storage,
        seq: u64,
        event: &Event,
        known: &mut Known,
    ) -> Result<(), Error> {
        let committed = backtrail_schemas::columns::TEXT_FIELDS
            .iter()
            .filter(|field| event.text(&format!("{field}_commitment")).is_some());
        let committed: Vec<&str> = committed.copied().collect();
        if committed.is_empty() {
            return Ok(());
        }
        let record = self.vault_record(store, seq, event.text("event_id").unwrap_or_default())?;
        for field in committed {
            let value = record.as_ref().and_then(|r| r.texts.get(field).cloned());
            known.texts.insert(field.to_owned(), value);
        }
        Ok(())
    }

    /// The `<first>` of the files in the vault and the quarantine that belong to row `seq`. They stay as they are when
    /// segments are rewritten, so it is the largest one up to `seq`: a block without a file has nothing to be found.
    pub(crate) fn block_of(&mut self, store: &dyn Storage, seq: u64) -> Result<u64, Error> {
        if seq >= self.first {
            return Ok(self.first);
        }
        if self.cache.blocks.is_none() {
            self.cache.blocks = Some(vault::blocks(store)?);
        }
        let blocks = self.cache.blocks.as_ref().expect("set above");
        Ok(blocks.range(..=seq).next_back().copied().unwrap_or(0))
    }

    /// The vault's record of the event of row `seq`; `None` if it was erased.
    fn vault_record(
        &mut self,
        store: &dyn Storage,
        seq: u64,
        event_id: &str,
    ) -> Result<Option<EventRecord>, Error> {
        let key = key(event_id);
        if seq >= self.first {
            let Some(place) = self.vault_index.get(&key) else { return Ok(None) };
            let payload = self.vault.read(store, place.offset, place.len as usize)?;
            return EventRecord::parse(&payload).map(Some);
        }
        let first = self.block_of(store, seq)?;
        if self.cache.vault.as_ref().is_none_or(|(known, _)| *known != first) {
            self.cache.vault = Some((first, vault_places(store, &vault::path(first))?));
        }
        let (_, places) = self.cache.vault.as_ref().expect("set above");
        let Some(place) = places.get(&key).copied() else { return Ok(None) };
        let journal =
            Journal::new(vault::path(first), vault::FORMAT, &self.origin, first, u64::MAX);
        EventRecord::parse(&journal.read(store, place.offset, place.len as usize)?).map(Some)
    }
}

/// Where the records of events lie in a vault file; nowhere if there is none.
///
/// # Errors
/// The disk fails.
pub(crate) fn vault_places(store: &dyn Storage, path: &str) -> Result<HashMap<Key, Place>, Error> {
    let mut places = HashMap::new();
    let read = scan(store, path, u64::MAX, |offset, kind, payload| {
        let record = (kind == vault::EVENT).then(|| EventRecord::parse(payload).ok());
        if let Some(record) = record.flatten() {
            places.insert(key(&record.event_id), Place { offset, len: payload.len() as u32 });
        }
        Ok(())
    });
    match read {
        Err(e) if e.kind() != Kind::Missing => Err(e),
        _ => Ok(places),
    }
}
