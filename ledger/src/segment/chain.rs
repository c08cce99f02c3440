//! The sealed chain: which files are segments, read backwards from the tail.
//!
//! The row behind a segment is its `ledger/segment_sealed` entry. So the first row of the tail names the last segment and
//! its SHA-256, the first row of that segment the one before, down to row 0. A file that is not in this chain is not part
//! of the log, whatever its name.

use bytes::Bytes;

use backtrail_schemas::Event;

use super::Seal;
use super::read::Segment;
use crate::error::{Error, Kind};
use crate::storage::Storage;

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
    if Seal::of(seal.rows.clone(), &bytes, seal.meta_offset) != *seal {
        return Err(Error::tampered(format!("`{}` is not the file that was sealed", seal.file)));
    }
    Segment::open(Bytes::from(bytes)).map_err(at)
}

/// The seals of all segments before row `first`, whose event is `entry`, in order of their rows. Where the chain meets
/// one of `known`, seals that were read before, it goes on with them instead of the files.
///
/// # Errors
/// An entry is not a seal, or a file is not the one that was sealed.
pub fn read_back(
    store: &dyn Storage,
    mut first: u64,
    mut entry: Event,
    known: &[Seal],
) -> Result<Vec<Seal>, Error> {
    let mut seals = Vec::new();
    while first > 0 {
        let seal = Seal::parse(&entry, first)?;
        if let Some(at) = known.iter().position(|known| *known == seal) {
            seals.extend(known[..=at].iter().rev().cloned());
            break;
        }
        let segment = open(store, &seal)?;
        let rows = segment.first_rows()?;
        entry = rows.event(0)?;
        first = seal.rows.start;
        seals.push(seal);
    }
    seals.reverse();
    Ok(seals)
}
