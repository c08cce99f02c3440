//! The writer: one story from a submission to a signed head.
//!
//! ```text
//! append   check → compare → vault → write-ahead log, one fdatasync → acknowledge
//! publish  tiles → read everything back → intend → sign → checkpoint
//! seal     publish → segment, read back → new write-ahead log with the seal entry → publish; later the old one goes
//! open     lock → rebuild from disk, the repairs of the steps above → log what was repaired → publish
//! ```
//!
//! After a failure nothing in memory is believed: the next call rebuilds it from disk, or, when a sync failed, the ledger
//! must be opened again.

mod ahead;
mod append;
mod compact;
mod erase;
mod init;
mod keys;
mod publish;
mod recover;
mod retain;
mod seal;

use std::any::Any;
use std::path::Path;
use std::sync::Arc;

use backtrail_schemas::Timestamp;

pub use init::InitOptions;
pub(crate) use publish::{
    CHECKPOINT, cosignatures_path, cosignatures_size, day_changes, kept_sizes, note_path, size_of,
};

use crate::checkpoint::Checkpoint;
use crate::clock::Clock;
use crate::entry::Entry;
use crate::error::{Error, Kind};
use crate::index::Index;
use crate::intake::people;
use crate::key::{Signers, Vkey};
use crate::limits::{CLOCK_GAP_US, CLOCK_STEP_US, SEAL_AGE_US};
use crate::log::Log;
use crate::note::{Note, NoteSignature};
use crate::storage::{Local, Storage};
use ahead::Ahead;

/// The one writer of a ledger.
pub struct Ledger {
    store: Arc<dyn Storage>,
    signers: Signers,
    clock: Arc<dyn Clock>,
    log: Log,
    /// What is encoded of the tail already.
    ahead: Option<Ahead>,
    epoch: u64,
    health: Health,
    clock_seen: Option<(Timestamp, Option<i64>)>,
    clock_suspect: Option<String>,
    /// The last row when somebody confirmed that the clock may be behind it.
    clock_confirmed: Option<Timestamp>,
    /// Held as long as this writer lives.
    _lock: Box<dyn Any + Send + Sync>,
}

/// Whether what is in memory is what is on disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Health {
    Good,
    /// A write failed; nothing in memory is believed. The next call rebuilds it.
    Stale,
    /// A sync failed: only a new start may look at the disk again.
    Broken,
}

impl Ledger {
    /// Opens the ledger in `dir` for writing and repairs what a crash left. `signers` are one signer, or during a rotation
    /// several: those whose keys are current sign each head.
    ///
    /// # Errors
    /// `Locked` names the process that writes it; `Missing` if it is no ledger or a copy without `state/`; `Tampered` if
    /// what is on disk contradicts what was signed; `Reject` if none of the keys is current.
    pub fn open(
        dir: &Path,
        signers: impl Into<Signers>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, Error> {
        if !dir.join(CHECKPOINT).is_file() {
            return Err(Error::new(Kind::Missing, format!("`{}` is not a ledger", dir.display())));
        }
        Self::open_storage(Arc::new(Local::new(dir)), signers, clock)
    }

    /// As [`Ledger::open`], in any storage.
    ///
    /// # Errors
    /// As [`Ledger::open`].
    pub fn open_storage(
        store: Arc<dyn Storage>,
        signers: impl Into<Signers>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, Error> {
        Self::open_and_say(store, signers.into(), clock, &[])
    }

    fn open_and_say(
        store: Arc<dyn Storage>,
        signers: Signers,
        clock: Arc<dyn Clock>,
        statements: &[Note],
    ) -> Result<Self, Error> {
        let lock = store.lock()?;
        let recovered = recover::recover(&*store, &signers.origin()?)?;
        let mut ledger = Self {
            store,
            signers,
            clock,
            log: recovered.log,
            ahead: None,
            epoch: recovered.epoch,
            health: Health::Good,
            clock_seen: None,
            clock_suspect: None,
            clock_confirmed: None,
            _lock: lock,
        };
        ledger.begin(recovered.head, &recovered.repairs, statements)?;
        Ok(ledger)
    }

    /// What follows a rebuild: a new epoch, statements about keys, an entry about the repairs, and the head.
    fn begin(
        &mut self,
        head: Checkpoint,
        repairs: &[String],
        statements: &[Note],
    ) -> Result<(), Error> {
        self.check_gap();
        self.epoch += 1;
        self.write_state(head)?;
        let erasure = self.pending_erasure()?;
        self.enter_all(statements)?;
        self.resume_erasure(erasure)?;
        self.adopt_segment()?;
        if !repairs.is_empty() {
            let key = format!("{}:{}", self.log.size(), self.epoch);
            self.push_entry("recovery", &key, &[("repairs", &repairs.join("; "))])?;
            self.flush()?;
        }
        self.publish_head(false)?;
        self.remove_old_wal()?;
        self.remove_replaced()?;
        self.remove_pruned()
    }

    /// Makes sure that memory and disk agree before anything is done.
    fn ready(&mut self) -> Result<(), Error> {
        match self.health {
            Health::Good => Ok(()),
            Health::Broken => Err(Error::new(
                Kind::Reopen,
                "a write failed in a way that only opening the ledger again repairs",
            )),
            Health::Stale => {
                let rebuilt = self.rebuild();
                self.health = match &rebuilt {
                    Ok(()) => Health::Good,
                    Err(e) if e.kind() == Kind::Retry => Health::Stale,
                    Err(_) => Health::Broken,
                };
                rebuilt
            }
        }
    }

    fn rebuild(&mut self) -> Result<(), Error> {
        self.log.index = Index::default();
        let recovered = recover::recover(&*self.store, &self.log.origin)?;
        self.log = recovered.log;
        self.ahead = None;
        self.epoch = recovered.epoch;
        self.begin(recovered.head, &recovered.repairs, &[])
    }

    /// Runs one step that writes, and remembers how it failed.
    fn guarded<T>(&mut self, step: impl FnOnce(&mut Self) -> Result<T, Error>) -> Result<T, Error> {
        self.ready()?;
        // Until the step is done, memory may be ahead of the disk.
        self.health = Health::Stale;
        let done = step(self);
        self.health = match &done {
            Ok(_) => Health::Good,
            Err(e) if e.kind() == Kind::Retry => Health::Stale,
            Err(e) if matches!(e.kind(), Kind::Reject | Kind::Clock) && self.nothing_staged() => {
                Health::Good
            }
            Err(e) if matches!(e.kind(), Kind::Reject | Kind::Clock) => Health::Stale,
            Err(_) => Health::Broken,
        };
        done
    }

    fn nothing_staged(&self) -> bool {
        self.log.committed == self.log.size()
    }

    /// Publishes a checkpoint of everything that was appended.
    ///
    /// # Errors
    /// `Retry` when there is no space; `Reopen` or `Tampered` when what was read back is not what was written: nothing was
    /// signed then.
    pub fn publish(&mut self) -> Result<Checkpoint, Error> {
        self.guarded(|ledger| {
            ledger.seal_if_due()?;
            let head = ledger.publish_head(false)?;
            ledger.tidy()?;
            Ok(head)
        })
    }

    /// Seals the rows of the tail into a segment, if there are any beyond the last seal's own entry.
    ///
    /// # Errors
    /// As [`Ledger::publish`].
    pub fn seal(&mut self) -> Result<(), Error> {
        self.guarded(|ledger| {
            ledger.seal_tail()?;
            ledger.tidy()?;
            ledger.log.index.settle(&*ledger.store, true)
        })
    }

    /// Appends the entry that an idle log shows to prove that it is alive, and publishes it.
    ///
    /// # Errors
    /// As [`Ledger::publish`]; `Clock` when the clock jumped.
    pub fn heartbeat(&mut self) -> Result<Checkpoint, Error> {
        self.guarded(|ledger| {
            // A time that jumped would stay in the log, whoever wrote it.
            ledger.check_clock()?;
            let key = ledger.log.size().to_string();
            ledger.push_entry("heartbeat", &key, &[])?;
            ledger.flush()?;
            ledger.publish_head(false)
        })
    }

    /// Appends `ledger/report_issued` with these fields and publishes; `note`, the checkpoint that the report was made from, is
    /// kept for good as `checkpoints/<size>.note`, though the log may have grown since. Returns the position of the entry.
    ///
    /// # Errors
    /// As [`Ledger::publish`]; `Reject` if a field is not one, this report was issued before, or `note` is not a checkpoint of this
    /// log.
    pub fn issue_report(&mut self, note: &str, fields: &[(&str, &str)]) -> Result<u64, Error> {
        self.guarded(|ledger| {
            ledger.publish_head(false)?;
            let shown: Vec<String> = fields.iter().map(|(k, v)| format!("{k}={v}")).collect();
            let size = ledger.keep_checkpoint(note)?.to_string();
            let mut all = vec![("checkpoint", size.as_str())];
            all.extend_from_slice(fields);
            let seq = ledger.push_entry("report_issued", &shown.join("\n"), &all)?;
            ledger.flush()?;
            ledger.publish_head(false)?;
            Ok(seq)
        })
    }

    /// Stores cosignatures of the head of `size` rows beside its note, which is kept for good. Returns whether they were
    /// stored: they are not if the log has another head by now, whose own cosignatures will say more.
    ///
    /// # Errors
    /// As [`Ledger::publish`].
    pub fn add_cosignatures(&mut self, size: u64, lines: &[NoteSignature]) -> Result<bool, Error> {
        if size != self.checkpoint().size || size != self.size() || lines.is_empty() {
            return Ok(false);
        }
        self.guarded(|ledger| ledger.store_cosignatures(lines))?;
        Ok(true)
    }

    /// Says that two pseudonyms are one human: appends `ledger/identity` with action `linked`.
    ///
    /// # Errors
    /// As [`Ledger::publish`]; `Reject` if they are linked already, or are not two pseudonyms of people.
    pub fn link(&mut self, pseudonym: &str, same_as: &str) -> Result<u64, Error> {
        if pseudonym == same_as || ![pseudonym, same_as].into_iter().all(people::is_person) {
            return Err(Error::reject(format!("`{pseudonym}`, `{same_as}`: not two people")));
        }
        self.guarded(|ledger| {
            let fields = [("action", "linked"), ("pseudonym", pseudonym), ("same_as", same_as)];
            let key = format!("linked:{pseudonym}:{same_as}");
            let seq = ledger.push_entry("identity", &key, &fields).map_err(|e| {
                let known = format!("`{pseudonym}` and `{same_as}` are linked already");
                if e.kind() == Kind::Reject { Error::reject(known) } else { e }
            })?;
            ledger.flush()?;
            Ok(seq)
        })
    }

    /// Says that the clock is right although it jumped, and appends `ledger/clock_anomaly`.
    ///
    /// # Errors
    /// As [`Ledger::publish`].
    pub fn confirm_clock(&mut self) -> Result<(), Error> {
        let Some(what) = self.clock_suspect.take() else { return Ok(()) };
        self.guarded(|ledger| {
            let key = ledger.log.size().to_string();
            ledger.push_entry("clock_anomaly", &key, &[("what", &what)])?;
            ledger.flush()?;
            ledger.clock_confirmed = ledger.log.last_recorded;
            Ok(())
        })
    }

    /// Appends a `ledger/recovery` entry about what was repaired from outside, and publishes it.
    pub(crate) fn log_recovery(&mut self, repairs: &str) -> Result<(), Error> {
        self.guarded(|ledger| {
            let key = format!("{}:{}", ledger.log.size(), ledger.epoch);
            ledger.push_entry("recovery", &key, &[("repairs", repairs)])?;
            ledger.flush()?;
            ledger.publish_head(false).map(|_| ())
        })
    }

    /// The key that signs; of several that are current, the one that was added first.
    pub fn vkey(&self) -> &Vkey {
        self.log.keys.current().next().expect("the last current key never ends")
    }

    /// The published head.
    pub fn checkpoint(&self) -> &Checkpoint {
        self.log.published.as_ref().expect("an open ledger has published its head")
    }

    /// How many rows there are, published or not.
    pub fn size(&self) -> u64 {
        self.log.size()
    }

    /// Whether the ledger was made with a simulated clock.
    pub fn simulated_clock(&self) -> bool {
        self.log.simulated
    }

    /// Stages one of the ledger's own entries.
    fn push_entry(
        &mut self,
        phase: &str,
        natural_key: &str,
        fields: &[(&str, &str)],
    ) -> Result<u64, Error> {
        let at = self.entry_time();
        self.close_day(at)?;
        let origin = self.log.origin.clone();
        let entry = Entry { origin: &origin, phase, natural_key, at };
        self.log.push(&*self.store, &entry.event(fields)?)
    }

    /// The time of the ledger's own entries: never before the last row; under a simulated clock that of the last row.
    fn entry_time(&self) -> Timestamp {
        match self.log.last_recorded {
            Some(last) if self.log.simulated => last,
            last => last.max(Some(self.clock.now())).expect("the clock's is there"),
        }
    }

    /// Suspects a clock that is far past the last row: `recorded_at` never goes back, so a jump to 2099 would stay.
    fn check_gap(&mut self) {
        let (now, last) = (self.clock.now(), self.log.last_recorded.unwrap_or(self.clock.now()));
        if !self.log.simulated && now.micros() - last.micros() > CLOCK_GAP_US {
            self.clock_suspect = Some(format!("opened at {now}, the last row is of {last}"));
        }
    }

    /// Looks at the clock before intake.
    fn check_clock(&mut self) -> Result<(), Error> {
        if self.log.simulated {
            return Ok(());
        }
        let (now, elapsed) = (self.clock.now(), self.clock.elapsed_us());
        let last = self.log.last_recorded.unwrap_or(now);
        if last.micros() - now.micros() > CLOCK_STEP_US && self.clock_confirmed != Some(last) {
            self.clock_suspect = Some(format!("the clock says {now}, the last row is of {last}"));
        }
        if let (Some((seen, Some(then))), Some(elapsed)) = (self.clock_seen, elapsed) {
            let step = (now.micros() - seen.micros()) - (elapsed - then);
            if step.abs() > CLOCK_STEP_US {
                self.clock_suspect = Some(format!("the clock stepped from {seen} to {now}"));
            }
        }
        self.clock_seen = Some((now, elapsed));
        match &self.clock_suspect {
            Some(what) => Err(Error::new(
                Kind::Clock,
                format!("{what}; intake stops until the time is confirmed"),
            )),
            None => Ok(()),
        }
    }

    /// Seals a tail that is a day old; a simulated clock has no days to wait for.
    fn seal_if_due(&mut self) -> Result<(), Error> {
        let since = self.log.tail_since.filter(|_| !self.log.simulated && self.log.tail.len() > 1);
        match since {
            Some(since) if self.clock.now().micros() - since.micros() > SEAL_AGE_US => {
                self.seal_tail()
            }
            _ => Ok(()),
        }
    }
}
