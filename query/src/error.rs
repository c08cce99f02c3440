//! What can go wrong with a question, and who acts on it.

use datafusion::common::SchemaError;
use datafusion::error::DataFusionError;

/// Who acts on an [`Error`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The person who wrote the SQL, the period, the parameter or the filter.
    UserQuery,
    /// Whoever keeps the files: a segment cannot be read, or the log is empty.
    Input,
    /// Us: a view or metric of our own does not run.
    Internal,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct Error {
    kind: Kind,
    message: String,
    hint: Option<String>,
    source: Option<Box<DataFusionError>>,
}

impl Error {
    /// An error in what the person asked.
    pub fn query(message: impl Into<String>) -> Self {
        Self::new(Kind::UserQuery, message)
    }

    /// An error in the files that were given.
    pub fn input(message: impl Into<String>) -> Self {
        Self::new(Kind::Input, message)
    }

    /// An error in this crate.
    pub fn internal(message: impl Into<String>) -> Self {
        Self::new(Kind::Internal, message)
    }

    /// Who acts.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// What to try next, without the word `hint`.
    pub fn hint(&self) -> Option<&str> {
        self.hint.as_deref()
    }

    /// The same error with advice.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// "no such `what` `name`", with the closest of `known` as the hint.
    pub(crate) fn unknown<'a>(
        what: &str,
        name: &str,
        known: impl IntoIterator<Item = &'a str>,
    ) -> Self {
        let near = nearest(name, known);
        let error = Self::query(format!("there is no {what} `{name}`"));
        if near.is_empty() {
            error
        } else {
            error.with_hint(format!("did you mean {}?", near.join(", ")))
        }
    }

    fn new(kind: Kind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), hint: None, source: None }
    }

    /// An error of the engine while it answered the person's SQL over `tables`.
    pub(crate) fn of_query(error: DataFusionError, tables: &[String]) -> Self {
        if let Some(ours) = take_ours(&error) {
            return ours;
        }
        let found = match error.find_root() {
            DataFusionError::SchemaError(schema, _) => unknown_column(schema),
            DataFusionError::Plan(text) => unknown_table(text, tables),
            _ => None,
        };
        let kind = kind_of(error.find_root(), Kind::UserQuery);
        let mut out = found.unwrap_or_else(|| Self::new(kind, plain_text(&error)));
        out.source = Some(Box::new(error));
        out
    }

    /// An error of the engine while it ran SQL of our own, called `name`.
    pub(crate) fn of_ours(error: DataFusionError, name: &str) -> Self {
        if let Some(ours) = take_ours(&error) {
            return ours;
        }
        let kind = kind_of(error.find_root(), Kind::Internal);
        let mut out = Self::new(kind, format!("`{name}`: {}", plain_text(&error)));
        out.source = Some(Box::new(error));
        out
    }

    /// Wraps it so that it crosses the engine unharmed; [`Error::of_query`] takes it out again.
    pub(crate) fn into_engine(self) -> DataFusionError {
        DataFusionError::External(Box::new(self))
    }
}

/// Our own error, if the engine only carried it.
fn take_ours(error: &DataFusionError) -> Option<Error> {
    let DataFusionError::External(inner) = error.find_root() else { return None };
    let ours = inner.downcast_ref::<Error>()?;
    Some(Error {
        kind: ours.kind,
        message: ours.message.clone(),
        hint: ours.hint.clone(),
        source: None,
    })
}

/// Files that cannot be read are the keeper's matter, a broken promise of the engine is ours, all else is `otherwise`.
fn kind_of(root: &DataFusionError, otherwise: Kind) -> Kind {
    match root {
        DataFusionError::IoError(_)
        | DataFusionError::ObjectStore(_)
        | DataFusionError::ParquetError(_) => Kind::Input,
        DataFusionError::Internal(_) | DataFusionError::ExecutionJoin(_) => Kind::Internal,
        _ => otherwise,
    }
}

fn unknown_column(error: &SchemaError) -> Option<Error> {
    let SchemaError::FieldNotFound { field, valid_fields } = error else { return None };
    let known: Vec<&str> = valid_fields.iter().map(|c| c.name.as_str()).collect();
    let mut out = Error::unknown("column", &field.name, known.iter().copied());
    if out.hint.is_none() && !known.is_empty() {
        let shown: Vec<&str> = known.into_iter().take(CANDIDATES_MAX).collect();
        out.hint = Some(format!("columns are {}", shown.join(", ")));
    }
    Some(out)
}

fn unknown_table(text: &str, tables: &[String]) -> Option<Error> {
    let full = text.strip_prefix("table '")?.split_once("' not found")?.0;
    let name = full.rsplit('.').next().unwrap_or(full);
    let mut out = Error::unknown("table", name, tables.iter().map(String::as_str));
    out.hint.get_or_insert_with(|| format!("tables are {}", tables.join(", ")));
    Some(out)
}

/// The engine's message without its own prefixes, file names and traces.
fn plain_text(error: &DataFusionError) -> String {
    let text = error.strip_backtrace();
    let first = text.lines().next().unwrap_or("unknown error");
    let mut rest = first;
    while let Some(shorter) = PREFIXES.iter().find_map(|p| rest.strip_prefix(p)) {
        rest = shorter;
    }
    rest.chars().take(MESSAGE_CHARS_MAX).collect()
}

/// The names of `known` that are close to `name`, closest first.
fn nearest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Vec<&'a str> {
    let wanted = name.to_lowercase();
    let mut scored: Vec<(usize, &str)> = known
        .into_iter()
        .map(|k| (strsim::damerau_levenshtein(&wanted, &k.to_lowercase()), k))
        .filter(|(d, k)| {
            *d <= (wanted.chars().count().max(3)) / 3 || (wanted.len() > 3 && k.contains(&wanted))
        })
        .collect();
    scored.sort_unstable();
    scored.dedup();
    scored.into_iter().take(3).map(|(_, k)| k).collect()
}

const PREFIXES: &[&str] = &[
    "Error during planning: ",
    "SQL error: ",
    "Schema error: ",
    "Execution error: ",
    "External error: ",
    "Optimizer rule ",
    "Arrow error: ",
    "This feature is not implemented: ",
    "Diagnostic: ",
];

/// How many names a hint lists, so that it fits a screen.
const CANDIDATES_MAX: usize = 12;

/// How much of an engine's message is shown.
const MESSAGE_CHARS_MAX: usize = 400;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn close_names_are_offered() {
        let known = ["cooldown", "hold", "reopen_window", "relapse_window"];
        assert_eq!(nearest("cooldwn", known), ["cooldown"]);
        assert_eq!(nearest("hodl", known), ["hold"]);
        assert_eq!(nearest("relapse", known), ["relapse_window"]);
        assert_eq!(nearest("zzzzzz", known), Vec::<&str>::new());
    }
}
