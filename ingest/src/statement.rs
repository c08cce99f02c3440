//! What intake itself states about a source: how much it should have, what is missing, that nothing is.

use backtrail_schemas::{Draft, Timestamp};

use crate::context::Context;
use crate::facts::{Facts, When};

/// A statement about one source, as an event of kind `ingest`.
#[derive(Clone, Debug)]
pub struct Statement<'a> {
    /// The source that it is about.
    pub source: &'static str,
    /// Which installation was asked: its address.
    pub instance: &'a str,
    /// `manifest`, `gap_detected`, `source_silent` or `reconciled`.
    pub phase: &'static str,
    /// The beginning of the span that it is about.
    pub from: Timestamp,
    /// Its end, exclusive.
    pub until: Timestamp,
    /// How many facts the source has of that span.
    pub expected: Option<i64>,
    /// Further counts, by name, as attributes.
    pub counts: Vec<(&'static str, usize)>,
}

/// The draft of `said`, dated with the end of its span. The same statement again is the same event; a silence is one as long as
/// it lasts.
pub fn statement(said: &Statement<'_>, context: &Context) -> Draft {
    let facts = Facts {
        source: said.source,
        instance: said.instance.to_owned(),
        event_id: None,
        event_type: None,
        context,
    };
    let silent = said.phase == "source_silent";
    let (at, until) =
        if silent { (said.from, String::new()) } else { (said.until, said.until.to_string()) };
    let expected = said.expected.map(|n| n.to_string()).unwrap_or_default();
    let key = format!("statement:{}:{until}:{expected}:{:?}", said.from, said.counts);
    let mut draft = facts.draft("ingest", said.phase, &key, When { at, basis: "derived" });
    draft.event.put("window_start", said.from);
    if !silent {
        draft.event.put("window_end", said.until);
    }
    draft.event.put_some("expected_count", said.expected);
    for (name, count) in &said.counts {
        draft.event.put_attribute(name, &count.to_string()).expect("a name of ours and a number");
    }
    draft
}
