//! Changes of the log's keys: each is an entry with a signed statement, published at once.

use std::path::Path;
use std::sync::Arc;

use backtrail_schemas::Timestamp;

use super::Ledger;
use super::publish::CHECKPOINT;
use crate::clock::Clock;
use crate::entry::Entry;
use crate::error::{Error, Kind};
use crate::key::{Signers, Vkey, sign_note};
use crate::keyring::{Action, KeyRing, Statement};
use crate::note::Note;
use crate::segment;
use crate::snapshot::frontier_of;
use crate::storage::Local;
use crate::tiles::TileReader;
use crate::tlog::Hash;

impl Ledger {
    /// Opens a ledger whose keys were lost or stolen, with `statements` by the recovery key: one that adds the next key,
    /// which is among `signers`, and one for each key that is compromised, in this order. They are of the published head.
    /// Said again after a crash, they change nothing.
    ///
    /// # Errors
    /// As [`Ledger::open`]; `Reject` if a statement does not hold.
    pub fn open_with_statements(
        dir: &Path,
        signers: impl Into<Signers>,
        clock: Arc<dyn Clock>,
        statements: &[Note],
    ) -> Result<Self, Error> {
        if !dir.join(CHECKPOINT).is_file() {
            return Err(Error::new(Kind::Missing, format!("`{}` is not a ledger", dir.display())));
        }
        Self::open_and_say(Arc::new(Local::new(dir)), signers.into(), clock, statements)
    }

    /// The keys of the log.
    pub fn keys(&self) -> &KeyRing {
        &self.log.keys
    }

    /// Adds a key, in the words of all keys that are current, and publishes. From then on heads carry its signature too,
    /// if its signer is among those that the ledger was opened with. Returns the row.
    ///
    /// # Errors
    /// As [`Ledger::publish`]; `Reject` if it is a key of the log already, or of another log.
    pub fn add_key(&mut self, vkey: &Vkey) -> Result<u64, Error> {
        self.guarded(|ledger| {
            let note = ledger.state_now(Action::Added, vkey, |_| true)?;
            ledger.say(&[note])
        })
    }

    /// Retires a key, in the words of the others, and publishes a head without its signature. Returns the row.
    ///
    /// # Errors
    /// As [`Ledger::publish`]; `Reject` if nobody here signs for another key that is current.
    pub fn retire_key(&mut self, vkey: &Vkey) -> Result<u64, Error> {
        self.guarded(|ledger| {
            let note = ledger.state_now(Action::Retired, vkey, |key| key != vkey)?;
            ledger.say(&[note])
        })
    }

    /// Says that a key was lost or stolen, in the words of the recovery key, while another key is current; publishes.
    /// Returns the row. If no other key is current: [`Ledger::open_with_statements`].
    ///
    /// # Errors
    /// As [`Ledger::publish`]; `Reject` if the statement does not hold.
    pub fn compromise_key(&mut self, statement: &Note) -> Result<u64, Error> {
        self.guarded(|ledger| ledger.say(std::slice::from_ref(statement)))
    }

    /// A statement about the log as it is now.
    fn state_now(
        &self,
        action: Action,
        vkey: &Vkey,
        may: impl Fn(&Vkey) -> bool,
    ) -> Result<Note, Error> {
        let log = &self.log;
        let (origin, root) = (log.origin.clone(), log.frontier.root());
        let statement = Statement { origin, action, vkey: vkey.clone(), size: log.size(), root };
        let signers = self.signers.of(log.keys.current().filter(|key| may(key)));
        if signers.is_empty() {
            return Err(Error::reject("no signer of another current key is here"));
        }
        sign_note(statement.to_string(), &signers)
    }

    fn say(&mut self, statements: &[Note]) -> Result<u64, Error> {
        let at = self.entry_time();
        self.close_day(at)?;
        let mut row = self.log.size();
        for note in statements {
            row = self.enter(note, at)?;
        }
        self.check_signers()?;
        self.flush()?;
        self.publish_head(false)?;
        Ok(row)
    }

    /// Enters statements while no key of the log may be at hand. A crash before the flush leaves nothing; after it, the
    /// log's keys are the new ones, and opening it again publishes.
    pub(super) fn enter_all(&mut self, statements: &[Note]) -> Result<(), Error> {
        if !statements.is_empty() {
            // A seal that a crash interrupted begins anew: the rows go on behind where it would have ended.
            let begun = segment::path(&(self.log.first..self.log.committed));
            match self.store.len(&begun) {
                Ok(_) => self.store.remove(&begun)?,
                Err(e) if e.kind() == Kind::Missing => {}
                Err(e) => return Err(e),
            }
            // Nobody can sign rows that were durable and not published any more: no day may end behind them.
            let published = self.log.published.as_ref().map(|head| head.size);
            let last = self.log.last_recorded.filter(|_| published != Some(self.log.committed));
            if let Some(size) = published {
                self.keep_published(size)?;
            }
            let at = last.unwrap_or_else(|| self.entry_time());
            for note in statements {
                self.enter(note, at)?;
            }
            self.check_signers()?;
            self.flush()?;
        }
        self.check_signers()
    }

    /// Stages the entry that carries a statement, if the log does not have it yet.
    fn enter(&mut self, note: &Note, at: Timestamp) -> Result<u64, Error> {
        let statement: Statement = note.text.parse()?;
        let (phase, vkey) = (statement.action.word(), statement.vkey.to_string());
        let origin = self.log.origin.clone();
        let entry = Entry { origin: &origin, phase, natural_key: &vkey, at };
        if let Some(row) = self.log.find(&*self.store, &entry.event_id())? {
            let said = self.log.row(&*self.store, row)?;
            if said.attribute("statement") == Some(&note.to_string()) {
                return Ok(row);
            }
            return Err(Error::reject(format!("row {row} says `{phase}` of `{vkey}`")));
        }
        if self.root_at(statement.size)? != Some(statement.root) {
            return Err(Error::reject(format!(
                "the statement is of {} rows with another root than this log's",
                statement.size
            )));
        }
        let event = entry.event(&[("statement", &note.to_string()), ("vkey", &vkey)])?;
        let mut keys = self.log.keys.clone();
        keys.take(&event, self.log.size()).map_err(|e| Error::reject(e.to_string()))?;
        if statement.action == Action::Compromised {
            self.keep_published(statement.size)?;
        }
        let row = self.log.push(&*self.store, &event)?;
        self.log.keys = keys;
        Ok(row)
    }

    /// Keeps the note of the last head that a compromised key signed for us: it shows whose recovery key spoke.
    fn keep_published(&self, size: u64) -> Result<(), Error> {
        match &self.log.published {
            Some(head) if head.size == size => {
                self.keep_note(size, &self.store.read_all(CHECKPOINT)?)
            }
            Some(head) => Err(Error::reject(format!(
                "the statement is of {size} rows, the published head has {}: state that one",
                head.size
            ))),
            None => Err(Error::reject("no head is published that the statement could be of")),
        }
    }

    /// The root that the log had at `size`.
    fn root_at(&self, size: u64) -> Result<Option<Hash>, Error> {
        if size == self.log.size() {
            return Ok(Some(self.log.frontier.root()));
        }
        match &self.log.published {
            Some(head) if size <= head.size => {
                let tiles = TileReader::new(&*self.store, head.size);
                Ok(Some(frontier_of(&tiles, size)?.root()))
            }
            _ => Ok(None),
        }
    }

    /// At least one of the signers must be able to sign the next head.
    fn check_signers(&self) -> Result<(), Error> {
        if self.signers.of(self.log.keys.current()).is_empty() {
            let current: Vec<String> = self.log.keys.current().map(ToString::to_string).collect();
            return Err(Error::reject(format!(
                "the signing key is not current; current is {}",
                current.join(" and ")
            )));
        }
        Ok(())
    }
}
