//! The vault and the quarantine against the rows that commit to them.

use std::collections::{BTreeMap, BTreeSet};

use super::{Check, Finding, Level, VerifyOptions};
use crate::erasure::{Gone, OF_DELIVERY};
use crate::error::{Error, Kind};
use crate::frame::{self, End, FRAME_OVERHEAD, Frame, Frames, HEADER};
use crate::journal::scan;
use crate::storage::Storage;
use crate::vault::{
    self, DeliveryDigests, DeliveryRecord, EventRecord, IdentityRecord, KeyRecord, QuarantineRecord,
};
use crate::wal::Commit;

/// What the rows of one segment, or of the tail, commit to.
#[derive(Debug, Default)]
pub(super) struct Block {
    first: u64,
    /// Whether the values are checked, so that commitments have to be remembered.
    checked: bool,
    /// Whether an event of the block commits to something.
    has_events: bool,
    /// Commitments of events, by event id and field.
    events: BTreeMap<String, BTreeMap<String, String>>,
    /// Commitments of entries about deliveries in quarantine.
    refusals: BTreeMap<String, BTreeMap<String, String>>,
    /// Commitments of identities, of the whole log so far, with their pseudonyms.
    identities: BTreeMap<String, (String, String)>,
    pub(super) simulated: bool,
    pub(super) vault_key: Option<String>,
}

impl Block {
    pub(super) fn new(options: &VerifyOptions) -> Self {
        let checked = options.level >= Level::Content && !options.without_vault;
        Self { checked, ..Self::default() }
    }

    /// The block that begins at row `first`: what is about the whole log goes on.
    pub(super) fn begin(&mut self, first: u64) {
        self.first = first;
        self.has_events = false;
        self.events.clear();
        self.refusals.clear();
    }

    /// Notes what a row commits to, field by field.
    pub(super) fn take<'t>(
        &mut self,
        id: &str,
        kind: &str,
        phase: &str,
        commitments: impl Iterator<Item = (&'t str, &'t str)>,
    ) {
        let refused = matches!((kind, phase), ("ledger", "conflict") | ("ingest", "rejected"));
        let mut commitments = commitments.peekable();
        if commitments.peek().is_none() {
            return;
        }
        self.has_events |= !refused;
        if !refused && !self.checked {
            return;
        }
        let fields = commitments.map(|(field, text)| (field.to_owned(), text.to_owned()));
        let fields: BTreeMap<String, String> = fields.collect();
        let held = if refused { &mut self.refusals } else { &mut self.events };
        held.insert(id.to_owned(), fields);
    }

    /// Notes what an identity's entry commits to.
    pub(super) fn take_identity(&mut self, id: &str, committed: &str, pseudonym: &str) {
        self.identities.insert(id.to_owned(), (committed.to_owned(), pseudonym.to_owned()));
    }
}

/// Checks the files of one block, and adds them to `expected`.
pub(super) fn check(
    check: &mut Check,
    block: &mut Block,
    last: Option<&Commit>,
    expected: &mut BTreeSet<String>,
) -> Result<(), Error> {
    let content = check.options.level >= Level::Content;
    if !check.options.without_vault {
        let path = vault::path(block.first);
        let committed = last.map(|commit| commit.vault_bytes);
        if is_longer(check, &path, committed) || block.has_events {
            expected.insert(path.clone());
        }
        if content {
            events(check, block, &path, committed)?;
        }
    }
    let path = vault::quarantine_path(block.first);
    let committed = last.map(|commit| commit.quarantine_bytes);
    if is_longer(check, &path, committed) || !block.refusals.is_empty() {
        expected.insert(path.clone());
    }
    if content {
        refusals(check, block, &path, committed)?;
    }
    Ok(())
}

/// Checks the files of the last block and the identities.
pub(super) fn finish(
    check_: &mut Check,
    block: &mut Block,
    last: Option<&Commit>,
    expected: &mut BTreeSet<String>,
) -> Result<(), Error> {
    check(check_, block, last, expected)?;
    if check_.options.without_vault {
        check_.coverage.push("the vault was withheld and not checked".to_owned());
        return Ok(());
    }
    let (events, people) = check_.erasures.counts();
    if events + people > 0 {
        check_
            .coverage
            .push(format!("erased: the vault's values of {events} events and {people} people"));
    }
    let committed = last.map(|commit| commit.identities_bytes);
    is_longer(check_, vault::IDENTITIES, committed);
    expected.insert(vault::IDENTITIES.to_owned());
    if check_.options.level < Level::Content {
        return Ok(());
    }
    identities(check_, block, committed)
}

/// More than the header of any file has: the origin has at most 255 bytes.
const HEADER_BYTES_MAX: u64 = 1024;

/// Whether a file is longer than the last batch says: an append that was interrupted. What follows a batch is no header.
fn is_longer(check: &mut Check, path: &str, committed: Option<u64>) -> bool {
    let Some(committed) = committed else { return false };
    let behind = check.store.read(path, committed..committed + HEADER_BYTES_MAX);
    let behind = behind.unwrap_or_default();
    if committed > 0 && Frames::new(&behind).next().is_some_and(|frame| frame.kind == HEADER) {
        let message = format!("a second header at {committed}");
        check.add(Finding::new("vault", 17, message).file(path));
    } else if !behind.is_empty() {
        check.leftover(path, "records of an append that was interrupted");
    }
    !behind.is_empty()
}

/// Calls `each` with the committed frames of a store's file; a finding if they are damaged or end too early.
fn read(
    check: &mut Check,
    path: &str,
    format: &str,
    first: u64,
    committed: Option<u64>,
    mut each: impl FnMut(&mut Check, u8, &[u8]),
) -> Result<(), Error> {
    let store = check.store;
    let length = match store.len(path) {
        Err(e) if e.kind() == Kind::Missing => return Ok(()),
        length => length?,
    };
    let committed = committed.unwrap_or(length);
    let damaged = |what: String| Finding::new("vault", 17, what).file(path);
    if committed > length {
        check.add(damaged(format!("it has {length} bytes, {committed} were committed")));
        return Ok(());
    }
    if committed == 0 {
        return Ok(());
    }
    let origin = check.head.as_ref().map(|head| head.origin.clone()).unwrap_or_default();
    let mut read = 0;
    let end = scan(store, path, committed, |offset, kind, payload| {
        read = offset + (FRAME_OVERHEAD + payload.len()) as u64;
        if offset > 0 {
            each(check, kind, payload);
            return Ok(());
        }
        let header = Frame { offset: 0, kind, payload };
        frame::check_header(Some(header), format, &origin, first)
    });
    match end {
        Ok(End::Clean) => {}
        Ok(_) => check.add(damaged(format!("damaged at offset {read}"))),
        Err(error) if error.kind() == Kind::Tampered => check.add(damaged(error.to_string())),
        Err(error) => return Err(error),
    }
    Ok(())
}

fn events(
    check: &mut Check,
    block: &mut Block,
    path: &str,
    committed: Option<u64>,
) -> Result<(), Error> {
    let mut delivery: Option<DeliveryDigests> = None;
    let mut used = true;
    let (mut records, mut deliveries) = (Blanks::default(), Blanks::default());
    for (id, committed) in &block.events {
        let Some(gone) = check.erasures.event(id) else { continue };
        let of_delivery = OF_DELIVERY.iter().any(|field| gone.fields.contains(*field));
        records.allow(gone, usize::from(gone.has_all(committed)), gone.times);
        deliveries.allow(gone, usize::from(of_delivery), usize::from(of_delivery));
    }
    deliveries.least = deliveries.least.min(1);
    read(check, path, vault::FORMAT, block.first, committed, |check, kind, payload| {
        let held = match kind {
            vault::DELIVERY => {
                let unused = !std::mem::replace(&mut used, false);
                delivery = DeliveryRecord::parse(payload).ok().map(|record| record.digests());
                delivery.is_some() && !unused
            }
            vault::EVENT => {
                used = true;
                let record = EventRecord::parse(payload).ok();
                record.is_some_and(|record| event(check, block, &record, delivery.as_ref(), path))
            }
            _ if vault::is_erased(kind, payload, &[vault::DELIVERY]) => {
                let unused = !std::mem::replace(&mut used, true);
                delivery = None;
                deliveries.found += 1;
                !unused
            }
            _ => {
                records.found += 1;
                vault::is_erased(kind, payload, &[vault::EVENT])
            }
        };
        if !held {
            check.add(
                Finding::new("vault", 17, "a record that no row commits to, or that was changed")
                    .file(path),
            );
        }
    })?;
    if !used {
        check.add(Finding::new("vault", 17, "a delivery that no row commits to").file(path));
    }
    records.check(check, path);
    deliveries.check(check, path);
    for (id, committed) in &block.events {
        if check.erasures.event(id).is_some_and(|gone| gone.has_all(committed)) {
            continue;
        }
        check.add(
            Finding::new("vault", 17, format!("what event `{id}` commits to is missing"))
                .file(path),
        );
    }
    Ok(())
}

/// Whether the record of an event is what its row commits to, of what was not erased.
fn event(
    check: &mut Check,
    block: &mut Block,
    record: &EventRecord,
    delivery: Option<&DeliveryDigests>,
    path: &str,
) -> bool {
    let Some(rows) = block.events.remove(&record.event_id) else { return false };
    let Some(gone) = check.erasures.event(&record.event_id) else {
        return delivery.and_then(|delivery| record.commitments(delivery)) == Some(rows);
    };
    let present = |gone: &BTreeSet<String>| {
        let of_delivery = OF_DELIVERY.iter().any(|field| gone.contains(*field));
        record.salts.keys().any(|field| gone.contains(field)) || (of_delivery && delivery.is_some())
    };
    let nothing = DeliveryDigests::default();
    let committed = record.commitments(delivery.unwrap_or(&nothing));
    let fits = |gone: &BTreeSet<String>| {
        let left = rows.iter().filter(|(field, _)| !gone.contains(*field));
        let left: BTreeMap<_, _> = left.map(|(k, v)| (k.clone(), v.clone())).collect();
        !present(gone) && committed.as_ref() == Some(&left)
    };
    if fits(&gone.fields) || (gone.pending && fits(&gone.settled)) {
        return true;
    }
    if present(&gone.settled) {
        erased_and_there(check, &record.event_id, path);
        return true;
    }
    false
}

/// Erased frames of one kind in a file: how many there are, and how many there may be.
#[derive(Default)]
struct Blanks {
    found: usize,
    least: usize,
    most: usize,
}

impl Blanks {
    /// What the erasure of one event leaves.
    fn allow(&mut self, gone: &Gone, least: usize, most: usize) {
        self.least += if gone.pending { 0 } else { least };
        self.most += most;
    }

    fn check(&self, check: &mut Check, path: &str) {
        if !(self.least..=self.most).contains(&self.found) {
            let message = format!(
                "{} erased records, where the log says of {} to {}",
                self.found, self.least, self.most
            );
            check.add(Finding::new("erased", 17, message).file(path));
        }
    }
}

fn erased_and_there(check: &mut Check, what: &str, path: &str) {
    let message = format!("`{what}` was erased, and it is there");
    check.add(Finding::new("erased", 17, message).file(path));
}

fn refusals(
    check: &mut Check,
    block: &mut Block,
    path: &str,
    committed: Option<u64>,
) -> Result<(), Error> {
    let mut blanks = Blanks::default();
    for gone in block.refusals.keys().filter_map(|id| check.erasures.event(id)) {
        blanks.allow(gone, 0, 1);
    }
    blanks.least = usize::from(
        block.refusals.keys().any(|id| check.erasures.event(id).is_some_and(|gone| !gone.pending)),
    );
    read(check, path, vault::QUARANTINE_FORMAT, block.first, committed, |check, kind, payload| {
        if vault::is_erased(kind, payload, &[vault::QUARANTINED]) {
            blanks.found += 1;
            return;
        }
        let record = QuarantineRecord::parse(payload).ok().filter(|_| kind == vault::QUARANTINED);
        let held = record.is_some_and(|record| {
            let digests = record.delivery.digests();
            !record.entries.is_empty()
                && record.entries.iter().all(|entry| {
                    let rows = block.refusals.remove(&entry.event_id);
                    if check.erasures.event(&entry.event_id).is_some_and(|gone| !gone.pending) {
                        erased_and_there(check, &entry.event_id, path);
                    }
                    rows.is_some() && rows == entry.commitments(&digests)
                })
        });
        if !held {
            check.add(
                Finding::new(
                    "quarantine",
                    17,
                    "a delivery that no row tells of, or that was changed",
                )
                .file(path),
            );
        }
    })?;
    blanks.check(check, path);
    for (id, committed) in &block.refusals {
        if check.erasures.event(id).is_some_and(|gone| gone.has_all(committed)) {
            continue;
        }
        check.add(
            Finding::new("quarantine", 17, format!("the delivery of entry `{id}` is missing"))
                .file(path),
        );
    }
    Ok(())
}

fn identities(check: &mut Check, block: &mut Block, committed: Option<u64>) -> Result<(), Error> {
    let genesis_id = {
        let origin = check.head.as_ref().map(|head| head.origin.clone()).unwrap_or_default();
        backtrail_schemas::id::event_id("ledger", &origin, "genesis", "ledger", "genesis")
    };
    let mut key = block.vault_key.take();
    let mut blanks = 0;
    read(check, vault::IDENTITIES, vault::FORMAT, 0, committed, |check, kind, payload| {
        let held = match kind {
            vault::KEY => KeyRecord::parse(payload).is_ok_and(|record| {
                let expected = key.take();
                expected.is_some() && expected == record.commitment(&genesis_id)
            }),
            vault::IDENTITY => IdentityRecord::parse(payload).is_ok_and(|record| {
                if check.since > 0 && !block.identities.contains_key(&record.event_id) {
                    return true;
                }
                let row = block.identities.remove(&record.event_id);
                if check.erasures.person(&record.pseudonym) == Some(false) {
                    erased_and_there(check, &record.pseudonym, vault::IDENTITIES);
                }
                row.is_some() && row.map(|(committed, _)| committed) == record.commitment()
            }),
            _ => {
                blanks += 1;
                vault::is_erased(kind, payload, &[vault::IDENTITY])
            }
        };
        if !held {
            check.add(
                Finding::new(
                    "identity",
                    17,
                    "a record that no row commits to, or that was changed",
                )
                .file(vault::IDENTITIES),
            );
        }
    })?;
    if key.is_some() {
        check.add(
            Finding::new("identity", 17, "the vault's key is missing").file(vault::IDENTITIES),
        );
    }
    for (id, (_, pseudonym)) in &block.identities {
        if blanks > 0 && check.erasures.person(pseudonym).is_some() {
            blanks -= 1;
            continue;
        }
        check.add(
            Finding::new("identity", 17, format!("the identity of entry `{id}` is missing"))
                .file(vault::IDENTITIES),
        );
    }
    if blanks > 0 && check.since == 0 {
        let message = format!("{blanks} erased records that the log does not tell of");
        check.add(Finding::new("erased", 17, message).file(vault::IDENTITIES));
    }
    Ok(())
}
