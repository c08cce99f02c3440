//! Datadog: monitors by our webhook template, incidents and their tasks, DORA deployments and failures, and results of
//! deployment gates.

mod dora;
mod incident;
mod monitor;

pub(crate) use self::monitor::TEMPLATE;

use backtrail_schemas::{Delivery, Draft, Identity, Mapped, Reject};
use serde_json::Value;

use crate::context::Context;
use crate::facts::{Facts, When, put_text};
use crate::mapper::{Mapper, gathered, ignored, refused};
use crate::node::Node;
use crate::snapshot::Actor;

pub(crate) const MAPPER: Mapper =
    Mapper { name: "datadog", yaml: false, claims: |_| false, looks, map };

/// The types of resource that are read or known to carry nothing.
const TYPES: &[&str] = &[
    "incidents",
    "incident_todos",
    "dora_deployment",
    "dora_failure",
    "dora_incident",
    "dora_deployment_patch_request",
    "deployment_gates_evaluation_result_response",
];

/// Types that ask, configure or acknowledge.
const QUIET: &[&str] = &[
    "dora_deployments_list_request",
    "dora_failures_list_request",
    "deployment_gate",
    "deployment_rule",
    "deployment_gates_evaluation_request",
    "deployment_gates_evaluation_response",
];

fn looks(body: &Value) -> bool {
    let data = &body["data"];
    let first = data.as_array().map_or(Some(data), |list| list.first());
    let ours = first.is_some_and(|one| match one["type"].as_str() {
        Some(ty) => TYPES.contains(&ty) || QUIET.contains(&ty),
        None => dora::unnamed(one).is_some(),
    });
    ours || monitor::looks(body)
}

fn map(body: &Value, delivery: &Delivery, context: &Context) -> Mapped {
    let root = Node::root(body);
    if monitor::looks(body) {
        return monitor::map(&root, context);
    }
    let data = root.get("data");
    match data.items() {
        Ok(_) if !data.exists() => refused(data.missing()),
        Ok(list) if list.is_empty() => ignored("an empty list"),
        Ok(list) => gathered(list.iter().map(|one| element(one, delivery, context))),
        Err(_) => element(&data, delivery, context),
    }
}

fn element(node: &Node<'_>, delivery: &Delivery, context: &Context) -> Mapped {
    let ty = node.get("type");
    let name = match ty.text() {
        Ok(stated) => stated.or_else(|| node.value().and_then(dora::unnamed)),
        Err(reject) => return refused(reject),
    };
    let attributes = node.get("attributes");
    if name.is_some_and(|name| QUIET.contains(&name)) {
        return ignored("asks for, configures or acknowledges something, and states no fact");
    }
    if name == Some("dora_deployment") && !attributes.exists() {
        return ignored("the receipt for a deployment that was sent");
    }
    if matches!(name, Some("dora_failure" | "dora_incident")) && !attributes.exists() {
        return ignored("the receipt for a failure that was sent");
    }
    let unmade = !node.get("id").exists() && !attributes.get("created").exists();
    if matches!(name, Some("incidents" | "incident_todos")) && unmade {
        return ignored("a request to make something; the answer to it states the fact");
    }
    let facts = facts(name, context);
    match name {
        Some("incidents") => incident::record(node, &facts, context),
        Some("incident_todos") => incident::task(node, &facts),
        Some("dora_deployment") => dora::deployment(node, &facts),
        Some("dora_failure" | "dora_incident") => dora::failure(node, &facts),
        Some("dora_deployment_patch_request") => return dora::patch(node, delivery, &facts),
        Some("deployment_gates_evaluation_result_response") => return gate(node, delivery, &facts),
        _ => Err(ty.unknown("unmapped_type", "is not a type of resource that is read")),
    }
    .map_or_else(refused, |drafts| Mapped { drafts, ..Mapped::default() })
}

/// The result of a deployment gate, dated by its arrival: it has no time of its own.
fn gate(node: &Node<'_>, delivery: &Delivery, facts: &Facts<'_>) -> Mapped {
    let attributes = node.get("attributes");
    let status = attributes.get("gate_status");
    let phase = match status.text() {
        Ok(Some("in_progress")) => return ignored("the evaluation of the gate goes on"),
        Ok(Some("pass" | "passed")) => "passed",
        Ok(Some("fail" | "failed")) => "failed",
        Ok(_) => return refused(status.unknown("unmapped_state", "is not a status of a gate")),
        Err(reject) => return refused(reject),
    };
    let read = || -> Result<Draft, Reject> {
        let id = node.get("id").required_id()?;
        let when = When::receipt(&attributes, delivery)?;
        let mut draft = facts.draft("verification", phase, &format!("gate:{id}"), when);
        draft.event.put("check_name", attributes.get("gate_id").required_id()?);
        draft.event.put("check_stage", "pre");
        draft.event.put_some("check_result", status.text()?);
        put_text(&mut draft, "url", &attributes.get("evaluation_url"))?;
        Ok(draft)
    };
    read().map_or_else(refused, |draft| Mapped { drafts: vec![draft], ..Mapped::default() })
}

fn facts<'c>(event_type: Option<&str>, context: &'c Context) -> Facts<'c> {
    let event_type = event_type.map(str::to_owned);
    // Nothing of these names the organisation.
    let instance = context.instance().to_owned();
    Facts { source: MAPPER.name, instance, event_id: None, event_type, context }
}

/// A user: the whole account, or a reference to it.
fn user(node: &Node<'_>) -> Result<Option<Actor>, Reject> {
    let data = node.get("data");
    let Some(id) = data.get("id").id()? else { return Ok(None) };
    let name = data.at(&["attributes", "name"]).text()?.map(str::to_owned);
    let directory = MAPPER.name.to_owned();
    Ok(Some((Identity::Person { directory, id, name }, None)))
}
