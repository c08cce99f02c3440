//! `emit`: one fact of our own, for what no source sends, as a native delivery.

use std::fmt::Display;

use backtrail_ingest::{Context, map};
use backtrail_ledger::{Clock as _, Submission};
use backtrail_schemas::columns::{COLUMNS, Column, Role, TEXT_FIELDS, Type, column};
use backtrail_schemas::kinds::{KINDS, LEDGER};
use backtrail_schemas::{Delivery, Mapped, Timestamp};
use serde_json::{Map, Value, json};

use super::ingest::{draft_json, receipt_json};
use super::keys;
use crate::args::{Emit, Global, ReceiptFormat};
use crate::clock::SystemClock;
use crate::config::Config;
use crate::exit::{BAD_INPUT, Failure, USAGE};
use crate::mapping;
use crate::output::Out;
use crate::outside::Outside;
use crate::remote;
use crate::session::nearest;

/// Phases of kind `ingest` that only intake itself can know.
const OF_INTAKE: &[&str] = &["rejected", "gap_detected", "source_silent", "retried"];

/// Columns that have an option of their own.
const OPTIONS: &[(&str, &str)] = &[
    ("kind", "it is the first argument"),
    ("phase", "it is the second argument"),
    ("occurred_at", "give --at TIME"),
    ("event_id", "give --event-id ID"),
    ("attributes", "give --attribute KEY=VALUE"),
];

/// `emit`
pub(crate) fn emit(global: &Global, args: &Emit) -> Result<(), Failure> {
    let at = args.at.as_deref().map(|text| instant("--at", text)).transpose()?;
    let happened = at.unwrap_or_else(|| SystemClock::default().now());
    let mut event = stated(args)?;
    event.insert("occurred_at".to_owned(), json!(happened.to_string()));
    if at.is_none() {
        // Ours, and another one at each run: a retry is compared without it.
        event.entry("time_basis").or_insert_with(|| json!("receipt"));
    }
    let mut delivery = Delivery {
        source: Some("native".to_owned()),
        body: Value::from(event).to_string().into_bytes(),
        ..Delivery::default()
    };
    let config = Config::read(global)?;
    let context = Context::attested(mapping::context(&config, &[])?);
    delivery.reception = context.reception("native");
    let mapped = map(&delivery, &context);
    if let Some(reject) = mapped.rejects.first() {
        return Err(Failure::new(USAGE, format_args!("{}: {}", reject.code, reject.reason))
            .hint("docs/events.md says what each column holds"));
    }
    if args.dry_run {
        return show(&mapped);
    }
    if let (Some(url), Some(variable)) = (&args.server, &args.token_env) {
        return tell(remote::send(url, variable, &delivery.body)?, args.format);
    }
    let dir = config.ledger(global)?;
    let mut ledger = keys::appender(&config, &dir, args.key.key.as_ref())?;
    delivery.received_at = ledger.simulated_clock().then_some(happened);
    let receipts = ledger.append(vec![Submission { delivery, mapped }])?;
    let head = ledger.publish()?;
    ledger.submit(&Outside::read(&config)?, &dir)?;
    let outcome = receipts.iter().flat_map(|receipt| &receipt.outcomes).next();
    let mut receipt = receipt_json(outcome.ok_or_else(|| {
        Failure::new(BAD_INPUT, "the ledger refused the event and keeps it in quarantine")
            .hint("`backtrail quarantine list` shows why")
    })?);
    receipt["checkpoint"] = head.size.into();
    tell(receipt, args.format)
}

fn show(mapped: &Mapped) -> Result<(), Failure> {
    let mut out = Out::new();
    for draft in &mapped.drafts {
        out.line(draft_json(draft))?;
    }
    out.finish()
}

/// Prints the receipt. An event that contradicts the log is in quarantine, and that is no success.
fn tell(receipt: Value, format: Option<ReceiptFormat>) -> Result<(), Failure> {
    let text = |name: &str| receipt[name].as_str().unwrap_or_default().to_owned();
    let (what, id) = (text("outcome"), text("event_id"));
    let mut out = Out::new();
    match (format, &receipt["checkpoint"]) {
        (Some(ReceiptFormat::Json), _) => out.line(receipt)?,
        (_, Value::Null) => out.line(format_args!("{what} {id} in row {}", receipt["seq"]))?,
        (_, size) => {
            out.line(format_args!("{what} {id} in row {}; checkpoint {size}", receipt["seq"]))?;
        }
    }
    out.finish()?;
    if what == "conflict" {
        return Err(Failure::new(
            BAD_INPUT,
            format_args!("{id} is in the log already and says something else"),
        )
        .hint("give another --event-id, or correct the row: `emit correction amended --field amends_event_id=…`"));
    }
    Ok(())
}

/// The event as one object, its keys the columns.
fn stated(args: &Emit) -> Result<Map<String, Value>, Failure> {
    check_kind(&args.kind, &args.phase)?;
    let mut event = Map::new();
    event.insert("kind".to_owned(), json!(args.kind));
    event.insert("phase".to_owned(), json!(args.phase));
    for pair in &args.fields {
        let (name, text) = split(pair, "--field", "service=shop")?;
        put(&mut event, named(name)?, field(named(name)?, text)?)?;
    }
    for pair in &args.people {
        let (name, text) = split(pair, "--person", "approver=github:8841:mei")?;
        let known = named(name)?;
        if !known.holds_people() {
            return Err(wrong(format_args!("column `{name}` holds no people"), "give --field"));
        }
        put(&mut event, known, person(text)?)?;
    }
    for pair in &args.texts {
        let (name, text) = split(pair, "--text", "reason='it was slow'")?;
        if !TEXT_FIELDS.contains(&name) {
            let near = nearest(name, TEXT_FIELDS.iter().copied());
            return Err(wrong(
                format_args!("`{name}` is not a free text"),
                format_args!("did you mean {near}? There are {}", TEXT_FIELDS.join(", ")),
            ));
        }
        once(event.insert(name.to_owned(), json!(text)).as_ref(), name)?;
    }
    let mut labels = Map::new();
    for pair in &args.attributes {
        let (name, text) = split(pair, "--attribute", "ring=canary")?;
        once(labels.insert(name.to_owned(), json!(text)).as_ref(), name)?;
    }
    if !labels.is_empty() {
        event.insert("attributes".to_owned(), labels.into());
    }
    if let Some(id) = &args.event_id {
        let id = Some(id).filter(|id| !id.is_empty()).ok_or_else(|| empty("--event-id"))?;
        event.insert("event_id".to_owned(), json!(id));
    }
    let assertion = assertion(&event);
    event.entry("assertion").or_insert(assertion);
    Ok(event)
}

/// Who vouches for it, where that is not stated: automation observes, a person attests.
fn assertion(event: &Map<String, Value>) -> Value {
    let actor = event.get("actor").and_then(Value::as_str).unwrap_or_default();
    let machine = actor.starts_with("bot:") || actor.starts_with("vendor:");
    json!(if machine { "observed" } else { "attested" })
}

fn check_kind(kind: &str, phase: &str) -> Result<(), Failure> {
    let emitted = || KINDS.iter().filter(|(name, _)| *name != LEDGER);
    if kind == LEDGER {
        return Err(wrong(
            "kind `ledger` is for the ledger's own entries",
            "name what the fact is about; docs/events.md lists the kinds",
        ));
    }
    let Some((_, phases)) = emitted().find(|(name, _)| *name == kind) else {
        let near = nearest(kind, emitted().map(|(name, _)| *name));
        return Err(wrong(
            format_args!("`{kind}` is not a kind"),
            format_args!("did you mean {near}? docs/events.md lists the kinds"),
        ));
    };
    if !phases.contains(&phase) {
        let near = nearest(phase, phases.iter().copied());
        return Err(wrong(
            format_args!("`{phase}` is not a phase of `{kind}`"),
            format_args!("did you mean {near}? It has {}", phases.join(", ")),
        ));
    }
    if kind == "ingest" && OF_INTAKE.contains(&phase) {
        return Err(wrong(
            format_args!("`ingest {phase}` is for what intake itself sees"),
            "of kind ingest, state manifest or reconciled",
        ));
    }
    Ok(())
}

/// The two sides of `pair`; an empty value is mostly a variable that was never set.
fn split<'a>(pair: &'a str, option: &str, example: &str) -> Result<(&'a str, &'a str), Failure> {
    match pair.split_once('=') {
        Some((name, text)) if !name.is_empty() && !text.is_empty() => Ok((name, text)),
        Some((name, "")) if !name.is_empty() => Err(empty(&format!("{option} {name}"))),
        _ => Err(wrong(
            format_args!("`{pair}` after {option} has no name and value"),
            format_args!("write it like {option} {example}"),
        )),
    }
}

/// The column called `name`, if it is one that may be stated.
fn named(name: &str) -> Result<&'static Column, Failure> {
    if let Some((_, instead)) = OPTIONS.iter().find(|(column, _)| *column == name) {
        return Err(wrong(format_args!("column `{name}` is not given as a field"), instead));
    }
    if TEXT_FIELDS.contains(&name) {
        let hint = format!("give --text {name}=…: it lies in the vault");
        return Err(wrong(format_args!("`{name}` is a free text, not a column"), hint));
    }
    column(name).ok_or_else(|| {
        let stateable = COLUMNS.iter().filter(|c| c.role != Role::Commitment).map(|c| c.name);
        let near = nearest(name, stateable.chain(TEXT_FIELDS.iter().copied()));
        wrong(
            format_args!("`{name}` is not a column"),
            format_args!("did you mean {near}? docs/events.md lists the columns"),
        )
    })
}

/// `text` as a value of the type of `column`.
fn field(column: &Column, text: &str) -> Result<Value, Failure> {
    let name = column.name;
    if let Role::Vocabulary(words) = column.role
        && !words.contains(&text)
    {
        let near = nearest(text, words.iter().copied());
        return Err(wrong(
            format_args!("column `{name}`: `{text}` is not one of its words"),
            format_args!("did you mean {near}? There are {}", words.join(", ")),
        ));
    }
    let no = |what: &str, example: &str| {
        wrong(
            format_args!("column `{name}`: `{text}` is not {what}"),
            format_args!("write it like --field {name}={example}"),
        )
    };
    match column.ty {
        Type::Integer => {
            text.parse::<i64>().map(Value::from).map_err(|_| no("a whole number", "3"))
        }
        Type::Boolean => {
            text.parse::<bool>().map(Value::from).map_err(|_| no("true or false", "true"))
        }
        Type::Timestamp => Ok(json!(instant(&format!("column `{name}`"), text)?.to_string())),
        Type::String | Type::StringList | Type::StringMap => Ok(json!(text)),
    }
}

fn instant(place: &str, text: &str) -> Result<Timestamp, Failure> {
    Timestamp::parse_rfc3339(text)
        .map_err(|e| wrong(format_args!("{place}: {e}"), "write it like 2026-10-01T12:00:00Z"))
}

/// `directory:id[:name]`, in which `\:` is a colon.
fn person(text: &str) -> Result<Value, Failure> {
    // No argument holds a U+0000.
    let masked = text.replace("\\:", "\0");
    let parts: Vec<String> = masked.split(':').map(|part| part.replace('\0', ":")).collect();
    let whole = parts.iter().all(|part| !part.is_empty());
    match &parts[..] {
        [directory, id] if whole => Ok(json!({ "directory": directory, "id": id })),
        [directory, id, name] if whole => {
            Ok(json!({ "directory": directory, "id": id, "name": name }))
        }
        _ => Err(wrong(
            format_args!("`{text}` is not DIRECTORY:ID or DIRECTORY:ID:NAME"),
            "`backtrail people list` shows directories and ids; write a colon within one as \\:",
        )),
    }
}

/// Adds `value` to `column`; only a list has several.
fn put(event: &mut Map<String, Value>, column: &Column, value: Value) -> Result<(), Failure> {
    if column.ty != Type::StringList {
        return once(event.insert(column.name.to_owned(), value).as_ref(), column.name);
    }
    let list = event.entry(column.name).or_insert_with(|| json!([]));
    list.as_array_mut().expect("it is made as a list").push(value);
    Ok(())
}

fn once(before: Option<&Value>, name: &str) -> Result<(), Failure> {
    match before {
        None => Ok(()),
        Some(_) => Err(wrong(format_args!("`{name}` is given twice"), "it holds one value")),
    }
}

fn empty(what: &str) -> Failure {
    wrong(format_args!("{what} is empty"), "leave out what is unknown; is a variable not set?")
}

fn wrong(what: impl Display, hint: impl Display) -> Failure {
    Failure::new(USAGE, what).hint(hint)
}
