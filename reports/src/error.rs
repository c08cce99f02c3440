//! What can go wrong while a report is made or checked.

/// What to do about an [`Error`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The pack, the overlay or the request is wrong: mend it and try again.
    Reject,
    /// A query failed: the message of the query engine is the cause.
    Query,
    /// The evidence does not hold together: stop and show a person.
    Tampered,
    /// A file could not be read or written.
    Io,
}

/// Why there is no report.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct Error {
    kind: Kind,
    message: String,
    #[source]
    cause: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl Error {
    /// The pack, the overlay or the request is wrong.
    pub fn reject(message: impl Into<String>) -> Self {
        Self { kind: Kind::Reject, message: message.into(), cause: None }
    }

    /// The evidence does not hold together.
    pub fn tampered(message: impl Into<String>) -> Self {
        Self { kind: Kind::Tampered, message: message.into(), cause: None }
    }

    /// A query failed; `what` names it.
    pub fn query(what: &str, cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        let cause = cause.into();
        Self { kind: Kind::Query, message: format!("{what}: {cause}"), cause: Some(cause) }
    }

    /// A file could not be read or written.
    pub fn io(path: &std::path::Path, cause: std::io::Error) -> Self {
        let message = format!("{}: {cause}", path.display());
        Self { kind: Kind::Io, message, cause: Some(Box::new(cause)) }
    }

    /// What to do now.
    pub fn kind(&self) -> Kind {
        self.kind
    }
}
