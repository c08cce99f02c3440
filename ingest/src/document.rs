//! From the bytes of a body to one JSON value.

use std::borrow::Cow;

use backtrail_schemas::{Delivery, Reject};
use serde_json::{Value, json};
use serde_saphyr::Error;

use crate::node::reject;
use crate::sources::otlp;

/// A parsed body.
pub(crate) struct Document {
    /// The value. Several YAML documents are the `items` of a `List`, as Kubernetes tools print them.
    pub(crate) value: Value,
    /// Whether it was YAML.
    pub(crate) yaml: bool,
}

/// Reads the body of `delivery`: JSON, the `payload` field of a form, YAML, or protobuf where the headers say so.
pub(crate) fn parse(delivery: &Delivery) -> Result<Document, Reject> {
    if otlp::is_protobuf(delivery) {
        return Ok(Document { value: otlp::decoded(&delivery.body)?, yaml: false });
    }
    let body = unwrapped(delivery);
    // Some tools begin a file with a byte order mark, which says nothing (RFC 8259, section 8.1).
    let body = body.strip_prefix("\u{feff}".as_bytes()).unwrap_or(&body);
    let start = body.iter().find(|b| !b.is_ascii_whitespace());
    match start {
        None => Err(reject("empty_body", "the body is empty")),
        Some(b'{' | b'[') => match backtrail_schemas::json::parse(body) {
            Ok(value) => Ok(Document { value, yaml: false }),
            Err(e) => Err(reject("bad_json", e.to_string())),
        },
        Some(_) => Ok(Document { value: yaml(body)?, yaml: true }),
    }
}

/// The JSON of a delivery sent as a form (GitHub's `application/x-www-form-urlencoded` hooks), else the body.
fn unwrapped(delivery: &Delivery) -> Cow<'_, [u8]> {
    let form = delivery
        .header("content-type")
        .is_some_and(|t| t.to_ascii_lowercase().starts_with("application/x-www-form-urlencoded"));
    let field = delivery.body.strip_prefix(b"payload=").filter(|_| form);
    match field {
        Some(field) => {
            let first = field.split(|b| *b == b'&').next().unwrap_or_default();
            let spaced: Vec<u8> =
                first.iter().map(|b| if *b == b'+' { b' ' } else { *b }).collect();
            Cow::Owned(percent_decoded(&spaced))
        }
        None => Cow::Borrowed(&delivery.body),
    }
}

/// Every `%HH` as its byte; what is no escape stays as it is.
pub(crate) fn percent_decoded(bytes: &[u8]) -> Vec<u8> {
    let hex = |b: u8| char::from(b).to_digit(16).map(|d| d as u8);
    let mut out = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    while let Some((first, after)) = rest.split_first() {
        rest = after;
        match (first, after) {
            (b'%', [high, low, tail @ ..]) if hex(*high).is_some() && hex(*low).is_some() => {
                out.push(hex(*high).unwrap_or_default() * 16 + hex(*low).unwrap_or_default());
                rest = tail;
            }
            _ => out.push(*first),
        }
    }
    out
}

/// One document as it is, several as a `List`. Duplicate keys, deep nesting and alias bombs are errors.
fn yaml(body: &[u8]) -> Result<Value, Reject> {
    let text = std::str::from_utf8(body)
        .map_err(|e| reject("bad_text", format!("not UTF-8 from byte {}", e.valid_up_to())))?;
    let options = serde_saphyr::options! { with_snippet: false };
    let mut documents =
        serde_saphyr::from_multiple_with_options::<Value>(text, options).map_err(|e| {
            let place = e.location().map(|l| format!(" at line {}", l.line())).unwrap_or_default();
            reject("bad_yaml", format!("neither JSON nor acceptable YAML{place}{}", why(&e)))
        })?;
    match documents.len() {
        0 => Err(reject("empty_body", "the body holds no document")),
        1 => Ok(documents.swap_remove(0)),
        _ => Ok(json!({"apiVersion": "v1", "kind": "List", "items": documents})),
    }
}

/// What is wrong, where its author can do something about it. The parser's own words would bring values into the log.
fn why(error: &Error) -> &'static str {
    match error {
        Error::AliasError { error, .. } => why(error),
        Error::DuplicateMappingKey { .. } => ": a key is there twice",
        Error::Budget { .. }
        | Error::AliasReplayLimitExceeded { .. }
        | Error::AliasReplayStackDepthExceeded { .. } => {
            ": more aliases, levels or values than are read"
        }
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use super::*;

    fn body(bytes: &[u8]) -> Delivery {
        Delivery { body: bytes.to_vec(), ..Delivery::default() }
    }

    #[test]
    fn several_yaml_documents_are_a_list() {
        let document = parse(&body(b"---\na: 1\n---\nb: '2'\n")).unwrap();
        assert!(document.yaml);
        assert_eq!(document.value["items"], json!([{"a": 1}, {"b": "2"}]));
        assert_eq!(parse(&body(b"a: 1\n")).unwrap().value, json!({"a": 1}));
    }

    #[test]
    fn a_byte_order_mark_says_nothing() {
        assert_eq!(parse(&body("\u{feff}{\"a\":1}".as_bytes())).unwrap().value, json!({"a": 1}));
        assert_eq!(parse(&body("\u{feff}a: 1\n".as_bytes())).unwrap().value, json!({"a": 1}));
    }

    #[test]
    fn yaml_that_is_not_read_says_why() {
        let nested = format!("{}x\n", "- ".repeat(5_000));
        let mut bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
        for n in 1..12 {
            let one = format!("*a{}", n - 1);
            writeln!(bomb, "a{n}: &a{n} [{one}, {one}, {one}, {one}]").unwrap();
        }
        for (text, why) in
            [("a: 1\na: 2\n", "twice"), (nested.as_str(), "levels"), (bomb.as_str(), "aliases")]
        {
            let refused = parse(&body(text.as_bytes())).err().unwrap();
            assert!(refused.reason.contains(why), "{}", refused.reason);
        }
    }

    #[test]
    fn bad_bodies_are_refused_by_class() {
        for (bytes, code) in [
            (&b" \n"[..], "empty_body"),
            (b"{\"a\":1,\"a\":2}", "bad_json"),
            (b"{\"a\":", "bad_json"),
            (b"a: 1\na: 2\n", "bad_yaml"),
            (b"a: [1\n", "bad_yaml"),
            (b"a: \xff\n", "bad_text"),
        ] {
            assert_eq!(parse(&body(bytes)).err().map(|r| r.code), Some(code.into()), "{bytes:?}");
        }
    }

    #[test]
    fn a_form_holds_the_payload() {
        let mut delivery = body(b"payload=%7B%22zen%22%3A%22a+b%25%22%7D");
        assert_eq!(
            parse(&delivery).unwrap().value,
            json!("payload=%7B%22zen%22%3A%22a+b%25%22%7D")
        );
        delivery.headers.insert("content-type".into(), "application/x-www-form-urlencoded".into());
        assert_eq!(parse(&delivery).unwrap().value, json!({"zen": "a b%"}));
    }
}
