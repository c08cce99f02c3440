//! What can be wrong with an event.

/// Why something is not an event, with the field it is about.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}{message}", .field.as_deref().map(|f| format!("field `{f}`: ")).unwrap_or_default())]
pub struct Error {
    field: Option<String>,
    message: String,
}

impl Error {
    /// An error about the whole input.
    pub fn new(message: impl Into<String>) -> Self {
        Self { field: None, message: message.into() }
    }

    /// An error about one column, or one key below a column (`attributes.Team`).
    pub fn field(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self { field: Some(field.into()), message: message.into() }
    }

    /// The same error, said of `field`.
    #[must_use]
    pub fn in_field(self, field: &str) -> Self {
        Self { field: Some(field.to_owned()), message: self.message }
    }

    /// The column the error is about, if it is about one.
    pub fn field_name(&self) -> Option<&str> {
        self.field.as_deref()
    }

    pub(crate) fn time(text: &str) -> Self {
        let shown: String = text.chars().take(40).collect();
        Self::new(format!("`{shown}` is not an RFC 3339 time between 1970 and 9999"))
    }
}
