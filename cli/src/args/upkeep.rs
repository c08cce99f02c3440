//! The arguments of upkeep.

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
