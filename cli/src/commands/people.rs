//! `people`: whose account is whose, as the vault knows it.

use backtrail_ledger::Snapshot;
use backtrail_ledger::vault::IdentityRecord;

use super::keys;
use crate::args::{Formatted, Global, Link, People};
use crate::config::Config;
use crate::exit::{Failure, NO_INPUT, USAGE};
use crate::output::Out;
use crate::outside::Outside;
use crate::rows;

/// `people list` and `people link`
pub(crate) fn people(global: &Global, what: &People) -> Result<(), Failure> {
    match what {
        People::List(formatted) => list(global, formatted),
        People::Link(args) => link(global, args),
    }
}

fn list(global: &Global, formatted: &Formatted) -> Result<(), Failure> {
    let dir = Config::read(global)?.ledger(global)?;
    let accounts = Snapshot::open(&dir, None)?.accounts()?.into_iter();
    let accounts = accounts.map(|a| [a.pseudonym, a.directory, a.id, a.name.unwrap_or_default()]);
    rows::print(&rows::of_texts(["pseudonym", "directory", "id", "name"], accounts), formatted)
}

fn link(global: &Global, args: &Link) -> Result<(), Failure> {
    let config = Config::read(global)?;
    let dir = config.ledger(global)?;
    let accounts = Snapshot::open(&dir, None)?.accounts()?;
    let (one, same) = (find(&accounts, &args.account)?, find(&accounts, &args.same_as)?);
    let mut ledger = keys::appender(&config, &dir, args.key.key.as_ref())?;
    ledger.link(one, same)?;
    let head = ledger.publish()?;
    ledger.submit(&Outside::read(&config)?, &dir)?;
    let mut out = Out::new();
    out.line(format_args!("{one} and {same} are one person; size {}", head.size))?;
    out.finish()
}

/// The pseudonym of the one account that `given` names: by pseudonym, id or name.
pub(crate) fn find<'a>(accounts: &'a [IdentityRecord], given: &str) -> Result<&'a str, Failure> {
    let named = |a: &&IdentityRecord| {
        a.pseudonym == given || a.id == given || a.name.as_deref() == Some(given)
    };
    let mut fitting = accounts.iter().filter(named);
    match (fitting.next(), fitting.next()) {
        (Some(account), None) => Ok(&account.pseudonym),
        (None, _) => Err(Failure::new(NO_INPUT, format_args!("no account `{given}`"))
            .hint("`backtrail people list` lists pseudonyms, ids and names")),
        (Some(_), Some(_)) => {
            Err(Failure::new(USAGE, format_args!("several accounts are called `{given}`"))
                .hint("give the pseudonym, which `backtrail people list` shows"))
        }
    }
}
