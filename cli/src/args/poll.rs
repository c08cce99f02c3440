//! The arguments of `poll`.

use clap::{Args, ValueEnum};

use super::{CountsFormat, KeyArg};

#[derive(Debug, Args)]
pub(crate) struct Poll {
    /// The source: github, gitlab, pagerduty, servicenow, datadog, sentry; or an account of one, as the config names it.
    pub(crate) source: String,
    /// Changes since this date or instant; by default since an hour before the end of the last poll.
    #[arg(long, value_name = "DATE|TIME")]
    pub(crate) since: Option<String>,
    /// Changes before this date or instant; by default, and at most, five minutes ago.
    #[arg(long, value_name = "DATE|TIME")]
    pub(crate) until: Option<String>,
    /// Ask and show the events, keep nothing.
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// `json` for the counts as one object.
    #[arg(long, value_name = "FORMAT")]
    pub(crate) format: Option<CountsFormat>,
    /// Exit with 1 if a push missed something.
    #[arg(long, value_name = "WHAT")]
    pub(crate) fail_on: Option<PollFailOn>,
    #[command(flatten)]
    pub(crate) key: KeyArg,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum PollFailOn {
    /// At least one fact that the source should have pushed came by this poll only.
    Missed,
}
