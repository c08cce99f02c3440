//! Signed heads, and who may have signed them: known only when the rows have been read.

use backtrail_schemas::Event;

use super::{Check, Finding};
use crate::checkpoint::Checkpoint;
use crate::error::Error;
use crate::key::{Algorithm, Vkey};
use crate::keyring::{Action, KeyRing, Statement};
use crate::note::Note;
use crate::snapshot::frontier_of;
use crate::tiles::TileReader;
use crate::writer::CHECKPOINT;

/// What was collected on the way.
#[derive(Default)]
pub(super) struct Heads {
    notes: Vec<Head>,
    keys: Option<KeyRing>,
    statements: Vec<(u64, Statement)>,
}

/// A signed head, and what to say if it does not hold.
struct Head {
    note: Note,
    size: u64,
    code: &'static str,
    file: Option<String>,
}

impl Check<'_> {
    /// A note in the one form in which we write it, for the log that the pinned keys are of. Its signatures are judged at
    /// the end.
    pub(crate) fn open_note(
        &mut self,
        bytes: &[u8],
        code: &'static str,
        file: Option<&str>,
    ) -> Result<Checkpoint, Error> {
        let text = std::str::from_utf8(bytes).map_err(|_| Error::reject("not text"))?;
        let mut note: Note = text.parse()?;
        if note.to_string() != text {
            return Err(Error::reject("not in canonical form"));
        }
        let head: Checkpoint = note.text.parse()?;
        if !self.options.keys.iter().any(|key| key.name() == head.origin) {
            return Err(Error::reject(format!(
                "the log `{}` is not the one of the key",
                head.origin
            )));
        }
        // All keys of a log have its origin as name; lines of others say nothing, and may be long.
        note.signatures.retain(|line| line.name == head.origin);
        for line in &mut note.signatures {
            line.signature.truncate(65);
        }
        let file = file.map(str::to_owned);
        self.heads.notes.push(Head { note, size: head.size, code, file });
        Ok(head)
    }

    /// Whether a pinned key signed the note that was opened last.
    pub(super) fn newest_note_is_pinned(&self) -> bool {
        self.heads.notes.last().is_some_and(|head| head.open_pinned(&self.options.keys).is_ok())
    }

    /// Takes in what row `seq` says of keys, and returns the size of a head that must be kept for it.
    pub(super) fn take_key(&mut self, event: &Event, seq: u64) -> Option<u64> {
        let taken = match &mut self.heads.keys {
            None if seq == 0 => KeyRing::new(event).map(|keys| {
                self.heads.keys = Some(keys);
                None
            }),
            // Without a genesis entry no other says anything; that it is missing is a finding.
            None => return None,
            Some(keys) => keys.take(event, seq),
        };
        match taken {
            Ok(Some(statement)) => {
                let kept = (statement.action == Action::Compromised).then_some(statement.size);
                self.heads.statements.push((seq, statement));
                kept
            }
            Ok(None) => None,
            Err(error) => {
                self.add(Finding::new("key", 12, error.to_string()).row(seq));
                None
            }
        }
    }

    /// Without the rows that say so, a pinned key is taken to be one of the log: believed it is anyway.
    pub(super) fn assume_pinned(&mut self) {
        if let Some(keys) = &mut self.heads.keys {
            keys.assume(&self.options.keys);
        }
    }

    /// Whether every head was signed by a key that may sign heads of that size, and the newest one by a key that follows
    /// from a pinned one. If it was, the rows below it are certain, and with them the keys before.
    ///
    /// If not all rows could be read, later keys are unknown: then only the newest head must be signed by a key that follows.
    pub(super) fn judge_heads(&mut self, newest: &Checkpoint, all_rows: bool) {
        let heads = std::mem::take(&mut self.heads);
        let keys = heads.keys.unwrap_or_default();
        let trusted_one = |head: &Head, trusted: &[bool]| {
            let signers = keys.open(&head.note, head.size);
            signers.is_ok_and(|signers| signers.iter().any(|at| trusted[*at]))
        };
        let mut trusted = keys.trusted(&self.options.keys, false);
        if heads.notes.iter().any(|head| trusted_one(head, &trusted)) {
            trusted = keys.trusted(&self.options.keys, true);
        }
        for head in &heads.notes {
            let is_newest = head.file.as_deref() == Some(CHECKPOINT);
            let opened = match keys.open(&head.note, head.size) {
                Ok(_) if is_newest && !trusted_one(head, &trusted) => Err(Error::tampered(
                    "no signature is by the key that is trusted, or by one that it vouched for",
                )),
                Err(_) if !all_rows => head.open_pinned(&self.options.keys),
                opened => opened.map(|_| ()),
            };
            if let Err(error) = opened
                && (all_rows || is_newest)
            {
                self.add(head.finding(error.to_string()));
            }
        }
        self.judge_statements(&heads.statements, newest);
    }

    /// Each statement is of a head that the log had.
    fn judge_statements(&mut self, statements: &[(u64, Statement)], newest: &Checkpoint) {
        // The rows have been compared with these tiles.
        let tiles = TileReader::new(self.store, newest.size);
        for (seq, statement) in statements.iter().filter(|(_, said)| said.size <= newest.size) {
            match frontier_of(&tiles, statement.size) {
                Ok(frontier) if frontier.root() == statement.root => {}
                Ok(frontier) => {
                    let message = format!(
                        "the statement says that the first {} rows have root {}; they have {}",
                        statement.size,
                        statement.root,
                        frontier.root()
                    );
                    self.add(Finding::new("key", 12, message).row(*seq));
                }
                Err(error) => self.error("key", &error),
            }
        }
    }

    /// Without rows only the pinned keys themselves are known.
    pub(super) fn judge_by_pinned(&mut self) {
        for head in std::mem::take(&mut self.heads.notes) {
            if let Err(error) = head.open_pinned(&self.options.keys) {
                let message = format!("{error}; keys that followed are known at level structure");
                self.add(head.finding(message));
            }
        }
    }
}

impl Head {
    /// Whether one of `pinned` signed it. A witness's keys are no log's.
    fn open_pinned(&self, pinned: &[Vkey]) -> Result<(), Error> {
        let logs = pinned.iter().filter(|key| key.algorithm() == Algorithm::Ed25519).cloned();
        self.note.open(&logs.collect::<Vec<_>>()).map(|_| ())
    }

    fn finding(&self, message: String) -> Finding {
        let finding = Finding::new(self.code, 12, message);
        match &self.file {
            Some(file) => finding.file(file),
            None => finding,
        }
    }
}
