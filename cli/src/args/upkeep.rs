//! The arguments of upkeep.

use std::path::PathBuf;

use clap::Args;

use super::KeyArg;

#[derive(Debug, Args)]
#[group(id = "what", required = true, multiple = true, args = ["events", "person"])]
pub(crate) struct Erase {
    /// The events, by id: their free texts and the deliveries that they came with. May be repeated. An entry about a
    /// delivery in quarantine is an event too.
    #[arg(long = "event", value_name = "ID", num_args = 1..)]
    pub(crate) events: Vec<String>,
    /// The pseudonym of a person: who it is.
    #[arg(long, value_name = "PSEUDONYM")]
    pub(crate) person: Option<String>,
    /// Also the texts and deliveries of every event that names the person.
    #[arg(long, requires = "person")]
    pub(crate) with_events: bool,
    /// Why. It stands in the log for ever, and nothing can erase it: name no person in it.
    #[arg(long, value_name = "TEXT")]
    pub(crate) reason: String,
    /// Where it was asked for; stands in the log for ever, too.
    #[arg(long, value_name = "TEXT")]
    pub(crate) ticket: Option<String>,
    #[command(flatten)]
    pub(crate) key: KeyArg,
}

#[derive(Debug, Args)]
pub(crate) struct Backup {
    /// The folder of the copy: a new one, or an older copy that is brought up to date.
    pub(crate) dir: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct Restore {
    /// The backup; without DIR, a restored ledger that is to be confirmed.
    pub(crate) backup: PathBuf,
    /// The ledger folder to make.
    #[arg(required_unless_present = "confirm")]
    pub(crate) dir: Option<PathBuf>,
    /// The newest note that the log is known to have signed, from another place than the backup: the copy may be written
    /// to if it is of the copy's own head. Without it the copy can only be read.
    #[arg(long, value_name = "NOTE")]
    pub(crate) confirm: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) key: KeyArg,
}

#[derive(Debug, Args)]
pub(crate) struct Compact {
    #[command(flatten)]
    pub(crate) key: KeyArg,
}

#[derive(Debug, Args)]
#[group(id = "when", required = true, args = ["before", "policy"])]
pub(crate) struct Retain {
    /// Prune segments whose rows were all recorded before this date or instant; refused if the log's policy keeps them.
    #[arg(long, value_name = "DATE|TIME")]
    pub(crate) before: Option<String>,
    /// Prune everything that the log's policy, decided when it was made, lets go.
    #[arg(long)]
    pub(crate) policy: bool,
    #[command(flatten)]
    pub(crate) key: KeyArg,
}

#[derive(Debug, Args)]
pub(crate) struct Doctor {
    /// A backup, to see how old it is.
    #[arg(long, value_name = "DIR")]
    pub(crate) backup: Option<PathBuf>,
    /// Print the findings as JSON.
    #[arg(long)]
    pub(crate) json: bool,
    /// First say in the log that the clock is right although it jumped: intake goes on, and the entry stays.
    #[arg(long)]
    pub(crate) confirm_clock: bool,
    #[command(flatten)]
    pub(crate) key: KeyArg,
}
