//! `leaf/1`: the canonical bytes of one event.
//!
//! RFC 8785 with a restricted profile: object keys are ASCII and sorted by bytes, numbers are integers of magnitude at
//! most 2^53 − 1, nothing is null or empty. So Python's `json.dumps(row, sort_keys=True, separators=(",", ":"),
//! ensure_ascii=False)` gives the same bytes.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde_json::Value as Json;

use crate::columns::{Type, column};
use crate::error::Error;
use crate::event::{Event, Value};
use crate::json;
use crate::limits::LEAF_BYTES_MAX;

/// The canonical bytes of `event`.
///
/// # Errors
/// A value breaks the profile (with the column's name), or the leaf is longer than [`LEAF_BYTES_MAX`].
pub fn encode(event: &Event) -> Result<Vec<u8>, Error> {
    let mut out = Vec::with_capacity(1024);
    for (name, value) in event.iter() {
        check_name(name)?;
        value.check().map_err(|e| e.in_field(name))?;
        out.push(if out.is_empty() { b'{' } else { b',' });
        write_text(&mut out, name);
        out.push(b':');
        write_value(&mut out, value);
    }
    if out.is_empty() {
        return Err(Error::new("an event without columns"));
    }
    out.push(b'}');
    if out.len() > LEAF_BYTES_MAX {
        return Err(Error::new(format!(
            "a leaf of {} bytes; at most {LEAF_BYTES_MAX} fit",
            out.len()
        )));
    }
    Ok(out)
}

/// The event whose canonical bytes are `bytes`. Columns that this version does not know keep the type of their JSON.
///
/// # Errors
/// The bytes are not exactly what [`encode`] gives for the event they describe.
pub fn decode(bytes: &[u8]) -> Result<Event, Error> {
    if bytes.len() > LEAF_BYTES_MAX {
        return Err(Error::new(format!(
            "a leaf of {} bytes; at most {LEAF_BYTES_MAX} fit",
            bytes.len()
        )));
    }
    let Json::Object(object) = json::parse(bytes)? else {
        return Err(Error::new("a leaf is a JSON object"));
    };
    let mut event = Event::default();
    for (name, json) in object {
        let known = column(&name);
        let value = value_of(json, known.map(|c| c.ty)).map_err(|e| e.in_field(&name))?;
        event.insert(known.map_or(Cow::Owned(name), |c| Cow::Borrowed(c.name)), value);
    }
    if encode(&event)? == bytes { Ok(event) } else { Err(Error::new("not in canonical form")) }
}

/// Reads a JSON value as a value of type `ty`, or of the type that it looks like.
pub(crate) fn value_of(json: Json, ty: Option<Type>) -> Result<Value, Error> {
    let value = match (json, ty) {
        (Json::String(text), Some(Type::Timestamp)) => Value::Timestamp(text.parse()?),
        (Json::String(text), None | Some(Type::String)) => Value::String(text),
        (Json::Bool(b), None | Some(Type::Boolean)) => Value::Boolean(b),
        (Json::Number(n), None | Some(Type::Integer)) => match n.as_i64() {
            Some(n) => Value::Integer(n),
            None => {
                return Err(Error::new(format!(
                    "{n} is not an integer of magnitude at most 2^53 − 1"
                )));
            }
        },
        (Json::Array(list), None | Some(Type::StringList)) => {
            Value::StringList(list.into_iter().map(text_of).collect::<Result<_, _>>()?)
        }
        (Json::Object(map), None | Some(Type::StringMap)) => {
            let pairs = map.into_iter().map(|(key, json)| Ok((key, text_of(json)?)));
            Value::StringMap(pairs.collect::<Result<BTreeMap<_, _>, Error>>()?)
        }
        (Json::Null, _) => return Err(Error::new("null (leave it out)")),
        (_, Some(ty)) => return Err(Error::new(format!("is not of type {ty:?}"))),
    };
    value.check()?;
    Ok(value)
}

fn text_of(json: Json) -> Result<String, Error> {
    match json {
        Json::String(text) => Ok(text),
        other => Err(Error::new(format!("`{other}` is not a text"))),
    }
}

/// Column names are `[a-z][a-z0-9_]*` and never `seq`.
fn check_name(name: &str) -> Result<(), Error> {
    let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_';
    if name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.bytes().all(allowed)
        && name != "seq"
    {
        Ok(())
    } else {
        Err(Error::field(name, "is not a column name of a leaf"))
    }
}

fn write_value(out: &mut Vec<u8>, value: &Value) {
    match value {
        Value::String(text) => write_text(out, text),
        Value::Integer(n) => out.extend_from_slice(n.to_string().as_bytes()),
        Value::Boolean(b) => out.extend_from_slice(if *b { b"true" } else { b"false" }),
        Value::Timestamp(at) => write_text(out, &at.to_string()),
        Value::StringList(list) => {
            for (at, text) in list.iter().enumerate() {
                out.push(if at == 0 { b'[' } else { b',' });
                write_text(out, text);
            }
            out.push(b']');
        }
        Value::StringMap(map) => {
            for (at, (key, text)) in map.iter().enumerate() {
                out.push(if at == 0 { b'{' } else { b',' });
                write_text(out, key);
                out.push(b':');
                write_text(out, text);
            }
            out.push(b'}');
        }
    }
}

/// RFC 8785, section 3.2.2.2: the escapes are exactly `\" \\ \b \f \n \r \t` and `\u00xx`.
fn write_text(out: &mut Vec<u8>, text: &str) {
    out.push(b'"');
    for b in text.bytes() {
        match b {
            b'"' => out.extend_from_slice(b"\\\""),
            b'\\' => out.extend_from_slice(b"\\\\"),
            0x08 => out.extend_from_slice(b"\\b"),
            0x0c => out.extend_from_slice(b"\\f"),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            0..0x20 => out.extend_from_slice(format!("\\u{b:04x}").as_bytes()),
            _ => out.push(b),
        }
    }
    out.push(b'"');
}
