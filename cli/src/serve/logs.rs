//! What the server says of itself: one line an event on stderr, as text or as JSON.
//!
//! There are no spans. What is logged is named where it is logged: never a body, a header or a secret.

use std::fmt::{self, Write as _};

use backtrail_ledger::Clock as _;
use serde::Deserialize;
use serde_json::{Map, Value};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};

use crate::clock::SystemClock;
use crate::output::say;

/// `[serve] log`
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum LogFormat {
    /// `time level message name=value …`
    #[default]
    Text,
    /// One JSON object a line: `time`, `level`, `message` and the names.
    Json,
}

/// Logs in this form from now on.
pub(super) fn start(format: LogFormat) {
    let lines = Lines { format, clock: SystemClock::default() };
    // A process serves once; if somebody else logs already, that goes on.
    let _ = tracing::subscriber::set_global_default(lines);
}

struct Lines {
    format: LogFormat,
    clock: SystemClock,
}

impl Subscriber for Lines {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        // Libraries log what they see on the wire; we say what we decided.
        *metadata.level() <= Level::INFO && metadata.target().starts_with("backtrail")
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut fields = Fields::default();
        event.record(&mut fields);
        let (time, level) = (self.clock.now().to_string(), event.metadata().level().as_str());
        say(line(self.format, &time, level, fields));
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

fn line(format: LogFormat, time: &str, level: &str, mut fields: Fields) -> String {
    if format == LogFormat::Json {
        fields.0.insert("time".to_owned(), time.into());
        fields.0.insert("level".to_owned(), level.to_ascii_lowercase().into());
        return Value::Object(fields.0).to_string();
    }
    let message = fields.0.remove("message");
    let message = message.as_ref().and_then(Value::as_str).unwrap_or_default();
    let mut line = format!("{time} {} {message}", level.to_ascii_lowercase());
    for (name, value) in &fields.0 {
        let _ = write!(line, " {name}={value}");
    }
    line
}

/// The fields of one event.
#[derive(Default)]
struct Fields(Map<String, Value>);

impl Fields {
    fn put(&mut self, field: &Field, value: impl Into<Value>) {
        self.0.insert(field.name().to_owned(), value.into());
    }
}

impl Visit for Fields {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.put(field, value_of(value));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field, value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field, value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field, value);
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.put(field, one_line(&format!("{value:?}")));
    }
}

/// A list is logged as its JSON, since a field of an event holds none, and becomes one again.
fn value_of(text: &str) -> Value {
    let list = text.starts_with('[').then(|| serde_json::from_str::<Vec<Value>>(text).ok());
    list.flatten().map_or_else(|| one_line(text).into(), Value::Array)
}

/// One event is one line, whatever a message quotes.
fn one_line(text: &str) -> String {
    text.replace(char::is_control, " ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_one_line() {
        let fields = || {
            let pairs = [("message", "a \"b\""), ("source", "x")];
            Fields(pairs.map(|(k, v)| (k.to_owned(), v.into())).into_iter().collect())
        };
        let text = line(LogFormat::Text, "T", "WARN", fields());
        assert_eq!(text, "T warn a \"b\" source=\"x\"");
        let json = line(LogFormat::Json, "T", "WARN", fields());
        let want =
            serde_json::json!({"level": "warn", "message": "a \"b\"", "source": "x", "time": "T"});
        assert_eq!(serde_json::from_str::<Value>(&json).unwrap(), want);
    }

    #[test]
    fn a_list_is_a_list() {
        assert_eq!(value_of(r#"["a","b"]"#), serde_json::json!(["a", "b"]));
        for text in ["[a]", "a\n[\"b\"]", "7", "[\"a\"] b"] {
            assert_eq!(value_of(text), text.replace('\n', " "));
        }
    }
}
