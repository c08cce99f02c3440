//! Our own form: one event as one JSON object, its keys the columns of `docs/events.md`.
//!
//! Free texts and people are plain here (`title`, `actor` …); the ledger turns them into commitments and pseudonyms.

use std::collections::BTreeMap;
use std::fmt::Write;

use backtrail_schemas::columns::{Column, Role, TEXT_FIELDS, Type, column};
use backtrail_schemas::id::native_event_id;
use backtrail_schemas::kinds::LEDGER;
use backtrail_schemas::{Delivery, Draft, Identity, Mapped, Reject, Value as Cell};
use serde_json::{Map, Value};

use crate::context::Context;
use crate::facts::{Facts, When, put_label};
use crate::limits::ATTRIBUTES_MAX;
use crate::mapper::{Mapper, gathered, refused};
use crate::node::Node;

pub(crate) const MAPPER: Mapper =
    Mapper { name: "native", yaml: false, claims: |_| false, looks, map };

/// The columns that make up the natural key of an event without an id, where it states them: what the event is about
/// and when, without people, texts and measured values. So a later statement that adds one of those meets the first.
const KEY: &[&str] = &[
    "occurred_at",
    "source_event_id",
    "amends_event_id",
    "service",
    "service_namespace",
    "environment",
    "region",
    "cluster",
    "deployment_id",
    "change_id",
    "version",
    "artifact_digest",
    "commit_sha",
    "pipeline_run_id",
    "revision",
    "traffic_percent",
    "rollback_id",
    "rollback_of",
    "incident_id",
    "signal",
    "slo_id",
    "window_start",
    "window_end",
    "approval_id",
    "grant_role",
    "check_name",
    "check_stage",
    "runbook",
    "runbook_version",
    "runbook_step",
    "drill_id",
    "postmortem_id",
    "action_item_id",
    "flag",
    "dataset",
    "divergence_kind",
];

/// Columns that only we fill in.
const OURS: &[&str] = &["seq", "ingest_mode", "authn_method", "authn_verified", "authn_key_id"];

/// Columns that the envelope of a draft holds already, or that are read apart.
const ENVELOPE: &[&str] =
    &["schema", "kind", "phase", "event_id", "occurred_at", "source", "source_instance"];

fn looks(body: &Value) -> bool {
    let event = body.as_array().map_or(Some(body), |list| list.first());
    event.is_some_and(|e| ["kind", "phase", "occurred_at"].iter().all(|key| e[*key].is_string()))
}

fn map(body: &Value, _: &Delivery, context: &Context) -> Mapped {
    let one = |node: &Node<'_>| match event(node, context) {
        Ok(draft) => Mapped { drafts: vec![draft], ..Mapped::default() },
        Err(reject) => refused(reject),
    };
    match Node::root(body).items() {
        Ok(events) => gathered(events.iter().map(one)),
        Err(_) => one(&Node::root(body)),
    }
}

fn event(node: &Node<'_>, context: &Context) -> Result<Draft, Reject> {
    let Some(Value::Object(object)) = node.value() else {
        return Err(node.refuse("wrong_type", "a native event is an object"));
    };
    let (kind, phase) = (node.get("kind").required_text()?, node.get("phase").required_text()?);
    check_claims(node, kind)?;
    let instance = node.get("source_instance").text()?.unwrap_or(context.instance());
    let at = node.get("occurred_at").required_time()?;
    let basis = node.get("time_basis").text()?;
    let facts = Facts {
        source: MAPPER.name,
        instance: instance.to_owned(),
        event_id: None,
        event_type: None,
        context,
    };
    let when = When { at, basis: "source_event" };
    let mut draft = match node.get("event_id").text()? {
        Some(own) => {
            let id = native_event_id(instance, own)
                .map_err(|e| node.refuse("bad_value", &e.to_string()))?;
            facts.draft_called(id, kind, phase, when)
        }
        None => facts.draft(kind, phase, &natural_key(object), when),
    };
    draft.event.put_some("time_basis", basis);
    put_all(&mut draft, node, &format!("native:{instance}"), context)?;
    Ok(draft)
}

/// Puts every member of the object at `node` into the column, the text or the people that it is called after;
/// `directory` issued the accounts of people.
pub(super) fn put_all(
    draft: &mut Draft,
    node: &Node<'_>,
    directory: &str,
    context: &Context,
) -> Result<(), Reject> {
    let object = node.value().and_then(Value::as_object);
    for (name, value) in object.into_iter().flatten().collect::<BTreeMap<_, _>>() {
        let known = ENVELOPE.contains(&name.as_str()) || name == "time_basis" || value.is_null();
        if !known {
            put(draft, &node.get(name), name, directory, context)?;
        }
    }
    if let (None, Some(kind)) = (draft.event.text("actor_kind"), actor_kind(draft)) {
        draft.event.put("actor_kind", kind);
    }
    Ok(())
}

/// Refuses claims that a native event may not make: another profile, another source, the ledger's own kind.
fn check_claims(node: &Node<'_>, kind: &str) -> Result<(), Reject> {
    let schema = node.get("schema");
    if schema.text()?.is_some_and(|s| s != backtrail_schemas::event::PROFILE) {
        return Err(schema.unknown("unsupported_version", "is not a profile that is read"));
    }
    let source = node.get("source");
    if source.text()?.is_some_and(|s| s != MAPPER.name) {
        return Err(source
            .unknown("forbidden_field", "cannot be claimed; a native event's source is `native`"));
    }
    if kind == LEDGER {
        return Err(node.get("kind").refuse("forbidden_field", "only the ledger writes this kind"));
    }
    Ok(())
}

/// The stated columns of [`KEY`], each as name, length and text, in the order of that list. A time is the instant, so
/// that its spelling does not matter.
pub(super) fn natural_key(object: &Map<String, Value>) -> String {
    let mut key = String::new();
    for name in KEY {
        let text = match object.get(*name) {
            None | Some(Value::Null) => continue,
            Some(Value::String(text)) if text.is_empty() => continue,
            Some(Value::String(text)) => match backtrail_schemas::Timestamp::parse_rfc3339(text) {
                Ok(at) if column(name).is_some_and(|c| c.ty == Type::Timestamp) => at.to_string(),
                _ => text.clone(),
            },
            Some(other) => other.to_string(),
        };
        let _ = write!(key, "{name}={}:{text};", text.len());
    }
    key
}

fn put(
    draft: &mut Draft,
    node: &Node<'_>,
    name: &str,
    directory: &str,
    context: &Context,
) -> Result<(), Reject> {
    if let Some(field) = TEXT_FIELDS.iter().find(|field| **field == name) {
        if let Some(text) = node.text()? {
            draft.texts.push((field, text.to_owned()));
        }
        return Ok(());
    }
    let Some(column) = column(name) else {
        return Err(node.refuse("unknown_field", "is not a column"));
    };
    let simulated = name == "recorded_at" && context.simulated_clock;
    if OURS.contains(&name)
        || column.role == Role::Commitment
        || (name == "recorded_at" && !simulated)
    {
        return Err(node.refuse("forbidden_field", "is not for a source to say"));
    }
    if column.holds_people() {
        return people(draft, node, column, directory);
    }
    if name == "attributes" {
        return attributes(draft, node);
    }
    if let Some(cell) = cell(node, column)? {
        draft.event.put(column.name, cell);
    }
    Ok(())
}

/// The value of a plain column.
fn cell(node: &Node<'_>, column: &Column) -> Result<Option<Cell>, Reject> {
    Ok(match column.ty {
        Type::String => node.text()?.map(Cell::from),
        Type::Integer => node.integer()?.map(Cell::from),
        Type::Boolean => node.boolean()?.map(Cell::from),
        Type::Timestamp => node.time()?.map(Cell::from),
        Type::StringList => Some(Cell::from(texts(node)?)),
        Type::StringMap => return Err(node.refuse("unknown_field", "is not a column that is read")),
    })
}

fn texts(node: &Node<'_>) -> Result<Vec<String>, Reject> {
    node.items()?.iter().map(|item| item.required_text().map(str::to_owned)).collect()
}

fn people(
    draft: &mut Draft,
    node: &Node<'_>,
    column: &Column,
    directory: &str,
) -> Result<(), Reject> {
    let stated = match column.ty {
        Type::StringList => node.items()?,
        _ => vec![node.clone()],
    };
    for account in stated {
        let who = match (account.value(), account.text()) {
            (Some(Value::Object(_)), _) => known_elsewhere(&account)?,
            (_, Ok(Some(text))) => {
                identity(text, directory).map_err(|what| account.refuse("bad_value", what))?
            }
            (_, Ok(None)) if column.ty == Type::StringList => return Err(account.missing()),
            (_, Ok(None)) => continue,
            (_, Err(reject)) => return Err(reject),
        };
        draft.people.push((column.name, who));
    }
    Ok(())
}

/// An account of another directory, such as `{"directory": "github", "id": "8841", "name": "mei"}`: whoever states it says
/// that it is the same account.
fn known_elsewhere(node: &Node<'_>) -> Result<Identity, Reject> {
    if let Some(Value::Object(members)) = node.value() {
        let unknown =
            members.keys().find(|key| !["directory", "id", "name"].contains(&key.as_str()));
        if let Some(key) = unknown {
            return Err(node.get(key).refuse("unknown_field", "is not said of a person"));
        }
    }
    Ok(Identity::Person {
        directory: node.get("directory").required_text()?.to_owned(),
        id: node.get("id").required_id()?,
        name: node.get("name").text()?.map(str::to_owned),
    })
}

/// `bot:x` is automation, `vendor:x` a vendor, anything else a person's account in the directory.
fn identity(account: &str, directory: &str) -> Result<Identity, &'static str> {
    match account.split_once(':') {
        Some(("bot" | "vendor", "")) => Err("names nobody"),
        Some(("bot", name)) => Ok(Identity::Bot(name.to_owned())),
        Some(("vendor", name)) => Ok(Identity::Vendor(name.to_owned())),
        Some(("person", _)) => Err("is a pseudonym; give the account"),
        _ => Ok(Identity::Person {
            directory: directory.to_owned(),
            id: account.to_owned(),
            name: None,
        }),
    }
}

/// What the form of the actor's name says of the kind of actor.
fn actor_kind(draft: &Draft) -> Option<&'static str> {
    draft.people.iter().find(|(column, _)| *column == "actor").map(|(_, who)| match who {
        Identity::Person { .. } => "human",
        Identity::Bot(_) => "automation",
        Identity::Vendor(_) => "vendor",
    })
}

fn attributes(draft: &mut Draft, node: &Node<'_>) -> Result<(), Reject> {
    let Some(Value::Object(labels)) = node.value() else {
        return Err(node.refuse("wrong_type", "attributes are an object of texts"));
    };
    if labels.len() > ATTRIBUTES_MAX {
        return Err(node.refuse("too_large", &format!("more than {ATTRIBUTES_MAX} labels")));
    }
    let sorted: BTreeMap<&String, &Value> = labels.iter().collect();
    for key in sorted.keys() {
        let text = node.get(key).text()?.unwrap_or_default();
        put_label(draft, key, text)?;
    }
    Ok(())
}
