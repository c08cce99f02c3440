//! What can go wrong with a ledger, grouped by who has to act.

use std::fmt;
use std::io;

/// What to do about an [`Error`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The input is wrong: an argument, a key, a note, a proof. The same call will fail again.
    Reject,
    /// Nothing was acknowledged and nothing is lost; try again later, for example when the disk has space.
    Retry,
    /// We no longer know what is on disk, for example after a failed fsync. Open the ledger again.
    Reopen,
    /// Another process writes this ledger.
    Locked,
    /// A file or folder that should be there is not.
    Missing,
    /// The clock jumped; intake stops until somebody confirms the time.
    Clock,
    /// What is on disk contradicts what was signed. Stop and show a person.
    Tampered,
    /// Somebody else holds a head of this log that is newer than ours or not of our history. Sign nothing more.
    RolledBack,
}

/// Something that did not work, with the file, offset or event it is about.
#[derive(Debug)]
pub struct Error {
    kind: Kind,
    message: String,
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl Error {
    pub(crate) fn new(kind: Kind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), source: None }
    }

    pub(crate) fn reject(message: impl Into<String>) -> Self {
        Self::new(Kind::Reject, message)
    }

    pub(crate) fn tampered(message: impl Into<String>) -> Self {
        Self::new(Kind::Tampered, message)
    }

    /// An operating system error while `doing`, such as ``append to `wal/0.wal` ``.
    pub fn io(doing: impl fmt::Display, e: io::Error) -> Self {
        let kind = match e.kind() {
            io::ErrorKind::NotFound => Kind::Missing,
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Kind::Retry,
            _ => Kind::Reopen,
        };
        Self { kind, message: format!("cannot {doing}: {e}"), source: Some(Box::new(e)) }
    }

    /// The same error under another heading, with what was being done in front.
    pub(crate) fn during(mut self, kind: Kind, doing: &str) -> Self {
        self.kind = kind;
        self.message = format!("{doing}: {}", self.message);
        self
    }

    /// What to do about it.
    pub fn kind(&self) -> Kind {
        self.kind
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.as_deref().map(|e| e as _)
    }
}

impl From<backtrail_schemas::Error> for Error {
    fn from(e: backtrail_schemas::Error) -> Self {
        Self { kind: Kind::Reject, message: e.to_string(), source: Some(Box::new(e)) }
    }
}
