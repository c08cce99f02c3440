//! A reader at one checkpoint. It takes no lock and changes nothing.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use arrow::array::AsArray as _;
use arrow::record_batch::RecordBatch;
use backtrail_schemas::columns::TEXT_FIELDS;
use backtrail_schemas::rows::{Rows, to_batch};
use backtrail_schemas::{Event, leaf};

use crate::checkpoint::{Checkpoint, TlogProof};
use crate::entry;
use crate::erasure::{self, Erasure};
use crate::error::{Error, Kind};
use crate::index;
use crate::key::Vkey;
use crate::keyring::{Action, KeyRing};
use crate::limits::TREE_SIZE_MAX;
use crate::note::Note;
use crate::prover::prove;
use crate::pruned::Kept;
use crate::segment::Seal;
use crate::segment::chain::{self, Chain, Known};
use crate::segment::read::Segment;
use crate::storage::{Local, Storage};
use crate::tiles::TileReader;
use crate::tlog::{Frontier, NodeSource as _, leaf_hash};
use crate::vault::{self, EventRecord, IdentityRecord, QuarantineRecord};
use crate::wal;
use crate::writer::{CHECKPOINT, kept_sizes, note_path};

/// How often a reader begins again because the writer sealed meanwhile.
const ATTEMPTS: usize = 5;

/// The rows below one checkpoint.
pub struct Snapshot {
    store: Local,
    note: Note,
    checkpoint: Checkpoint,
    genesis: Event,
    /// Segments that lie wholly below the checkpoint.
    seals: Vec<Seal>,
    /// The first row that is not pruned, and what stays of those before it.
    start: u64,
    kept: Kept,
    /// The entries of upkeep up to the newest checkpoint: what was erased is gone at every older one, too.
    upkeep: Vec<(u64, Event)>,
    paths: Vec<PathBuf>,
    /// The rows behind them, as canonical leaves.
    tail: Vec<Vec<u8>>,
    /// Where each batch of the tail ended: the sizes that may have had a checkpoint.
    commits: Vec<u64>,
    /// The row group that was decoded last, with its first position: readers of single rows mostly go on in it.
    recent: Mutex<Option<(u64, Rows)>>,
}

impl Snapshot {
    /// Opens the newest checkpoint of the ledger in `dir`, or the kept one of size `at`.
    ///
    /// The rows are checked against it: each segment by the hash in its seal entry, the tail by the root. The signature is
    /// checked with the keys that the rows name, which proves nothing about who made the ledger: [`crate::verify`] asks
    /// for the key.
    ///
    /// # Errors
    /// `Missing` if it is no ledger or has no such checkpoint; `Tampered` if the rows are not those that were signed.
    pub fn open(dir: &Path, at: Option<u64>) -> Result<Self, Error> {
        let store = Local::new(dir);
        let mut attempt = 0;
        loop {
            attempt += 1;
            let before = store.read_if_any(CHECKPOINT)?;
            match Self::read(Local::new(dir), at, None) {
                // A seal moves rows between files while they are read; the head has moved then, too.
                Err(_) if attempt < ATTEMPTS && store.read_if_any(CHECKPOINT)? != before => {}
                done => return done,
            }
        }
    }

    /// The newest checkpoint's rows, if it is not this one's: only what is new is read and checked again.
    ///
    /// # Errors
    /// As [`Snapshot::open`].
    pub fn newer(&self) -> Result<Option<Self>, Error> {
        let mut attempt = 0;
        loop {
            attempt += 1;
            let before = self.store.read_if_any(CHECKPOINT)?;
            if before.as_deref() == Some(self.note().as_bytes()) {
                return Ok(None);
            }
            match Self::read(self.store.clone(), None, Some(self)) {
                Err(_) if attempt < ATTEMPTS && self.store.read_if_any(CHECKPOINT)? != before => {}
                done => return done.map(Some),
            }
        }
    }

    fn read(store: Local, at: Option<u64>, known: Option<&Self>) -> Result<Self, Error> {
        let newest = read_note(&store, CHECKPOINT)?;
        let head: Checkpoint = newest.text.parse()?;
        let read =
            known.map(|known| Known { seals: &known.seals, upkeep: &known.upkeep, until: 0 });
        let (chain, mut leaves, mut commits) = read_tail(&store, &head, read.unwrap_or_default())?;
        let (start, kept) = match chain.pruned {
            Some((pruning, kept)) => (pruning.end, kept),
            None => (0, Kept::default()),
        };
        let mut seals = chain.seals;
        let (note, checkpoint) = match at.filter(|size| *size != head.size) {
            None => (newest, head),
            Some(size) => {
                let note = read_note(&store, &note_path(size))?;
                let checkpoint: Checkpoint = note.text.parse()?;
                if checkpoint.size != size || checkpoint.origin != head.origin || size > head.size {
                    return Err(Error::tampered(format!(
                        "`{}` is of another log or size",
                        note_path(size)
                    )));
                }
                (note, checkpoint)
            }
        };
        if checkpoint.size < start {
            let what = format!(
                "rows before {start} were pruned: {} can no longer be read",
                checkpoint.size
            );
            return Err(Error::new(Kind::Missing, what));
        }
        cut(&store, &mut seals, &mut leaves, start, checkpoint.size)?;
        commits.retain(|end| *end <= checkpoint.size);
        check_root(&store, &seals, &leaves, start, &checkpoint)?;
        let genesis = match (known, seals.first()) {
            (Some(known), _) => known.genesis.clone(),
            _ if start > 0 => leaf::decode(&kept.leaves[&0])?,
            (None, Some(seal)) => chain::open(&store, seal)?.first_rows()?.event(0)?,
            (None, None) => {
                leaf::decode(leaves.first().ok_or_else(|| Error::tampered("a log without rows"))?)?
            }
        };
        if !entry::is(&genesis, "genesis")
            || genesis.attribute("origin") != Some(&checkpoint.origin)
        {
            return Err(Error::tampered("row 0 is not the genesis entry of this log"));
        }
        let keys = KeyRing::new(&genesis)?;
        let paths = seals.iter().map(|seal| store.resolve(&seal.file)).collect::<Result<_, _>>()?;
        let snapshot = Self {
            store,
            note,
            checkpoint,
            genesis,
            seals,
            start,
            kept,
            upkeep: chain.upkeep,
            paths,
            tail: leaves,
            commits,
            recent: Mutex::new(None),
        };
        // The rows say who may sign this head. Most logs never had another key than the first: then they are not asked.
        if keys.open(&snapshot.note, snapshot.checkpoint.size).is_err() {
            snapshot.keys()?.open(&snapshot.note, snapshot.checkpoint.size)?;
        }
        Ok(snapshot)
    }

    /// The keys of the log, with the sizes of the heads that each may sign, as the rows tell it; for a verdict, pin one that
    /// came another way.
    ///
    /// # Errors
    /// A segment cannot be read, or an entry about a key does not hold.
    pub fn keys(&self) -> Result<KeyRing, Error> {
        let mut keys = KeyRing::new(&self.genesis)?;
        for (seq, leaf) in self.kept.leaves.range(1..) {
            keys.take(&leaf::decode(leaf)?, *seq)?;
        }
        for seal in &self.seals {
            let mut seq = seal.rows.start;
            for batch in chain::open(&self.store, seal)?.columns(&["phase"])? {
                let phases = batch
                    .column(0)
                    .as_string_opt::<i32>()
                    .ok_or_else(|| Error::tampered("`phase` is no text"))?;
                for phase in phases {
                    if phase.and_then(Action::of).is_some() {
                        keys.take(&leaf::decode(&self.leaf(seq)?)?, seq)?;
                    }
                    seq += 1;
                }
            }
        }
        for (leaf, seq) in self.tail.iter().zip(self.tail_start()..) {
            keys.take(&leaf::decode(leaf)?, seq)?;
        }
        Ok(keys)
    }

    /// The head that everything here is read at.
    pub fn checkpoint(&self) -> &Checkpoint {
        &self.checkpoint
    }

    /// The signed note of the head.
    pub fn note(&self) -> String {
        self.note.to_string()
    }

    /// The first entry.
    pub fn genesis(&self) -> &Event {
        &self.genesis
    }

    /// The key that the first entry names; for a verdict, use one that came another way.
    ///
    /// # Errors
    /// It is not a key.
    pub fn genesis_key(&self) -> Result<Vkey, Error> {
        self.genesis.attribute("vkey").unwrap_or_default().parse()
    }

    /// Whether times of receipt are made up: a demo or a test.
    pub fn simulated_clock(&self) -> bool {
        self.genesis.attribute("simulated_clock") == Some("true")
    }

    /// How many rows there are.
    pub fn size(&self) -> u64 {
        self.checkpoint.size
    }

    /// The sealed files that lie wholly below the checkpoint, in order; each has the hash that its seal entry says.
    pub fn segments(&self) -> &[PathBuf] {
        &self.paths
    }

    /// The rows behind the last of [`Snapshot::segments`].
    ///
    /// # Errors
    /// A row has a column that this version does not know.
    pub fn tail(&self) -> Result<RecordBatch, Error> {
        let events =
            self.tail.iter().map(|leaf| leaf::decode(leaf)).collect::<Result<Vec<_>, _>>()?;
        Ok(to_batch(self.tail_start(), &events)?)
    }

    /// The first row that no segment below the checkpoint holds.
    pub(crate) fn tail_start(&self) -> u64 {
        self.seals.last().map_or(self.start, |seal| seal.rows.end)
    }

    /// The first row that is not pruned. Of those before it, the ledger's own entries are there.
    pub fn start(&self) -> u64 {
        self.start
    }

    /// The entries of the ledger that stay of pruned rows, a batch for each run of them.
    ///
    /// # Errors
    /// A row has a column that this version does not know.
    pub fn kept(&self) -> Result<Vec<RecordBatch>, Error> {
        let mut runs: Vec<(u64, Vec<Event>)> = Vec::new();
        for (seq, bytes) in &self.kept.leaves {
            let event = leaf::decode(bytes)?;
            match runs.last_mut() {
                Some((first, run)) if *first + run.len() as u64 == *seq => run.push(event),
                _ => runs.push((*seq, vec![event])),
            }
        }
        runs.iter().map(|(first, run)| Ok(to_batch(*first, run)?)).collect()
    }

    /// The sizes, up to the checkpoint's, that had one as far as the files tell: kept ones, ends of batches behind
    /// [`Snapshot::tail_start`], and its own. Sorted.
    pub(crate) fn published_sizes(&self) -> Result<Vec<u64>, Error> {
        let mut sizes = self.kept_sizes()?;
        sizes.extend(&self.commits);
        sizes.sort_unstable();
        sizes.dedup();
        Ok(sizes)
    }

    /// The sizes of the kept checkpoints up to this one, and its own.
    pub(crate) fn kept_sizes(&self) -> Result<Vec<u64>, Error> {
        let size = self.checkpoint.size;
        let kept = kept_sizes(&self.store)?.into_iter().filter(|kept| *kept < size);
        Ok(kept.chain([size]).collect())
    }

    /// The tiles of the tree, as they lie on disk.
    pub(crate) fn tiles(&self) -> TileReader<'_> {
        TileReader::new(&self.store, self.checkpoint.size)
    }

    /// The canonical bytes of row `seq`.
    ///
    /// # Errors
    /// `Reject` if there is no such row below the checkpoint.
    pub fn leaf(&self, seq: u64) -> Result<Vec<u8>, Error> {
        let missing =
            || Error::reject(format!("no row {seq} in a log of {} rows", self.checkpoint.size));
        if seq < self.start {
            let pruned = || Error::new(Kind::Missing, format!("row {seq} was pruned"));
            return self.kept.leaves.get(&seq).cloned().ok_or_else(pruned);
        }
        if let Some(at) = seq.checked_sub(self.tail_start()) {
            return self.tail.get(at as usize).cloned().ok_or_else(missing);
        }
        let seal = self.seals.iter().find(|seal| seal.rows.contains(&seq)).ok_or_else(missing)?;
        let mut recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((first, rows)) = &*recent
            && let Some(at) = seq.checked_sub(*first).filter(|at| *at < rows.len() as u64)
        {
            return Ok(rows.leaf(at as usize)?);
        }
        let segment = chain::open(&self.store, seal)?;
        let (group, at) = segment.group_of(seq - seal.rows.start).ok_or_else(missing)?;
        let rows = Rows::new(&segment.group(group)?)?;
        let leaf = rows.leaf(at)?;
        *recent = Some((seq - at as u64, rows));
        Ok(leaf)
    }

    /// The proof that row `seq` is in the log at this checkpoint.
    ///
    /// # Errors
    /// There is no such row, or a tile is missing or not the one that was signed.
    pub fn inclusion_proof(&self, seq: u64) -> Result<TlogProof, Error> {
        prove(&self.store, &self.note, &self.checkpoint, seq)
    }

    /// The row of an event.
    ///
    /// # Errors
    /// A segment cannot be read.
    pub fn find(&self, event_id: &str) -> Result<Option<u64>, Error> {
        let key = index::key(event_id);
        if let Some(at) = self.kept.keys.iter().position(|known| *known == key) {
            return Ok(Some(at as u64));
        }
        for seal in &self.seals {
            let mut seq = seal.rows.start;
            for batch in chain::open(&self.store, seal)?.columns(&["event_id"])? {
                let ids = batch
                    .column(0)
                    .as_string_opt::<i32>()
                    .ok_or_else(|| Error::tampered("`event_id` is no text"))?;
                if let Some(at) = ids.iter().position(|id| id == Some(event_id)) {
                    return Ok(Some(seq + at as u64));
                }
                seq += batch.num_rows() as u64;
            }
        }
        for (leaf, seq) in self.tail.iter().zip(self.tail_start()..) {
            if leaf::decode(leaf)?.text("event_id") == Some(event_id) {
                return Ok(Some(seq));
            }
        }
        Ok(None)
    }

    /// All rows in order, as position and canonical bytes; one row group is in memory at a time. Of pruned rows only the
    /// ledger's own entries are there.
    ///
    /// # Errors
    /// A segment cannot be read; then nothing follows.
    pub fn leaves(&self) -> impl Iterator<Item = Result<(u64, Vec<u8>), Error>> {
        self.leaves_from(0)
    }

    /// As [`Snapshot::leaves`], from row `from` on; segments before it are not read.
    pub fn leaves_from(&self, from: u64) -> impl Iterator<Item = Result<(u64, Vec<u8>), Error>> {
        let wanted = self.seals.iter().filter(move |seal| seal.rows.end > from);
        let sealed = wanted.flat_map(move |seal| match chain::open(&self.store, seal) {
            Ok(segment) => segment_leaves(&segment, seal.rows.start),
            Err(e) => Box::new(std::iter::once(Err(e))),
        });
        let kept = self.kept.leaves.iter().map(|(seq, leaf)| Ok((*seq, leaf.clone())));
        let all = kept.chain(sealed);
        let all = all.chain((self.tail_start()..).zip(self.tail.iter().cloned()).map(Ok));
        all.filter(move |row| row.as_ref().map_or(true, |(seq, _)| *seq >= from))
    }

    /// The accounts that the vault knows: one for each pseudonym, with the name that became known last.
    ///
    /// # Errors
    /// The identities are damaged.
    pub fn accounts(&self) -> Result<Vec<IdentityRecord>, Error> {
        let Some(bytes) = self.store.read_if_any(vault::IDENTITIES)? else { return Ok(Vec::new()) };
        let mut accounts = std::collections::BTreeMap::new();
        for frame in crate::frame::Frames::new(&bytes).filter(|frame| frame.kind == vault::IDENTITY)
        {
            let record = IdentityRecord::parse(frame.payload)?;
            accounts.insert(record.pseudonym.clone(), record);
        }
        Ok(accounts.into_values().collect())
    }

    /// Pseudonyms, and what a reader of the vault is shown for each: the name, or else the account.
    ///
    /// # Errors
    /// As [`Snapshot::accounts`].
    pub fn people(&self) -> Result<Vec<(String, String)>, Error> {
        let shown = self.accounts()?.into_iter().map(|a| {
            let shown = a.name.unwrap_or_else(|| format!("{} ({})", a.id, a.directory));
            (a.pseudonym, shown)
        });
        Ok(shown.collect())
    }

    /// The events of which something was erased, by id.
    pub fn erased(&self) -> BTreeSet<String> {
        let erasures = self.upkeep.iter().filter_map(|(_, event)| Erasure::parse(event));
        erasures.flat_map(|erasure| erasure.events.into_keys()).collect()
    }

    /// The deliveries that were authenticated and not, or not wholly, understood, in the order in which they came. An append
    /// that is under way, or was interrupted, ends a file.
    ///
    /// # Errors
    /// A file of the quarantine is damaged.
    pub fn quarantine(&self) -> Result<Vec<QuarantineRecord>, Error> {
        let mut found = Vec::new();
        for (path, _) in self.store.list("quarantine")? {
            if vault::first_of(&path, vault::quarantine_path).is_none() {
                continue;
            }
            let bytes = self.store.read_all(&path)?;
            let frames = crate::frame::Frames::new(&bytes);
            for frame in frames.filter(|frame| frame.kind == vault::QUARANTINED) {
                found.push(QuarantineRecord::parse(frame.payload)?);
            }
        }
        Ok(found)
    }

    /// The free texts of the vault, as event id, field and text; one file of the vault is in memory at a time. Where a text
    /// was erased, it is [`erasure::SHOWN`].
    ///
    /// # Errors
    /// The vault is there and damaged.
    pub fn texts(
        &self,
    ) -> Result<impl Iterator<Item = Result<(String, String, String), Error>>, Error> {
        let files = self.store.list("vault")?.into_iter().map(|(path, _)| path);
        let files = files.filter(|path| vault::first_of(path, vault::path).is_some());
        let erased = self.upkeep.iter().filter_map(|(_, event)| Erasure::parse(event));
        let erased = erased.flat_map(|erasure| erasure.events).flat_map(|(id, fields)| {
            let texts = fields.into_iter().filter(|field| TEXT_FIELDS.contains(&field.as_str()));
            texts.map(move |field| (id.clone(), field, erasure::SHOWN.to_owned()))
        });
        let there = files.flat_map(|path| match texts_of(&self.store, &path) {
            Ok(texts) => texts.into_iter().map(Ok).collect(),
            Err(e) => vec![Err(e)],
        });
        Ok(there.chain(erased.map(Ok)))
    }
}

fn texts_of(store: &dyn Storage, path: &str) -> Result<Vec<(String, String, String)>, Error> {
    let bytes = store.read_all(path)?;
    let mut texts = Vec::new();
    for frame in crate::frame::Frames::new(&bytes).filter(|frame| frame.kind == vault::EVENT) {
        let record = EventRecord::parse(frame.payload)?;
        texts.extend(
            record.texts.into_iter().map(|(field, text)| (record.event_id.clone(), field, text)),
        );
    }
    Ok(texts)
}

/// Rows with their positions.
type Leaves = Box<dyn Iterator<Item = Result<(u64, Vec<u8>), Error>>>;

fn segment_leaves(segment: &Segment, start: u64) -> Leaves {
    let batches = match segment.batches() {
        Ok(batches) => batches,
        Err(e) => return Box::new(std::iter::once(Err(e))),
    };
    let leaves = batches.flat_map(|batch| match batch.and_then(|batch| Ok(Rows::new(&batch)?)) {
        Ok(rows) => (0..rows.len()).map(|at| Ok(rows.leaf(at)?)).collect(),
        Err(e) => vec![Err(e)],
    });
    Box::new(leaves.zip(start..).map(|(leaf, seq)| Ok((seq, leaf?))))
}

pub(crate) fn read_note(store: &dyn Storage, path: &str) -> Result<Note, Error> {
    let bytes = store.read_all(path).map_err(|e| match e.kind() {
        Kind::Missing => Error::new(Kind::Missing, format!("no checkpoint `{path}`")),
        _ => e,
    })?;
    String::from_utf8(bytes).map_err(|_| Error::tampered(format!("`{path}` is not text")))?.parse()
}

/// The sealed chain, the leaves behind it, and the ends of their batches.
type Tail = (Chain, Vec<Vec<u8>>, Vec<u64>);

/// The sealed chain and what lies behind it, up to `head`. Segments of `known` are not read
/// again.
fn read_tail(store: &dyn Storage, head: &Checkpoint, known: Known) -> Result<Tail, Error> {
    // The newest file with a row below the head: a seal may be under way behind it.
    let below = wal::files(store)?.into_iter().rev().find(|(first, _)| *first < head.size);
    let Some((first, path)) = below else {
        return Err(Error::tampered("no write-ahead log has the rows below the checkpoint"));
    };
    let bytes = store.read_all(&path)?;
    let contents = wal::read(&bytes, &head.origin, first)?;
    let Some(frames) = contents.leaves.get(..(head.size - first) as usize) else {
        return Err(Error::tampered(format!(
            "`{path}` ends before the checkpoint's row {}",
            head.size
        )));
    };
    let leaves: Vec<Vec<u8>> = frames.iter().map(|frame| frame.payload.to_vec()).collect();
    let chain = chain::read_back(store, first, &leaves, known)?;
    Ok((chain, leaves, contents.commits.iter().map(|commit| commit.end).collect()))
}

/// Cuts what was read at the head to an older `size`.
fn cut(
    store: &dyn Storage,
    seals: &mut Vec<Seal>,
    leaves: &mut Vec<Vec<u8>>,
    start: u64,
    size: u64,
) -> Result<(), Error> {
    let tail_start = seals.last().map_or(start, |seal| seal.rows.end);
    if size >= tail_start {
        leaves.truncate((size - tail_start) as usize);
        return Ok(());
    }
    leaves.clear();
    while let Some(seal) = seals.pop_if(|seal| seal.rows.end > size) {
        if seal.rows.start < size {
            let rows = segment_leaves(&chain::open(store, &seal)?, seal.rows.start)
                .take((size - seal.rows.start) as usize);
            *leaves = rows.map(|row| row.map(|(_, leaf)| leaf)).collect::<Result<_, _>>()?;
        }
    }
    Ok(())
}

/// Whether the sealed rows' tree, taken from tiles, and the tail give the checkpoint's root.
fn check_root(
    store: &dyn Storage,
    seals: &[Seal],
    leaves: &[Vec<u8>],
    start: u64,
    checkpoint: &Checkpoint,
) -> Result<(), Error> {
    let start = seals.last().map_or(start, |seal| seal.rows.end);
    let mut frontier = frontier_at(store, start)?;
    for leaf in leaves {
        frontier.push(leaf_hash(leaf));
    }
    let same = frontier.size() == checkpoint.size && frontier.root() == checkpoint.root;
    if same {
        Ok(())
    } else {
        Err(Error::tampered("the rows are not those that the checkpoint signs"))
    }
}

/// The compact range of `[0, size)`, from tiles.
pub(crate) fn frontier_at(store: &dyn Storage, size: u64) -> Result<Frontier, Error> {
    frontier_of(&TileReader::new(store, size.min(TREE_SIZE_MAX)), size)
}

/// The compact range of `[0, size)`, from the tiles of a tree that has at least as many leaves.
pub(crate) fn frontier_of(tiles: &TileReader, size: u64) -> Result<Frontier, Error> {
    let mut hashes = Vec::new();
    let mut before = 0u64;
    for level in (0..64u8).rev().filter(|level| size >> level & 1 == 1) {
        hashes.push(tiles.node(level, before >> level)?);
        before += 1 << level;
    }
    Frontier::from_parts(size, hashes)
}
