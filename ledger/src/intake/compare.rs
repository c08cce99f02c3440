//! Whether a second delivery says the same as the first: corner case 1 of the metrics.

use std::collections::BTreeMap;

use backtrail_schemas::columns::{COLUMNS, Role, column};
use backtrail_schemas::{Draft, Event, Identity, Value};

/// Columns that say how and when we were told, not what: they are not compared. Commitments are not, either.
const IGNORED: &[&str] = &[
    "schema",
    "recorded_at",
    "chain_id",
    "ingest_mode",
    "time_basis",
    "authn_method",
    "authn_verified",
    "authn_key_id",
    "source_event_id",
    "source_event_type",
];

/// What a second delivery of an event means.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It says nothing new.
    Same,
    /// It only adds: a draft with the additions alone.
    Adds(Box<Draft>),
    /// It contradicts what is there.
    Differs,
}

/// What the log and the vault know of an event: its row, with the amendments that filled unknowns merged in.
#[derive(Debug, Default)]
pub(crate) struct Known {
    /// The columns.
    pub(crate) event: Event,
    /// The free texts; `None` where the commitment is there and the value was erased.
    pub(crate) texts: BTreeMap<String, Option<String>>,
}

impl Known {
    /// Merges a later amendment in: it has only columns that were unknown.
    pub(crate) fn merge(&mut self, amendment: &Event) {
        for (name, value) in amendment.iter() {
            let Some(column) = COLUMNS.iter().find(|c| c.name == name) else { continue };
            match value {
                Value::StringMap(map) => {
                    for (key, text) in map {
                        // An attribute that is there already cannot be in an amendment.
                        let _ = self.event.put_attribute(key, text);
                    }
                }
                value if self.event.get(name).is_none() && name != "amends_event_id" => {
                    self.event.put(column.name, value.clone());
                }
                _ => {}
            }
        }
    }
}

/// Compares a draft with what is known; `pseudonym` resolves people, `None` for somebody new, and `erased` says which
/// pseudonyms nobody can resolve any more.
pub(crate) fn compare(
    known: &Known,
    draft: &Draft,
    pseudonym: &dyn Fn(&Identity) -> Option<String>,
    erased: &dyn Fn(&str) -> bool,
) -> Verdict {
    let mut added = Draft { event: Event::default(), people: Vec::new(), texts: Vec::new() };
    // The time of receipt is ours, and another one at each delivery.
    let receipt =
        [&known.event, &draft.event].iter().any(|e| e.text("time_basis") == Some("receipt"));
    for (name, value) in draft.event.iter() {
        let ignored = IGNORED.contains(&name) || (receipt && name == "occurred_at");
        let column = column(name).filter(|c| !ignored && c.role != Role::Commitment);
        let Some(column) = column else { continue };
        match (known.event.get(name), value) {
            (None, value) => {
                added.event.put(column.name, value.clone());
            }
            (Some(Value::StringMap(old)), Value::StringMap(new)) => {
                if new.iter().any(|(key, text)| old.get(key).is_some_and(|o| o != text)) {
                    return Verdict::Differs;
                }
                let fresh: BTreeMap<_, _> = new
                    .iter()
                    .filter(|(key, _)| !old.contains_key(*key))
                    .map(|(k, v)| (k.clone(), v.clone()))
                    .collect();
                added.event.put(column.name, fresh);
            }
            (Some(old), new) if old == new => {}
            _ => return Verdict::Differs,
        }
    }
    if !compare_people(known, draft, pseudonym, erased, &mut added)
        || !compare_texts(known, draft, &mut added)
    {
        return Verdict::Differs;
    }
    let nothing =
        added.event == Event::default() && added.people.is_empty() && added.texts.is_empty();
    if nothing { Verdict::Same } else { Verdict::Adds(Box::new(added)) }
}

fn compare_people(
    known: &Known,
    draft: &Draft,
    pseudonym: &dyn Fn(&Identity) -> Option<String>,
    erased: &dyn Fn(&str) -> bool,
    added: &mut Draft,
) -> bool {
    let mut lists: BTreeMap<&str, Vec<Option<String>>> = BTreeMap::new();
    for (name, identity) in &draft.people {
        match known.event.get(name) {
            None => added.people.push((*name, identity.clone())),
            // Who was erased can no longer be compared; the pseudonym stands for them.
            Some(Value::String(old)) if erased(old) => {}
            Some(Value::String(old)) if pseudonym(identity).as_ref() != Some(old) => return false,
            Some(Value::StringList(_)) => lists.entry(*name).or_default().push(pseudonym(identity)),
            Some(_) => {}
        }
    }
    lists.into_iter().all(|(name, list)| {
        let list: Option<std::collections::BTreeSet<String>> = list.into_iter().collect();
        let Some(Value::StringList(old)) = known.event.get(name) else { return false };
        old.iter().any(|old| erased(old)) || list.is_some_and(|new| new.iter().eq(old.iter()))
    })
}

fn compare_texts(known: &Known, draft: &Draft, added: &mut Draft) -> bool {
    for (field, text) in draft.texts.iter().filter(|(_, text)| !text.is_empty()) {
        match known.texts.get(*field) {
            None => added.texts.push((*field, text.clone())),
            Some(Some(old)) if old != text => return false,
            // An erased value can no longer be compared; the commitment stands for it.
            Some(_) => {}
        }
    }
    true
}
