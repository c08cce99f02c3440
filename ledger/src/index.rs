//! Which row has which event id: 16 bytes of hash and 8 of position for each event, rebuilt from the log at each start.

use std::collections::HashMap;

use backtrail_schemas::Event;

use crate::tlog::hash::sha256;

/// The first 16 bytes of SHA-256 of an event id.
pub(crate) type Key = [u8; 16];

/// The inference rule of amendments that the ledger makes when a later delivery fills what was unknown.
pub(crate) const FILLS_UNKNOWN: &str = "ledger.fills_unknown";

/// The key of an event id.
pub(crate) fn key(event_id: &str) -> Key {
    sha256(event_id.as_bytes()).0[..16].try_into().expect("16 of 32 bytes")
}

/// The index.
#[derive(Debug, Default)]
pub(crate) struct Index {
    rows: HashMap<Key, u64>,
    /// Amendments that fill unknowns, by the event that they amend, in order.
    amendments: HashMap<Key, Vec<u64>>,
}

impl Index {
    /// Adds row `seq`. False if the id has a row already: then one event has two leaves.
    pub(crate) fn insert(
        &mut self,
        seq: u64,
        event_id: &str,
        amends: Option<&str>,
        rule: Option<&str>,
    ) -> bool {
        if let Some(amended) = amends.filter(|_| rule == Some(FILLS_UNKNOWN)) {
            self.amendments.entry(key(amended)).or_default().push(seq);
        }
        self.rows.insert(key(event_id), seq).is_none()
    }

    /// Adds row `seq`, of which only the key is left.
    pub(crate) fn insert_key(&mut self, seq: u64, key: Key) {
        self.rows.insert(key, seq);
    }

    /// As [`Index::insert`], of a whole event.
    pub(crate) fn insert_event(&mut self, seq: u64, event: &Event) -> bool {
        let id = event.text("event_id").unwrap_or_default();
        self.insert(seq, id, event.text("amends_event_id"), event.text("inference_rule"))
    }

    /// The row of an event.
    pub(crate) fn get(&self, event_id: &str) -> Option<u64> {
        self.rows.get(&key(event_id)).copied()
    }

    /// The amendments that filled unknowns of an event.
    pub(crate) fn amendments(&self, event_id: &str) -> &[u64] {
        self.amendments.get(&key(event_id)).map_or(&[], Vec::as_slice)
    }
}
