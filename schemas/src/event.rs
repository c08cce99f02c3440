//! One event: the columns of one row that are not null.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt::Write;

use crate::columns::{COLUMNS, Column, REQUIRED, Role, SEQ, Type, column};
use crate::error::Error;
use crate::kinds;
use crate::limits::{INTEGER_MAX, MAP_KEY_BYTES_MAX};
use crate::time::Timestamp;

/// The name of the profile that this version writes, in column `schema`.
pub const PROFILE: &str = "event/1";

/// One value of a column. Absence is the absence of the column; there is no null.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// Text.
    String(String),
    /// A whole number.
    Integer(i64),
    /// True or false.
    Boolean(bool),
    /// An instant.
    Timestamp(Timestamp),
    /// A list of texts.
    StringList(Vec<String>),
    /// A map of texts.
    StringMap(BTreeMap<String, String>),
}

impl Value {
    /// The type of the value.
    pub fn ty(&self) -> Type {
        match self {
            Self::String(_) => Type::String,
            Self::Integer(_) => Type::Integer,
            Self::Boolean(_) => Type::Boolean,
            Self::Timestamp(_) => Type::Timestamp,
            Self::StringList(_) => Type::StringList,
            Self::StringMap(_) => Type::StringMap,
        }
    }

    /// The value as it stands in a leaf.
    pub fn to_json(&self) -> serde_json::Value {
        match self {
            Self::String(text) => text.as_str().into(),
            Self::Integer(n) => (*n).into(),
            Self::Boolean(b) => (*b).into(),
            Self::Timestamp(at) => at.to_string().into(),
            Self::StringList(list) => list.as_slice().into(),
            Self::StringMap(map) => map
                .iter()
                .map(|(key, text)| (key.clone(), text.as_str().into()))
                .collect::<serde_json::Map<_, _>>()
                .into(),
        }
    }

    /// Refuses what `leaf/1` refuses of any value: empty texts, lists and maps, U+0000, integers beyond 2^53 − 1, keys
    /// outside `[a-z][a-z0-9_.]{0,127}`.
    pub(crate) fn check(&self) -> Result<(), Error> {
        match self {
            Self::String(text) => check_text(text),
            Self::Integer(n) => check_integer(*n),
            Self::StringList(list) if list.is_empty() => {
                Err(Error::new("an empty list (leave it out)"))
            }
            Self::StringList(list) => list.iter().try_for_each(|text| check_text(text)),
            Self::StringMap(map) if map.is_empty() => {
                Err(Error::new("an empty map (leave it out)"))
            }
            Self::StringMap(map) => map.iter().try_for_each(|(key, text)| {
                check_key(key)?;
                check_text(text).map_err(|e| Error::new(format!("key `{key}`: {e}")))
            }),
            Self::Boolean(_) | Self::Timestamp(_) => Ok(()),
        }
    }
}

pub(crate) fn check_integer(n: i64) -> Result<(), Error> {
    if n.unsigned_abs() > INTEGER_MAX.unsigned_abs() {
        return Err(Error::new(format!("{n} is beyond ±(2^53 − 1)")));
    }
    Ok(())
}

pub(crate) fn check_text(text: &str) -> Result<(), Error> {
    if text.is_empty() {
        return Err(Error::new("an empty text (leave it out)"));
    }
    if text.contains('\0') {
        return Err(Error::new("U+0000 in a text"));
    }
    Ok(())
}

pub(crate) fn check_key(key: &str) -> Result<(), Error> {
    let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_' || b == b'.';
    let good = key.len() <= MAP_KEY_BYTES_MAX
        && key.starts_with(|c: char| c.is_ascii_lowercase())
        && key.bytes().all(allowed);
    if good {
        Ok(())
    } else {
        Err(Error::new(format!("key `{key}` is not `[a-z][a-z0-9_.]{{0,127}}`")))
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::String(text.to_owned())
    }
}
impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::String(text)
    }
}
impl From<i64> for Value {
    fn from(n: i64) -> Self {
        Self::Integer(n)
    }
}
impl From<bool> for Value {
    fn from(b: bool) -> Self {
        Self::Boolean(b)
    }
}
impl From<Timestamp> for Value {
    fn from(at: Timestamp) -> Self {
        Self::Timestamp(at)
    }
}
impl From<Vec<String>> for Value {
    fn from(list: Vec<String>) -> Self {
        Self::StringList(list)
    }
}
impl From<BTreeMap<String, String>> for Value {
    fn from(map: BTreeMap<String, String>) -> Self {
        Self::StringMap(map)
    }
}

/// The columns of one row that are not null, without `seq`, in byte order of their names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Event(BTreeMap<Cow<'static, str>, Value>);

impl Event {
    /// An event of `kind` and `phase` with nothing else but its profile.
    pub fn new(kind: &str, phase: &str) -> Self {
        let mut event = Self::default();
        event.put("schema", PROFILE);
        event.put("kind", kind);
        event.put("phase", phase);
        event
    }

    /// Sets a column. An empty text, list or map removes it: what is unknown is absent.
    ///
    /// Sets are sorted by bytes and deduplicated here.
    ///
    /// # Panics
    /// `name` is not in the column table, or the type is not the column's: both are mistakes in a mapper, not in its
    /// input.
    pub fn put(&mut self, name: &'static str, value: impl Into<Value>) -> &mut Self {
        let column = column(name).unwrap_or_else(|| panic!("`{name}` is not in the column table"));
        let value = value.into();
        assert!(
            value.ty() == column.ty && name != SEQ,
            "`{name}` is {:?}, not {:?}",
            column.ty,
            value.ty()
        );
        match normalised(column, value) {
            Some(value) => self.0.insert(Cow::Borrowed(name), value),
            None => self.0.remove(name),
        };
        self
    }

    /// Sets a column if there is a value.
    pub fn put_some(&mut self, name: &'static str, value: Option<impl Into<Value>>) -> &mut Self {
        if let Some(value) = value {
            self.put(name, value);
        }
        self
    }

    /// Adds one label to `attributes`, with its key escaped as [`escape_key`] says. An empty text adds nothing.
    ///
    /// # Errors
    /// Another label already has that key.
    pub fn put_attribute(&mut self, key: &str, text: &str) -> Result<(), Error> {
        let mut map = match self.0.remove("attributes") {
            Some(Value::StringMap(map)) => map,
            _ => BTreeMap::new(),
        };
        let escaped = escape_key(key);
        let twice = map.contains_key(&escaped);
        if !twice && !text.is_empty() {
            map.insert(escaped.clone(), text.to_owned());
        }
        self.put("attributes", map);
        if twice {
            Err(Error::field("attributes", format!("two labels for key `{escaped}`")))
        } else {
            Ok(())
        }
    }

    /// Sets a column by a name that may be unknown to this version: what a reader of segments and leaves needs.
    pub(crate) fn insert(&mut self, name: Cow<'static, str>, value: Value) -> Option<Value> {
        self.0.insert(name, value)
    }

    /// Takes a column out.
    pub fn remove(&mut self, name: &str) -> Option<Value> {
        self.0.remove(name)
    }

    /// The value of a column.
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.0.get(name)
    }

    /// The text of a column of type string.
    pub fn text(&self, name: &str) -> Option<&str> {
        match self.0.get(name) {
            Some(Value::String(text)) => Some(text),
            _ => None,
        }
    }

    /// The number of a column of type integer.
    pub fn integer(&self, name: &str) -> Option<i64> {
        match self.0.get(name) {
            Some(Value::Integer(n)) => Some(*n),
            _ => None,
        }
    }

    /// The instant of a column of type timestamp.
    pub fn timestamp(&self, name: &str) -> Option<Timestamp> {
        match self.0.get(name) {
            Some(Value::Timestamp(at)) => Some(*at),
            _ => None,
        }
    }

    /// One attribute.
    pub fn attribute(&self, key: &str) -> Option<&str> {
        match self.0.get("attributes") {
            Some(Value::StringMap(map)) => map.get(key).map(String::as_str),
            _ => None,
        }
    }

    /// All columns, in byte order of their names.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.0.iter().map(|(name, value)| (name.as_ref(), value))
    }

    /// Refuses what is not a complete event of this version: unknown columns, wrong types, words outside a
    /// vocabulary, people that are not pseudonyms, a phase that the kind does not have, missing required columns.
    ///
    /// # Errors
    /// The first violation, with its column.
    pub fn check(&self) -> Result<(), Error> {
        self.check_drafted(&[])
    }

    /// As [`Event::check`], without asking for the `pending` columns, which somebody else will set.
    ///
    /// # Errors
    /// As [`Event::check`].
    pub fn check_drafted(&self, pending: &[&str]) -> Result<(), Error> {
        for (name, value) in self.iter() {
            let column = column(name).ok_or_else(|| Error::field(name, "is not a column"))?;
            check_column(column, value).map_err(|e| e.in_field(name))?;
        }
        if let Some(missing) =
            REQUIRED.iter().find(|r| !self.0.contains_key(**r) && !pending.contains(r))
        {
            return Err(Error::field(*missing, "is required"));
        }
        let (kind, phase) = (self.text("kind").unwrap_or(""), self.text("phase").unwrap_or(""));
        match kinds::rank(kind, phase) {
            Some(_) => Ok(()),
            None if kinds::KINDS.iter().any(|(k, _)| *k == kind) => {
                Err(Error::field("phase", format!("`{phase}` is not a phase of `{kind}`")))
            }
            None => Err(Error::field("kind", format!("`{kind}` is not a kind"))),
        }
    }
}

fn check_column(column: &Column, value: &Value) -> Result<(), Error> {
    if value.ty() != column.ty || column.name == SEQ {
        return Err(Error::new(format!("is {:?}, not {:?}", column.ty, value.ty())));
    }
    value.check()?;
    match (column.role, value) {
        (Role::Vocabulary(words), Value::String(text)) if !words.contains(&text.as_str()) => {
            Err(Error::new(format!("`{text}` is not one of {}", words.join(", "))))
        }
        (Role::Person, Value::String(text)) => check_pseudonym(text),
        (Role::PersonSet, Value::StringList(list)) => {
            list.iter().try_for_each(|text| check_pseudonym(text)).and_then(|()| check_set(list))
        }
        (Role::Set, Value::StringList(list)) => check_set(list),
        (Role::Commitment, Value::String(text)) if !is_commitment(text) => {
            Err(Error::new("is not `hmac-sha256:` and 64 lower-case hex digits"))
        }
        (Role::Decimal, Value::String(text)) if !is_decimal(text) => {
            Err(Error::new(format!("`{text}` is not a decimal number such as -12.5")))
        }
        _ => Ok(()),
    }
}

fn check_set(list: &[String]) -> Result<(), Error> {
    if list.is_sorted_by(|a, b| a.as_bytes() < b.as_bytes()) {
        Ok(())
    } else {
        Err(Error::new("is not sorted by bytes without repetition"))
    }
}

/// `person:` and 26 lower-case base32 characters, or `bot:` or `vendor:` and a name.
fn check_pseudonym(text: &str) -> Result<(), Error> {
    let named = |prefix| text.strip_prefix(prefix).is_some_and(|name: &str| !name.is_empty());
    let person = text.strip_prefix("person:").is_some_and(|id| {
        id.len() == 26 && id.bytes().all(|b| b.is_ascii_lowercase() || (b'2'..=b'7').contains(&b))
    });
    if person || named("bot:") || named("vendor:") {
        Ok(())
    } else {
        Err(Error::new("is not a pseudonym (`person:`, `bot:` or `vendor:`)"))
    }
}

fn is_commitment(text: &str) -> bool {
    text.strip_prefix("hmac-sha256:").is_some_and(|hex| {
        hex.len() == 64 && hex.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
    })
}

/// `-?digits[.digits]`, so that every reader gets the same number.
fn is_decimal(text: &str) -> bool {
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    let unsigned = text.strip_prefix('-').unwrap_or(text);
    match unsigned.split_once('.') {
        Some((whole, fraction)) => digits(whole) && digits(fraction),
        None => digits(unsigned),
    }
}

fn normalised(column: &Column, value: Value) -> Option<Value> {
    match value {
        Value::String(text) if text.is_empty() => None,
        Value::StringList(mut list) => {
            list.retain(|text| !text.is_empty());
            if matches!(column.role, Role::Set | Role::PersonSet) {
                list.sort_unstable();
                list.dedup();
            }
            (!list.is_empty()).then_some(Value::StringList(list))
        }
        Value::StringMap(map) if map.is_empty() => None,
        value => Some(value),
    }
}

/// A label's key as a key of `attributes`: each byte outside `[a-z0-9_.]` becomes `_xHH` in lower-case hex, as does a
/// first byte that is not a letter.
pub fn escape_key(key: &str) -> String {
    let mut out = String::with_capacity(key.len());
    for (at, b) in key.bytes().enumerate() {
        let plain =
            b.is_ascii_lowercase() || (at > 0 && (b.is_ascii_digit() || b == b'_' || b == b'.'));
        if plain {
            out.push(char::from(b));
        } else if at == 0 {
            let _ = write!(out, "x_x{b:02x}");
        } else {
            let _ = write!(out, "_x{b:02x}");
        }
    }
    out
}

/// The names of all columns that a row on disk has, `seq` first.
pub fn column_names() -> impl Iterator<Item = &'static str> {
    COLUMNS.iter().map(|c| c.name)
}
