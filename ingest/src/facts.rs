//! The envelope that all drafts of one delivery share.

use backtrail_schemas::id::event_id;
use backtrail_schemas::{Delivery, Draft, Identity, Reject, Timestamp};

use crate::context::Context;
use crate::node::{Node, reject};
use crate::words::{severity, tier};

/// Who says it, and how it reached us.
pub(crate) struct Facts<'a> {
    pub(crate) source: &'a str,
    pub(crate) instance: String,
    /// The source's own id of the delivery or event.
    pub(crate) event_id: Option<String>,
    /// The source's own name of the event.
    pub(crate) event_type: Option<String>,
    pub(crate) context: &'a Context,
}

/// When something happened, and what that was read from.
#[derive(Clone, Copy, Debug)]
pub(crate) struct When {
    pub(crate) at: Timestamp,
    pub(crate) basis: &'static str,
}

impl When {
    /// The source's event says so.
    pub(crate) fn event(at: Timestamp) -> Self {
        Self { at, basis: "source_event" }
    }

    /// A state that the source keeps says so.
    pub(crate) fn state(at: Timestamp) -> Self {
        Self { at, basis: "source_state" }
    }

    /// When the delivery arrived, for a source that does not say when it happened.
    pub(crate) fn receipt(node: &Node<'_>, delivery: &Delivery) -> Result<Self, Reject> {
        let at = delivery.received_at.ok_or_else(|| {
            node.refuse("missing_field", "holds no time; record when the delivery arrived")
        })?;
        Ok(Self { at, basis: "receipt" })
    }

    /// The time at `node`, else when the delivery arrived, if that was recorded.
    pub(crate) fn event_or_receipt(node: &Node<'_>, delivery: &Delivery) -> Result<Self, Reject> {
        match (node.time()?, delivery.received_at) {
            (Some(at), _) => Ok(Self::event(at)),
            (None, Some(at)) => Ok(Self { at, basis: "receipt" }),
            (None, None) => Err(node.missing()),
        }
    }
}

impl Facts<'_> {
    /// A draft of the fact that the source calls `natural_key`, with its envelope.
    pub(crate) fn draft(&self, kind: &str, phase: &str, natural_key: &str, when: When) -> Draft {
        let id = event_id(self.source, &self.instance, natural_key, kind, phase);
        self.draft_called(id, kind, phase, when)
    }

    /// A draft whose id is known.
    pub(crate) fn draft_called(&self, id: String, kind: &str, phase: &str, when: When) -> Draft {
        let mut draft = Draft::new(kind, phase);
        draft.event.put("event_id", id);
        draft.event.put("occurred_at", when.at);
        draft.event.put("time_basis", when.basis);
        draft.event.put("source", self.source);
        draft.event.put("source_instance", self.instance.as_str());
        draft.event.put_some("source_event_id", self.event_id.as_deref());
        draft.event.put_some("source_event_type", self.event_type.as_deref());
        draft.event.put("ingest_mode", self.context.mode.as_str());
        draft.event.put("authn_method", self.context.authn_method.as_str());
        draft.event.put("authn_verified", self.context.authn_verified);
        draft.event.put_some("authn_key_id", self.context.authn_key_id.as_deref());
        draft.event.put("assertion", "observed");
        draft
    }
}

/// Adds the free text at `node` to the draft.
pub(crate) fn put_text(
    draft: &mut Draft,
    field: &'static str,
    node: &Node<'_>,
) -> Result<(), Reject> {
    if let Some(text) = node.text()? {
        draft.texts.push((field, text.to_owned()));
    }
    Ok(())
}

/// Adds who acted, with the kind of actor where that is known.
pub(crate) fn put_actor(draft: &mut Draft, actor: Option<(Identity, Option<&'static str>)>) {
    if let Some((identity, kind)) = actor {
        draft.event.put_some("actor_kind", kind);
        draft.people.push(("actor", identity));
    }
}

/// Adds the severity that the source names.
pub(crate) fn put_severity(draft: &mut Draft, label: Option<&str>) {
    draft.event.put_some("severity", label.and_then(severity));
    draft.event.put_some("severity_raw", label);
}

/// Adds a source label that is on the allow-list.
pub(crate) fn put_label(draft: &mut Draft, key: &str, text: &str) -> Result<(), Reject> {
    draft.event.put_attribute(key, text).map_err(|e| reject("bad_value", e.to_string()))
}

/// Adds what the environment is for, where its name says so.
pub(crate) fn put_tier(draft: &mut Draft) {
    let known = draft.event.text("environment").and_then(tier);
    draft.event.put_some("environment_tier", known);
}
