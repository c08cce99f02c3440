//! A value inside a delivery, with the path by which a reject names it.

use backtrail_schemas::{Reject, Timestamp};
use serde_json::Value;
use std::borrow::Cow;

/// What Go writes for a time that was never set.
const GO_ZERO_TIME: &str = "0001-01-01T00:00:00Z";

/// A place in a JSON document: the value there, if there is one, and the path to it. Null counts as absent.
#[derive(Clone, Debug)]
pub(crate) struct Node<'a> {
    value: Option<&'a Value>,
    path: String,
}

impl<'a> Node<'a> {
    /// The top of a document.
    pub(crate) fn root(value: &'a Value) -> Self {
        Self { value: Some(value), path: "$".to_owned() }
    }

    /// A value whose rejects are to name it as `path`.
    pub(crate) fn named(value: &'a Value, path: &str) -> Self {
        Self { value: Some(value), path: path.to_owned() }
    }

    /// The value at the end of a JSON pointer (RFC 6901, its tokens unescaped), through objects and lists.
    pub(crate) fn pointer(&self, tokens: &[String]) -> Self {
        tokens.iter().fold(self.clone(), |node, token| match node.value {
            Some(list @ Value::Array(_)) => {
                Self { value: member(list, token), path: format!("{}[{token}]", node.path) }
            }
            _ => node.get(token),
        })
    }

    /// The member called `key`; absent when this is no object or has none.
    pub(crate) fn get(&self, key: &str) -> Self {
        let value = self.value.and_then(|v| v.get(key)).filter(|v| !v.is_null());
        let plain = key.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-');
        let path = if plain {
            format!("{}.{key}", self.path)
        } else {
            format!("{}[{}]", self.path, Value::from(key))
        };
        Self { value, path }
    }

    /// The member at the end of a path of keys.
    pub(crate) fn at(&self, keys: &[&str]) -> Self {
        keys.iter().fold(self.clone(), |node, key| node.get(key))
    }

    /// Whether there is a value.
    pub(crate) fn exists(&self) -> bool {
        self.value.is_some()
    }

    /// The value as it is.
    pub(crate) fn value(&self) -> Option<&'a Value> {
        self.value
    }

    /// The elements of a list; none when absent.
    pub(crate) fn items(&self) -> Result<Vec<Self>, Reject> {
        let list = match self.value {
            None => return Ok(Vec::new()),
            Some(Value::Array(list)) => list,
            Some(_) => return Err(self.is_no("a list")),
        };
        let path = &self.path;
        let node = |(at, value)| Self { value: Some(value), path: format!("{path}[{at}]") };
        Ok(list.iter().enumerate().map(node).collect())
    }

    /// The text; an empty one is absent.
    pub(crate) fn text(&self) -> Result<Option<&'a str>, Reject> {
        match self.value {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.as_str()).filter(|t| !t.is_empty())),
            Some(_) => Err(self.is_no("a text")),
        }
    }

    /// An id: a text, or a whole number as its digits. A number with a fraction has lost digits already.
    pub(crate) fn id(&self) -> Result<Option<String>, Reject> {
        match self.value {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.clone()).filter(|t| !t.is_empty())),
            Some(Value::Number(n)) if n.is_i64() || n.is_u64() => Ok(Some(n.to_string())),
            Some(_) => Err(self.is_no("a text or a whole number")),
        }
    }

    /// A whole number.
    pub(crate) fn integer(&self) -> Result<Option<i64>, Reject> {
        match self.value {
            None => Ok(None),
            Some(Value::Number(n)) if n.is_i64() => Ok(n.as_i64()),
            Some(_) => Err(self.is_no("a whole number")),
        }
    }

    /// True or false.
    pub(crate) fn boolean(&self) -> Result<Option<bool>, Reject> {
        match self.value {
            None => Ok(None),
            Some(Value::Bool(b)) => Ok(Some(*b)),
            Some(_) => Err(self.is_no("true or false")),
        }
    }

    /// An RFC 3339 time; Go's zero time means never.
    pub(crate) fn time(&self) -> Result<Option<Timestamp>, Reject> {
        match self.text()? {
            None | Some(GO_ZERO_TIME) => Ok(None),
            Some(text) => match Timestamp::parse_rfc3339(text) {
                Ok(at) => Ok(Some(at)),
                Err(e) => Err(reject("bad_time", format!("{}: {e}", self.path))),
            },
        }
    }

    /// The text, which must be there.
    pub(crate) fn required_text(&self) -> Result<&'a str, Reject> {
        self.text()?.ok_or_else(|| self.missing())
    }

    /// The id, which must be there.
    pub(crate) fn required_id(&self) -> Result<String, Reject> {
        self.id()?.ok_or_else(|| self.missing())
    }

    /// The time, which must be there.
    pub(crate) fn required_time(&self) -> Result<Timestamp, Reject> {
        self.time()?.ok_or_else(|| self.missing())
    }

    /// The object, which must be there.
    pub(crate) fn required_object(&self) -> Result<Self, Reject> {
        match self.value {
            None => Err(self.missing()),
            Some(Value::Object(_)) => Ok(self.clone()),
            Some(_) => Err(self.is_no("an object")),
        }
    }

    /// A reject that says that this is needed.
    pub(crate) fn missing(&self) -> Reject {
        reject("missing_field", format!("{} is missing", self.path))
    }

    /// A reject that says that the value here is none that we know.
    pub(crate) fn unknown(&self, code: &'static str, what: &str) -> Reject {
        let shown: String = match self.value {
            Some(Value::String(text)) => text.chars().take(80).collect(),
            Some(other) => type_name(other).to_owned(),
            None => "absent".to_owned(),
        };
        reject(code, format!("{}: `{shown}` {what}", self.path))
    }

    /// A reject about this place.
    pub(crate) fn refuse(&self, code: &'static str, what: &str) -> Reject {
        reject(code, format!("{}: {what}", self.path))
    }

    fn is_no(&self, wanted: &str) -> Reject {
        let found = self.value.map_or("nothing", type_name);
        reject("wrong_type", format!("{} is {found}, not {wanted}", self.path))
    }
}

/// What a token of a JSON pointer leads to in an object or a list; null counts as absent.
pub(crate) fn member<'a>(value: &'a Value, token: &str) -> Option<&'a Value> {
    let found = match value {
        Value::Array(list) => {
            let plain = token == "0" || !token.starts_with(['0', '+']);
            token.parse::<usize>().ok().filter(|_| plain).and_then(|at| list.get(at))
        }
        _ => value.get(token),
    };
    found.filter(|v| !v.is_null())
}

/// A reject with a class of reason and the reason.
pub(crate) fn reject(code: impl Into<Cow<'static, str>>, reason: impl Into<String>) -> Reject {
    Reject { reason: reason.into(), code: code.into() }
}

fn type_name(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Number(n) if n.is_f64() => "a number with a fraction",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_reject_names_the_path_and_not_the_value() {
        let body = json!({"a": {"b/c": [{"id": 1.5}]}, "t": "yesterday"});
        let top = Node::root(&body);
        let ids = top.get("a").get("b/c").items().unwrap();
        let said = ids[0].get("id").id().unwrap_err().reason;
        assert_eq!(
            said,
            "$.a[\"b/c\"][0].id is a number with a fraction, not a text or a whole number"
        );
        assert_eq!(
            top.at(&["a", "x", "y"]).required_text().unwrap_err().reason,
            "$.a.x.y is missing"
        );
        assert_eq!(top.get("t").time().unwrap_err().code, "bad_time");
    }

    #[test]
    fn ids_keep_every_digit() {
        let body: Value =
            serde_json::from_str(r#"{"id": 18446744073709551615, "n": -9007199254740993}"#)
                .unwrap();
        let top = Node::root(&body);
        assert_eq!(top.get("id").required_id().unwrap(), "18446744073709551615");
        assert_eq!(top.get("n").required_id().unwrap(), "-9007199254740993");
        assert!(top.get("id").integer().is_err());
    }

    #[test]
    fn nothing_has_many_faces() {
        let body = json!({"null": null, "empty": "", "zero": "0001-01-01T00:00:00Z"});
        let top = Node::root(&body);
        assert!(!top.get("null").exists() && top.get("null").text().unwrap().is_none());
        assert!(top.get("empty").id().unwrap().is_none());
        assert!(top.get("zero").time().unwrap().is_none());
    }
}
