//! Recorded deliveries: `{"received_at", "source", "mode", "headers", "body" | "body_base64"}`, one JSON object each.

use std::collections::BTreeMap;

use backtrail_schemas::{Delivery, Reject};
use data_encoding::BASE64;
use serde_json::Value;

use crate::context::Mode;
use crate::limits::BODY_BYTES_MAX;
use crate::node::{Node, reject};

const KEYS: &[&str] = &["received_at", "source", "mode", "headers", "body", "body_base64"];

/// What a line records: the delivery, and how it reached whoever recorded it.
pub(super) struct Record {
    pub(super) delivery: Delivery,
    pub(super) mode: Option<Mode>,
}

/// The delivery that `bytes` record; `None` when they are no record but a body of their own.
pub(super) fn decode(bytes: &[u8]) -> Option<Result<Record, Reject>> {
    // The search spares the parsing of every native line.
    let text = std::str::from_utf8(bytes).ok().filter(|text| text.contains("\"body"))?;
    let value = backtrail_schemas::json::parse(text.as_bytes()).ok()?;
    let object = value.as_object()?;
    let record = (object.contains_key("body") || object.contains_key("body_base64"))
        && object.keys().all(|key| KEYS.contains(&key.as_str()));
    record.then(|| read(&Node::root(&value)))
}

fn read(node: &Node<'_>) -> Result<Record, Reject> {
    let (plain, encoded) = (node.get("body"), node.get("body_base64"));
    let body = match (plain.exists(), encoded.exists()) {
        (true, true) => return Err(plain.refuse("bad_record", "and body_base64 are both there")),
        (true, false) => plain.text()?.unwrap_or_default().as_bytes().to_vec(),
        (false, _) => BASE64
            .decode(encoded.text()?.unwrap_or_default().as_bytes())
            .map_err(|_| encoded.refuse("bad_record", "is not base64"))?,
    };
    if body.len() > BODY_BYTES_MAX {
        return Err(reject("too_large", format!("a body of more than {BODY_BYTES_MAX} bytes")));
    }
    let headers = node.get("headers");
    let mode = node.get("mode");
    let known = match mode.text()? {
        None => None,
        Some("push") => Some(Mode::Push),
        Some("poll") => Some(Mode::Poll),
        Some("file") => Some(Mode::File),
        Some(_) => return Err(mode.unknown("bad_record", "is not push, poll or file")),
    };
    let delivery = Delivery {
        received_at: node.get("received_at").time()?,
        source: node.get("source").text()?.map(str::to_owned),
        headers: headers.value().map_or_else(|| Ok(BTreeMap::new()), lowered)?,
        body,
        reception: None,
        origin: String::new(),
    };
    Ok(Record { delivery, mode: known })
}

/// The headers in a file of their own: an object of texts.
pub(super) fn headers(bytes: &[u8]) -> Result<BTreeMap<String, String>, Reject> {
    let value =
        backtrail_schemas::json::parse(bytes).map_err(|e| reject("bad_record", e.to_string()))?;
    lowered(&value)
}

/// Header names in lower case; two that differ by case alone contradict each other.
fn lowered(value: &Value) -> Result<BTreeMap<String, String>, Reject> {
    let Some(object) = value.as_object() else {
        return Err(reject("bad_record", "headers are an object of texts"));
    };
    let mut lowered = BTreeMap::new();
    for (name, value) in object {
        let Some(text) = value.as_str() else {
            return Err(reject("bad_record", format!("header `{name}` is not a text")));
        };
        if lowered.insert(name.to_ascii_lowercase(), text.to_owned()).is_some() {
            return Err(reject("bad_record", format!("header `{name}` twice")));
        }
    }
    Ok(lowered)
}
