//! What was erased: the `ledger/erasure` entry, and how it changes a file of the vault.
//!
//! An event is erased with the delivery that it came with, since that says the same again. Other events of the delivery
//! lose what they say of it (`payload`, `headers`) and keep their own texts. A record that goes leaves a frame of the same
//! length behind, so that nothing else in the file moves.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use backtrail_schemas::Event;
use serde::{Deserialize, Serialize};

use crate::entry;
use crate::error::{Error, Kind};
use crate::frame::{self, FRAME_OVERHEAD, Frame, Frames};
use crate::vault::{self, EventRecord, IdentityRecord, QuarantineRecord};

/// What somebody asks to be erased. The reason and the ticket stand in the log for ever.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Erase {
    /// Events, by id; entries about deliveries in quarantine are events too.
    pub events: Vec<String>,
    /// The pseudonym of a person.
    pub person: Option<String>,
    /// Why.
    pub reason: String,
    /// Where it was asked for.
    pub ticket: Option<String>,
}

/// What was erased.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Erased {
    /// The rows of the entries.
    pub entries: Vec<u64>,
    /// The events of which nothing is left but their rows.
    pub events: BTreeSet<String>,
    /// The events that came with the same deliveries and keep their texts.
    pub shared: BTreeSet<String>,
}

/// What stands where a text was.
pub const SHOWN: &str = "(erased)";

/// The fields of an event that its delivery is the value of.
pub(crate) const OF_DELIVERY: &[&str] = &["headers", "payload"];

/// What one entry says of events, in bytes; the reason and the other columns fit into the rest of a leaf.
const PART_BYTES_MAX: usize = 48_000;

/// What one entry says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Erasure {
    /// Events, by id, with the fields that go.
    pub events: BTreeMap<String, BTreeSet<String>>,
    /// The person whose identity goes.
    pub pseudonym: Option<String>,
}

impl Erasure {
    /// Reads the entry; `None` if it is another one, or the one that says that an erasure is done.
    pub fn parse(event: &Event) -> Option<Self> {
        if !entry::is(event, "erasure") || event.attribute("done").is_some() {
            return None;
        }
        Some(Self {
            events: event
                .attribute("events")
                .and_then(|json| serde_json::from_str(json).ok())
                .unwrap_or_default(),
            pseudonym: event.attribute("pseudonym").map(str::to_owned),
        })
    }

    /// The fields of the entry beside reason and ticket.
    pub fn fields(&self) -> [(&'static str, String); 2] {
        let events = if self.events.is_empty() {
            String::new()
        } else {
            serde_json::json!(self.events).to_string()
        };
        [("events", events), ("pseudonym", self.pseudonym.clone().unwrap_or_default())]
    }

    /// The same in parts that fit into a leaf each.
    pub(crate) fn parts(&self) -> Vec<Self> {
        let mut parts = vec![Self { pseudonym: self.pseudonym.clone(), events: BTreeMap::new() }];
        let mut bytes = 0;
        for (id, fields) in &self.events {
            // A text within a text within a leaf.
            let shown = serde_json::json!({ id: fields }).to_string();
            let more = serde_json::json!(shown).to_string().len();
            if bytes > 0 && bytes + more > PART_BYTES_MAX {
                parts.push(Self::default());
                bytes = 0;
            }
            bytes += more;
            let last = parts.last_mut().expect("there is one from the start");
            last.events.insert(id.clone(), fields.clone());
        }
        parts
    }

    /// The bytes of a file of the vault or the quarantine without what is erased, in the same length; `None` if nothing of
    /// it is there.
    ///
    /// # Errors
    /// A record is damaged.
    pub fn apply(&self, mut bytes: Vec<u8>) -> Result<Option<Vec<u8>>, Error> {
        let mut edits = self.edits(&bytes)?;
        edits.retain(|offset, frames| bytes[*offset..*offset + frames.len()] != **frames);
        for (offset, frames) in &edits {
            bytes[*offset..*offset + frames.len()].copy_from_slice(frames);
        }
        Ok((!edits.is_empty()).then_some(bytes))
    }

    /// What takes the place of frames, by their offset.
    fn edits(&self, bytes: &[u8]) -> Result<BTreeMap<usize, Vec<u8>>, Error> {
        let mut edits = BTreeMap::new();
        let mut delivery = None;
        for frame in Frames::new(bytes) {
            match frame.kind {
                vault::DELIVERY => delivery = Some(frame),
                // What is behind it came with this one, not with the one before.
                kind if kind == vault::erased(vault::DELIVERY) => delivery = None,
                vault::EVENT => {
                    let record = EventRecord::parse(frame.payload)?;
                    let Some(fields) = self.events.get(&record.event_id) else { continue };
                    match without(record, fields) {
                        None => edits.insert(frame.offset, erased(&frame)),
                        Some(rest) => edits.insert(frame.offset, shorter(&frame, &rest)?),
                    };
                    edits.extend(delivery.map(|frame| (frame.offset, erased(&frame))));
                }
                vault::QUARANTINED => {
                    let record = QuarantineRecord::parse(frame.payload)?;
                    if record.entries.iter().any(|e| self.events.contains_key(&e.event_id)) {
                        edits.insert(frame.offset, erased(&frame));
                    }
                }
                vault::IDENTITY => {
                    let record = IdentityRecord::parse(frame.payload)?;
                    if self.pseudonym.as_ref() == Some(&record.pseudonym) {
                        edits.insert(frame.offset, erased(&frame));
                    }
                }
                _ => {}
            }
        }
        Ok(edits)
    }
}

/// Everything that the entries of a log say was erased.
#[derive(Clone, Debug, Default)]
pub(crate) struct Erasures {
    events: HashMap<String, Gone>,
    people: HashMap<String, bool>,
}

/// What the vault no longer has of an event.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Gone {
    pub(crate) fields: BTreeSet<String>,
    /// Those of `fields` whose erasure is done.
    pub(crate) settled: BTreeSet<String>,
    /// How many entries name it: each leaves at most one erased frame.
    pub(crate) times: usize,
    /// Whether the erasure may be under way: its entries are the last rows.
    pub(crate) pending: bool,
}

impl Gone {
    /// Whether everything that a row commits to is gone.
    pub(crate) fn has_all(&self, committed: &BTreeMap<String, String>) -> bool {
        committed.keys().all(|field| self.fields.contains(field))
    }
}

impl Erasures {
    /// Those of the entries in `upkeep` below `size`.
    pub(crate) fn of(upkeep: &[(u64, Event)], size: u64) -> Self {
        let mut all = Self::default();
        // The entries of an erasure that may be under way are the last rows, and nothing else is behind them.
        let mut last = size;
        for (seq, event) in upkeep.iter().rev().filter(|(seq, _)| *seq < size) {
            if seq + 1 == last && Erasure::parse(event).is_some() {
                last = *seq;
            }
        }
        for (seq, event) in upkeep.iter().filter(|(seq, _)| *seq < size) {
            let Some(erasure) = Erasure::parse(event) else { continue };
            let pending = *seq >= last;
            for (id, fields) in erasure.events {
                let gone = all.events.entry(id).or_default();
                if !pending {
                    gone.settled.extend(fields.iter().cloned());
                }
                gone.fields.extend(fields);
                gone.times += 1;
                gone.pending |= pending;
            }
            if let Some(person) = erasure.pseudonym {
                all.people.insert(person, pending);
            }
        }
        all
    }

    /// What is gone of an event.
    pub(crate) fn event(&self, id: &str) -> Option<&Gone> {
        self.events.get(id)
    }

    /// Whether a person is gone; true if the erasure may be under way.
    pub(crate) fn person(&self, pseudonym: &str) -> Option<bool> {
        self.people.get(pseudonym).copied()
    }

    /// How many events and people.
    pub(crate) fn counts(&self) -> (usize, usize) {
        (self.events.len(), self.people.len())
    }
}

/// A record without `fields`; `None` if nothing is left.
fn without(mut record: EventRecord, fields: &BTreeSet<String>) -> Option<EventRecord> {
    record.salts.retain(|field, _| !fields.contains(field));
    record.texts.retain(|field, _| !fields.contains(field));
    (!record.salts.is_empty()).then_some(record)
}

/// The frame of an erased record.
fn erased(frame: &Frame) -> Vec<u8> {
    let mut out = Vec::new();
    frame::push(&mut out, vault::erased(frame.kind), &vec![0; frame.payload.len()]);
    out
}

/// A record in the place of a longer one, and an erased frame in the rest.
fn shorter(frame: &Frame, record: &EventRecord) -> Result<Vec<u8>, Error> {
    let payload = record.to_bytes();
    let gap = frame.payload.len().saturating_sub(payload.len());
    let mut out = Vec::new();
    frame::push(&mut out, vault::EVENT, &payload);
    // A record that says less is shorter by a salt at least, which is 64 digits, or is the same.
    if let Some(rest) = gap.checked_sub(FRAME_OVERHEAD) {
        frame::push(&mut out, vault::erased(vault::EVENT), &vec![0; rest]);
    }
    if out.len() == frame.end() - frame.offset {
        Ok(out)
    } else {
        Err(Error::new(Kind::Reopen, "it would change its length"))
    }
}
