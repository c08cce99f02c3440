//! What stays of rows that were pruned: `pruned/<end>.pruned`.
//!
//! The hash tiles stay, so every proof still holds. This file has, for each pruned row, the hash of its event id, so that a
//! delivery that comes again is known; and the ledger's own entries whole, each with its proof.

use std::collections::BTreeMap;

use backtrail_schemas::Event;
use data_encoding::HEXLOWER;

use crate::entry;
use crate::error::Error;
use crate::frame;
use crate::limits::{PROOF_HASHES_MAX, SEGMENT_ROWS};
use crate::storage::Storage;
use crate::tlog::hash::sha256;
use crate::tlog::{Hash, leaf_hash, verify_inclusion};
use crate::vault;

/// The name of the format, in the header.
pub const FORMAT: &str = "backtrail/pruned/1";
/// Frame: the hashes of event ids.
pub const KEYS: u8 = b'K';
/// Frame: an entry of the ledger with its proof.
pub const LEAF: u8 = b'L';

/// The path of the file about the rows before `end`.
pub fn path(end: u64) -> String {
    format!("pruned/{end:020}.pruned")
}

/// The end of the rows that the file at `at` is about, if it is one of these files.
pub fn end_of(at: &str) -> Option<u64> {
    let end = at.strip_prefix("pruned/")?.strip_suffix(".pruned")?.parse().ok()?;
    (path(end) == at).then_some(end)
}

/// What a `ledger/retention_prune` entry says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pruning {
    /// The rows before this one are pruned.
    pub end: u64,
    /// The root of the tree of these rows.
    pub root: Hash,
    /// SHA-256 of the file.
    pub sha256: Hash,
    /// Its length.
    pub bytes: u64,
}

impl Pruning {
    /// The fields of the entry beside `before` and `policy`.
    pub fn fields(&self) -> [(&'static str, String); 5] {
        [
            ("file", path(self.end)),
            ("end", self.end.to_string()),
            ("root", self.root.to_string()),
            ("sha256", HEXLOWER.encode(&self.sha256.0)),
            ("bytes", self.bytes.to_string()),
        ]
    }

    /// Reads the entry that row `at` is; `None` if it is another one.
    ///
    /// # Errors
    /// It does not say everything, or is about rows that are not before it.
    pub fn parse(event: &Event, at: u64) -> Result<Option<Self>, Error> {
        if !entry::is(event, "retention_prune") {
            return Ok(None);
        }
        let text = |key: &str| event.attribute(key).unwrap_or_default();
        let read = || {
            let hash = HEXLOWER.decode(text("sha256").as_bytes()).ok()?;
            Some(Self {
                end: text("end").parse().ok()?,
                root: Hash::from_base64(text("root")).ok()?,
                sha256: Hash(hash.try_into().ok()?),
                bytes: text("bytes").parse().ok()?,
            })
        };
        let fits = |p: &Self| {
            (1..=at).contains(&p.end)
                && p.fields().iter().all(|(key, value)| event.attribute(key) == Some(value))
        };
        let bad = || Error::tampered(format!("row {at} does not say which rows were pruned"));
        read().filter(fits).map(Some).ok_or_else(bad)
    }

    /// Reads the file, checked against the entry.
    ///
    /// # Errors
    /// It is missing or another one.
    pub fn open(&self, store: &dyn Storage, origin: &str) -> Result<Kept, Error> {
        let at = path(self.end);
        let other = || Error::tampered(format!("`{at}` is not the file that was kept"));
        let bytes = store.read_if_any(&at)?.ok_or_else(other)?;
        if bytes.len() as u64 != self.bytes || sha256(&bytes) != self.sha256 {
            return Err(other());
        }
        Kept::parse(&bytes, origin, self)
    }
}

/// What is in the file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Kept {
    /// The first 16 bytes of SHA-256 of each event id, by row.
    pub keys: Vec<[u8; 16]>,
    /// The ledger's own entries, by row.
    pub leaves: BTreeMap<u64, Vec<u8>>,
}

impl Kept {
    /// The bytes of the file; `prove` gives the inclusion proof of a row in the tree of `keys.len()` rows.
    ///
    /// # Errors
    /// Those of `prove`.
    pub fn to_bytes(
        &self,
        origin: &str,
        prove: impl Fn(u64) -> Result<Vec<Hash>, Error>,
    ) -> Result<Vec<u8>, Error> {
        let mut out = frame::header(FORMAT, origin, self.keys.len() as u64);
        for (keys, first) in
            self.keys.chunks(SEGMENT_ROWS as usize).zip((0u64..).step_by(SEGMENT_ROWS as usize))
        {
            let mut payload = first.to_be_bytes().to_vec();
            payload.extend(keys.iter().flatten());
            frame::push(&mut out, KEYS, &payload);
        }
        for (seq, leaf) in &self.leaves {
            let proof = prove(*seq)?;
            let mut payload = seq.to_be_bytes().to_vec();
            payload.push(proof.len() as u8);
            payload.extend(proof.iter().flat_map(|hash| hash.0));
            payload.extend_from_slice(leaf);
            frame::push(&mut out, LEAF, &payload);
        }
        Ok(out)
    }

    fn parse(bytes: &[u8], origin: &str, pruning: &Pruning) -> Result<Self, Error> {
        let at = path(pruning.end);
        let bad = |what: &str| Error::tampered(format!("`{at}`: {what}"));
        let mut kept = Self::default();
        for frame in vault::records(bytes, FORMAT, origin, pruning.end)? {
            let (seq, rest) =
                frame.payload.split_first_chunk::<8>().ok_or_else(|| bad("a short record"))?;
            let seq = u64::from_be_bytes(*seq);
            match frame.kind {
                KEYS if seq == kept.keys.len() as u64 && rest.len() % 16 == 0 => {
                    kept.keys.extend(
                        rest.chunks_exact(16)
                            .map(|key| <[u8; 16]>::try_from(key).expect("16 bytes")),
                    );
                }
                LEAF => {
                    let leaf = proved(seq, rest, pruning)
                        .ok_or_else(|| bad("a proof that does not hold"))?;
                    kept.leaves.insert(seq, leaf.to_vec());
                }
                _ => return Err(bad("a record that is none")),
            }
        }
        if kept.keys.len() as u64 == pruning.end && kept.leaves.contains_key(&0) {
            Ok(kept)
        } else {
            Err(bad("rows are missing"))
        }
    }
}

/// The leaf of row 0 as the file about the rows before `end` has it; whether it is the one that was signed is not checked.
///
/// # Errors
/// The file is damaged or does not have it.
pub fn genesis(bytes: &[u8], origin: &str, end: u64) -> Result<Vec<u8>, Error> {
    let frames = vault::records(bytes, FORMAT, origin, end)?;
    let rests = frames.iter().filter(|frame| frame.kind == LEAF);
    let mut rests = rests.filter_map(|frame| frame.payload.strip_prefix(&[0; 8]));
    let leaf = rests.find_map(|rest| Some(proof_and_leaf(rest)?.1.to_vec()));
    leaf.ok_or_else(|| Error::tampered(format!("`{}` does not have row 0", path(end))))
}

fn proof_and_leaf(rest: &[u8]) -> Option<(&[u8], &[u8])> {
    let (count, rest) = rest.split_first()?;
    let count = usize::from(*count);
    (count <= PROOF_HASHES_MAX).then(|| rest.split_at_checked(count * 32)).flatten()
}

/// The leaf behind a proof, if it holds.
fn proved<'a>(seq: u64, rest: &'a [u8], pruning: &Pruning) -> Option<&'a [u8]> {
    let (hashes, leaf) = proof_and_leaf(rest)?;
    let hashes: Vec<Hash> =
        hashes.chunks_exact(32).map(|hash| Hash(hash.try_into().expect("32 bytes"))).collect();
    verify_inclusion(&leaf_hash(leaf), seq, pruning.end, &hashes, &pruning.root).then_some(leaf)
}
