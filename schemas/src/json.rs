//! Strict JSON: duplicate keys are an error.
//!
//! `serde_json` silently keeps the last of two equal keys, so two readers of the same bytes can see two events.

use std::cell::RefCell;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

use crate::error::Error;

/// Reads one JSON text, refusing duplicate keys at any depth.
///
/// # Errors
/// The text is not JSON, is nested deeper than [`crate::limits::JSON_DEPTH_MAX`], has a lone surrogate or a key twice. The
/// error names the field it lies in, such as `data.labels`.
pub fn parse(bytes: &[u8]) -> Result<Value, Error> {
    let path = RefCell::new(Vec::new());
    let mut json = serde_json::Deserializer::from_slice(bytes);
    Strict(&path).deserialize(&mut json).and_then(|value| json.end().map(|()| value)).map_err(|e| {
        let message = format!("not acceptable JSON: {e}");
        match path.borrow().as_slice() {
            [] => Error::new(message),
            keys => Error::field(keys.join("."), message),
        }
    })
}

/// Reads one value below the keys of the path. After an error, the path says where it was.
#[derive(Clone, Copy)]
struct Strict<'p>(&'p RefCell<Vec<String>>);

impl<'de> DeserializeSeed<'de> for Strict<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_bool<E>(self, b: bool) -> Result<Value, E> {
        Ok(Value::Bool(b))
    }

    fn visit_i64<E>(self, n: i64) -> Result<Value, E> {
        Ok(n.into())
    }

    fn visit_u64<E>(self, n: u64) -> Result<Value, E> {
        Ok(n.into())
    }

    fn visit_f64<E: serde::de::Error>(self, n: f64) -> Result<Value, E> {
        Number::from_f64(n)
            .map(Value::Number)
            .ok_or_else(|| E::custom("a number that is not finite"))
    }

    fn visit_str<E>(self, text: &str) -> Result<Value, E> {
        Ok(Value::String(text.to_owned()))
    }

    fn visit_string<E>(self, text: String) -> Result<Value, E> {
        Ok(Value::String(text))
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = seq.next_element_seed(self)? {
            list.push(item);
        }
        Ok(Value::Array(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let mut map = Map::new();
        while let Some(key) = access.next_key::<String>()? {
            self.0.borrow_mut().push(key.clone());
            let value = access.next_value_seed(self)?;
            if map.contains_key(&key) {
                return Err(serde::de::Error::custom(format!("key `{key}` twice")));
            }
            self.0.borrow_mut().pop();
            map.insert(key, value);
        }
        Ok(Value::Object(map))
    }
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn duplicate_keys_are_refused_at_any_depth() {
        for bad in [
            r#"{"a":1,"a":1}"#,
            r#"{"a":[{"b":1,"\u0062":2}]}"#,
            r#"["\ud800"]"#,
            "{} {}",
            "\u{feff}{}",
            "1e999",
        ] {
            assert!(parse(bad.as_bytes()).is_err(), "{bad}");
        }
        assert_eq!(
            parse(br#"{"b":[1,-2,1.5,null,true,"x"]}"#).unwrap().to_string(),
            r#"{"b":[1,-2,1.5,null,true,"x"]}"#
        );
        assert!(parse("[".repeat(100_000).as_bytes()).is_err());
    }
}
