//! A place in a rule file, which knows its line and its key, so that every error can name both.

use std::fmt::Display;
use std::ops::Range;

use toml::Spanned;
use toml::de::{DeString, DeTable, DeValue};

/// Why a rule file is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{file}:{line}: {key}: {what}")]
pub struct RuleError {
    /// The file, as it was named.
    pub file: String,
    /// The line, from 1.
    pub line: usize,
    /// The key, with the tables that it lies in.
    pub key: String,
    /// What is wrong with it.
    pub what: String,
    /// What to write instead.
    pub hint: String,
}

/// The text of a rule file, and the name by which errors call it.
#[derive(Clone, Copy, Debug)]
pub(super) struct File<'t> {
    pub(super) name: &'t str,
    pub(super) text: &'t str,
}

impl File<'_> {
    fn line(self, span: &Range<usize>) -> usize {
        self.text.get(..span.start).unwrap_or(self.text).matches('\n').count() + 1
    }

    /// An error about a part of the text.
    pub(super) fn error(
        self,
        span: &Range<usize>,
        key: &str,
        what: impl Display,
        hint: impl Display,
    ) -> RuleError {
        RuleError {
            file: self.name.to_owned(),
            line: self.line(span),
            key: key.to_owned(),
            what: what.to_string(),
            hint: hint.to_string(),
        }
    }
}

/// A value in the file.
#[derive(Clone, Debug)]
pub(super) struct At<'t> {
    file: File<'t>,
    /// The key with the tables that it lies in, and the key alone.
    key: String,
    name: &'t str,
    span: Range<usize>,
    value: &'t DeValue<'t>,
}

/// A table in the file, whose keys are all known.
#[derive(Debug)]
pub(super) struct Table<'t> {
    at: At<'t>,
    table: &'t DeTable<'t>,
}

impl<'t> At<'t> {
    /// The whole file.
    pub(super) fn top(file: File<'t>, value: &'t DeValue<'t>) -> Self {
        Self { file, key: String::new(), name: "", span: 0..0, value }
    }

    /// An error about this value.
    pub(super) fn error(&self, what: impl Display, hint: impl Display) -> RuleError {
        let key = if self.key.is_empty() { "the file" } else { &self.key };
        self.file.error(&self.span, key, what, hint)
    }

    /// The key without the tables that it lies in.
    pub(super) fn name(&self) -> &'t str {
        self.name
    }

    /// The line, from 1.
    pub(super) fn line(&self) -> usize {
        self.file.line(&self.span)
    }

    pub(super) fn is_text(&self) -> bool {
        self.value.is_str()
    }

    pub(super) fn is_list(&self) -> bool {
        self.value.is_array()
    }

    pub(super) fn is_table(&self) -> bool {
        self.value.is_table()
    }

    /// A text that is not empty.
    pub(super) fn text(&self) -> Result<&'t str, RuleError> {
        match self.value.as_str() {
            Some("") => Err(self.error("is empty", "leave the key out if there is nothing to say")),
            Some(text) => Ok(text),
            None => Err(self.is_no("a text", "write it in quotes")),
        }
    }

    pub(super) fn boolean(&self) -> Result<bool, RuleError> {
        self.value.as_bool().ok_or_else(|| self.is_no("true or false", "write true or false"))
    }

    /// A decimal integer, if this is one.
    pub(super) fn integer(&self) -> Option<i64> {
        let integer = self.value.as_integer()?;
        i64::from_str_radix(integer.as_str(), integer.radix()).ok()
    }

    /// The elements of a list; another value is a list of one.
    pub(super) fn one_or_more(&self) -> Result<Vec<Self>, RuleError> {
        if self.is_list() { self.list() } else { Ok(vec![self.clone()]) }
    }

    /// The elements of a list that is not empty.
    pub(super) fn list(&self) -> Result<Vec<Self>, RuleError> {
        let list = self.value.as_array().ok_or_else(|| self.is_no("a list", "write [ … ]"))?;
        if list.is_empty() {
            return Err(self.error("is an empty list", "leave the key out if there is nothing"));
        }
        let element = |value| self.child(self.key.clone(), self.name, value);
        Ok(list.iter().map(element).collect())
    }

    /// A table all of whose keys are in `known`.
    pub(super) fn table(&self, known: &[&str]) -> Result<Table<'t>, RuleError> {
        let table = self.open()?;
        for (key, value) in table.table {
            if !known.contains(&key.get_ref().as_ref()) {
                let at = Self { span: key.span(), ..self.member(key, value) };
                let keys = known.join(", ");
                return Err(at.error("is not a key here", format_args!("the keys are {keys}")));
            }
        }
        Ok(table)
    }

    /// A table of any keys, in the order of the file.
    pub(super) fn entries(&self) -> Result<Vec<Self>, RuleError> {
        let table = self.open()?.table;
        let mut entries: Vec<_> = table.iter().collect();
        entries.sort_by_key(|(key, _)| key.span().start);
        Ok(entries.into_iter().map(|(key, value)| self.member(key, value)).collect())
    }

    fn open(&self) -> Result<Table<'t>, RuleError> {
        let table = self.value.as_table().ok_or_else(|| self.is_no("a table", "write { … }"))?;
        Ok(Table { at: self.clone(), table })
    }

    fn below(&self, key: &str) -> String {
        if self.key.is_empty() { key.to_owned() } else { format!("{}.{key}", self.key) }
    }

    fn member(&self, key: &'t Spanned<DeString<'t>>, value: &'t Spanned<DeValue<'t>>) -> Self {
        self.child(self.below(key.get_ref()), key.get_ref(), value)
    }

    fn child(&self, key: String, name: &'t str, value: &'t Spanned<DeValue<'t>>) -> Self {
        Self { file: self.file, key, name, span: value.span(), value: value.get_ref() }
    }

    fn is_no(&self, wanted: &str, hint: &str) -> RuleError {
        self.error(format_args!("is {}, not {wanted}", kind(self.value)), hint)
    }
}

impl<'t> Table<'t> {
    pub(super) fn get(&self, key: &str) -> Option<At<'t>> {
        let (key, value) = self.table.get_key_value(key)?;
        Some(self.at.member(key, value))
    }

    pub(super) fn need(&self, key: &str, hint: &str) -> Result<At<'t>, RuleError> {
        self.get(key).ok_or_else(|| self.missing(key, hint))
    }

    pub(super) fn missing(&self, key: &str, hint: &str) -> RuleError {
        At { key: self.at.below(key), ..self.at.clone() }.error("is missing", hint)
    }
}

fn kind(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a text",
        DeValue::Integer(_) => "a whole number",
        DeValue::Float(_) => "a number with a fraction",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}
