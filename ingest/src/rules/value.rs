//! What a rule puts into a column.

use std::collections::BTreeMap;

use backtrail_schemas::columns::{Column, Role, Type};
use backtrail_schemas::limits::INTEGER_MAX;
use backtrail_schemas::{Draft, Reject, Timestamp, Value as Cell};
use serde_json::Value;

use crate::node::Node;

use super::at::{At, RuleError};
use super::place::{Places, Scope};
use super::time::Form;

/// The value of a column: stated by the rule, or read from the delivery.
#[derive(Clone, Debug)]
pub(super) enum Source {
    /// The same in each event.
    Constant(Cell),
    /// The value at a place.
    Read(Places, Form),
    /// What the rule says for the word at a place; nothing for other words.
    Mapped(Places, BTreeMap<String, Cell>),
}

const HINT: &str = "write \"/place\", { value = … }, { from = \"/place\", map = { word = … } } or { from = \"/place\", as = \"unix_ms\" }";

impl Source {
    /// Reads what `column` gets.
    pub(super) fn parse(at: &At<'_>, column: &Column, scoped: bool) -> Result<Self, RuleError> {
        if at.is_text() || at.is_list() {
            return Ok(Self::Read(Places::parse(at, scoped)?, Form::default()));
        }
        if !at.is_table() {
            return constant(at, column).map(Self::Constant);
        }
        let table = at.table(&["value", "from", "map", "as", "zone"])?;
        let (form, zone) = (table.get("as"), table.get("zone"));
        if let Some(form) = form.as_ref().or(zone.as_ref()).filter(|_| column.ty != Type::Timestamp)
        {
            let what = format_args!("is a form of time, but `{}` holds none", column.name);
            return Err(form.error(what, "leave it out"));
        }
        match (table.get("value"), table.get("from"), table.get("map")) {
            (Some(value), None, None) if form.is_none() && zone.is_none() => {
                constant(&value, column).map(Self::Constant)
            }
            (None, Some(from), Some(map)) if form.is_none() && zone.is_none() => {
                let words = map.entries()?;
                let word = |at: &At<'_>| Ok((at.name().to_owned(), constant(at, column)?));
                let words: BTreeMap<_, _> = words.iter().map(word).collect::<Result<_, _>>()?;
                Ok(Self::Mapped(Places::parse(&from, scoped)?, words))
            }
            (None, Some(from), None) => {
                let form = Form::parse(form.as_ref(), zone.as_ref())?;
                Ok(Self::Read(Places::parse(&from, scoped)?, form))
            }
            _ => Err(at.error("says neither what nor where clearly", HINT)),
        }
    }

    /// Puts the value into the draft, if there is one.
    pub(super) fn put(
        &self,
        draft: &mut Draft,
        column: &'static Column,
        scope: &Scope<'_>,
    ) -> Result<(), Reject> {
        let cell = match self {
            Self::Constant(cell) => Some(cell.clone()),
            Self::Mapped(places, words) => {
                word(&places.node(scope))?.and_then(|word| words.get(&word).cloned())
            }
            Self::Read(places, form) => read(&places.node(scope), column, form)?,
        };
        draft.event.put_some(column.name, cell);
        Ok(())
    }
}

/// A constant of the column's type and vocabulary.
fn constant(at: &At<'_>, column: &Column) -> Result<Cell, RuleError> {
    match column.ty {
        Type::String => {
            let text = at.text().map_err(|e| hinted(e, column))?;
            match column.role {
                Role::Vocabulary(words) if !words.contains(&text) => Err(at.error(
                    format_args!("`{text}` is no value of `{}`", column.name),
                    format_args!("one of {}", words.join(", ")),
                )),
                Role::Decimal if !crate::words::is_decimal(text) => {
                    Err(at
                        .error(format_args!("`{text}` is no decimal number"), "such as \"-12.5\""))
                }
                _ => Ok(text.into()),
            }
        }
        Type::Integer => {
            let fits = at.integer().filter(|n| (-INTEGER_MAX..=INTEGER_MAX).contains(n));
            fits.map(Cell::from).ok_or_else(|| wrong(at, column))
        }
        Type::Boolean => at.boolean().map(Cell::from).map_err(|_| wrong(at, column)),
        Type::Timestamp => {
            let text = at.text().map_err(|e| hinted(e, column))?;
            Timestamp::parse_rfc3339(text).map(Cell::from).map_err(|_| wrong(at, column))
        }
        Type::StringList => {
            let list = at.list().map_err(|e| hinted(e, column))?;
            let texts: Result<Vec<String>, _> =
                list.iter().map(|at| at.text().map(str::to_owned)).collect();
            texts.map(Cell::from)
        }
        Type::StringMap => Err(at.error("cannot be stated by a rule", "leave it out")),
    }
}

fn wrong(at: &At<'_>, column: &Column) -> RuleError {
    at.error(format_args!("is no value of `{}`", column.name), of_type(column))
}

fn hinted(error: RuleError, column: &Column) -> RuleError {
    RuleError { hint: of_type(column), ..error }
}

fn of_type(column: &Column) -> String {
    let ty = match column.ty {
        Type::String => "a text in quotes",
        Type::Integer => "a whole number without quotes",
        Type::Boolean => "true or false without quotes",
        Type::Timestamp => "a time such as \"2026-04-01T08:00:00Z\"",
        Type::StringList => "a list of texts",
        Type::StringMap => "a map of texts",
    };
    format!("`{}` is {ty}: {}", column.name, column.meaning)
}

/// A text, whole number or truth value as a word; ids keep every digit.
pub(super) fn word(node: &Node<'_>) -> Result<Option<String>, Reject> {
    match node.value() {
        Some(Value::Bool(b)) => Ok(Some(b.to_string())),
        _ => node.id(),
    }
}

/// The value at a place, as the column wants it.
fn read(node: &Node<'_>, column: &Column, form: &Form) -> Result<Option<Cell>, Reject> {
    Ok(match column.ty {
        Type::String => match (column.role, node.value()) {
            (Role::Decimal, Some(Value::Number(n))) => Some(Cell::from(n.to_string())),
            _ => node.id()?.map(Cell::from),
        },
        Type::Integer => node.integer()?.map(Cell::from),
        Type::Boolean => node.boolean()?.map(Cell::from),
        Type::Timestamp => form.read(node)?.map(Cell::from),
        Type::StringList => {
            let texts =
                node.items()?.iter().map(Node::required_id).collect::<Result<Vec<_>, _>>()?;
            Some(Cell::from(texts))
        }
        Type::StringMap => None,
    })
}
