//! OpenTelemetry logs (OTLP/HTTP, JSON or protobuf): records that are events of ours.
//!
//! *Source*: OpenTelemetry protocol 1.x, `ExportLogsServiceRequest`; semantic conventions 1.44. There is no standard
//! event about a deployment or an incident, so ours are named `backtrail.<kind>.<phase>`. Such a record is a native
//! event in other words: semantic conventions give the columns that they have a name for, `backtrail.<column>` the rest.

mod proto;

use backtrail_schemas::kinds::{KINDS, LEDGER};
use backtrail_schemas::{Delivery, Draft, Mapped, Reject, Timestamp};
use serde_json::{Map, Value, json};

use super::native;
use crate::context::Context;
use crate::facts::{Facts, When};
use crate::limits::TEXT_BYTES_MAX;
use crate::mapper::{Mapper, gathered, ignored, refused};
use crate::node::Node;

pub(crate) use proto::decoded;

pub(crate) const MAPPER: Mapper = Mapper { name: "otlp", yaml: false, claims, looks, map };

/// The beginning of the names of our events and of the attributes that are ours.
const OURS: &str = "backtrail.";

/// Attributes of the semantic conventions, each with its column. Where several name one column, the first that a
/// record has counts.
pub(crate) const NAMES: &[(&str, &str)] = &[
    ("service.name", "service"),
    ("service.namespace", "service_namespace"),
    ("deployment.environment.name", "environment"),
    ("cloud.region", "region"),
    ("k8s.cluster.name", "cluster"),
    ("deployment.id", "deployment_id"),
    ("deployment.status", "outcome"),
    ("cicd.pipeline.result", "outcome"),
    ("cicd.pipeline.name", "pipeline"),
    ("cicd.pipeline.run.id", "pipeline_run_id"),
    ("cicd.pipeline.run.url.full", "url"),
    ("artifact.version", "version"),
    ("service.version", "version"),
    ("artifact.hash", "artifact_digest"),
    ("artifact.purl", "artifact_purl"),
    ("vcs.repository.url.full", "repository"),
    ("vcs.ref.head.name", "ref"),
    ("vcs.ref.head.revision", "commit_sha"),
    ("feature_flag.key", "flag"),
    ("feature_flag.result.variant", "to_variant"),
    ("user.id", "actor"),
    ("error.type", "error_type"),
];

/// Columns that the name, the times and the envelope of a record give.
const GIVEN: &[&str] = &[
    "schema",
    "kind",
    "phase",
    "event_id",
    "occurred_at",
    "time_basis",
    "source",
    "source_instance",
];

/// Attributes by name.
type Attributes = Map<String, Value>;

fn claims(delivery: &Delivery) -> bool {
    is_protobuf(delivery)
}

/// Whether the body is protobuf: only OTLP is read in that form.
pub(crate) fn is_protobuf(delivery: &Delivery) -> bool {
    let media = delivery.header("content-type").and_then(|t| t.split(';').next());
    media.is_some_and(|t| t.trim().eq_ignore_ascii_case("application/x-protobuf"))
}

fn looks(body: &Value) -> bool {
    ["resourceLogs", "resourceSpans", "resourceMetrics"].iter().any(|key| body[*key].is_array())
}

fn map(body: &Value, _: &Delivery, context: &Context) -> Mapped {
    let resources = Node::root(body).get("resourceLogs");
    if !resources.exists() {
        // An export without records is an empty object; traces and metrics may come to the same place.
        let known = looks(body) || body.as_object().is_some_and(Map::is_empty);
        return if known { ignored("no log records") } else { refused(resources.missing()) };
    }
    let all = each(&resources, &|resource| {
        let of_resource = attributes(&resource.get("resource"));
        each(&resource.get("scopeLogs"), &|scope| {
            let of_scope = attributes(&scope.get("scope"));
            each(&scope.get("logRecords"), &|record| match event(
                record,
                [&of_scope, &of_resource],
                context,
            ) {
                Ok(draft) => Mapped { drafts: Vec::from_iter(draft), ..Mapped::default() },
                Err(reject) => refused(reject),
            })
        })
    });
    let empty = all.drafts.is_empty() && all.rejects.is_empty();
    if empty { ignored("no record is an event of ours") } else { all }
}

/// Visits the objects of a list; what is none is refused and takes no other with it.
fn each(list: &Node<'_>, visit: &dyn Fn(&Node<'_>) -> Mapped) -> Mapped {
    match list.items() {
        Ok(items) => gathered(items.iter().map(|item| match item.required_object() {
            Ok(object) => visit(&object),
            Err(reject) => refused(reject),
        })),
        Err(reject) => refused(reject),
    }
}

/// The event that a record is, if it is one of ours; `around` is what its scope and its resource say.
fn event(
    record: &Node<'_>,
    around: [&Result<Attributes, Reject>; 2],
    context: &Context,
) -> Result<Option<Draft>, Reject> {
    let Some(name) = name(record)?.filter(|name| name.starts_with(OURS)) else { return Ok(None) };
    let (kind, phase) = fact(name).ok_or_else(|| {
        let shown: String = name.chars().take(80).collect();
        record.refuse(
            "unknown_type",
            &format!("`{shown}` is not `backtrail.<kind>.<phase>` of a known kind"),
        )
    })?;
    let when = when(record)?;
    let [scope, resource] = around.map(|attributes| attributes.as_ref().map_err(Clone::clone));
    let all = [&attributes(record)?, scope?, resource?];
    let mut columns = columns(all).map_err(|reject| within(record, reject))?;
    columns.insert("occurred_at".to_owned(), json!(when.at.to_string()));
    let own = Value::Object(all[0].clone());
    let event_id =
        Node::root(&own).get("event.id").id().map_err(|reject| within(record, reject))?;
    let emitter = all[2].get("service.name").and_then(Value::as_str).unwrap_or(context.instance());
    let facts = Facts {
        source: MAPPER.name,
        instance: emitter.to_owned(),
        event_id: event_id.clone(),
        event_type: Some(name.to_owned()),
        context,
    };
    let key = event_id.unwrap_or_else(|| native::natural_key(&columns));
    let mut draft = facts.draft(kind, phase, &key, when);
    if let Some(text) = value(&record.get("body")).as_ref().and_then(Value::as_str) {
        columns.entry("message").or_insert_with(|| json!(text));
    }
    columns.remove("occurred_at");
    let columns = Value::Object(columns);
    native::put_all(&mut draft, &Node::root(&columns), &format!("otlp:{emitter}"), context)
        .map_err(|reject| within(record, reject))?;
    Ok(Some(draft))
}

/// What a record is called.
fn name<'a>(record: &Node<'a>) -> Result<Option<&'a str>, Reject> {
    if let Some(name) = record.get("eventName").text()? {
        return Ok(Some(name));
    }
    for pair in record.get("attributes").items()? {
        if pair.get("key").text()? == Some("event.name") {
            return pair.at(&["value", "stringValue"]).text();
        }
    }
    Ok(None)
}

/// A reject about a column of `record`, which has no path of its own.
fn within(record: &Node<'_>, reject: Reject) -> Reject {
    Reject { code: reject.code, ..record.refuse("", &reject.reason) }
}

/// Kind and phase of an event's name.
fn fact(name: &str) -> Option<(&'static str, &'static str)> {
    let (kind, phase) = name.strip_prefix(OURS)?.split_once('.')?;
    let (kind, phases) =
        KINDS.iter().find(|(k, _)| *k == kind && *k != LEDGER && *k != "ingest")?;
    phases.iter().find(|p| **p == phase).map(|phase| (*kind, *phase))
}

/// When it happened; where the record does not know (0), when it was observed.
fn when(record: &Node<'_>) -> Result<When, Reject> {
    let stated = record.get("timeUnixNano");
    if let Some(at) = nanoseconds(&stated)? {
        return Ok(When::event(at));
    }
    match nanoseconds(&record.get("observedTimeUnixNano"))? {
        Some(at) => Ok(When { at, basis: "receipt" }),
        None => Err(stated.missing()),
    }
}

/// A time in nanoseconds: a whole number, as text in JSON. 0 means unknown.
fn nanoseconds(node: &Node<'_>) -> Result<Option<Timestamp>, Reject> {
    let Some(text) = node.id()? else { return Ok(None) };
    let bad = || node.refuse("bad_time", "is no whole number of nanoseconds since 1970");
    let number: u64 = text.parse().map_err(|_| bad())?;
    let us = i64::try_from(number / 1000).map_err(|_| bad())?;
    if number == 0 { Ok(None) } else { Timestamp::from_micros(us).map(Some).ok_or_else(bad) }
}

/// The columns that attributes state. The record's own count before those of its scope, these before its resource's.
/// A record that names a service speaks of another one than its emitter, whose place then says nothing.
fn columns(all: [&Attributes; 3]) -> Result<Attributes, Reject> {
    let mut columns = Map::new();
    let elsewhere = all[0].contains_key("service.name");
    for (name, column) in NAMES {
        let reach = if elsewhere && is_place(name) { 1 } else { all.len() };
        if let Some(value) = all[..reach].iter().find_map(|attributes| attributes.get(*name)) {
            columns.entry(*column).or_insert_with(|| value.clone());
        }
    }
    for (name, value) in all[0] {
        let Some(column) = name.strip_prefix(OURS) else { continue };
        if GIVEN.contains(&column) {
            let reason = format!("attribute `{name}`: the record itself gives this");
            return Err(crate::node::reject("forbidden_field", reason));
        }
        columns.insert(column.to_owned(), value.clone());
    }
    Ok(columns)
}

fn is_place(name: &str) -> bool {
    ["service.", "deployment.environment.", "cloud.", "k8s."].iter().any(|of| name.starts_with(of))
}

/// The attributes of a record, a scope or a resource, by name; two of one name contradict each other. What is longer than
/// any column is an empty object too: every record would repeat it.
fn attributes(node: &Node<'_>) -> Result<Attributes, Reject> {
    let mut all = Map::new();
    for pair in node.get("attributes").items()? {
        let key = pair.get("key");
        let name = key.required_text()?;
        let value = match value(&pair.get("value")) {
            Some(long) if bytes_of(&long) > TEXT_BYTES_MAX => json!({}),
            value => value.unwrap_or_default(),
        };
        if all.insert(name.to_owned(), value).is_some() {
            return Err(key.refuse("bad_value", "names an attribute for the second time"));
        }
    }
    Ok(all)
}

fn bytes_of(value: &Value) -> usize {
    match value {
        Value::String(text) => text.len(),
        Value::Array(list) => list.iter().map(|item| size_of::<Value>() + bytes_of(item)).sum(),
        _ => 0,
    }
}

/// The plain form of an `AnyValue`; `None` for the empty one. Bytes, maps and what is none are an empty object, which no
/// column takes.
fn value(node: &Node<'_>) -> Option<Value> {
    let mut members = node.value()?.as_object()?.iter().filter(|(_, member)| !member.is_null());
    let (name, member) = members.next()?;
    let plain = match (name.as_str(), member) {
        ("stringValue", Value::String(_))
        | ("boolValue", Value::Bool(_))
        | ("doubleValue" | "intValue", Value::Number(_)) => Some(member.clone()),
        ("intValue", Value::String(text)) => text.parse::<i64>().ok().map(Value::from),
        ("arrayValue", _) => {
            let list = node.at(&["arrayValue", "values"]).items().ok();
            list.map(|list| list.iter().map(|item| value(item).unwrap_or_default()).collect())
        }
        _ => None,
    };
    Some(plain.filter(|_| members.next().is_none()).unwrap_or_else(|| json!({})))
}
