//! Which drafts may become events at all.

use backtrail_schemas::columns::{COLUMNS, Role, TEXT_FIELDS, Type, column};
use backtrail_schemas::{Draft, Error, Event, kinds};

use crate::entry;

/// Columns that the ledger sets itself.
const OURS: &[&str] = &["recorded_at", "seq"];

/// Refuses what only the ledger may say, and what is no event. `simulated` allows a `recorded_at` of the draft's own.
///
/// # Errors
/// A reason without personal data: it becomes the reason of an `ingest/rejected` entry.
pub(crate) fn check(draft: &Draft, simulated: bool) -> Result<(), Error> {
    let event = &draft.event;
    if event.text("kind") == Some(kinds::LEDGER) {
        return Err(Error::field("kind", "`ledger` is for the ledger's own entries"));
    }
    if event.text("source") == Some(entry::SOURCE) || is_own_id(event) {
        return Err(Error::field("source", "`ledger` is for the ledger's own entries"));
    }
    if event.text("inference_rule").is_some_and(|rule| rule.starts_with("ledger.")) {
        return Err(Error::field("inference_rule", "`ledger.` is for the ledger's own rules"));
    }
    for (name, _) in event.iter() {
        let known = column(name).ok_or_else(|| Error::field(name, "is not a column"))?;
        let allowed = name == "recorded_at" && simulated;
        if known.role == Role::Commitment
            || known.holds_people()
            || (OURS.contains(&name) && !allowed)
        {
            return Err(Error::field(name, "is set by the ledger, never taken from an event"));
        }
    }
    check_people(draft)?;
    for (field, _) in &draft.texts {
        if !TEXT_FIELDS.contains(field) {
            return Err(Error::field(*field, "is not a free text"));
        }
    }
    event.check_drafted(&["recorded_at"])
}

fn is_own_id(event: &Event) -> bool {
    event
        .text("event_id")
        .is_some_and(|id| id.split_once(':').is_some_and(|(source, _)| source == entry::SOURCE))
}

fn check_people(draft: &Draft) -> Result<(), Error> {
    let mut single = std::collections::BTreeSet::new();
    for (name, _) in &draft.people {
        let known = column(name).filter(|c| c.holds_people());
        let known = known.ok_or_else(|| Error::field(*name, "does not hold people"))?;
        if known.ty != Type::StringList && !single.insert(*name) {
            return Err(Error::field(*name, "names several people, but holds one"));
        }
    }
    Ok(())
}

/// The column of the commitment to `field`.
pub(crate) fn commitment_column(field: &str) -> &'static str {
    let name = format!("{field}_commitment");
    COLUMNS
        .iter()
        .find(|c| c.name == name)
        .map(|c| c.name)
        .expect("each field has its commitment column")
}
