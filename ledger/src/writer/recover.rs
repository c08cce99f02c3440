//! Rebuilding the writer's memory from disk, and repairing what a crash left.

use std::collections::{BTreeSet, HashMap};

use arrow::array::{AsArray as _, StringArray};
use arrow::record_batch::RecordBatch;
use backtrail_schemas::{Event, Timestamp, leaf};

use super::publish::{CHECKPOINT, note_path};
use crate::checkpoint::Checkpoint;
use crate::entry;
use crate::error::{Error, Kind};
use crate::frame::End;
use crate::index::{Index, Keys};
use crate::intake::people::People;
use crate::journal::Journal;
use crate::keyring::{Action, KeyRing};
use crate::limits::INDEX_RECENT_ROWS;
use crate::log::{Cache, Log, Place, vault_places};
use crate::pruned::Kept;
use crate::segment::Seal;
use crate::segment::chain::{self, Known};
use crate::snapshot::{frontier_at, read_note};
use crate::state::State;
use crate::storage::Storage;
use crate::tiles::TileReader;
use crate::tlog::{Frontier, TileBuilder, leaf_hash};
use crate::vault::{self, IdentityRecord, KeyRecord};
use crate::wal::{self, Commit, Contents};

/// What was found on disk.
pub(super) struct Recovered {
    pub(super) log: Log,
    pub(super) epoch: u64,
    /// The highest head that was signed or intended.
    pub(super) head: Checkpoint,
    /// What was repaired, for the log.
    pub(super) repairs: Vec<String>,
}

/// A log without rows.
pub(super) fn empty_log(origin: &str, simulated: bool, vault_key: [u8; 32]) -> Log {
    Log {
        origin: origin.to_owned(),
        simulated,
        vault_key,
        keys: KeyRing::default(),
        frontier: Frontier::default(),
        tiles: TileBuilder::default(),
        full_tiles: Vec::new(),
        seals: Vec::new(),
        rewritten: HashMap::new(),
        pruned: 0,
        kept: None,
        retention: String::new(),
        first: 0,
        first_frontier: Frontier::default(),
        tail: Vec::new(),
        columns: BTreeSet::new(),
        tail_since: None,
        committed: 0,
        wal: Journal::new(wal::path(0), wal::FORMAT, origin, 0, 0),
        vault: Journal::new(vault::path(0), vault::FORMAT, origin, 0, 0),
        vault_index: HashMap::new(),
        identities: Journal::new(vault::IDENTITIES.into(), vault::FORMAT, origin, 0, 0),
        quarantine: Journal::new(vault::quarantine_path(0), vault::QUARANTINE_FORMAT, origin, 0, 0),
        people: People::default(),
        index: Index::default(),
        last_recorded: None,
        published: None,
        read_back: Frontier::default(),
        cache: Cache::default(),
    }
}

/// Reads everything and repairs the end of the files. The lock is held.
pub(super) fn recover(store: &dyn Storage, origin: &str) -> Result<Recovered, Error> {
    let state = State::read(store)?.ok_or_else(|| {
        Error::new(Kind::Missing, "`state/head` is missing: a copy or a restored ledger is read-only until its head is confirmed")
    })?;
    if state.head.origin != origin {
        return Err(Error::reject(format!(
            "the key is of `{origin}`, the ledger is `{}`",
            state.head.origin
        )));
    }
    let mut repairs = Vec::new();
    let (first, bytes) = newest_wal(store, origin, &mut repairs)?;
    let mut contents = wal::read(&bytes, origin, first)?;
    contents.drop_interrupted(state.head.size, wal::lengths(store, first)?);
    let size = first + contents.leaves.len() as u64;
    if size < state.head.size {
        let what = format!("`{}` offset {}", wal::path(first), contents.committed);
        return Err(Error::tampered(format!(
            "{what}: ends at row {size}, but a head of {} was signed",
            state.head.size
        )));
    }
    if contents.end != End::Clean || contents.committed < bytes.len() {
        cut(store, &wal::path(first), &bytes, contents.committed, &mut repairs)?;
    }
    let last = *contents.commits.last().expect("a file without commits is not chosen");
    let mut log = empty_log(origin, false, [0; 32]);
    let leaves: Vec<&[u8]> = contents.leaves.iter().map(|frame| frame.payload).collect();
    let chain = chain::read_back(store, first, &leaves, Known::default())?;
    log.rewritten = chain.upkeep.iter().filter_map(rewritten_at).collect();
    log.pruned = chain.start();
    let kept = chain.pruned.map(|(pruning, kept)| {
        log.kept = Some(pruning);
        kept
    });
    log.seals = chain.seals;
    restore_tree(&mut log, store, first, &state)?;
    let tail = restore_tail(&mut log, &contents, &state)?;
    log.committed = size;
    log.wal = Journal::new(wal::path(first), wal::FORMAT, origin, first, contents.committed as u64);
    restore_stores(&mut log, store, first, &last, &mut repairs)?;
    restore_index(&mut log, store, kept.as_ref(), &tail, &mut repairs)?;
    restore_keys(&mut log, store, kept.as_ref(), &tail)?;
    restore_published(&mut log, store, &state)?;
    Ok(Recovered { log, epoch: state.epoch, head: state.head, repairs })
}

/// The file of a `ledger/segment_rewritten` entry, and when it was entered.
fn rewritten_at((_, event): &(u64, Event)) -> Option<(String, Timestamp)> {
    let file = event.attribute("file").filter(|_| entry::is(event, "segment_rewritten"))?;
    Some((file.to_owned(), event.timestamp("recorded_at")?))
}

/// The file of the tail: the newest one that has rows.
fn newest_wal(
    store: &dyn Storage,
    origin: &str,
    repairs: &mut Vec<String>,
) -> Result<(u64, Vec<u8>), Error> {
    let mut files = wal::files(store)?;
    loop {
        let Some((first, path)) = files.pop_last() else {
            return Err(Error::tampered("no write-ahead log"));
        };
        let bytes = store.read_all(&path)?;
        let header = crate::frame::header(wal::FORMAT, origin, first);
        let short = bytes.len() < header.len() && header.starts_with(&bytes);
        if !short && !wal::read(&bytes, origin, first)?.commits.is_empty() {
            return Ok((first, bytes));
        }
        if files.is_empty() {
            return Err(Error::tampered(format!(
                "`{path}` has no rows, and there is no other write-ahead log"
            )));
        }
        // A seal was interrupted before its entry was durable; the rows are still in the file before.
        if bytes.len() > header.len() {
            store.replace(&format!("{path}.cut"), &bytes)?;
        }
        store.remove(&path)?;
        repairs.push(format!("{path}: begun and not used"));
    }
}

/// Cuts what follows `at`, and keeps it beside the file.
fn cut(
    store: &dyn Storage,
    path: &str,
    bytes: &[u8],
    at: usize,
    repairs: &mut Vec<String>,
) -> Result<(), Error> {
    store.replace(&format!("{path}.{at}.cut"), &bytes[at..])?;
    store.replace(path, &bytes[..at])?;
    repairs.push(format!("{path}: cut {} bytes at {at}", bytes.len() - at));
    Ok(())
}

/// The tree of the sealed rows, from tiles, checked against the note of their end.
fn restore_tree(
    log: &mut Log,
    store: &dyn Storage,
    first: u64,
    state: &State,
) -> Result<(), Error> {
    log.first = first;
    if first == 0 {
        return Ok(());
    }
    // Who signed it is asked once the rows have told the keys: `restore_published`.
    let head: Checkpoint = read_note(store, &note_path(first))?.text.parse()?;
    let tiles = TileReader::new(store, first);
    log.frontier = frontier_at(store, first)?;
    log.tiles = tiles.builder()?;
    let sideways = state.head.size == first && state.head.root != head.root;
    if head.size != first || log.frontier.root() != head.root || sideways {
        return Err(Error::tampered(format!(
            "the tiles do not give the root of `{}`",
            note_path(first)
        )));
    }
    log.first_frontier = log.frontier.clone();
    log.read_back = log.frontier.clone();
    Ok(())
}

/// What is needed of the rows of the tail when they are in the tree.
#[derive(Default)]
struct Tail {
    keys: Vec<Keys>,
    /// Row 0, if it is in the tail.
    genesis: Option<Event>,
    about_keys: Vec<(u64, Event)>,
}

/// The tree with the rows of the tail, checked against every commit and the signed head; one row is decoded at a time.
fn restore_tail(log: &mut Log, contents: &Contents, state: &State) -> Result<Tail, Error> {
    let mut tail = Tail::default();
    for (frame, seq) in contents.leaves.iter().zip(log.first..) {
        let event = leaf::decode(frame.payload)
            .map_err(|e| Error::tampered(format!("a row of the tail: {e}")))?;
        let place = Place { offset: frame.offset as u64, len: frame.payload.len() as u32 };
        log.take(leaf_hash(frame.payload), place, &event);
        check_roots(log, &contents.commits, state, seq + 1)?;
        tail.keys.push(Keys::of(&event));
        if event.text("phase").and_then(Action::of).is_some() {
            tail.about_keys.push((seq, event));
        } else if seq == 0 {
            tail.genesis = Some(event);
        }
    }
    Ok(tail)
}

/// Compares the root of `size` rows with what commit frames and the signed head say of it.
fn check_roots(log: &mut Log, commits: &[Commit], state: &State, size: u64) -> Result<(), Error> {
    let commit =
        commits.binary_search_by_key(&size, |commit| commit.end).ok().map(|at| commits[at].root);
    let signed = (state.head.size == size).then_some(state.head.root);
    for root in [commit, signed].into_iter().flatten() {
        if log.frontier.root() != root {
            return Err(Error::tampered(format!(
                "the first {size} rows are not those that were written"
            )));
        }
    }
    Ok(())
}

/// The vault's key, identities and current files, cut to what the last commit covers.
fn restore_stores(
    log: &mut Log,
    store: &dyn Storage,
    first: u64,
    last: &Commit,
    repairs: &mut Vec<String>,
) -> Result<(), Error> {
    let files = [
        (vault::path(first), last.vault_bytes),
        (vault::IDENTITIES.to_owned(), last.identities_bytes),
        (vault::quarantine_path(first), last.quarantine_bytes),
    ];
    for (path, covered) in &files {
        let len = match store.len(path) {
            Err(e) if e.kind() == Kind::Missing => 0,
            other => other?,
        };
        match len {
            len if len < *covered => {
                return Err(Error::tampered(format!("`{path}` has {len} bytes, not {covered}")));
            }
            len if len == *covered => {}
            // Nobody was told of what lies beyond; it may be personal, so it is not kept.
            _ if *covered == 0 => store.remove(path)?,
            _ => store.replace(path, &store.read(path, 0..*covered)?)?,
        }
        if len > *covered {
            repairs.push(format!("{path}: cut to {covered} bytes"));
        }
    }
    let origin = log.origin.clone();
    log.vault = Journal::new(vault::path(first), vault::FORMAT, &origin, first, last.vault_bytes);
    log.identities =
        Journal::new(vault::IDENTITIES.into(), vault::FORMAT, &origin, 0, last.identities_bytes);
    let path = vault::quarantine_path(first);
    log.quarantine =
        Journal::new(path, vault::QUARANTINE_FORMAT, &origin, first, last.quarantine_bytes);
    log.vault_index = vault_places(store, &vault::path(first))?;
    let bytes = store.read_all(vault::IDENTITIES)?;
    for frame in vault::records(&bytes, vault::FORMAT, &origin, 0)? {
        match frame.kind {
            vault::KEY => {
                let key = KeyRecord::parse(frame.payload)?;
                log.vault_key = vault::salt_of(&key.key)
                    .ok_or_else(|| Error::tampered("the vault's key is damaged"))?;
            }
            vault::IDENTITY => log.people.insert(&IdentityRecord::parse(frame.payload)?),
            kind if kind == vault::erased(vault::IDENTITY) => {}
            _ => return Err(Error::tampered("`vault/identities` has a frame that is no record")),
        }
    }
    Ok(())
}

/// Which row has which event id: what the runs say, and the rows themselves where no run reaches. The tail was checked before,
/// and names the segments: nothing is written here that is not of this log.
fn restore_index(
    log: &mut Log,
    store: &dyn Storage,
    kept: Option<&Kept>,
    tail: &Tail,
    repairs: &mut Vec<String>,
) -> Result<(), Error> {
    log.index = Index::load(store, &log.origin, log.first, repairs)?;
    let from = log.index.covered();
    let add = |index: &mut Index, seq: u64, keys: Keys| {
        if seq < from {
            return Ok(());
        }
        index.insert(seq, keys);
        if index.recent() < INDEX_RECENT_ROWS {
            return Ok(());
        }
        index.spill(store, &log.origin, &frontier_at(store, seq + 1)?)
    };
    for (key, seq) in kept.into_iter().flat_map(|kept| &kept.keys).zip(0..) {
        add(&mut log.index, seq, Keys::of_key(*key))?;
    }
    for seal in log.seals.iter().filter(|seal| seal.rows.end > from) {
        let mut seq = seal.rows.start;
        let columns = ["event_id", "amends_event_id", "inference_rule"];
        for batch in chain::open(store, seal)?.columns(&columns)? {
            let [ids, amends, rules] = columns.map(|name| texts(&batch, name, seal));
            for ((id, amends), rule) in ids?.iter().zip(&amends?).zip(&rules?) {
                add(&mut log.index, seq, Keys::new(id.unwrap_or_default(), amends, rule))?;
                seq += 1;
            }
        }
    }
    if log.index.covered() < log.first {
        log.index.spill(store, &log.origin, &log.first_frontier)?;
    }
    for (keys, seq) in tail.keys.iter().zip(log.first..) {
        if log.index.row_of(store, keys)?.is_some() {
            return Err(Error::tampered(format!("row {seq} has the event id of an earlier row")));
        }
        log.index.insert(seq, *keys);
    }
    Ok(())
}

fn texts(batch: &RecordBatch, name: &str, seal: &Seal) -> Result<StringArray, Error> {
    let column = batch.column_by_name(name).and_then(|c| c.as_string_opt::<i32>().cloned());
    column.ok_or_else(|| Error::tampered(format!("`{}` lacks the column `{name}`", seal.file)))
}

/// What genesis decided, and who may sign.
fn restore_keys(
    log: &mut Log,
    store: &dyn Storage,
    kept: Option<&Kept>,
    tail: &Tail,
) -> Result<(), Error> {
    let mut genesis = tail.genesis.clone();
    if let Some(kept) = kept {
        genesis = kept.leaves.get(&0).map(|leaf| leaf::decode(leaf)).transpose()?;
    }
    let mut about_keys = Vec::new();
    for seal in &log.seals {
        let segment = chain::open(store, seal)?;
        let mut seq = seal.rows.start;
        for batch in segment.columns(&["phase"])? {
            for phase in &texts(&batch, "phase", seal)? {
                if phase.and_then(Action::of).is_some() {
                    about_keys.push(seq);
                }
                seq += 1;
            }
        }
        if seal.rows.start == 0 {
            genesis = Some(segment.first_rows()?.event(0)?);
        }
    }
    let genesis = genesis.filter(|event| entry::is(event, "genesis"));
    let genesis = genesis.ok_or_else(|| Error::tampered("row 0 is not the genesis entry"))?;
    genesis.attribute("retention").unwrap_or_default().clone_into(&mut log.retention);
    log.simulated = genesis.attribute("simulated_clock") == Some("true");
    log.keys = KeyRing::new(&genesis)?;
    for (seq, leaf) in kept.iter().flat_map(|kept| kept.leaves.range(1..)) {
        log.keys.take(&leaf::decode(leaf)?, *seq)?;
    }
    for seq in about_keys {
        let event = log.row(store, seq)?;
        log.keys.take(&event, seq)?;
    }
    for (seq, event) in &tail.about_keys {
        log.keys.take(event, *seq)?;
    }
    Ok(())
}

/// The head that readers see. An older one than intended is a publication that was interrupted.
fn restore_published(log: &mut Log, store: &dyn Storage, state: &State) -> Result<(), Error> {
    if log.first > 0 {
        log.keys.open(&read_note(store, &note_path(log.first))?, log.first)?;
    }
    if store.read_if_any(CHECKPOINT)?.is_none() {
        return Ok(());
    }
    let note = read_note(store, CHECKPOINT)?;
    let head: Checkpoint = note.text.parse()?;
    log.keys.open(&note, head.size)?;
    if head.origin != log.origin {
        return Err(Error::tampered(format!("`checkpoint` is of `{}`, another log", head.origin)));
    }
    if head.size > state.head.size || (head.size == state.head.size && head.root != state.head.root)
    {
        return Err(Error::tampered("`checkpoint` is newer than the highest head in `state/`"));
    }
    if head.size < log.first {
        return Ok(());
    }
    let mut frontier = log.first_frontier.clone();
    for seq in log.first..head.size {
        frontier.push(leaf_hash(&log.tail_leaf(store, seq)?));
    }
    if frontier.root() != head.root {
        return Err(Error::tampered("`checkpoint` is not a head of this log"));
    }
    log.read_back = frontier;
    log.published = Some(head);
    Ok(())
}
