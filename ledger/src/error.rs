//! What can go wrong with a ledger, grouped by who has to act.

use std::fmt;
use std::io;
use std::sync::Arc;

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
#[derive(Clone, Debug)]
pub struct Error {
    kind: Kind,
    message: String,
    source: Option<Arc<dyn std::error::Error + Send + Sync>>,
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
        Self { kind, message: format!("cannot {doing}: {e}"), source: Some(Arc::new(e)) }
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

    /// Whether there is no space for what should be written: a matter of the disk, which ends when somebody makes space.
    pub fn is_full(&self) -> bool {
        let cause = self.source.as_ref().and_then(|e| e.downcast_ref::<io::Error>());
        let full = [io::ErrorKind::StorageFull, io::ErrorKind::QuotaExceeded];
        cause.is_some_and(|e| full.contains(&e.kind()))
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
        Self { kind: Kind::Reject, message: e.to_string(), source: Some(Arc::new(e)) }
    }
}
