//! `quarantine`: deliveries that were authenticated and not, or not wholly, understood.

use std::collections::{BTreeMap, BTreeSet};

use backtrail_ingest::{Context, Retry};
use backtrail_ledger::vault::QuarantineRecord;
use backtrail_ledger::{Clock as _, QuarantineId, Snapshot};
use backtrail_schemas::{Delivery, Timestamp};
use data_encoding::BASE64;
use serde_json::json;

use crate::args::{
    At, CountsFormat, Formatted, Global, Quarantine, QuarantineRetry, QuarantineShow,
};
use crate::clock::SystemClock;
use crate::config::Config;
use crate::exit::{Failure, NO_INPUT, USAGE};
use crate::output::{Out, say};
use crate::{mapping, rows, session};

/// `quarantine list`, `show` and `retry`
pub(crate) fn quarantine(global: &Global, what: &Quarantine) -> Result<(), Failure> {
    match what {
        Quarantine::List(formatted) => list(global, formatted),
        Quarantine::Show(args) => show(global, args),
        Quarantine::Retry(args) => retry(global, args),
    }
}

fn list(global: &Global, formatted: &Formatted) -> Result<(), Failure> {
    let config = Config::read(global)?;
    let snapshot = Snapshot::open(&config.ledger(global)?, None)?;
    let entries = snapshot.quarantine()?;
    let states = States::of(&snapshot, &config)?;
    say(format_args!("{} in quarantine, {} open", entries.len(), open(&entries, &states)));
    let rows = entries.into_iter().flat_map(|q| {
        let state = states.of_delivery(&q.id);
        let (id, at, source) = (q.id, q.received_at, q.source);
        q.entries.into_iter().map(move |e| {
            let State { outcome, retried_at, rows, .. } = state.clone();
            [id.clone(), at.clone(), source.clone(), e.code, e.reason, outcome, retried_at, rows]
        })
    });
    let names = ["id", "received_at", "source", "code", "reason", "state", "retried_at", "rows"];
    rows::print(&rows::of_texts(names, rows), formatted)
}

/// How many deliveries are in quarantine that no retry settled.
pub(super) fn unsettled(snapshot: &Snapshot, config: &Config) -> Result<usize, Failure> {
    let entries = snapshot.quarantine()?;
    if entries.is_empty() {
        return Ok(0);
    }
    Ok(open(&entries, &States::of(snapshot, config)?))
}

fn open(entries: &[QuarantineRecord], states: &States) -> usize {
    let open = entries.iter().map(|q| q.id.as_str()).filter(|id| states.is_open(id));
    open.collect::<BTreeSet<_>>().len()
}

/// What the log says of deliveries in quarantine, by id.
struct States(BTreeMap<String, State>);

/// As in the view `quarantined_deliveries`; a text is empty where it has none.
#[derive(Clone, Default)]
struct State {
    outcome: String,
    retried_at: String,
    rows: String,
    known_rows: String,
}

impl States {
    fn of(snapshot: &Snapshot, config: &Config) -> Result<Self, Failure> {
        let (runtime, session) = session::over(snapshot, config, &At::default())?;
        let sql =
            "select quarantine, state, retried_at, rows, known_rows from quarantined_deliveries";
        let found = runtime.block_on(session.sql(sql))?.texts()?.into_iter().map(|row| {
            let mut texts = row.into_iter().map(Option::unwrap_or_default);
            let mut next = || texts.next().unwrap_or_default();
            let id = next();
            let (outcome, retried_at) = (next(), next());
            (id, State { outcome, retried_at, rows: next(), known_rows: next() })
        });
        Ok(Self(found.collect()))
    }

    /// What it says of one; nothing was retried of those whose entries it no longer has.
    fn of_delivery(&self, id: &str) -> State {
        let open = || State { outcome: "open".to_owned(), ..State::default() };
        self.0.get(id).cloned().unwrap_or_else(open)
    }

    fn is_open(&self, id: &str) -> bool {
        self.of_delivery(id).outcome == "open"
    }
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
    let config = Config::read(global)?;
    let snapshot = Snapshot::open(&config.ledger(global)?, None)?;
    let found = by_id(&snapshot)?;
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
    let state = States::of(&snapshot, &config)?.of_delivery(&record.id);
    out.line(format_args!("state        {}", state.outcome))?;
    let retried = [
        ("retried_at", &state.retried_at),
        ("rows", &state.rows),
        ("known_rows", &state.known_rows),
    ];
    for (name, text) in retried.into_iter().filter(|(_, text)| !text.is_empty()) {
        out.line(format_args!("{name:<12} {text}"))?;
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
    let snapshot = Snapshot::open(&dir, None)?;
    let found = by_id(&snapshot)?;
    let wanted = if args.ids.is_empty() {
        let states = States::of(&snapshot, &config)?;
        found.values().filter(|record| states.is_open(&record.id)).collect()
    } else {
        args.ids.iter().map(|id| one(&found, id)).collect::<Result<Vec<_>, _>>()?
    };
    let mut ledger = super::keys::appender(&config, &dir, args.key.key.as_ref())?;
    let context =
        Context { simulated_clock: ledger.simulated_clock(), ..mapping::context(&config, &[])? };
    let origin = &snapshot.checkpoint().origin;
    let how = Retry { context: &context, origin, at: SystemClock::default().now() };
    let wanted = wanted.into_iter().map(|q| (QuarantineId(q.id.clone()), delivery(q)));
    let totals = backtrail_ingest::retry(&mut *ledger, &how, wanted)?;
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
