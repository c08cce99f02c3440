//! The arguments of `emit`.

use clap::{Args, ValueEnum};

use super::KeyArg;

#[derive(Debug, Args)]
pub(crate) struct Emit {
    /// What the fact is about: `verification`, `runbook`, `drill` …; docs/events.md lists kinds and phases.
    pub(crate) kind: String,
    /// What happened to it: `passed`, `completed` …
    pub(crate) phase: String,
    /// A column of docs/events.md with its value; may be repeated, for a list also with the same column.
    #[arg(long = "field", value_name = "COLUMN=VALUE")]
    pub(crate) fields: Vec<String>,
    /// A free text (title, reason, comment, message, url, backout_plan): it lies in the vault and can be erased.
    #[arg(long = "text", value_name = "FIELD=TEXT")]
    pub(crate) texts: Vec<String>,
    /// A person, by the account that another source knows too, such as approver=github:8841:mei; a colon within a part is
    /// written `\:`.
    #[arg(long = "person", value_name = "COLUMN=DIRECTORY:ID[:NAME]")]
    pub(crate) people: Vec<String>,
    /// A label of your own; may be repeated.
    #[arg(long = "attribute", value_name = "KEY=VALUE")]
    pub(crate) attributes: Vec<String>,
    /// When it happened, in RFC 3339; by default now.
    #[arg(long, value_name = "TIME")]
    pub(crate) at: Option<String>,
    /// The event's own id: the same command with the same id again, as a retried job runs it, adds no second row.
    #[arg(long, value_name = "ID")]
    pub(crate) event_id: Option<String>,
    /// Show the event and write nothing.
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// `json` for the receipt as one object.
    #[arg(long, value_name = "FORMAT")]
    pub(crate) format: Option<ReceiptFormat>,
    #[command(flatten)]
    pub(crate) key: KeyArg,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ReceiptFormat {
    /// The receipt as a line.
    Text,
    /// The receipt as one JSON object.
    Json,
}
