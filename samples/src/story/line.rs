//! One recorded delivery, as a line of NDJSON.

use backtrail_schemas::Timestamp;
use serde_json::{Map, Value, json};

use super::table::{at, hex, later};

/// A delivery of one vendor, before it is written down.
#[derive(Clone, Debug)]
pub(crate) struct Line {
    /// When what it says happened.
    pub(crate) occurred: Timestamp,
    /// When it reached us.
    pub(crate) received: Timestamp,
    /// `push`, `poll` or `file`; a line states it unless it is `file`.
    pub(crate) mode: &'static str,
    /// The source, as `ingest` names it.
    pub(crate) source: &'static str,
    /// Headers, names as the vendor writes them.
    pub(crate) headers: Vec<(&'static str, String)>,
    /// The body.
    pub(crate) body: Value,
}

impl Line {
    /// What happened at `occurred`: in July it waits for the import, later it arrives within seconds.
    pub(crate) fn new(
        source: &'static str,
        occurred: Timestamp,
        headers: Vec<(&'static str, String)>,
        body: Value,
    ) -> Self {
        let push_begins = at("08-01", "00:00");
        if occurred < push_begins {
            let received = at("08-03", "09:00");
            return Self { occurred, received, mode: "file", source, headers, body };
        }
        let body_text = text(&body);
        let delay = 2 + i64::from(hex(&body_text, 2).as_bytes()[0] % 5);
        Self { occurred, received: later(occurred, delay), mode: "push", source, headers, body }
    }

    /// The same delivery, received at another time in another way.
    pub(crate) fn again(&self, received: Timestamp, mode: &'static str) -> Self {
        Self { received, mode, ..self.clone() }
    }

    /// The line, without its end. The body is text, as it was sent: a signature would be over these bytes.
    pub(crate) fn text(&self) -> String {
        let headers: Map<String, Value> =
            self.headers.iter().map(|(name, text)| ((*name).to_owned(), json!(text))).collect();
        let mut line = json!({
            "received_at": self.received.to_string(),
            "source": self.source,
            "headers": headers,
            "body": text(&self.body),
        });
        if self.mode != "file" {
            line["mode"] = json!(self.mode);
        }
        text(&line)
    }
}

/// JSON with keys in byte order, whatever order `serde_json` was built to keep.
pub(crate) fn text(value: &Value) -> String {
    let mut out = String::new();
    write(&mut out, value);
    out
}

fn write(out: &mut String, value: &Value) {
    match value {
        Value::Object(map) => {
            let mut entries: Vec<_> = map.iter().collect();
            entries.sort_unstable_by_key(|(key, _)| *key);
            write_all(out, ['{', '}'], &entries, |out, (key, value)| {
                out.push_str(&Value::from(key.as_str()).to_string());
                out.push(':');
                write(out, value);
            });
        }
        Value::Array(list) => write_all(out, ['[', ']'], list, write),
        plain => out.push_str(&plain.to_string()),
    }
}

fn write_all<T>(out: &mut String, around: [char; 2], items: &[T], one: impl Fn(&mut String, &T)) {
    out.push(around[0]);
    for (at, item) in items.iter().enumerate() {
        if at > 0 {
            out.push(',');
        }
        one(out, item);
    }
    out.push(around[1]);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_in_byte_order_at_any_depth() {
        let value = json!({"b": [{"d": 1, "c": "x\"y"}], "a": null});
        assert_eq!(text(&value), r#"{"a":null,"b":[{"c":"x\"y","d":1}]}"#);
    }
}
