//! `sources`, and the rule files that others take.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::Formatted;

/// Rule files of the user's own.
#[derive(Debug, Default, Args)]
pub(crate) struct RulesArg {
    /// A file that describes one more source, beside those of `[sources.NAME] rules`; may be repeated.
    #[arg(long, value_name = "FILE")]
    pub(crate) rules: Vec<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct Sources {
    #[command(subcommand)]
    pub(crate) action: Option<SourcesAction>,
    #[command(flatten)]
    pub(crate) formatted: Formatted,
    #[command(flatten)]
    pub(crate) rules: RulesArg,
}

#[derive(Debug, Subcommand)]
pub(crate) enum SourcesAction {
    /// Prints a bundled rule file, to copy and change; `own-cd` is an example to begin with.
    #[command(
        after_help = "Examples:\n  backtrail sources show own-cd > my-cd.toml\n  backtrail sources show jenkins"
    )]
    Show {
        /// The source, or `own-cd`.
        name: String,
    },
}
