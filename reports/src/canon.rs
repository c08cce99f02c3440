//! Canonical JSON: the bytes of `report.json`, of the manifest and of every row.
//!
//! RFC 8785 with a restricted profile: object keys sorted by bytes, integers of magnitude at most 2^53 − 1, no floats,
//! no insignificant space. Decimals travel as text.

use serde::Serialize;
use serde_json::Value;

use crate::error::Error;

const INTEGER_MAX: u64 = (1 << 53) - 1;

/// The canonical bytes of `value`, with one line feed at the end.
///
/// # Errors
/// The value has a float, or an integer beyond 2^53 − 1.
pub fn document(value: &impl Serialize) -> Result<Vec<u8>, Error> {
    let mut out = bytes(value)?;
    out.push(b'\n');
    Ok(out)
}

/// The canonical bytes of `value`.
///
/// # Errors
/// As [`document`].
pub fn bytes(value: &impl Serialize) -> Result<Vec<u8>, Error> {
    let value = serde_json::to_value(value).map_err(|e| Error::reject(format!("not JSON: {e}")))?;
    let mut out = Vec::new();
    write(&mut out, &value)?;
    Ok(out)
}

fn write(out: &mut Vec<u8>, value: &Value) -> Result<(), Error> {
    match value {
        Value::Null => out.extend_from_slice(b"null"),
        Value::Bool(b) => out.extend_from_slice(if *b { b"true" } else { b"false" }),
        Value::Number(n) => match n.as_i64().filter(|n| n.unsigned_abs() <= INTEGER_MAX) {
            Some(n) => out.extend_from_slice(n.to_string().as_bytes()),
            None => {
                return Err(Error::reject(format!("{n} is not an integer of at most 2^53 − 1")));
            }
        },
        Value::String(text) => write_text(out, text),
        Value::Array(items) => write_all(out, *b"[]", items, write)?,
        Value::Object(map) => {
            // Sorted here and not by the map, whose order depends on a feature that any crate may switch on.
            let mut pairs: Vec<_> = map.iter().collect();
            pairs.sort_by(|a, b| a.0.as_bytes().cmp(b.0.as_bytes()));
            write_all(out, *b"{}", &pairs, |out, (key, item)| {
                write_text(out, key);
                out.push(b':');
                write(out, item)
            })?;
        }
    }
    Ok(())
}

fn write_all<T>(
    out: &mut Vec<u8>,
    [open, close]: [u8; 2],
    items: &[T],
    mut each: impl FnMut(&mut Vec<u8>, &T) -> Result<(), Error>,
) -> Result<(), Error> {
    out.push(open);
    for (at, item) in items.iter().enumerate() {
        if at > 0 {
            out.push(b',');
        }
        each(out, item)?;
    }
    out.push(close);
    Ok(())
}

/// `serde_json` escapes exactly what RFC 8785 asks for, with lower-case hex.
fn write_text(out: &mut Vec<u8>, text: &str) {
    serde_json::to_writer(out, text).expect("a vector takes all bytes");
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn keys_are_sorted_and_texts_escaped() {
        for (value, want) in [
            (json!({"b": 1, "a": [true, null], "é": {}}), r#"{"a":[true,null],"b":1,"é":{}}"#),
            (json!("a\"\\\u{1}\u{7f}\n\u{2028}"), "\"a\\\"\\\\\\u0001\u{7f}\\n\u{2028}\""),
            (json!([-9_007_199_254_740_991_i64]), "[-9007199254740991]"),
        ] {
            assert_eq!(String::from_utf8(bytes(&value).unwrap()).unwrap(), want);
        }
    }

    #[test]
    fn what_readers_disagree_about_is_refused() {
        for value in [json!(0.5), json!(9_007_199_254_740_992_i64), json!(u64::MAX)] {
            assert!(bytes(&value).is_err(), "{value}");
        }
    }
}
