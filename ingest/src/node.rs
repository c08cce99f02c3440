//! A value inside a delivery, with the path by which a reject names it.

use backtrail_schemas::{Reject, Timestamp};
use serde_json::Value;
use std::borrow::Cow;

use crate::limits::{LIST_ELEMENTS_MAX, PARTS_MAX, TEXT_BYTES_MAX};

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

    /// The first of several members that is there, else the first: a field that has had several names.
    pub(crate) fn either(&self, keys: [&str; 2]) -> Self {
        let [first, second] = keys.map(|key| self.get(key));
        if second.exists() && !first.exists() { second } else { first }
    }

    /// Whether there is a value.
    pub(crate) fn exists(&self) -> bool {
        self.value.is_some()
    }

    /// The value as it is.
    pub(crate) fn value(&self) -> Option<&'a Value> {
        self.value
    }

    /// The texts of a list; none when absent.
    pub(crate) fn texts(&self) -> Result<Vec<&'a str>, Reject> {
        self.parts()?.iter().filter_map(|item| item.text().transpose()).collect()
    }

    /// The elements of a list that each become a row which repeats the others' surroundings; none when absent.
    pub(crate) fn parts(&self) -> Result<Vec<Self>, Reject> {
        self.elements(PARTS_MAX)
    }

    /// The elements of a list; none when absent.
    pub(crate) fn items(&self) -> Result<Vec<Self>, Reject> {
        self.elements(LIST_ELEMENTS_MAX)
    }

    /// The elements of a list that must be there, if only empty.
    pub(crate) fn required_items(&self) -> Result<Vec<Self>, Reject> {
        if self.exists() { self.items() } else { Err(self.missing()) }
    }

    fn elements(&self, max: usize) -> Result<Vec<Self>, Reject> {
        let list = match self.value {
            None => return Ok(Vec::new()),
            Some(Value::Array(list)) => list,
            Some(_) => return Err(self.is_no("a list")),
        };
        if list.len() > max {
            return Err(self.refuse("too_large", &format!("more than {max} elements")));
        }
        let path = &self.path;
        let node = |(at, value)| Self { value: Some(value), path: format!("{path}[{at}]") };
        Ok(list.iter().enumerate().map(node).collect())
    }

    /// The text; an empty one is absent.
    pub(crate) fn text(&self) -> Result<Option<&'a str>, Reject> {
        match self.value {
            None => Ok(None),
            Some(Value::String(text)) => self.bounded(text),
            Some(_) => Err(self.is_no("a text")),
        }
    }

    fn bounded(&self, text: &'a str) -> Result<Option<&'a str>, Reject> {
        if text.len() > TEXT_BYTES_MAX {
            let what = format!("a text of more than {TEXT_BYTES_MAX} bytes");
            return Err(self.refuse("too_large", &what));
        }
        Ok(Some(text).filter(|text| !text.is_empty()))
    }

    /// An id: a text, or a whole number as its digits. A number with a fraction has lost digits already.
    pub(crate) fn id(&self) -> Result<Option<String>, Reject> {
        match self.value {
            None => Ok(None),
            Some(Value::String(text)) => Ok(self.bounded(text)?.map(str::to_owned)),
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

    /// A time as a whole number, or its digits, since 1970-01-01: nanoseconds from 10^15 on, which milliseconds reach
    /// in the year 33658, else milliseconds. Some sources send both units in one body.
    pub(crate) fn epoch(&self) -> Result<Option<Timestamp>, Reject> {
        let Some(digits) = self.id()? else { return Ok(None) };
        let at = digits.parse::<i64>().ok().and_then(|n| {
            let micros = if n >= 1_000_000_000_000_000 { n / 1000 } else { n.checked_mul(1000)? };
            Timestamp::from_micros(micros)
        });
        at.map(Some).ok_or_else(|| {
            self.refuse("bad_time", "is neither milliseconds nor nanoseconds since 1970")
        })
    }

    /// A time of the form `2026-04-02 09:12:00`, in UTC without saying so.
    pub(crate) fn utc_time(&self) -> Result<Option<Timestamp>, Reject> {
        let Some(text) = self.text()? else { return Ok(None) };
        let at = text
            .split_once(' ')
            .and_then(|(day, time)| Timestamp::parse_rfc3339(&format!("{day}T{time}Z")).ok());
        at.map(Some).ok_or_else(|| {
            self.refuse(
                "bad_time",
                "is no time as the table keeps it, `YYYY-MM-DD hh:mm:ss` in UTC",
            )
        })
    }

    /// A time whose zone may lack the colon, `2026-04-02T09:12:00.000+0200`.
    pub(crate) fn zoned_time(&self) -> Result<Option<Timestamp>, Reject> {
        let Some(text) = self.text()? else { return Ok(None) };
        let cut = text.len().checked_sub(2).filter(|cut| text.is_char_boundary(*cut));
        let spaced = cut.map(|cut| format!("{}:{}", &text[..cut], &text[cut..]));
        let read = |text: &str| Timestamp::parse_rfc3339(text).ok();
        read(text)
            .or_else(|| spaced.as_deref().and_then(read))
            .map(Some)
            .ok_or_else(|| self.refuse("bad_time", "is no time with a zone"))
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
    fn a_number_is_milliseconds_or_nanoseconds() {
        for (at, want) in [
            (json!(1_775_121_001_104_i64), Some("2026-04-02T09:10:01.104000Z")),
            (json!("1775121001104"), Some("2026-04-02T09:10:01.104000Z")),
            (json!(1_775_121_001_104_002_246_i64), Some("2026-04-02T09:10:01.104002Z")),
            (json!(999_999_999_999_999_i64), None),
            (json!(1_000_000_000_000_000_i64), Some("1970-01-12T13:46:40.000000Z")),
            (json!(u64::MAX), None),
            (json!(-1), None),
            (json!("soon"), None),
            (json!(1.5), None),
        ] {
            let body = json!({"at": at});
            let read = Node::root(&body).get("at").epoch();
            assert_eq!(read.ok().flatten().map(|t| t.to_string()).as_deref(), want, "{at}");
        }
    }

    #[test]
    fn times_with_half_a_zone_or_none_are_instants() {
        let body = json!({
            "utc": "2026-04-02 09:12:00", "offset": "2026-04-02T11:12:00.000+0200",
            "colon": "2026-04-02T11:12:00+02:00", "day": "2026-04-02", "local": "2026-04-02T11:12:00",
            "umlaut": "2026-04-02T11:12:00+02ü",
        });
        let want = Timestamp::parse_rfc3339("2026-04-02T09:12:00Z").unwrap();
        let top = Node::root(&body);
        assert_eq!(top.get("utc").utc_time().unwrap(), Some(want));
        for zoned in ["offset", "colon"] {
            assert_eq!(top.get(zoned).zoned_time().unwrap(), Some(want), "{zoned}");
            assert_eq!(top.get(zoned).utc_time().unwrap_err().code, "bad_time", "{zoned}");
        }
        for bad in ["day", "local", "umlaut", "utc"] {
            assert_eq!(top.get(bad).zoned_time().unwrap_err().code, "bad_time", "{bad}");
        }
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
