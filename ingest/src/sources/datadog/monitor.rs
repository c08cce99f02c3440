//! Monitors, by the webhook template in `docs/sources.md`: Datadog sends what the shop's template says.

use backtrail_schemas::{Draft, Mapped, Reject};
use serde_json::Value;

use super::MAPPER;
use crate::context::Context;
use crate::facts::{Facts, When, put_label, put_text};
use crate::mapper::{ignored, refused};
use crate::node::Node;

/// The template that shops enter in the webhook's field "Payload".
pub(crate) const TEMPLATE: &str = r#"{"alert_cycle_key": "$ALERT_CYCLE_KEY", "alert_id": "$ALERT_ID", "alert_transition": "$ALERT_TRANSITION",
 "alert_scope": "$ALERT_SCOPE", "alert_priority": "$ALERT_PRIORITY", "title": "$ALERT_TITLE",
 "id": "$ID", "date": "$DATE", "org_id": "$ORG_ID", "tags": "$TAGS", "link": "$LINK"}"#;

pub(super) fn looks(body: &Value) -> bool {
    body["alert_transition"].is_string() && body["alert_cycle_key"].is_string()
}

pub(super) fn map(node: &Node<'_>, context: &Context) -> Mapped {
    let transition = node.get("alert_transition");
    let (phase, state) = match transition.text() {
        Ok(Some("Triggered" | "Re-Triggered")) => ("breached", "breached"),
        Ok(Some("Warn" | "Re-Warn")) => ("warning", "warning"),
        Ok(Some("No Data" | "Re-No Data")) => ("no_data", "no_data"),
        Ok(Some("Recovered")) => ("recovered", "ok"),
        Ok(Some("Renotify")) => return ignored("a reminder of an alert"),
        Ok(_) => return refused(transition.unknown("unmapped_type", "is not a transition")),
        Err(reject) => return refused(reject),
    };
    alert(node, phase, state, context)
        .map_or_else(refused, |draft| Mapped { drafts: vec![draft], ..Mapped::default() })
}

fn alert(node: &Node<'_>, phase: &str, state: &str, context: &Context) -> Result<Draft, Reject> {
    let date = node.get("date");
    let at = date.epoch()?.ok_or_else(|| date.missing())?;
    let id = node.get("id").required_id()?;
    let facts = Facts {
        source: MAPPER.name,
        instance: node.get("org_id").id()?.unwrap_or_else(|| context.instance().to_owned()),
        event_id: Some(id.clone()),
        event_type: node.get("alert_transition").text()?.map(str::to_owned),
        context,
    };
    let mut draft = facts.draft("health", phase, &format!("event:{id}"), When::event(at));
    // A monitor alerts once per group of tags, and each group recovers on its own.
    let scope = node.get("alert_scope").text()?.unwrap_or("*");
    let monitor = node.get("alert_id").required_id()?;
    draft.event.put("signal", format!("{monitor}/{scope}"));
    draft.event.put("signal_kind", "alert");
    draft.event.put("signal_state", state);
    for name in ["alert_id", "alert_cycle_key", "alert_priority"] {
        if let Some(text) = node.get(name).id()? {
            put_label(&mut draft, name, &text)?;
        }
    }
    let tags = node.get("tags").text()?.unwrap_or_default();
    let both: Vec<&str> = scope.split(',').chain(tags.split(',')).collect();
    context.labels.put_place_from_tags(&mut draft, &both);
    put_text(&mut draft, "title", &node.get("title"))?;
    put_text(&mut draft, "url", &node.get("link"))?;
    Ok(draft)
}
