//! PagerDuty: version 3 webhooks about incidents, and incidents and log entries of the REST API.

mod rest;

use backtrail_schemas::{Delivery, Draft, Identity, Mapped, Reject};
use serde_json::Value;

use crate::context::Context;
use crate::facts::{Facts, When, put_actor, put_label, put_severity, put_text};
use crate::mapper::{Mapper, ignored, refused};
use crate::node::Node;
use crate::snapshot::Actor;

pub(crate) const MAPPER: Mapper = Mapper { name: "pagerduty", yaml: false, claims, looks, map };

/// Events that change nothing of an incident that the log keeps: who is asked to help, how they talk, fields of the shop's own.
const QUIET: &[&str] = &[
    "incident.conference_bridge.updated",
    "incident.custom_field_values.updated",
    "incident.delegated",
    "incident.incident_type.changed",
    "incident.reassigned",
    "incident.responder.added",
    "incident.responder.replied",
    "service.created",
    "service.deleted",
    "service.updated",
];

fn claims(delivery: &Delivery) -> bool {
    let agent = delivery.header("user-agent").is_some_and(|a| a.starts_with("PagerDuty-Webhook/"));
    agent
        || delivery.header("x-pagerduty-signature").is_some()
        || delivery.header("x-webhook-subscription").is_some()
}

fn looks(body: &Value) -> bool {
    let event = &body["event"];
    let webhook = event["event_type"].is_string()
        && event["occurred_at"].is_string()
        && event["data"].is_object();
    webhook || rest::looks(body)
}

fn map(body: &Value, _: &Delivery, context: &Context) -> Mapped {
    let root = Node::root(body);
    if rest::looks(body) || body.is_array() {
        return rest::map(&root, context);
    }
    let event = root.get("event");
    match event.get("event_type").text() {
        Ok(Some("pagey.ping")) => ignored("a ping"),
        Ok(Some(name)) if QUIET.contains(&name) => ignored(format!("an event `{name}`")),
        _ => incident(&event, context)
            .map_or_else(refused, |draft| Mapped { drafts: vec![draft], ..Mapped::default() }),
    }
}

fn incident(event: &Node<'_>, context: &Context) -> Result<Draft, Reject> {
    let ty = event.required_object()?.get("event_type");
    let name = ty.required_text()?;
    let phase = match name {
        "incident.triggered" => "detected",
        "incident.acknowledged" => "acknowledged",
        "incident.unacknowledged" => "unacknowledged",
        "incident.escalated" => "escalated",
        "incident.priority_updated" => "severity_changed",
        "incident.annotated" | "incident.status_update_published" => "annotated",
        "incident.resolved" => "resolved",
        "incident.reopened" => "reopened",
        _ => return Err(ty.unknown("unmapped_type", "carries no fact that the log keeps")),
    };
    let data = event.get("data").required_object()?;
    // A note or an update of the status comes with a reference to its incident; all others with the incident itself.
    let about =
        if phase == "annotated" { data.get("incident").required_object()? } else { data.clone() };
    let parent = merged_into(&data)?.filter(|_| phase == "resolved");
    let phase = if parent.is_some() { "merged" } else { phase };
    let id = event.get("id").required_id()?;
    let facts = Facts {
        source: MAPPER.name,
        instance: account(&about, context)?,
        event_id: Some(id.clone()),
        event_type: Some(name.to_owned()),
        context,
    };
    let when = When::event(event.get("occurred_at").required_time()?);
    let mut draft = facts.draft("incident", phase, &id, when);
    draft.event.put("incident_id", about.get("id").required_id()?);
    draft.event.put_some("duplicate_of", parent);
    put_actor(&mut draft, actor(event, &facts.instance)?);
    if phase == "detected" {
        draft.event.put_some("detected_by", detector(event)?);
    }
    if phase == "annotated" {
        put_text(&mut draft, "comment", &data.either(["content", "message"]))?;
    } else {
        put_incident(&mut draft, &data)?;
    }
    put_text(&mut draft, "url", &about.get("html_url"))?;
    Ok(draft)
}

fn put_incident(draft: &mut Draft, data: &Node<'_>) -> Result<(), Reject> {
    draft.event.put_some("service", data.at(&["service", "summary"]).text()?);
    draft.event.put_some("reported_detected_at", data.get("created_at").time()?);
    // Null unless the account uses priorities. Urgency is how loudly to page, not how bad it is.
    put_severity(draft, data.at(&["priority", "summary"]).text()?);
    if let [team] = data.get("teams").items()?.as_slice() {
        draft.event.put_some("team", team.get("summary").text()?);
    }
    for (label, node) in
        [("urgency", data.get("urgency")), ("incident_type", data.at(&["incident_type", "name"]))]
    {
        if let Some(text) = node.text()? {
            put_label(draft, label, text)?;
        }
    }
    put_text(draft, "title", &data.get("title"))
}

/// The incident that this one was merged into. Being resolved by a merge is no recovery.
fn merged_into(data: &Node<'_>) -> Result<Option<String>, Reject> {
    let reason = data.get("resolve_reason");
    match reason.get("type").text()? {
        Some(ty) if ty.starts_with("merge_resolve_reason") => {
            reason.at(&["incident", "id"]).required_id().map(Some)
        }
        _ => Ok(None),
    }
}

/// The account, by its host name in the incident's address.
fn account(incident: &Node<'_>, context: &Context) -> Result<String, Reject> {
    let url = incident.get("html_url").text()?.unwrap_or_default();
    let host = url.strip_prefix("https://").and_then(|rest| rest.split('/').next());
    Ok(host.filter(|h| !h.is_empty()).unwrap_or(context.instance()).to_owned())
}

/// The agent; without one, the client that sent the event, such as a monitor that resolved what it had triggered.
fn actor(event: &Node<'_>, instance: &str) -> Result<Option<Actor>, Reject> {
    let agent = event.get("agent");
    if !agent.exists() {
        let client = event.at(&["client", "name"]).text()?;
        return Ok(client.map(|name| (Identity::Bot(name.to_owned()), Some("automation"))));
    }
    actor_of(&agent, instance)
}

/// A service, an integration, a workflow or a key acts by itself. Anything else may be a person, so its name stays closed.
fn actor_of(agent: &Node<'_>, instance: &str) -> Result<Option<Actor>, Reject> {
    if !agent.exists() {
        return Ok(None);
    }
    let name = agent.get("summary").text()?.map(str::to_owned);
    let id = agent.get("id").required_id()?;
    let ty = agent.get("type").text()?.unwrap_or_default();
    if MACHINES.iter().any(|machine| ty.contains(machine)) {
        return Ok(Some((Identity::Bot(name.unwrap_or(id)), Some("automation"))));
    }
    let human = matches!(ty, "user_reference" | "user").then_some("human");
    let directory = format!("pagerduty:{instance}");
    Ok(Some((Identity::Person { directory, id, name }, human)))
}

/// What is in the type of an agent that is none of a person.
const MACHINES: &[&str] = &["service", "integration", "workflow", "api_key", "bot", "automation"];

/// A person who opens an incident has noticed it; an integration is a monitor.
fn detector(event: &Node<'_>) -> Result<Option<&'static str>, Reject> {
    Ok(match event.at(&["agent", "type"]).text()? {
        Some("user_reference" | "user") => Some("person"),
        Some(ty) if ty.contains("integration") || ty.starts_with("service") => Some("monitor"),
        _ => None,
    })
}
