//! Erasing: the entry first, then the values, then the entry that says that they are gone.

use std::collections::BTreeSet;

use backtrail_schemas::leaf;

use super::Ledger;
use crate::entry::{self, Entry};
use crate::erasure::{Erase, Erased, Erasure, OF_DELIVERY};
use crate::error::Error;
use crate::frame::Frames;
use crate::intake::people::People;
use crate::log::{Cache, vault_places};
use crate::tlog::Hash;
use crate::tlog::hash::sha256;
use crate::vault::{self, DeliveryRecord, EventRecord, IdentityRecord, QuarantineRecord};

/// Events that are looked for at once: the files that they are in are read once for all of them.
const IDS_MAX: usize = 1_000;

/// The longest reason with its ticket: with it, an entry still names many events.
const REASON_BYTES_MAX: usize = 2_000;

impl Ledger {
    /// Erases the texts and deliveries of events, and who is behind a pseudonym. Rows, proofs and metrics stay as they are.
    ///
    /// # Errors
    /// `Reject` if an event or person is unknown, or nothing of it is there; otherwise as [`Ledger::publish`].
    pub fn erase(&mut self, request: &Erase) -> Result<Erased, Error> {
        if request.reason.trim().is_empty() {
            return Err(Error::reject(
                "an erasure needs a reason that may stand in the log for ever",
            ));
        }
        if request.reason.len() + request.ticket.as_ref().map_or(0, String::len) > REASON_BYTES_MAX
        {
            return Err(Error::reject("the reason and the ticket together are too long"));
        }
        self.guarded(|ledger| {
            ledger.check_clock()?;
            let mut plan = Erasure::default();
            let mut done = Erased::default();
            for ids in request.events.chunks(IDS_MAX) {
                for (id, fields) in ledger.plan_erasure(ids, &mut done)?.events {
                    plan.events.entry(id).or_default().extend(fields);
                }
            }
            if let Some(person) = &request.person {
                ledger.check_person(person)?;
                plan.pseudonym = Some(person.clone());
            }
            if plan == Erasure::default() {
                return Err(Error::reject("nothing is named that could be erased"));
            }
            done.entries = ledger.erase_planned(&plan, request)?;
            Ok(done)
        })
    }

    fn erase_planned(&mut self, plan: &Erasure, request: &Erase) -> Result<Vec<u64>, Error> {
        // 1. The entries, in one batch, published. A crash before leaves everything as it was; a crash after it is made
        //    good at the next start, since the entries are the last rows then.
        let at = self.entry_time();
        self.close_day(at)?;
        let origin = self.log.origin.clone();
        let ticket = request.ticket.as_deref().unwrap_or_default();
        let mut rows = Vec::new();
        for part in plan.parts() {
            let fields = part.fields();
            let mut fields: Vec<(&str, &str)> =
                fields.iter().map(|(k, v)| (*k, v.as_str())).collect();
            fields.extend([("reason", request.reason.as_str()), ("ticket", ticket)]);
            let natural_key = self.log.size().to_string();
            let entry = Entry { origin: &origin, phase: "erasure", natural_key: &natural_key, at };
            rows.push(self.log.push(&*self.store, &entry.event(&fields)?)?);
        }
        self.flush()?;
        self.publish_head(false)?;
        self.carry_out(plan, &rows)?;
        Ok(rows)
    }

    /// An erasure that was interrupted, and its entries: they are the last rows.
    pub(super) fn pending_erasure(&self) -> Result<(Erasure, Vec<u64>), Error> {
        let (mut plan, mut rows) = (Erasure::default(), Vec::new());
        for row in (self.log.first..self.log.committed).rev() {
            let event = leaf::decode(&self.log.tail_leaf(&*self.store, row)?)?;
            let Some(part) = Erasure::parse(&event) else { break };
            for (id, fields) in part.events {
                plan.events.entry(id).or_default().extend(fields);
            }
            plan.pseudonym = plan.pseudonym.or(part.pseudonym);
            rows.insert(0, row);
        }
        Ok((plan, rows))
    }

    /// Carries out an erasure that was interrupted, if there is one.
    pub(super) fn resume_erasure(
        &mut self,
        (plan, rows): (Erasure, Vec<u64>),
    ) -> Result<(), Error> {
        if rows.is_empty() {
            return Ok(());
        }
        self.publish_head(false)?;
        self.carry_out(&plan, &rows)
    }

    fn carry_out(&mut self, plan: &Erasure, rows: &[u64]) -> Result<(), Error> {
        // 2. The values, file by file, each in one step. A crash between two is resumed: files that are done stay so.
        for path in self.files_of(plan)? {
            let Some(bytes) = self.store.read_if_any(&path)? else { continue };
            if let Some(rest) = plan.apply(bytes)? {
                self.store.replace(&path, &rest)?;
            }
        }
        self.reread_vault()?;
        // 3. The entries that say so: from here on a value that is there is a finding.
        let at = self.entry_time();
        self.close_day(at)?;
        let origin = self.log.origin.clone();
        for row in rows.iter().map(u64::to_string) {
            let natural_key = format!("done:{row}");
            let entry = Entry { origin: &origin, phase: "erasure", natural_key: &natural_key, at };
            self.log.push(&*self.store, &entry.event(&[("done", &row)])?)?;
        }
        self.flush()?;
        self.publish_head(false)?;
        Ok(())
    }

    /// The files that an erasure changes.
    fn files_of(&mut self, plan: &Erasure) -> Result<BTreeSet<String>, Error> {
        let mut files = BTreeSet::new();
        for id in plan.events.keys() {
            if let Some(seq) = self.log.find(&*self.store, id)? {
                let first = self.log.block_of(&*self.store, seq)?;
                files.extend([vault::path(first), vault::quarantine_path(first)]);
            }
        }
        if plan.pseudonym.is_some() {
            files.insert(vault::IDENTITIES.to_owned());
        }
        Ok(files)
    }

    /// Forgets what was erased.
    fn reread_vault(&mut self) -> Result<(), Error> {
        self.log.vault_index = vault_places(&*self.store, &vault::path(self.log.first))?;
        self.log.cache = Cache::default();
        self.log.people = People::default();
        let bytes = self.store.read_all(vault::IDENTITIES)?;
        for frame in Frames::new(&bytes).filter(|frame| frame.kind == vault::IDENTITY) {
            self.log.people.insert(&IdentityRecord::parse(frame.payload)?);
        }
        Ok(())
    }

    fn check_person(&self, pseudonym: &str) -> Result<(), Error> {
        if !pseudonym.starts_with("person:") || self.log.people.is_erased(pseudonym) {
            return Err(Error::reject(format!("the vault knows nobody as `{pseudonym}`")));
        }
        Ok(())
    }

    /// What goes with `ids`: amendments of these events, their deliveries, other events of these, and the same deliveries
    /// in quarantine. `done` is what goes with ids before them.
    fn plan_erasure(&mut self, ids: &[String], done: &mut Erased) -> Result<Erasure, Error> {
        let mut plan = Plan::default();
        for id in ids.iter().filter(|id| !done.events.contains(*id)) {
            let unknown = || Error::reject(format!("no event `{id}` in the log"));
            let seq = self.log.find(&*self.store, id)?.ok_or_else(unknown)?;
            if seq < self.log.pruned {
                return Err(Error::reject(format!(
                    "`{id}` was pruned: nothing of it is left to erase"
                )));
            }
            plan.whole.insert(id.clone());
            plan.blocks.insert(self.log.block_of(&*self.store, seq)?);
            for amendment in self.log.index.amendments(&*self.store, id)? {
                let event = self.log.row(&*self.store, amendment)?;
                plan.blocks.insert(self.log.block_of(&*self.store, amendment)?);
                plan.whole.insert(event.text("event_id").unwrap_or_default().to_owned());
            }
        }
        let named = plan.whole.clone();
        self.add_deliveries(&mut plan)?;
        self.add_refused(&mut plan)?;
        // A delivery that was accepted in part is in both stores.
        for id in &plan.whole {
            if let Some(seq) = self.log.find(&*self.store, id)? {
                plan.blocks.insert(self.log.block_of(&*self.store, seq)?);
            }
        }
        self.add_deliveries(&mut plan)?;
        let there = |id: &&String| plan.erasure.events.contains_key(*id);
        if let Some(id) = named.iter().find(|id| ids.contains(id) && !there(id)) {
            return Err(Error::reject(format!(
                "nothing of `{id}` is in the vault: it came without texts and delivery, or was erased"
            )));
        }
        for id in plan.erasure.events.keys() {
            let set = if plan.whole.contains(id) { &mut done.events } else { &mut done.shared };
            set.insert(id.clone());
        }
        done.shared.retain(|id| !done.events.contains(id));
        Ok(plan.erasure)
    }

    /// Adds what the vault has of the events, and the other events that came with the same deliveries.
    fn add_deliveries(&self, plan: &mut Plan) -> Result<(), Error> {
        for first in plan.blocks.clone() {
            let bytes = self.store.read_if_any(&vault::path(first))?.unwrap_or_default();
            each_group(&bytes, |group| {
                let named = group.events.iter().any(|event| plan.whole.contains(&event.event_id));
                if !named && group.body.is_none_or(|body| !plan.bodies.contains(&body)) {
                    return;
                }
                plan.bodies.extend(group.body);
                for event in group.events {
                    let whole = plan.whole.contains(&event.event_id);
                    let fields = event.salts.into_keys();
                    let fields: BTreeSet<String> =
                        fields.filter(|f| whole || OF_DELIVERY.contains(&f.as_str())).collect();
                    if !fields.is_empty() {
                        plan.erasure.events.entry(event.event_id).or_default().extend(fields);
                    }
                }
            })?;
        }
        Ok(())
    }

    /// Adds the entries about the same deliveries in quarantine, and about deliveries that contradict the events.
    fn add_refused(&mut self, plan: &mut Plan) -> Result<(), Error> {
        for (path, _) in self.store.list("quarantine")? {
            let bytes = self.store.read_all(&path)?;
            for frame in Frames::new(&bytes).filter(|frame| frame.kind == vault::QUARANTINED) {
                let record = QuarantineRecord::parse(frame.payload)?;
                let body = sha256(&record.delivery.body);
                let mut goes = plan.bodies.contains(&body);
                for entry in &record.entries {
                    goes |= plan.whole.contains(&entry.event_id);
                    let seq = self.log.find(&*self.store, &entry.event_id)?;
                    if let Some(seq) = seq.filter(|_| entry.code == "conflict") {
                        let row = self.log.row(&*self.store, seq)?;
                        let about = row.attribute("event_id");
                        let about = about.filter(|_| entry::is(&row, "conflict"));
                        goes |= about.is_some_and(|id| plan.whole.contains(id));
                    }
                }
                if !goes {
                    continue;
                }
                plan.bodies.insert(body);
                for entry in record.entries {
                    let fields = OF_DELIVERY.iter().map(|field| (*field).to_owned()).collect();
                    plan.erasure.events.insert(entry.event_id.clone(), fields);
                    plan.whole.insert(entry.event_id);
                }
            }
        }
        Ok(())
    }
}

/// What is found while an erasure is planned.
#[derive(Default)]
struct Plan {
    erasure: Erasure,
    /// Events that go with everything.
    whole: BTreeSet<String>,
    /// Where their records are.
    blocks: BTreeSet<u64>,
    /// The bodies of deliveries that go.
    bodies: BTreeSet<Hash>,
}

/// A delivery and the events that came with it.
#[derive(Default)]
struct Group {
    /// The hash of its body, if it is there.
    body: Option<Hash>,
    events: Vec<EventRecord>,
}

/// Tells `each` the deliveries of a vault file.
fn each_group(bytes: &[u8], mut each: impl FnMut(Group)) -> Result<(), Error> {
    let mut group = Group::default();
    for frame in Frames::new(bytes) {
        match frame.kind {
            vault::DELIVERY => {
                let body = Some(sha256(&DeliveryRecord::parse(frame.payload)?.body));
                each(std::mem::replace(&mut group, Group { body, events: Vec::new() }));
            }
            kind if kind == vault::erased(vault::DELIVERY) => each(std::mem::take(&mut group)),
            vault::EVENT => group.events.push(EventRecord::parse(frame.payload)?),
            _ => {}
        }
    }
    each(group);
    Ok(())
}
