//! `erase`: what changes what lies beside the rows, or where they lie, and never what they say.

use backtrail_ledger::{Erase, Snapshot};

use crate::args::{self, Global};
use crate::config::Config;
use crate::exit::Failure;
use crate::output::{Out, say};

/// `erase`
pub(crate) fn erase(global: &Global, args: &args::Erase) -> Result<(), Failure> {
    let config = Config::read(global)?;
    let dir = config.ledger(global)?;
    let mut request = Erase {
        events: args.events.clone(),
        person: args.person.clone(),
        reason: args.reason.clone(),
        ticket: args.ticket.clone(),
    };
    let mut ledger = super::keys::open(&config, &dir, args.key.key.as_ref())?;
    if let Some(person) = &args.person {
        let named = named_by(&Snapshot::open(&dir, None)?, person)?;
        if args.with_events {
            request.events.extend(named);
        } else if !named.is_empty() {
            say(format_args!(
                "{} events name {person}; their deliveries may still say who it is",
                named.len()
            ));
            say("hint: --with-events erases them, too");
        }
    }
    let done = ledger.erase(&request)?;
    let head = ledger.checkpoint();
    let mut out = Out::new();
    let entries: Vec<String> = done.entries.iter().map(u64::to_string).collect();
    out.line(format_args!(
        "erased {} events and {} people, and the deliveries of {} more events; entry {}; size {}, root {}",
        done.events.len(),
        usize::from(args.person.is_some()),
        done.shared.len(),
        entries.join(", "),
        head.size,
        head.root
    ))?;
    out.finish()?;
    say("hint: run `backtrail backup` on each backup, so that it forgets, too");
    Ok(())
}

/// The events that name a pseudonym and of which the vault has something, by id.
fn named_by(snapshot: &Snapshot, pseudonym: &str) -> Result<Vec<String>, Failure> {
    let gone = snapshot.erased();
    let mut found = Vec::new();
    for row in snapshot.leaves() {
        let (_, leaf) = row?;
        let text = String::from_utf8_lossy(&leaf);
        if !text.contains(&format!("\"{pseudonym}\"")) {
            continue;
        }
        let event =
            backtrail_schemas::leaf::decode(&leaf).map_err(backtrail_ledger::Error::from)?;
        let id = event.text("event_id").unwrap_or_default();
        if event.text("payload_commitment").is_some() && !gone.contains(id) {
            found.push(id.to_owned());
        }
    }
    Ok(found)
}
