//! `compact`, `erase`, `retain`, `backup`, `restore`: what changes what lies beside the rows, or where they lie, and never what they say.

use std::path::Path;
use std::sync::Arc;

use backtrail_ledger::{Erase, Ledger, Snapshot, backup};
use backtrail_schemas::Timestamp;

use crate::args::{self, Global};
use crate::clock::SystemClock;
use crate::config::Config;
use crate::exit::{CANNOT_WRITE, Failure, USAGE, unreadable};
use crate::output::{Out, say};
use crate::outside::Outside;
use crate::signers;

/// `compact`
pub(crate) fn compact(global: &Global, args: &args::Compact) -> Result<(), Failure> {
    let config = Config::read(global)?;
    let dir = config.ledger(global)?;
    let mut ledger = super::keys::open(&config, &dir, args.key.key.as_ref())?;
    let made = ledger.compact()?;
    super::keys::submit(&Outside::read(&config)?, &dir, &mut ledger)?;
    let head = ledger.checkpoint();
    let mut out = Out::new();
    for seal in &made {
        let rows = seal.rows.end - seal.rows.start;
        out.line(format_args!("{}: {rows} rows, {} bytes", seal.file, seal.bytes))?;
    }
    out.line(format_args!(
        "rewrote {} segments; size {}, root {}",
        made.len(),
        head.size,
        head.root
    ))?;
    out.finish()
}

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
    let mut ledger = super::keys::appender(&config, &dir, args.key.key.as_ref())?;
    if let Some(person) = &args.person {
        // What was appended a moment ago may name the person, too.
        ledger.publish()?;
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
    let head = ledger.publish()?;
    ledger.submit(&Outside::read(&config)?, &dir)?;
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

/// `retain`
pub(crate) fn retain(global: &Global, args: &args::Retain) -> Result<(), Failure> {
    let before = args.before.as_deref().map(instant).transpose()?;
    let config = Config::read(global)?;
    let dir = config.ledger(global)?;
    let mut ledger = super::keys::open(&config, &dir, args.key.key.as_ref())?;
    let start = ledger.retain(before)?;
    super::keys::submit(&Outside::read(&config)?, &dir, &mut ledger)?;
    let head = ledger.checkpoint();
    let mut out = Out::new();
    match start {
        Some(start) => out.line(format_args!(
            "pruned the rows before {start}; size {}, root {}",
            head.size, head.root
        ))?,
        None => out.line("nothing to prune: no segment has only rows that are old enough")?,
    }
    out.finish()
}

/// An instant, or the beginning of a UTC day.
fn instant(text: &str) -> Result<Timestamp, Failure> {
    Timestamp::parse_rfc3339(text)
        .or_else(|_| Timestamp::parse_rfc3339(&format!("{text}T00:00:00Z")))
        .map_err(|_| {
            Failure::new(USAGE, format_args!("`{text}` is no date and no instant"))
                .hint("write it like 2020-01-01 or 2020-01-01T12:00:00Z")
        })
}

/// `backup`
pub(crate) fn backup(global: &Global, args: &args::Backup) -> Result<(), Failure> {
    let dir = Config::read(global)?.ledger(global)?;
    let done = backup::copy(&dir, &args.dir)?;
    let head = &done.checkpoint;
    let mut out = Out::new();
    out.line(format_args!(
        "copied {} files of {} bytes, removed {}; size {}, root {}",
        done.written, done.bytes, done.removed, head.size, head.root
    ))?;
    out.finish()?;
    say("hint: keep `checkpoint` of the ledger in another place, too: it confirms a restored copy");
    Ok(())
}

/// `restore`
pub(crate) fn restore(global: &Global, args: &args::Restore) -> Result<(), Failure> {
    let config = Config::read(global)?;
    if let Some(dir) = &args.dir {
        if dir.exists() {
            return Err(Failure::new(
                CANNOT_WRITE,
                format_args!("{} exists already", dir.display()),
            )
            .hint("name a folder that does not exist; a ledger is never overwritten"));
        }
        let done = backup::copy(&args.backup, dir)?;
        say(format_args!("restored {} with {} rows", dir.display(), done.checkpoint.size));
    }
    let dir = args.dir.as_ref().unwrap_or(&args.backup);
    let Some(path) = &args.confirm else {
        say(format_args!("it can be read; nothing can be appended until its head is confirmed"));
        say(format_args!("hint: `backtrail restore {} --confirm NOTE`", dir.display()));
        return Ok(());
    };
    for folder in [dir, &args.backup] {
        if lies_in(path, folder) {
            return Err(Failure::new(USAGE, "the note lies in the copy that it is to confirm")
                .hint("a copy knows nothing newer than itself: bring the newest note from a witness, a report or another host"));
        }
    }
    let note = std::fs::read_to_string(path).map_err(|e| unreadable(path, &e))?;
    let signers = signers::all(&config, dir, args.key.key.as_ref())?;
    // The note is somebody's word that nothing newer exists; whoever else knows of the log is asked, too.
    let outside = Outside::read(&config)?;
    outside.consult(dir, &signers::vkeys(&signers))?;
    let mut ledger = Ledger::confirm(dir, &note, signers, Arc::new(SystemClock::default()))?;
    super::keys::submit(&outside, dir, &mut ledger)?;
    let head = ledger.checkpoint();
    let mut out = Out::new();
    out.line(format_args!("confirmed; size {}, root {}", head.size, head.root))?;
    out.finish()?;
    say(
        "never let the ledger that it was copied from be written to again: two that sign are a split",
    );
    Ok(())
}

fn lies_in(file: &Path, folder: &Path) -> bool {
    let (file, folder) = (file.canonicalize(), folder.canonicalize());
    file.ok().zip(folder.ok()).is_some_and(|(file, folder)| file.starts_with(folder))
}
