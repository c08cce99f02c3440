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
/// What is here is older than, or split from, what was signed (`verify`'s code).
pub(crate) const ROLLED_BACK: u8 = 13;
/// The command line is wrong (sysexits `EX_USAGE`).
pub(crate) const USAGE: u8 = 64;
/// The input data is wrong (`EX_DATAERR`).
pub(crate) const BAD_INPUT: u8 = 65;
/// An input is missing (`EX_NOINPUT`).
pub(crate) const NO_INPUT: u8 = 66;
/// A service is unavailable (`EX_UNAVAILABLE`).
pub(crate) const UNAVAILABLE: u8 = 69;
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
        Self::new(BUG, error)
            .hint("this is a bug in backtrail: please report it with the command that led to it")
    }
}

/// A file that should be read.
pub(crate) fn unreadable(path: &std::path::Path, error: &std::io::Error) -> Failure {
    let exit = if error.kind() == std::io::ErrorKind::NotFound { NO_INPUT } else { BAD_INPUT };
    Failure::new(exit, format_args!("cannot read {}: {error}", path.display()))
        .hint("check the path and its permissions")
}

/// A file that should be written.
pub(crate) fn unwritable(path: &std::path::Path, error: &std::io::Error) -> Failure {
    Failure::new(CANNOT_WRITE, format_args!("cannot write {}: {error}", path.display()))
        .hint("check the folder, its permissions and the free space")
}

impl From<backtrail_ledger::Error> for Failure {
    fn from(error: backtrail_ledger::Error) -> Self {
        use backtrail_ledger::Kind;
        let (exit, hint) = match error.kind() {
            Kind::Reject => (BAD_INPUT, "correct the input and try again"),
            Kind::Retry => (
                CANNOT_WRITE,
                "nothing acknowledged is lost; make space and run the same command again",
            ),
            Kind::Reopen => (
                CANNOT_WRITE,
                "nothing acknowledged is lost; check the disk, then run the same command again",
            ),
            Kind::Locked => (TRY_LATER, "wait for the other command to end"),
            Kind::Missing => (NO_INPUT, "check the path"),
            Kind::Clock => (
                TRY_LATER,
                "check the system's clock: what is recorded under a wrong one stays; if it is right, `backtrail doctor --confirm-clock`",
            ),
            Kind::Tampered => (BAD_INPUT, "run `backtrail verify` and keep the folder as it is"),
            Kind::RolledBack => (
                ROLLED_BACK,
                "nothing was written; keep both as they are and see \"Witnesses and anchors\" and \"Restoring\" in docs/operations.md",
            ),
        };
        Self::new(exit, error).hint(hint)
    }
}

impl From<backtrail_query::Error> for Failure {
    fn from(error: backtrail_query::Error) -> Self {
        use backtrail_query::Kind;
        match error.kind() {
            Kind::Internal => Self::bug(&error),
            Kind::UserQuery => {
                let hint = error
                    .hint()
                    .unwrap_or("`backtrail sql` with \\d lists tables, \\d TABLE its columns")
                    .to_owned();
                Self::new(BAD_INPUT, parsers_own(&error.to_string())).hint(hint)
            }
            Kind::Input => {
                let hint =
                    error.hint().unwrap_or("run `backtrail verify` on the ledger").to_owned();
                Self::new(BAD_INPUT, &error).hint(hint)
            }
        }
    }
}

/// What the SQL parser said: the engine shows it as Rust's `ParserError("…")`.
fn parsers_own(message: &str) -> String {
    let inner = |kind: &str| message.strip_prefix(kind)?.strip_suffix(')');
    let quoted = inner("ParserError(").or_else(|| inner("TokenizerError("));
    let said = quoted.and_then(|text| serde_json::from_str(text).ok());
    said.unwrap_or_else(|| message.to_owned())
}

impl From<backtrail_ingest::Error> for Failure {
    fn from(error: backtrail_ingest::Error) -> Self {
        match error {
            backtrail_ingest::Error::Ledger(error) => error.into(),
            error @ backtrail_ingest::Error::Missing { .. } => {
                Self::new(NO_INPUT, error).hint("check the path")
            }
            error => Self::new(BAD_INPUT, error).hint("check the file and its permissions"),
        }
    }
}

impl From<backtrail_reports::Error> for Failure {
    fn from(error: backtrail_reports::Error) -> Self {
        use backtrail_reports::Kind;
        match error.kind() {
            Kind::Reject => Self::new(BAD_INPUT, error)
                .hint("`backtrail report --help` says what a report takes"),
            Kind::Query => Self::bug(error),
            Kind::Io => Self::new(CANNOT_WRITE, error)
                .hint("name a folder that does not exist yet, with space for it"),
            Kind::Tampered => Self::new(BAD_INPUT, error)
                .hint("run `backtrail verify` and keep the folder as it is"),
        }
    }
}

/// The same failure, blamed on the command line.
pub(crate) fn usage(failure: impl Into<Failure>) -> Failure {
    Failure { exit: USAGE, ..failure.into() }
}
