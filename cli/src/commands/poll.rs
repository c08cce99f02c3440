//! `poll`: what a source's API tells, and what that says of its pushes.

use backtrail_schemas::Timestamp;

use super::ingest::{draft_json, line_of};
use super::keys::appender;
use crate::args::{CountsFormat, Global, Poll};
use crate::config::Config;
use crate::exit::{Failure, NO, USAGE};
use crate::output::{Out, say};
use crate::poll;

/// `poll`
pub(crate) fn poll(global: &Global, args: &Poll) -> Result<(), Failure> {
    let config = Config::read(global)?;
    let dir = config.ledger(global)?;
    let asked = poll::Poll {
        config: &config,
        dir: &dir,
        source: &args.source,
        since: args.since.as_deref().map(instant).transpose()?,
        until: args.until.as_deref().map(instant).transpose()?,
    };
    if args.dry_run {
        return preview(&asked);
    }
    let open = || appender(&config, &dir, args.key.key.as_ref());
    let Some(done) = poll::poll(&asked, open)? else {
        say("nothing can have changed yet that a push would not still bring");
        return Ok(());
    };
    let mut out = Out::new();
    match args.format {
        Some(CountsFormat::Json) => out.line(done.json())?,
        Some(CountsFormat::Text) | None => {
            out.line(line_of(&done.read.totals))?;
            for line in done.lines() {
                out.line(line)?;
            }
        }
    }
    out.finish()?;
    if done.read.totals.quarantined > 0 {
        say(format_args!("warning: {} elements are in quarantine", done.read.totals.quarantined));
        say("hint: `backtrail quarantine list` shows why");
    }
    let missed = done.told.missed.unwrap_or(0) > 0;
    if args.fail_on.is_some() && missed { Err(Failure::silent(NO)) } else { Ok(()) }
}

/// Shows the events that would be appended.
fn preview(asked: &poll::Poll<'_>) -> Result<(), Failure> {
    let mut out = Out::new();
    let totals = poll::preview(asked, &mut |mapped| {
        for draft in &mapped.drafts {
            out.line(draft_json(draft))?;
        }
        for reject in &mapped.rejects {
            say(format_args!("quarantined: {}: {}", reject.code, reject.reason));
        }
        Ok(())
    })?;
    out.finish()?;
    match totals {
        Some(totals) => say(line_of(&totals)),
        None => say("nothing can have changed yet"),
    }
    Ok(())
}

/// A date, at its midnight (UTC), or an instant.
fn instant(text: &str) -> Result<Timestamp, Failure> {
    let whole = format!("{text}T00:00:00Z");
    Timestamp::parse_rfc3339(text).or_else(|_| Timestamp::parse_rfc3339(&whole)).map_err(|e| {
        Failure::new(USAGE, format_args!("`{text}`: {e}"))
            .hint("write 2026-01-31 or 2026-01-31T10:00:00Z")
    })
}
