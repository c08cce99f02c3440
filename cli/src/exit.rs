//! Exit codes and what a person is told: decided in one place.

use std::fmt;

/// Why a command ended without its answer, or that the answer is "no".
#[derive(Debug)]
pub(crate) struct Failure {
    /// What the process exits with.
    pub(crate) exit: u8,
    /// What happened and where; empty when the command has already said it.
    pub(crate) message: String,
    /// The next thing to try.
    pub(crate) hint: Option<String>,
}

/// The answer is "no": exceptions found, a proof does not hold.
pub(crate) const NO: u8 = 1;
/// The command line is wrong (sysexits `EX_USAGE`).
pub(crate) const USAGE: u8 = 64;
/// The input data is wrong (`EX_DATAERR`).
pub(crate) const BAD_INPUT: u8 = 65;
/// An input is missing (`EX_NOINPUT`).
pub(crate) const NO_INPUT: u8 = 66;
/// A bug in the tool (`EX_SOFTWARE`).
pub(crate) const BUG: u8 = 70;
/// Something cannot be written (`EX_CANTCREAT`).
pub(crate) const CANNOT_WRITE: u8 = 73;
/// Try again later (`EX_TEMPFAIL`).
pub(crate) const TRY_LATER: u8 = 75;

impl Failure {
    /// A failure with its exit code.
    pub(crate) fn new(exit: u8, message: impl fmt::Display) -> Self {
        Self { exit, message: message.to_string(), hint: None }
    }

    /// An exit code whose reason has been printed already.
    pub(crate) fn silent(exit: u8) -> Self {
        Self::new(exit, "")
    }

    /// Adds what to try next.
    #[must_use]
    pub(crate) fn hint(mut self, hint: impl fmt::Display) -> Self {
        self.hint = Some(hint.to_string());
        self
    }

    /// A bug: what must not happen happened.
    pub(crate) fn bug(error: impl fmt::Display) -> Self {
        Self::new(BUG, error).hint("this is a bug in backtrail: please report it with the command that led to it")
    }
}

/// A file that should be read.
pub(crate) fn unreadable(path: &std::path::Path, error: &std::io::Error) -> Failure {
    let exit = if error.kind() == std::io::ErrorKind::NotFound { NO_INPUT } else { BAD_INPUT };
    Failure::new(exit, format_args!("cannot read {}: {error}", path.display())).hint("check the path and its permissions")
}

/// A file that should be written.
pub(crate) fn unwritable(path: &std::path::Path, error: &std::io::Error) -> Failure {
    Failure::new(CANNOT_WRITE, format_args!("cannot write {}: {error}", path.display()))
        .hint("check the folder, its permissions and the free space")
}
