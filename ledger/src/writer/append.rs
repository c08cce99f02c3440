//! From submissions to acknowledged rows.

use std::collections::BTreeMap;

use backtrail_schemas::columns::TEXT_FIELDS;
use backtrail_schemas::{Draft, Event, Identity, Reject, Timestamp, id};
use data_encoding::HEXLOWER;

use super::Ledger;
use crate::commitment::{Salt, hmac, keyed_hash};
use crate::entry::Entry;
use crate::error::{Error, Kind};
use crate::index::{FILLS_UNKNOWN, key};
use crate::intake::admit::{self, commitment_column};
use crate::intake::compare::{Verdict, compare};
use crate::intake::people;
use crate::intake::{Outcome, QuarantineId, Receipt, Submission};
use crate::journal::Journal;
use crate::limits::{COMMIT_BYTES_MAX, FRAME_BYTES_MAX, SEGMENT_ROWS, TAIL_BYTES_MAX};
use crate::log::Place;
use crate::vault::{
    self, DeliveryDigests, DeliveryRecord, EventRecord, IdentityRecord, QuarantineEntry,
    QuarantineRecord,
};
use crate::wal::{self, Commit};

/// A delivery while its drafts are taken in.
struct Intake<'a> {
    submission: &'a Submission,
    delivery: DeliveryRecord,
    digests: DeliveryDigests,
    at: Timestamp,
    /// Whether the delivery is in the vault already.
    kept: bool,
    refused: Vec<Refusal>,
}

/// What goes to quarantine: why, and the event that a conflict is about.
struct Refusal {
    code: String,
    reason: String,
    conflict: Option<(String, String)>,
}

impl Ledger {
    /// Makes submissions part of the log and returns one receipt for each, in order. All are durable when it returns.
    ///
    /// A crash before that loses only what nobody was told about, or keeps it: sent again, it is a duplicate.
    ///
    /// # Errors
    /// `Retry` when there is no space, `Clock` when the clock jumped, `Reopen` when a sync failed: nothing of the batch
    /// is acknowledged.
    #[expect(
        clippy::needless_pass_by_value,
        reason = "what was appended is no longer the caller's to send again"
    )]
    pub fn append(&mut self, submissions: Vec<Submission>) -> Result<Vec<Receipt>, Error> {
        self.guarded(|ledger| {
            ledger.check_clock()?;
            let mut receipts = Vec::with_capacity(submissions.len());
            for submission in &submissions {
                receipts.push(ledger.take(submission)?);
                if ledger.is_tail_full() {
                    ledger.flush()?;
                    ledger.seal_tail()?;
                } else if ledger.log.wal.staged() + ledger.log.vault.staged() > COMMIT_BYTES_MAX {
                    ledger.flush()?;
                }
            }
            ledger.flush()?;
            ledger.prepare_head()?;
            ledger.encode_ahead()?;
            Ok(receipts)
        })
    }

    fn is_tail_full(&self) -> bool {
        let log = &self.log;
        log.tail.len() as u64 >= SEGMENT_ROWS || log.wal.len().max(log.vault.len()) > TAIL_BYTES_MAX
    }

    /// Makes everything staged durable: one group commit.
    pub(super) fn flush(&mut self) -> Result<(), Error> {
        if self.log.committed == self.log.size() {
            return Ok(());
        }
        let (store, log) = (&*self.store, &mut self.log);
        // The rows, and what they commit to, become durable at once. A crash here leaves any part of it: rows without their
        // commit frame, records behind the lengths in the last commit frame, or a last batch whose records are not all there.
        // Recovery cuts each of these: nobody was told.
        let commit = Commit {
            first: log.committed,
            end: log.frontier.size(),
            root: log.frontier.root(),
            vault_bytes: log.vault.len(),
            identities_bytes: log.identities.len(),
            quarantine_bytes: log.quarantine.len(),
        };
        log.wal.stage(wal::COMMIT, &commit.to_bytes());
        let journals =
            &mut [&mut log.vault, &mut log.identities, &mut log.quarantine, &mut log.wal];
        Journal::write(journals, store)?;
        // From here on the rows are acknowledged, and no crash loses them (invariant L3).
        log.committed = log.frontier.size();
        Ok(())
    }

    fn take(&mut self, submission: &Submission) -> Result<Receipt, Error> {
        let mapped = &submission.mapped;
        if mapped.ignored.is_some() && mapped.drafts.is_empty() && mapped.rejects.is_empty() {
            return Ok(Receipt { ignored: true, ..Receipt::default() });
        }
        let at = self.recording_time(submission);
        self.close_day(at)?;
        let delivery = DeliveryRecord::from(&submission.delivery);
        if delivery.body.len() > FRAME_BYTES_MAX / 2 {
            return Err(Error::reject("a delivery larger than 32 MiB"));
        }
        let digests = delivery.digests();
        let mut intake =
            Intake { submission, delivery, digests, at, kept: false, refused: Vec::new() };
        let mut outcomes = Vec::new();
        for draft in &mapped.drafts {
            match self.take_draft(draft, &mut intake) {
                Ok(outcome) => outcomes.push(outcome),
                Err(e) if e.kind() == Kind::Reject => {
                    intake.refuse("invalid_event", &e.to_string());
                }
                Err(e) => return Err(e),
            }
        }
        for Reject { reason, code } in &mapped.rejects {
            intake.refuse(code, reason);
        }
        let quarantined =
            if intake.refused.is_empty() { None } else { Some(self.quarantine(&intake)?) };
        Ok(Receipt { outcomes, quarantined, ignored: false })
    }

    /// When the rows of a submission are recorded: never before the last row.
    fn recording_time(&self, submission: &Submission) -> Timestamp {
        let own =
            submission.mapped.drafts.iter().find_map(|draft| draft.event.timestamp("recorded_at"));
        let simulated = submission.delivery.received_at.or(own).filter(|_| self.log.simulated);
        let at = simulated.unwrap_or_else(|| self.clock.now());
        self.log.last_recorded.map_or(at, |last| last.max(at))
    }

    fn take_draft(&mut self, draft: &Draft, intake: &mut Intake) -> Result<Outcome, Error> {
        admit::check(draft, self.log.simulated)?;
        let event_id = draft.event.text("event_id").unwrap_or_default().to_owned();
        let Some(seq) = self.log.find(&*self.store, &event_id)? else {
            let seq = self.accept(draft, draft.event.clone(), intake)?;
            return Ok(Outcome::Accepted { seq, event_id });
        };
        if seq < self.log.pruned {
            // What it said is gone: it cannot be compared, and it is in the log once.
            return Ok(Outcome::Duplicate { seq, event_id });
        }
        let known = self.log.known(&*self.store, seq)?;
        let people = &self.log.people;
        let erased = |pseudonym: &str| people.is_erased(pseudonym);
        match compare(&known, draft, &|identity| people.pseudonym(identity), &erased) {
            Verdict::Same => Ok(Outcome::Duplicate { seq, event_id }),
            Verdict::Adds(added) => {
                let event = self.amendment(draft, &added, &event_id, intake.at)?;
                let id = event.text("event_id").unwrap_or_default();
                if self.log.find(&*self.store, id)?.is_some() {
                    return Err(Error::reject("the event is in the log"));
                }
                let seq = self.accept(&added, event, intake)?;
                Ok(Outcome::Amended { seq, event_id })
            }
            Verdict::Differs => {
                let content = HEXLOWER.encode(&self.content_hash(draft)[..16]);
                let reason = format!("contradicts row {seq}, event `{event_id}`");
                let conflict = Some((event_id.clone(), content));
                intake.refused.push(Refusal { code: "conflict".into(), reason, conflict });
                Ok(Outcome::Conflict { seq, event_id })
            }
        }
    }

    /// The correction that fills what the first delivery of `amended` did not say.
    #[expect(clippy::unnecessary_wraps, reason = "the caller is one chain of fallible steps")]
    fn amendment(
        &self,
        draft: &Draft,
        added: &Draft,
        amended: &str,
        at: Timestamp,
    ) -> Result<Event, Error> {
        let text = |name: &str| draft.event.text(name).unwrap_or_default();
        let natural_key =
            format!("fills:{amended}:{}", HEXLOWER.encode(&self.content_hash(added)[..16]));
        let mut event = added.event.clone();
        let (source, instance) = (text("source"), text("source_instance"));
        event
            .put("event_id", id::event_id(source, instance, &natural_key, "correction", "amended"));
        event
            .put("schema", backtrail_schemas::event::PROFILE)
            .put("kind", "correction")
            .put("phase", "amended");
        event.put("occurred_at", at).put("time_basis", "receipt").put("amends_event_id", amended);
        event.put("inference_rule", FILLS_UNKNOWN).put("assertion", "inferred");
        for name in ["source", "source_instance", "ingest_mode", "authn_method", "authn_key_id"] {
            event.put_some(
                backtrail_schemas::columns::column(name).expect("a column").name,
                draft.event.text(name),
            );
        }
        if let Some(verified) = draft.event.get("authn_verified") {
            event.put("authn_verified", verified.clone());
        }
        Ok(event)
    }

    /// Stages the row of a draft, with pseudonyms and commitments; `event` has its other columns.
    fn accept(
        &mut self,
        draft: &Draft,
        mut event: Event,
        intake: &mut Intake,
    ) -> Result<u64, Error> {
        let at = event.timestamp("recorded_at").unwrap_or(intake.at);
        let at = self.log.last_recorded.map_or(at, |last| last.max(at));
        event.put("recorded_at", at);
        let event_id = event.text("event_id").unwrap_or_default().to_owned();
        let record = self.commit_values(draft, &mut event, &event_id, intake)?;
        // A trial with placeholders of the same length, so that nobody is minted for a row that does not fit.
        if draft.people.iter().any(|(_, identity)| self.log.people.is_news(identity)) {
            let mut trial = event.clone();
            people::put(&mut trial, draft, &mut |_| people::person(&[0; 16]));
            trial.check()?;
            backtrail_schemas::leaf::encode(&trial)?;
        }
        let mut pseudonyms = BTreeMap::new();
        for (_, identity) in &draft.people {
            pseudonyms.insert(identity.clone(), self.resolve(identity, at)?);
        }
        people::put(&mut event, draft, &mut |identity| pseudonyms[identity].clone());
        event.check()?;
        let leaf = backtrail_schemas::leaf::encode(&event)?;
        if !intake.kept {
            self.log.vault.stage(vault::DELIVERY, &intake.delivery.to_bytes());
            intake.kept = true;
        }
        let payload = record.to_bytes();
        let offset = self.log.vault.stage(vault::EVENT, &payload);
        self.log.vault_index.insert(key(&event_id), Place { offset, len: payload.len() as u32 });
        self.log.push_leaf(&*self.store, &event, &leaf)
    }

    /// Puts the commitments into `event` and returns what the vault keeps for them.
    fn commit_values(
        &self,
        draft: &Draft,
        event: &mut Event,
        event_id: &str,
        intake: &Intake,
    ) -> Result<EventRecord, Error> {
        let mut record = EventRecord { event_id: event_id.to_owned(), ..EventRecord::default() };
        let fields = TEXT_FIELDS.iter().filter_map(|field| {
            let text = draft.texts.iter().find(|(name, text)| name == field && !text.is_empty());
            text.map(|(_, text)| (*field, text.clone()))
        });
        record.texts = fields.map(|(field, text)| (field.to_owned(), text)).collect();
        let mut fields: Vec<String> = record.texts.keys().cloned().collect();
        fields.push("payload".into());
        fields.push("headers".into());
        if self.log.simulated {
            for field in fields {
                record.salts.insert(field.clone(), HEXLOWER.encode(&self.salt(event_id, &field)?));
            }
        } else {
            // One question to the operating system for all of them.
            let salts = super::init::random_bytes(32 * fields.len())?;
            let salts = salts.chunks_exact(32).map(|salt| HEXLOWER.encode(salt));
            record.salts = fields.into_iter().zip(salts).collect();
        }
        let commitments =
            record.commitments(&intake.digests).expect("each salt is 32 bytes in hex");
        for (field, commitment) in commitments {
            event.put(commitment_column(&field), commitment);
        }
        Ok(record)
    }

    /// 32 bytes that nobody can guess; under a simulated clock the same for the same event and field.
    fn salt(&self, event_id: &str, field: &str) -> Result<Salt, Error> {
        if self.log.simulated {
            return Ok(keyed_hash(
                &self.log.vault_key,
                &[b"salt", event_id.as_bytes(), field.as_bytes()],
            ));
        }
        super::init::random()
    }

    /// The pseudonym of a person, minted and entered in the log if there is none, or if there is a name to learn.
    fn resolve(&mut self, identity: &Identity, at: Timestamp) -> Result<String, Error> {
        let known = self.log.people.pseudonym(identity);
        let Identity::Person { directory, id, name } = identity else {
            return Ok(known.expect("bots and vendors go by their names"));
        };
        if !self.log.people.is_news(identity) {
            return Ok(known.expect("no news of somebody known"));
        }
        let action = if known.is_some() { "named" } else { "minted" };
        let pseudonym = match known {
            Some(pseudonym) => pseudonym,
            None if self.log.simulated => self.simulated_person(directory, id)?,
            None => {
                people::person(super::init::random()?[..16].try_into().expect("16 of 32 bytes"))
            }
        };
        let origin = self.log.origin.clone();
        let natural_key = format!("{action}:{pseudonym}");
        let at = self.log.last_recorded.map_or(at, |last| last.max(at));
        let entry = Entry { origin: &origin, phase: "identity", natural_key: &natural_key, at };
        let event_id = entry.event_id();
        let record = IdentityRecord {
            salt: HEXLOWER.encode(&self.salt(&event_id, "identity")?),
            event_id,
            pseudonym: pseudonym.clone(),
            directory: directory.clone(),
            id: id.clone(),
            name: name.clone().filter(|name| !name.is_empty()),
        };
        let committed = record.commitment().expect("the salt is 32 bytes in hex");
        let fields =
            [("action", action), ("identity_commitment", &committed), ("pseudonym", &pseudonym)];
        self.log.push(&*self.store, &entry.event(&fields)?)?;
        self.log.identities.stage(vault::IDENTITY, &record.to_bytes());
        self.log.people.insert(&record);
        Ok(pseudonym)
    }

    /// The pseudonym of a person under a simulated clock: the first of a series that the log does not have. Only who was
    /// erased and comes again gets another than the first.
    fn simulated_person(&mut self, directory: &str, id: &str) -> Result<String, Error> {
        let mut parts: Vec<&[u8]> = vec![b"person", directory.as_bytes(), id.as_bytes()];
        loop {
            let bytes = keyed_hash(&self.log.vault_key, &parts);
            let pseudonym = people::person(bytes[..16].try_into().expect("16 of 32 bytes"));
            let natural_key = format!("minted:{pseudonym}");
            let at = Timestamp::from_micros(0).expect("1970 is in range");
            let origin = &self.log.origin;
            let entry = Entry { origin, phase: "identity", natural_key: &natural_key, at };
            if self.log.find(&*self.store, &entry.event_id())?.is_none() {
                return Ok(pseudonym);
            }
            parts.push(b"again");
        }
    }

    /// A keyed hash of what a draft says, so that the same contradiction is entered once.
    fn content_hash(&self, draft: &Draft) -> [u8; 32] {
        let mut parts: Vec<String> =
            draft.event.iter().map(|(name, value)| format!("{name}={value:?}")).collect();
        parts.extend(draft.people.iter().map(|(name, identity)| format!("{name}={identity:?}")));
        parts.extend(draft.texts.iter().map(|(field, text)| format!("{field}={text}")));
        parts.sort_unstable();
        let parts: Vec<&[u8]> = parts.iter().map(String::as_bytes).collect();
        keyed_hash(&self.log.vault_key, &parts)
    }

    /// Keeps a delivery in quarantine and stages an entry for each refusal that is not in the log yet.
    fn quarantine(&mut self, intake: &Intake) -> Result<QuarantineId, Error> {
        let source = intake.submission.delivery.source.clone().unwrap_or_default();
        let digest = keyed_hash(
            &self.log.vault_key,
            &[b"quarantine", source.as_bytes(), &intake.delivery.body],
        );
        let quarantine = HEXLOWER.encode(&digest[..16]);
        let mut record = QuarantineRecord {
            id: quarantine.clone(),
            delivery: intake.delivery.clone(),
            source: source.clone(),
            received_at: intake.at.to_string(),
            reception: intake.submission.delivery.reception.clone(),
            entries: Vec::new(),
        };
        for (at, refusal) in intake.refused.iter().enumerate() {
            let mut event = self.refusal_event(refusal, at, &quarantine, &source, intake.at)?;
            let event_id = event.text("event_id").unwrap_or_default().to_owned();
            if self.log.find(&*self.store, &event_id)?.is_some() {
                continue;
            }
            let entry = QuarantineEntry {
                payload_salt: HEXLOWER.encode(&self.salt(&event_id, "payload")?),
                headers_salt: HEXLOWER.encode(&self.salt(&event_id, "headers")?),
                event_id,
                code: refusal.code.clone(),
                reason: refusal.reason.clone(),
            };
            let commitments = entry.commitments(&intake.digests).expect("salts are 32 bytes");
            for (field, commitment) in commitments {
                event.put(commitment_column(&field), commitment);
            }
            self.log.push(&*self.store, &event)?;
            record.entries.push(entry);
        }
        if !record.entries.is_empty() {
            self.log.quarantine.stage(vault::QUARANTINED, &record.to_bytes());
        }
        Ok(QuarantineId(quarantine))
    }

    fn refusal_event(
        &self,
        refusal: &Refusal,
        at: usize,
        quarantine: &str,
        source: &str,
        now: Timestamp,
    ) -> Result<Event, Error> {
        let now = self.log.last_recorded.map_or(now, |last| last.max(now));
        if let Some((event_id, content)) = &refusal.conflict {
            let natural_key = format!("{event_id}:{content}");
            let entry = Entry {
                origin: &self.log.origin,
                phase: "conflict",
                natural_key: &natural_key,
                at: now,
            };
            return entry.event(&[
                ("code", &refusal.code),
                ("event_id", event_id),
                ("quarantine", quarantine),
                ("reason", &refusal.reason),
            ]);
        }
        let source =
            if source.is_empty() || source == crate::entry::SOURCE { "unknown" } else { source };
        let keyed =
            hmac(&self.log.vault_key, &[refusal.code.as_bytes(), b"\n", refusal.reason.as_bytes()]);
        let natural_key = format!("{quarantine}:{at}:{}", HEXLOWER.encode(&keyed[..8]));
        let mut event = Event::new("ingest", "rejected");
        event.put(
            "event_id",
            id::event_id(source, &self.log.origin, &natural_key, "ingest", "rejected"),
        );
        event
            .put("source", source)
            .put("occurred_at", now)
            .put("recorded_at", now)
            .put("time_basis", "receipt");
        for (key, text) in [
            ("code", refusal.code.as_str()),
            ("quarantine", quarantine),
            ("reason", &refusal.reason),
        ] {
            event.put_attribute(key, text)?;
        }
        Ok(event)
    }
}

impl Intake<'_> {
    /// Notes a refusal; the reason is cut to what a leaf can hold.
    fn refuse(&mut self, code: &str, reason: &str) {
        let reason: String = reason.chars().filter(|c| *c != '\0').take(1000).collect();
        self.refused.push(Refusal { code: code.to_owned(), reason, conflict: None });
    }
}
