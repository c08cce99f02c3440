//! `quarantine`: deliveries that were authenticated and not, or not wholly, understood.

use std::collections::BTreeMap;

use backtrail_ingest::Context;
use backtrail_ledger::Snapshot;
use backtrail_ledger::vault::QuarantineRecord;
use backtrail_schemas::{Delivery, Timestamp};
use data_encoding::BASE64;
use serde_json::json;

use crate::args::{CountsFormat, Formatted, Global, Quarantine, QuarantineRetry, QuarantineShow};
use crate::config::Config;
use crate::exit::{Failure, NO_INPUT, USAGE};
use crate::output::{Out, say};
use crate::{mapping, rows};

/// `quarantine list`, `show` and `retry`
pub(crate) fn quarantine(global: &Global, what: &Quarantine) -> Result<(), Failure> {
    match what {
        Quarantine::List(formatted) => list(global, formatted),
        Quarantine::Show(args) => show(global, args),
        Quarantine::Retry(args) => retry(global, args),
    }
}

fn list(global: &Global, formatted: &Formatted) -> Result<(), Failure> {
    let dir = Config::read(global)?.ledger(global)?;
    let entries = Snapshot::open(&dir, None)?.quarantine()?;
    say(format_args!("{} in quarantine", entries.len()));
    let rows = entries.into_iter().flat_map(|q| {
        let (id, at, source) = (q.id, q.received_at, q.source);
        q.entries
            .into_iter()
            .map(move |e| [id.clone(), at.clone(), source.clone(), e.code, e.reason])
    });
    rows::print(&rows::of_texts(["id", "received_at", "source", "code", "reason"], rows), formatted)
}

/// The deliveries by id. One that was refused for further reasons later has all of them.
fn by_id(snapshot: &Snapshot) -> Result<BTreeMap<String, QuarantineRecord>, Failure> {
    let mut found: BTreeMap<String, QuarantineRecord> = BTreeMap::new();
    for record in snapshot.quarantine()? {
        match found.get_mut(&record.id) {
            Some(known) => known.entries.extend(record.entries),
            None => drop(found.insert(record.id.clone(), record)),
        }
    }
    Ok(found)
}

/// The one delivery whose id begins with `id`.
fn one<'a>(
    found: &'a BTreeMap<String, QuarantineRecord>,
    id: &str,
) -> Result<&'a QuarantineRecord, Failure> {
    let mut fitting = found.values().filter(|record| record.id.starts_with(id));
    match (fitting.next(), fitting.next()) {
        (Some(record), None) => Ok(record),
        (None, _) => Err(Failure::new(NO_INPUT, format_args!("no delivery `{id}` in quarantine"))
            .hint("`backtrail quarantine list` lists them")),
        (Some(_), Some(_)) => Err(Failure::new(
            USAGE,
            format_args!("`{id}` begins several ids of deliveries in quarantine"),
        )
        .hint("give more of the id; `backtrail quarantine list` lists them")),
    }
}

fn show(global: &Global, args: &QuarantineShow) -> Result<(), Failure> {
    let dir = Config::read(global)?.ledger(global)?;
    let found = by_id(&Snapshot::open(&dir, None)?)?;
    let record = one(&found, &args.id)?;
    let mut out = Out::new();
    if args.json {
        out.line(recorded(record))?;
        return out.finish();
    }
    out.line(format_args!("id           {}", record.id))?;
    out.line(format_args!("received_at  {}", record.received_at))?;
    out.line(format_args!("source       {}", record.source))?;
    for entry in &record.entries {
        out.line(format_args!("reason       {}: {}", entry.code, entry.reason))?;
        out.line(format_args!("entry        {}", entry.event_id))?;
    }
    for (name, text) in &record.delivery.headers {
        out.line(format_args!("header       {name}: {text}"))?;
    }
    out.line("")?;
    out.line(String::from_utf8_lossy(&record.delivery.body).trim_end())?;
    out.finish()
}

/// As `ingest` reads it.
fn recorded(record: &QuarantineRecord) -> serde_json::Value {
    let mut line = json!({
        "received_at": record.received_at,
        "headers": record.delivery.headers,
    });
    if !record.source.is_empty() {
        line["source"] = json!(record.source);
    }
    match std::str::from_utf8(&record.delivery.body) {
        Ok(text) => line["body"] = json!(text),
        Err(_) => line["body_base64"] = json!(BASE64.encode(&record.delivery.body)),
    }
    line
}

fn retry(global: &Global, args: &QuarantineRetry) -> Result<(), Failure> {
    let config = Config::read(global)?;
    let dir = config.ledger(global)?;
    let found = by_id(&Snapshot::open(&dir, None)?)?;
    let wanted = if args.ids.is_empty() {
        found.values().collect()
    } else {
        args.ids.iter().map(|id| one(&found, id)).collect::<Result<Vec<_>, _>>()?
    };
    let mut ledger = super::keys::appender(&config, &dir, args.key.key.as_ref())?;
    let context =
        Context { simulated_clock: ledger.simulated_clock(), ..mapping::context(&config, &[])? };
    let totals = backtrail_ingest::retry(&mut *ledger, &context, wanted.into_iter().map(delivery))?;
    let mut out = Out::new();
    match args.format {
        Some(CountsFormat::Json) => out.line(json!(totals))?,
        Some(CountsFormat::Text) | None => out.line(super::ingest::line_of(&totals))?,
    }
    out.finish()
}

/// The delivery as it was received.
fn delivery(record: &QuarantineRecord) -> Delivery {
    Delivery {
        received_at: Timestamp::parse_rfc3339(&record.received_at).ok(),
        source: Some(record.source.clone()).filter(|source| !source.is_empty()),
        headers: record.delivery.headers.clone(),
        body: record.delivery.body.clone(),
        reception: record.reception.clone(),
        origin: format!("quarantine {}", record.id),
    }
}
