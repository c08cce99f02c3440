//! The arguments of `report`.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use super::{At, KeyArg};

#[derive(Debug, Subcommand)]
pub(crate) enum Report {
    /// SOC 2 evidence for a period.
    #[command(
        after_help = "Examples:\n  backtrail report soc2 --ledger ./ledger --period 2026-Q3 --out ./soc2\n  backtrail report soc2 --ledger ./ledger --period 2026-Q3 --out ./soc2 --fail-on exceptions"
    )]
    Soc2(PeriodReport),
    /// HIPAA evidence for a period.
    #[command(
        after_help = "Examples:\n  backtrail report hipaa --ledger ./ledger --period 2026-Q3 --out ./hipaa\n  backtrail report hipaa --ledger ./ledger --period 2026 --out ./hipaa --format html"
    )]
    Hipaa(PeriodReport),
    /// The monthly rollback review.
    #[command(
        after_help = "Examples:\n  backtrail report monthly --ledger ./ledger --out ./monthly\n  backtrail report monthly --ledger ./ledger --period 2026-09 --out ./september"
    )]
    Monthly(PeriodReport),
    /// One incident, with its timeline and proofs.
    #[command(
        after_help = "Examples:\n  backtrail report incident INC-7 --ledger ./ledger --out ./inc-7\n  backtrail report incident INC-7 --ledger ./ledger --out ./inc-7 --format md"
    )]
    Incident(IncidentReport),
    /// Checks a report folder, offline, with nothing but the key.
    #[command(
        after_help = "Examples:\n  backtrail report verify ./soc2 --vkey ./ledger.vkey\n  backtrail report verify ./soc2 --vkey \"$(cat ledger.vkey)\""
    )]
    Verify(ReportVerify),
}

/// What every report takes.
#[derive(Debug, Args)]
pub(crate) struct ReportCommon {
    /// The folder to make.
    #[arg(long, value_name = "DIR")]
    pub(crate) out: PathBuf,
    /// The formats to render; `report.json` is always written.
    #[arg(
        long = "format",
        value_delimiter = ',',
        default_value = "html,md",
        value_name = "FORMATS"
    )]
    pub(crate) formats: Vec<ReportFormat>,
    /// Parameters, scope and exemptions of yours, as TOML.
    #[arg(long, value_name = "FILE")]
    pub(crate) overlay: Option<PathBuf>,
    /// Exit with 1 if a control has exceptions.
    #[arg(long, value_name = "WHAT")]
    pub(crate) fail_on: Option<ReportFailOn>,
    #[command(flatten)]
    pub(crate) at: At,
    #[command(flatten)]
    pub(crate) key: KeyArg,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ReportFormat {
    /// One self-contained page.
    Html,
    /// Markdown.
    Md,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ReportFailOn {
    /// A control has exceptions.
    Exceptions,
}

#[derive(Debug, Args)]
pub(crate) struct PeriodReport {
    #[command(flatten)]
    pub(crate) common: ReportCommon,
}

#[derive(Debug, Args)]
pub(crate) struct IncidentReport {
    /// The incident.
    pub(crate) incident: String,
    #[command(flatten)]
    pub(crate) common: ReportCommon,
}

#[derive(Debug, Args)]
pub(crate) struct ReportVerify {
    /// The report folder.
    pub(crate) dir: PathBuf,
    /// The log's public key: the key text itself or a file that holds it.
    #[arg(long, value_name = "KEY|FILE")]
    pub(crate) vkey: String,
    /// Print the findings as JSON.
    #[arg(long)]
    pub(crate) json: bool,
}
