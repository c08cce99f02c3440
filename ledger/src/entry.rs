//! The ledger's own entries: rows of kind `ledger`, and `ingest/rejected`, whose fields are texts in `attributes`.

use backtrail_schemas::{Event, Timestamp, id, kinds};

use crate::error::Error;

/// The source of the ledger's own entries; no delivery may claim it.
pub const SOURCE: &str = "ledger";

/// What every build of an entry needs.
#[derive(Clone, Copy, Debug)]
pub struct Entry<'a> {
    /// The origin of the log.
    pub origin: &'a str,
    /// The phase of kind `ledger`.
    pub phase: &'a str,
    /// What makes it this entry and no other of its phase.
    pub natural_key: &'a str,
    /// When it is made.
    pub at: Timestamp,
}

impl Entry<'_> {
    /// The event id.
    pub fn event_id(&self) -> String {
        id::event_id(SOURCE, self.origin, self.natural_key, kinds::LEDGER, self.phase)
    }

    /// The event with these fields; empty ones are left out.
    ///
    /// # Errors
    /// A field's name is there twice.
    pub fn event(&self, fields: &[(&str, &str)]) -> Result<Event, Error> {
        let mut event = Event::new(kinds::LEDGER, self.phase);
        event.put("event_id", self.event_id());
        event.put("source", SOURCE).put("source_instance", self.origin);
        event
            .put("occurred_at", self.at)
            .put("recorded_at", self.at)
            .put("time_basis", "source_event");
        for (key, text) in fields {
            event.put_attribute(key, text)?;
        }
        Ok(event)
    }
}

/// Whether `event` is the ledger's own entry of this phase.
pub fn is(event: &Event, phase: &str) -> bool {
    event.text("kind") == Some(kinds::LEDGER) && event.text("phase") == Some(phase)
}
