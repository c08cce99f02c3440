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
use crate::event::{Event, Value, check_integer, check_key, check_text};
use crate::json;
use crate::limits::LEAF_BYTES_MAX;
use crate::time::Timestamp;

/// The canonical bytes of `event`.
///
/// # Errors
/// A value breaks the profile (with the column's name), or the leaf is longer than [`LEAF_BYTES_MAX`].
pub fn encode(event: &Event) -> Result<Vec<u8>, Error> {
    let mut out = Vec::with_capacity(1024);
    for (name, value) in event.iter() {
        check_name(name)?;
        out.push(if out.is_empty() { b'{' } else { b',' });
        out.push(b'"');
        out.extend_from_slice(name.as_bytes());
        out.extend_from_slice(b"\":");
        write_value(&mut out, value).map_err(|e| e.in_field(name))?;
    }
    finish(&mut out)?;
    Ok(out)
}

/// Ends the object whose columns are in `out`.
pub(crate) fn finish(out: &mut Vec<u8>) -> Result<(), Error> {
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
    Ok(())
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
pub(crate) fn check_name(name: &str) -> Result<(), Error> {
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

fn write_value(out: &mut Vec<u8>, value: &Value) -> Result<(), Error> {
    match value {
        Value::String(text) => write_text(out, text)?,
        Value::Integer(n) => write_integer(out, *n)?,
        Value::Boolean(b) => write_boolean(out, *b),
        Value::Timestamp(at) => write_timestamp(out, *at),
        Value::StringList(list) => write_list(out, list.iter().map(String::as_str))?,
        Value::StringMap(map) => {
            write_map(out, map.iter().map(|(key, text)| (key.as_str(), text.as_str())))?;
        }
    }
    Ok(())
}

/// RFC 8785, section 3.2.2.2: the escapes are exactly `\" \\ \b \f \n \r \t` and `\u00xx`.
pub(crate) fn write_text(out: &mut Vec<u8>, text: &str) -> Result<(), Error> {
    if text.is_empty() {
        return check_text(text);
    }
    let bytes = text.as_bytes();
    let escaped = |b: u8| b < 0x20 || b == b'"' || b == b'\\';
    out.push(b'"');
    // Without an early end the compiler looks at many bytes at once, and nearly no text has one to escape.
    let any = bytes.iter().fold(false, |any, b| any | escaped(*b));
    let mut written = 0;
    for (at, b) in bytes.iter().enumerate().filter(|(_, b)| any && escaped(**b)) {
        out.extend_from_slice(&bytes[written..at]);
        written = at + 1;
        match *b {
            0 => return check_text(text),
            b'"' => out.extend_from_slice(b"\\\""),
            b'\\' => out.extend_from_slice(b"\\\\"),
            0x08 => out.extend_from_slice(b"\\b"),
            0x0c => out.extend_from_slice(b"\\f"),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            other => out.extend_from_slice(format!("\\u{other:04x}").as_bytes()),
        }
    }
    out.extend_from_slice(&bytes[written..]);
    out.push(b'"');
    Ok(())
}

pub(crate) fn write_integer(out: &mut Vec<u8>, n: i64) -> Result<(), Error> {
    check_integer(n)?;
    out.extend_from_slice(n.to_string().as_bytes());
    Ok(())
}

pub(crate) fn write_boolean(out: &mut Vec<u8>, b: bool) {
    out.extend_from_slice(if b { b"true" } else { b"false" });
}

pub(crate) fn write_timestamp(out: &mut Vec<u8>, at: Timestamp) {
    out.push(b'"');
    out.extend_from_slice(&at.to_bytes());
    out.push(b'"');
}

pub(crate) fn write_list<'t>(
    out: &mut Vec<u8>,
    texts: impl Iterator<Item = &'t str>,
) -> Result<(), Error> {
    let before = out.len();
    for text in texts {
        out.push(if out.len() == before { b'[' } else { b',' });
        write_text(out, text)?;
    }
    if out.len() == before {
        return Err(Error::new("an empty list (leave it out)"));
    }
    out.push(b']');
    Ok(())
}

pub(crate) fn write_map<'t>(
    out: &mut Vec<u8>,
    pairs: impl Iterator<Item = (&'t str, &'t str)>,
) -> Result<(), Error> {
    let before = out.len();
    let mut last = "";
    for (key, text) in pairs {
        check_key(key)?;
        if key <= last {
            return Err(Error::new("map keys are not strictly ascending"));
        }
        last = key;
        out.push(if out.len() == before { b'{' } else { b',' });
        write_text(out, key)?;
        out.push(b':');
        write_text(out, text).map_err(|e| Error::new(format!("key `{key}`: {e}")))?;
    }
    if out.len() == before {
        return Err(Error::new("an empty map (leave it out)"));
    }
    out.push(b'}');
    Ok(())
}
