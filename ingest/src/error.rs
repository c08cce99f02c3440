//! What can go wrong with intake as a whole. What is wrong with one delivery is a reject, not an error.

use std::io;

/// Why intake stopped.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A path that does not exist. Name another.
    #[error("{path}: no such file or folder")]
    Missing {
        /// The path as given.
        path: String,
    },
    /// A file that cannot be read to its end, or an archive that is damaged or expands beyond its limits.
    #[error("{path}: {reason}")]
    Unreadable {
        /// The file, and the entry of an archive.
        path: String,
        /// What is wrong.
        reason: String,
        /// The cause, where the system gave one.
        #[source]
        source: Option<io::Error>,
    },
    /// The ledger could not take a batch; its kind says what to do.
    #[error(transparent)]
    Ledger(backtrail_ledger::Error),
}

impl Error {
    /// A failure to read `path`.
    pub(crate) fn reading(path: &str, source: io::Error) -> Self {
        if source.kind() == io::ErrorKind::NotFound {
            return Self::Missing { path: path.to_owned() };
        }
        Self::Unreadable { path: path.to_owned(), reason: source.to_string(), source: Some(source) }
    }

    /// A file that breaks a limit.
    pub(crate) fn limit(path: &str, reason: impl Into<String>) -> Self {
        Self::Unreadable { path: path.to_owned(), reason: reason.into(), source: None }
    }
}
