//! The sealed chain: which files are segments, read backwards from the tail.
//!
//! The row behind a segment is its `ledger/segment_sealed` entry. So the first row of the tail names the last segment and
//! its SHA-256, the first row of that segment the one before, down to row 0. A later `ledger/segment_rewritten` entry that
//! ends at the same row names the file that took the place of that segment, and of others before it. A file that is not in
//! this chain is not part of the log, whatever its name.

use arrow::array::AsArray as _;
use bytes::Bytes;

use backtrail_schemas::rows::Rows;
use backtrail_schemas::{Event, kinds, leaf};

use super::Seal;
use super::read::Segment;
use crate::entry;
use crate::error::{Error, Kind};
use crate::pruned::{Kept, Pruning};
use crate::storage::Storage;

/// The phases of entries that say where rows, or what belongs to them, are now.
const UPKEEP: &[&str] = &["erasure", "retention_prune", "segment_rewritten"];

/// The segments, and what was done to them and to what lies beside them.
#[derive(Clone, Debug, Default)]
pub struct Chain {
    /// The files that hold the rows before the tail, in order.
    pub seals: Vec<Seal>,
    /// What was pruned before the first of them, and what stays of it.
    pub pruned: Option<(Pruning, Kept)>,
    /// The entries of upkeep with their rows, in order.
    pub upkeep: Vec<(u64, Event)>,
}

/// Reads the file of `seal`, checks its hash, and opens it.
///
/// # Errors
/// The file is missing, has other bytes, or cannot be read.
pub fn open(store: &dyn Storage, seal: &Seal) -> Result<Segment, Error> {
    let at = |e: Error| {
        // The chain names it, so its absence contradicts what was signed.
        let kind = if e.kind() == Kind::Missing { Kind::Tampered } else { e.kind() };
        e.during(kind, &format!("`{}`", seal.file))
    };
    let len = store.len(&seal.file).map_err(at)?;
    if len != seal.bytes {
        return Err(Error::tampered(format!(
            "`{}` has {len} bytes, its seal says {}",
            seal.file, seal.bytes
        )));
    }
    let bytes = store.read_all(&seal.file).map_err(at)?;
    if !seal.is_of(&bytes) {
        return Err(Error::tampered(format!("`{}` is not the file that was sealed", seal.file)));
    }
    Segment::open(Bytes::from(bytes)).map_err(at)
}

/// What was read before of the same log: segments that the chain still names are not read again.
#[derive(Clone, Copy, Debug, Default)]
pub struct Known<'a> {
    /// Segments in order of their rows, each ending where the next begins.
    pub seals: &'a [Seal],
    /// The entries of upkeep in them, and perhaps others.
    pub upkeep: &'a [(u64, Event)],
    /// Segments that end at this row or before it are not asked for.
    pub until: u64,
}

/// The chain before the tail, whose first row is `first` and whose leaves are `tail`. Segments of `known` are taken from
/// there instead of the files.
///
/// # Errors
/// An entry is not a seal, or a file is not the one that was sealed.
pub fn read_back(
    store: &dyn Storage,
    first: u64,
    tail: &[impl AsRef<[u8]>],
    known: Known,
) -> Result<Chain, Error> {
    let mut chain = Chain::default();
    for (at, leaf) in tail.iter().map(AsRef::as_ref).enumerate().rev() {
        if is_upkeep(leaf) {
            chain.upkeep.push((first + at as u64, leaf::decode(leaf)?));
        }
    }
    let Some(leaf) = tail.first().filter(|_| first > known.until) else {
        chain.upkeep.reverse();
        return Ok(chain);
    };
    let entry = leaf::decode(leaf.as_ref())?;
    let origin = entry.text("source_instance").unwrap_or_default();
    let mut at = first;
    // What the row behind a segment says counts only where the segment was not rewritten.
    let mut sealed = Seal::parse(&entry, at);
    while at > known.until {
        if let Some(pruning) = chain.pruning(at)? {
            let kept = pruning.open(store, origin)?;
            for (seq, leaf) in kept.leaves.iter().rev().filter(|(_, leaf)| is_upkeep(leaf)) {
                chain.upkeep.push((*seq, leaf::decode(leaf)?));
            }
            chain.pruned = Some((pruning, kept));
            break;
        }
        let seal = match chain.rewritten(at)? {
            Some(seal) => seal,
            None => sealed?,
        };
        at = seal.rows.start;
        if let Some(number) = known.seals.iter().position(|known| *known == seal) {
            let within = |(seq, _): &&(u64, Event)| seal.rows.contains(seq);
            chain.upkeep.extend(known.upkeep.iter().rev().filter(within).cloned());
            let before = number.checked_sub(1).map(|number| known.seals[number].clone());
            sealed = before.ok_or_else(|| Error::tampered(format!("no seal ends at row {at}")));
        } else {
            let segment = open(store, &seal)?;
            if at > 0 {
                sealed = Seal::parse(&segment.first_rows()?.event(0)?, at);
            } else {
                sealed = Err(Error::tampered("nothing is before row 0"));
            }
            chain.add_upkeep(&segment, &seal)?;
        }
        chain.seals.push(seal);
    }
    chain.seals.reverse();
    chain.upkeep.reverse();
    Ok(chain)
}

impl Chain {
    /// The file that took the place of the one that was sealed before row `at`: the one of the newest entry.
    fn rewritten(&self, at: u64) -> Result<Option<Seal>, Error> {
        for (seq, event) in self.upkeep.iter().filter(|(_, e)| entry::is(e, "segment_rewritten")) {
            let seal = Seal::parse_rewritten(event, *seq)?;
            if seal.rows.end == at {
                return Ok(Some(seal));
            }
        }
        Ok(None)
    }

    /// The entry that says that everything before row `at` was pruned, if there is one.
    fn pruning(&self, at: u64) -> Result<Option<Pruning>, Error> {
        for (seq, event) in &self.upkeep {
            if let Some(pruning) = Pruning::parse(event, *seq)?.filter(|p| p.end == at) {
                return Ok(Some(pruning));
            }
        }
        Ok(None)
    }

    /// The first row that is not pruned.
    pub fn start(&self) -> u64 {
        self.pruned.as_ref().map_or(0, |(pruning, _)| pruning.end)
    }

    /// Notes the entries of upkeep in a segment, the newest first.
    fn add_upkeep(&mut self, segment: &Segment, seal: &Seal) -> Result<(), Error> {
        let mut seq = seal.rows.start;
        let mut found = Vec::new();
        for batch in segment.columns(&["kind", "phase"])? {
            let text = |name: &str| {
                batch.column_by_name(name).and_then(|c| c.as_string_opt::<i32>().cloned())
            };
            // A segment without these columns has no such entry; that it lacks them is found where rows are read.
            let (Some(kinds), Some(phases)) = (text("kind"), text("phase")) else { return Ok(()) };
            for (kind, phase) in kinds.iter().zip(&phases) {
                if kind == Some(kinds::LEDGER) && phase.is_some_and(|p| UPKEEP.contains(&p)) {
                    found.push(seq);
                }
                seq += 1;
            }
        }
        for seq in found.into_iter().rev() {
            let missing = || Error::tampered(format!("row {seq} is not in `{}`", seal.file));
            let (group, at) = segment.group_of(seq - seal.rows.start).ok_or_else(missing)?;
            self.upkeep.push((seq, Rows::new(&segment.group(group)?)?.event(at)?));
        }
        Ok(())
    }
}

/// Whether a leaf is one of [`UPKEEP`], without decoding those that cannot be.
pub(crate) fn is_upkeep(leaf: &[u8]) -> bool {
    let kind = br#""kind":"ledger""#;
    leaf.windows(kind.len()).any(|at| at == kind)
        && leaf::decode(leaf).is_ok_and(|event| UPKEEP.iter().any(|phase| entry::is(&event, phase)))
}
