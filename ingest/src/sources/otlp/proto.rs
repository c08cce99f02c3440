//! `ExportLogsServiceRequest` in protobuf, as the JSON that OTLP/HTTP has for it.
//!
//! *Source*: opentelemetry-proto 1.x, `collector/logs/v1`, `logs/v1`, `common/v1`. Only what is read has a field here;
//! decoding skips the others. Messages nest at most 100 deep, which is prost's own limit.

use backtrail_schemas::Reject;
use prost::Message;
use serde_json::{Value, json};

use super::OURS;
use crate::limits::PROTOBUF_BYTES_MAX;
use crate::node::reject;

/// The JSON form of a protobuf body.
pub(crate) fn decoded(body: &[u8]) -> Result<Value, Reject> {
    if body.len() > PROTOBUF_BYTES_MAX {
        let reason = format!("a protobuf body of more than {PROTOBUF_BYTES_MAX} bytes");
        return Err(reject("too_large", reason));
    }
    let request = Request::decode(body).map_err(|_| {
        reject(
            "bad_protobuf",
            "not an ExportLogsServiceRequest; hint: a compressed body is not expanded",
        )
    })?;
    let resources: Value = request.resource_logs.iter().map(ResourceLogs::json).collect();
    Ok(json!({"resourceLogs": resources}))
}

#[derive(Clone, PartialEq, Message)]
struct Request {
    #[prost(message, repeated, tag = "1")]
    resource_logs: Vec<ResourceLogs>,
}

#[derive(Clone, PartialEq, Message)]
struct ResourceLogs {
    #[prost(message, optional, tag = "1")]
    resource: Option<Resource>,
    #[prost(message, repeated, tag = "2")]
    scope_logs: Vec<ScopeLogs>,
}

#[derive(Clone, PartialEq, Message)]
struct Resource {
    #[prost(message, repeated, tag = "1")]
    attributes: Vec<KeyValue>,
}

#[derive(Clone, PartialEq, Message)]
struct ScopeLogs {
    #[prost(message, optional, tag = "1")]
    scope: Option<Scope>,
    #[prost(message, repeated, tag = "2")]
    log_records: Vec<LogRecord>,
}

#[derive(Clone, PartialEq, Message)]
struct Scope {
    #[prost(message, repeated, tag = "3")]
    attributes: Vec<KeyValue>,
}

#[derive(Clone, PartialEq, Message)]
struct LogRecord {
    #[prost(fixed64, tag = "1")]
    time_unix_nano: u64,
    #[prost(message, optional, tag = "5")]
    body: Option<AnyValue>,
    #[prost(message, repeated, tag = "6")]
    attributes: Vec<KeyValue>,
    #[prost(fixed64, tag = "11")]
    observed_time_unix_nano: u64,
    #[prost(string, tag = "12")]
    event_name: String,
}

#[derive(Clone, PartialEq, Message)]
struct KeyValue {
    #[prost(string, tag = "1")]
    key: String,
    #[prost(message, optional, tag = "2")]
    value: Option<AnyValue>,
}

#[derive(Clone, PartialEq, Message)]
struct AnyValue {
    #[prost(oneof = "Any", tags = "1, 2, 3, 4, 5, 6, 7")]
    any: Option<Any>,
}

#[derive(Clone, PartialEq, prost::Oneof)]
enum Any {
    #[prost(string, tag = "1")]
    Text(String),
    #[prost(bool, tag = "2")]
    Flag(bool),
    #[prost(int64, tag = "3")]
    Whole(i64),
    #[prost(double, tag = "4")]
    Fraction(f64),
    #[prost(message, tag = "5")]
    List(ArrayValue),
    /// A list of pairs, which no column takes: its bytes.
    #[prost(bytes = "vec", tag = "6")]
    Map(Vec<u8>),
    #[prost(bytes = "vec", tag = "7")]
    Bytes(Vec<u8>),
}

#[derive(Clone, PartialEq, Message)]
struct ArrayValue {
    #[prost(message, repeated, tag = "1")]
    values: Vec<AnyValue>,
}

impl ResourceLogs {
    fn json(&self) -> Value {
        let resource = self.resource.as_ref().and_then(|resource| attributes(&resource.attributes));
        object([
            ("resource", resource.map(|attributes| object([("attributes", Some(attributes))]))),
            ("scopeLogs", list(&self.scope_logs, ScopeLogs::json)),
        ])
    }
}

impl ScopeLogs {
    fn json(&self) -> Value {
        let scope = self.scope.as_ref().and_then(|scope| attributes(&scope.attributes));
        object([
            ("scope", scope.map(|attributes| object([("attributes", Some(attributes))]))),
            ("logRecords", list(&self.log_records, LogRecord::json)),
        ])
    }
}

impl LogRecord {
    /// Of a record that is none of ours nothing is needed.
    fn json(&self) -> Value {
        if !self.is_ours() {
            return object([]);
        }
        let time = |ns: u64| Some(ns).filter(|ns| *ns != 0).map(|ns| Value::from(ns.to_string()));
        object([
            ("timeUnixNano", time(self.time_unix_nano)),
            ("observedTimeUnixNano", time(self.observed_time_unix_nano)),
            ("eventName", text(&self.event_name)),
            ("attributes", attributes(&self.attributes)),
            ("body", self.body.as_ref().map(AnyValue::json)),
        ])
    }

    fn is_ours(&self) -> bool {
        let named = |pair: &KeyValue| {
            let value = pair.value.as_ref().and_then(|value| value.any.as_ref());
            pair.key == "event.name"
                && matches!(value, Some(Any::Text(name)) if name.starts_with(OURS))
        };
        self.event_name.starts_with(OURS) || self.attributes.iter().any(named)
    }
}

/// What is not there takes no memory: millions of empty messages fit into one body.
fn object<const N: usize>(members: [(&'static str, Option<Value>); N]) -> Value {
    let present = members.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?)));
    Value::Object(present.collect())
}

fn text(text: &str) -> Option<Value> {
    Some(text).filter(|text| !text.is_empty()).map(Value::from)
}

fn list<T>(items: &[T], form: impl Fn(&T) -> Value) -> Option<Value> {
    Some(items).filter(|items| !items.is_empty()).map(|items| items.iter().map(form).collect())
}

fn attributes(pairs: &[KeyValue]) -> Option<Value> {
    list(pairs, |pair| {
        object([("key", text(&pair.key)), ("value", pair.value.as_ref().map(AnyValue::json))])
    })
}

impl AnyValue {
    fn json(&self) -> Value {
        match &self.any {
            None => json!({}),
            Some(Any::Text(text)) => json!({"stringValue": text}),
            Some(Any::Flag(flag)) => json!({"boolValue": flag}),
            Some(Any::Whole(number)) => json!({"intValue": number.to_string()}),
            Some(Any::Fraction(number)) => json!({"doubleValue": number}),
            Some(Any::List(items)) => {
                let values: Value = items.values.iter().map(AnyValue::json).collect();
                json!({"arrayValue": {"values": values}})
            }
            Some(Any::Map(_)) => json!({"kvlistValue": {}}),
            Some(Any::Bytes(_)) => json!({"bytesValue": ""}),
        }
    }
}
