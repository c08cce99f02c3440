//! PagerDuty's REST API: incidents, and log entries, which are the timeline that webhooks are a copy of.

use backtrail_schemas::{Draft, Mapped, Reject};
use serde_json::Value;

use super::{MAPPER, account, actor_of, merged_into, put_incident};
use crate::context::Context;
use crate::facts::{Facts, When, put_actor, put_text};
use crate::mapper::{gathered, ignored, refused};
use crate::node::Node;
use crate::snapshot::Snapshot;

/// The lists of the API, by the member that holds them.
const LISTS: &[&str] = &["incidents", "log_entries", "incident", "log_entry"];

/// Entries that change nothing of the incident.
const QUIET: &[&str] = &[
    "notify",
    "assign",
    "snooze",
    "delegate",
    "repeat_escalation_path",
    "exhaust_escalation_path",
    "reach_ack_limit",
    "reach_trigger_limit",
    "responder_request_for_escalation",
    "field_value_change",
    "urgency_change",
    "custom_field_value_change",
];

pub(super) fn looks(body: &Value) -> bool {
    let listed =
        LISTS.iter().find_map(|name| body.get(name)).filter(|_| body.get("type").is_none());
    let list = listed.unwrap_or(body);
    let first = list.as_array().map_or(Some(list), |list| list.first());
    first.is_some_and(|one| {
        let ty = one["type"].as_str().unwrap_or_default();
        let record = ty == "incident" && one["incident_number"].is_number();
        record || (ty.ends_with("_log_entry") && one["incident"].is_object())
    })
}

pub(super) fn map(root: &Node<'_>, context: &Context) -> Mapped {
    let listed = LISTS.iter().map(|name| root.get(name)).find(Node::exists);
    // An incident may hold its own log entries, and an entry its incident.
    let listed = listed.filter(|_| !root.get("type").exists());
    let top = listed.unwrap_or_else(|| root.clone());
    match top.items() {
        Ok(list) if list.is_empty() => ignored("an empty list"),
        Ok(list) => gathered(list.iter().map(|one| element(one, context))),
        Err(_) => element(&top, context),
    }
}

fn element(node: &Node<'_>, context: &Context) -> Mapped {
    let ty = node.get("type");
    let name = match ty.required_text() {
        Ok(name) => name,
        Err(reject) => return refused(reject),
    };
    let drafts = match name.strip_suffix("_log_entry") {
        Some(what) if QUIET.contains(&what) => return ignored(format!("a log entry `{what}`")),
        Some(_) => entry(node, name, context).map(|draft| vec![draft]),
        None if name == "incident" => return with_its_log(node, context),
        None => Err(ty.unknown("unmapped_type", "is neither an incident nor a log entry")),
    };
    drafts.map_or_else(refused, |drafts| Mapped { drafts, ..Mapped::default() })
}

/// An incident as it stands, and the log entries in it, where they were asked for.
fn with_its_log(node: &Node<'_>, context: &Context) -> Mapped {
    let entries = match node.get("log_entries").items() {
        Ok(entries) => entries,
        Err(reject) => return refused(reject),
    };
    let record =
        record(node, context).map_or_else(refused, |drafts| Mapped { drafts, ..Mapped::default() });
    let log = entries.iter().map(|one| match one.get("type").text() {
        Ok(Some("incident")) => refused(one.refuse("wrong_type", "is no log entry")),
        _ => element(one, context),
    });
    gathered(std::iter::once(record).chain(log))
}

fn entry(node: &Node<'_>, name: &str, context: &Context) -> Result<Draft, Reject> {
    let ty = node.get("type");
    let phase = match name {
        "trigger_log_entry" => "detected",
        "acknowledge_log_entry" => "acknowledged",
        "unacknowledge_log_entry" => "unacknowledged",
        "escalate_log_entry" => "escalated",
        "priority_change_log_entry" => "severity_changed",
        "resolve_log_entry" => "resolved",
        "reopen_log_entry" => "reopened",
        "annotate_log_entry" => "annotated",
        _ => return Err(ty.unknown("unmapped_type", "is not a log entry that is read")),
    };
    let about = node.get("incident").required_object()?;
    let id = node.get("id").required_id()?;
    let facts = facts(account(&about, context)?, Some(id.clone()), name, context);
    let when = When::event(node.get("created_at").required_time()?);
    let mut draft = facts.draft("incident", phase, &format!("log_entry:{id}"), when);
    draft.event.put("incident_id", about.get("id").required_id()?);
    draft.event.put_some("service", node.at(&["service", "summary"]).text()?);
    put_actor(&mut draft, actor_of(&node.get("agent"), &facts.instance)?);
    if phase == "detected" {
        draft.event.put_some("detected_by", super::detector(node)?);
        put_text(&mut draft, "title", &node.at(&["event_details", "description"]))?;
    }
    if phase == "annotated" {
        put_text(&mut draft, "comment", &node.at(&["channel", "summary"]))?;
    }
    put_text(&mut draft, "url", &about.get("html_url"))?;
    Ok(draft)
}

/// An incident as it stands. Acknowledgements are listed only while they hold.
fn record(node: &Node<'_>, context: &Context) -> Result<Vec<Draft>, Reject> {
    let id = node.get("id").required_id()?;
    let facts = facts(account(node, context)?, None, "rest/incident", context);
    let created = node.get("created_at").required_time()?;
    let turned = node.get("last_status_change_at").time()?;
    let by = actor_of(&node.get("last_status_change_by"), &facts.instance)?;
    let mut record = Snapshot::new(&facts, id.clone(), id);
    record.mark("detected", Some(When::event(created)), None);
    for one in node.get("acknowledgements").parts()? {
        let who = actor_of(&one.get("acknowledger"), &facts.instance)?;
        record.mark("acknowledged", one.get("at").time()?.map(When::event), who);
    }
    record.mark("reopened", node.get("reopened_at").time()?.map(When::event), None);
    let status = node.get("status");
    match status.required_text()? {
        "triggered" | "acknowledged" => {}
        "resolved" => {
            let at = node.get("resolved_at").time()?.or(turned);
            let when = When::event(at.ok_or_else(|| node.get("resolved_at").missing())?);
            match merged_into(node)? {
                Some(parent) => {
                    let merged = record.mark("merged", Some(when), by);
                    merged.map(|draft| draft.event.put("duplicate_of", parent));
                }
                None => {
                    record.mark("resolved", Some(when), by);
                }
            }
        }
        _ => return Err(status.unknown("unmapped_state", "is not a status of an incident")),
    }
    let changed = node.get("updated_at").time()?.or(turned).unwrap_or(created);
    record.drafts(changed, &[], |draft| {
        put_incident(draft, node)?;
        put_text(draft, "url", &node.get("html_url"))
    })
}

fn facts<'c>(
    instance: String,
    event_id: Option<String>,
    event_type: &str,
    context: &'c Context,
) -> Facts<'c> {
    let event_type = Some(event_type.to_owned());
    Facts { source: MAPPER.name, instance, event_id, event_type, context }
}
