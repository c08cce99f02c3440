//! What a log asks witnesses, and what it makes of their answers. *Source*: C2SP tlog-witness.

use std::path::Path;

use super::request::{AddCheckpoint, decimal};
use super::{SIZE_TYPE, hash_of};
use crate::checkpoint::Checkpoint;
use crate::error::{Error, Kind};
use crate::key::Vkey;
use crate::limits::COSIGNATURES_SEARCHED_MAX;
use crate::note::{Note, NoteSignature, signature_lines};
use crate::storage::{Local, Storage};
use crate::tiles::TileReader;
use crate::tlog::{consistency_proof, root_of, verify_consistency};
use crate::writer::{CHECKPOINT, cosignatures_path, cosignatures_size};

/// What an answer to `add-checkpoint` means for the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The witness's line, which holds.
    Cosigned(NoteSignature),
    /// The witness saw this size last: ask again from there.
    From(u64),
    /// The witness knows what our history does not contain: sign nothing more.
    Contradiction(String),
    /// The witness does not serve us, or not now.
    Unavailable(String),
}

/// The published head of a ledger, as one asks witnesses about it.
#[derive(Debug)]
pub struct Submission {
    store: Local,
    note: Note,
    head: Checkpoint,
}

impl Submission {
    /// Reads the newest head of the ledger in `dir`, which `key` signed.
    ///
    /// # Errors
    /// There is none, or it is another log's.
    pub fn read(dir: &Path, key: &Vkey) -> Result<Self, Error> {
        let store = Local::new(dir);
        let text = String::from_utf8(store.read_all(CHECKPOINT)?)
            .map_err(|_| Error::tampered(format!("`{CHECKPOINT}` is not text")))?;
        let (head, note) = Checkpoint::open(&text, std::slice::from_ref(key))?;
        Ok(Self { store, note, head })
    }

    /// The head.
    pub fn head(&self) -> &Checkpoint {
        &self.head
    }

    /// The signed head.
    pub fn note(&self) -> &Note {
        &self.note
    }

    /// The cosignatures of the head that are stored beside it.
    ///
    /// # Errors
    /// They cannot be read.
    pub fn cosignatures(&self) -> Result<Vec<NoteSignature>, Error> {
        read_cosignatures(&self.store, self.head.size)
    }

    /// The size of the newest head that has a cosignature by `key`; 0 if none of the newest ones has.
    ///
    /// # Errors
    /// The folder cannot be read.
    pub fn cosigned_by(&self, key: &Vkey) -> Result<u64, Error> {
        let sizes = self.store.list("checkpoints")?.into_iter();
        let sizes = sizes.filter_map(|(path, _)| cosignatures_size(&path));
        let sizes: Vec<u64> = sizes.filter(|size| *size <= self.head.size).collect();
        for size in sizes.into_iter().rev().take(COSIGNATURES_SEARCHED_MAX) {
            if read_cosignatures(&self.store, size)?.iter().any(|line| line.claims(key)) {
                return Ok(size);
            }
        }
        Ok(0)
    }

    /// The request to go on from `old`. The proof is checked here, so that a refusal says something about the witness's
    /// history and not about our tiles.
    ///
    /// # Errors
    /// `old` is larger than the head, or a tile is missing or not the one that was signed.
    pub fn request(&self, old: u64) -> Result<String, Error> {
        let Checkpoint { size, root, .. } = &self.head;
        let tiles = TileReader::new(&self.store, *size);
        let proof = if old == 0 { Vec::new() } else { consistency_proof(old, *size, &tiles)? };
        if old > 0 && !verify_consistency(old, &root_of(old, &tiles)?, *size, root, &proof) {
            return Err(Error::tampered("the tiles are not those that were signed"));
        }
        Ok(AddCheckpoint { old, proof, note: self.note.clone() }.to_string())
    }

    /// What the answer of the witness of `key` to [`Submission::request`] means.
    pub fn judge(&self, key: &Vkey, old: u64, status: u16, kind: &str, body: &str) -> Verdict {
        let size = self.head.size;
        match status {
            200 => match signature_lines(body).ok().and_then(|lines| {
                // Lines of other keys are not ours to judge.
                lines.into_iter().find(|line| line.holds(&self.note.text, key))
            }) {
                Some(line) => Verdict::Cosigned(line),
                None => Verdict::Unavailable("no line of its answer is its cosignature".to_owned()),
            },
            409 => match body.strip_suffix('\n').and_then(decimal).filter(|_| kind == SIZE_TYPE) {
                Some(known) if known > size => Verdict::Contradiction(format!(
                    "it cosigned a head of {known} rows, the log has {size}"
                )),
                Some(known) if known == old && old == size => Verdict::Contradiction(format!(
                    "it cosigned another head of {known} rows than ours"
                )),
                Some(known) if known == old => {
                    Verdict::Unavailable(format!("it refuses the size {known} that it names"))
                }
                // It lost what it knew: whoever asks it now could be shown another history.
                Some(known) if known < old => Verdict::Unavailable(format!(
                    "it cosigned a head of {old} rows and now knows of {known} only"
                )),
                Some(known) => Verdict::From(known),
                None => Verdict::Unavailable("it answered 409 without a size".to_owned()),
            },
            // The proof holds for our own tree, so it is the witness's tree that differs.
            422 if old > 0 => Verdict::Contradiction(format!(
                "the head of {old} rows that it cosigned is not of our history"
            )),
            other => Verdict::Unavailable(format!("it answered {other}: {}", first_line(body))),
        }
    }

    /// Whether `known`, a head that somebody else holds, is one of ours.
    ///
    /// # Errors
    /// `RolledBack` if it is newer than ours or not of our history; otherwise the tiles cannot be read.
    pub fn confirm(&self, known: &Checkpoint, by: &str) -> Result<(), Error> {
        let rolled_back = |what: String| Err(Error::new(Kind::RolledBack, what));
        let Checkpoint { origin, size, root } = &self.head;
        if known.origin != *origin {
            return Err(Error::reject(format!(
                "{by} has a head of another log, `{}`",
                known.origin
            )));
        }
        if known.size > *size {
            return rolled_back(format!(
                "{by} has a head of {} rows, the log has {size}",
                known.size
            ));
        }
        let ours = if known.size == *size {
            *root
        } else {
            root_of(known.size, &TileReader::new(&self.store, *size))?
        };
        if ours != known.root {
            return rolled_back(format!("{by} has another head of {} rows than ours", known.size));
        }
        Ok(())
    }
}

/// Where a witness shows the newest head of `origin` that it cosigned, below its prefix.
pub fn monitoring_path(origin: &str) -> String {
    format!("{}/checkpoint", hash_of(origin))
}

/// The lines that are stored for the head of `size` rows; none if there is no file.
pub(crate) fn read_cosignatures(
    store: &dyn Storage,
    size: u64,
) -> Result<Vec<NoteSignature>, Error> {
    let path = cosignatures_path(size);
    let Some(bytes) = store.read_if_any(&path)? else { return Ok(Vec::new()) };
    let text = std::str::from_utf8(&bytes)
        .map_err(|_| Error::tampered(format!("`{path}` is not text")))?;
    parse_cosignatures(text).map_err(|e| e.during(Kind::Tampered, &format!("`{path}`")))
}

/// Reads a file of cosignatures: signature lines in their one right form, at most one by each key.
pub(crate) fn parse_cosignatures(text: &str) -> Result<Vec<NoteSignature>, Error> {
    let lines = signature_lines(text)?;
    let doubled = |(at, line): (usize, &NoteSignature)| {
        lines[..at].iter().any(|other| other.name == line.name && other.key_id == line.key_id)
    };
    if lines.iter().enumerate().any(doubled) {
        return Err(Error::tampered("two cosignatures by one key"));
    }
    Ok(lines)
}

/// What a stranger says, fit for a terminal.
fn first_line(body: &str) -> String {
    let line = body.lines().next().unwrap_or_default();
    line.chars().filter(|c| !c.is_control()).take(200).collect()
}
