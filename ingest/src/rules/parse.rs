//! From the text of a rule file to a [`Rule`], or the line and key that is wrong.

use std::collections::BTreeMap;

use backtrail_schemas::columns::{COLUMNS, Column, Role, TEXT_FIELDS, Type, column};
use backtrail_schemas::kinds::{KINDS, LEDGER};
use toml::de::{DeTable, DeValue};

use crate::limits::{RULE_BLOCKS_MAX, RULE_BYTES_MAX, SOURCE_NAME_BYTES_MAX};

use super::Rule;
use super::at::{At, File, RuleError, Table};
use super::event::{Event, Ignore, Part, Phase, Time, Who, WhoKind};
use super::place::{Condition, Place, Places};
use super::time::Form;
use super::value::Source;

/// The lines that say what a source gives, in the order of [`crate::table::Source`].
const MEANING: [&str; 5] = ["reads", "natural_key", "authentication", "rollback", "cannot_tell"];

/// What holds for each event that does not say otherwise.
const SHARED: [&str; 6] = ["key", "time", "time_basis", "columns", "texts", "people"];

/// Columns that intake writes, and what to use instead.
const INTAKE: &[(&str, &str)] = &[
    ("seq", "the ledger counts"),
    ("schema", "intake writes it"),
    ("source", "it is `name` at the top of the file"),
    ("source_instance", "write `instance = \"/place\"` at the top of the file"),
    ("source_event_id", "write `event_id = \"/place\"` at the top of the file"),
    ("source_event_type", "write `event_type = \"/place\"` at the top of the file"),
    ("event_id", "it follows from `key`"),
    ("kind", "write `kind = \"…\"` in the event"),
    ("phase", "write `phase = \"…\"` in the event"),
    ("occurred_at", "write `time = \"/place\"` in the event"),
    ("time_basis", "write `time_basis = \"…\"` in the event"),
    ("recorded_at", "the ledger's clock says it"),
    ("ingest_mode", "intake writes it"),
    ("authn_method", "intake writes it"),
    ("authn_verified", "intake writes it"),
    ("authn_key_id", "intake writes it"),
    ("assertion", "what a rule reads was observed"),
    ("inference_rule", "what a rule reads was observed"),
    ("attributes", "labels that are no column stay in the vault with the delivery"),
];

impl Rule {
    /// Parses a rule file; errors call it `file`.
    ///
    /// # Errors
    /// The first thing that is wrong, with its line, its key and a hint.
    pub fn parse(file: &str, text: &str) -> Result<Self, RuleError> {
        let file = File { name: file, text };
        if text.len() > RULE_BYTES_MAX {
            let what = format!("has more than {RULE_BYTES_MAX} bytes");
            return Err(file.error(&(0..0), "the file", what, "a rule file is for one source"));
        }
        let parsed = DeTable::parse(text).map_err(|e| {
            let span = e.span().unwrap_or(0..0);
            let found = text.get(span.clone()).filter(|t| t.len() <= 40 && !t.trim().is_empty());
            let key = found.map_or("the file", str::trim);
            file.error(&span, key, e.message(), "a rule file is TOML, see https://toml.io")
        })?;
        let top = DeValue::Table(parsed.into_inner());
        rule(file, &At::top(file, &top))
    }
}

fn rule(file: File<'_>, top: &At<'_>) -> Result<Rule, RuleError> {
    let own = ["name", "claims", "instance", "event_id", "event_type", "event", "ignore"];
    let known: Vec<&str> = own.into_iter().chain(MEANING).chain(SHARED).collect();
    let top = top.table(&known)?;
    let at = top.need("name", "write `name = \"my-cd\"`")?;
    let mut meaning: [String; 5] = Default::default();
    for (text, key) in meaning.iter_mut().zip(MEANING) {
        let hint = "write one line for the table of `backtrail sources`";
        line(&top.need(key, hint)?)?.clone_into(text);
    }
    let places = |key| top.get(key).map(|at| Places::parse(&at, false)).transpose();
    let events = top.need("event", "write at least one [[event]]")?.list()?;
    let ignores = top.get("ignore").map_or(Ok(Vec::new()), |at| at.list())?;
    if let Some(last) = events.iter().chain(&ignores).nth(RULE_BLOCKS_MAX) {
        let what = format!("is one block more than {RULE_BLOCKS_MAX}");
        return Err(last.error(what, "map words with { from = …, map = … } instead"));
    }
    let (headers, body) = claims(&top)?;
    let mut rule = Rule {
        name: name(&at)?,
        line: at.line(),
        file: file.name.to_owned(),
        text: file.text.to_owned(),
        meaning,
        headers,
        body,
        instance: places("instance")?,
        event_id: places("event_id")?,
        event_type: places("event_type")?,
        lists: Vec::new(),
        events: events.iter().map(|at| event(at, &top)).collect::<Result<_, _>>()?,
        ignores: ignores.iter().map(ignore).collect::<Result<_, _>>()?,
    };
    let lists = rule.events.iter().map(|e| &e.each).chain(rule.ignores.iter().map(|i| &i.each));
    for list in lists.flatten() {
        if !rule.lists.contains(list) {
            rule.lists.push(list.clone());
        }
    }
    Ok(rule)
}

/// The name of a source: what can stand in an event id and on a command line.
fn name(at: &At<'_>) -> Result<String, RuleError> {
    let name = at.text()?;
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    let good = name.len() <= SOURCE_NAME_BYTES_MAX
        && name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.bytes().all(plain)
        && name != "auto";
    if good {
        return Ok(name.to_owned());
    }
    let hint = format!("a-z, 0-9 and `-`, a letter first, at most {SOURCE_NAME_BYTES_MAX}");
    Err(at.error(format_args!("`{name}` is no name of a source"), hint))
}

/// A text that fits into a cell of a table.
fn line<'t>(at: &At<'t>) -> Result<&'t str, RuleError> {
    let text = at.text()?;
    if text.contains(['\n', '|']) {
        return Err(
            at.error("has a line break or `|`", "write one line; it becomes a table's cell")
        );
    }
    Ok(text)
}

/// What headers and body must say for a delivery to be this source's.
fn claims(top: &Table<'_>) -> Result<(Vec<Condition>, Vec<Condition>), RuleError> {
    let Some(at) = top.get("claims") else { return Ok((Vec::new(), Vec::new())) };
    let claims = at.table(&["headers", "body"])?;
    let read = |key, headers| -> Result<Vec<Condition>, RuleError> {
        let Some(at) = claims.get(key) else { return Ok(Vec::new()) };
        let conditions = Condition::parse_all(&at, false)?;
        if conditions.iter().all(|c| c.places().are_headers(headers)) {
            return Ok(conditions);
        }
        let hint = "headers are looked at before the body; write \"header:…\" under `headers`, \"/…\" under `body`";
        Err(at.error("looks at the other part of the delivery", hint))
    };
    Ok((read("headers", true)?, read("body", false)?))
}

fn ignore(at: &At<'_>) -> Result<Ignore, RuleError> {
    let table = at.table(&["each", "when", "because"])?;
    let each = each(&table)?;
    let when = table.need("when", "write `when = [{ at = \"/type\", is = \"ping\" }]`")?;
    let because = table.need("because", "say why it carries nothing for the log")?;
    Ok(Ignore {
        when: Condition::parse_all(&when, each.is_some())?,
        because: line(&because)?.to_owned(),
        each,
    })
}

fn event(at: &At<'_>, top: &Table<'_>) -> Result<Event, RuleError> {
    let known: Vec<&str> = ["each", "when", "kind", "phase"].into_iter().chain(SHARED).collect();
    let table = at.table(&known)?;
    let each = each(&table)?;
    let scoped = each.is_some();
    let shared = |key: &str| table.get(key).or_else(|| top.get(key));
    let needed = |key: &str, hint: &str| shared(key).map_or_else(|| table.need(key, hint), Ok);
    let when = table.get("when").map_or(Ok(Vec::new()), |at| Condition::parse_all(&at, scoped))?;
    let kinds: Vec<&str> = KINDS.iter().map(|(k, _)| *k).filter(|k| *k != LEDGER).collect();
    let kind = one_of(&table.need("kind", "write `kind = \"deployment\"`")?, "a kind", &kinds)?;
    let phases = KINDS.iter().find(|(k, _)| *k == kind).map_or(&[][..], |(_, phases)| phases);
    let phase = phase(&table.need("phase", "write `phase = \"started\"`")?, kind, phases, scoped)?;
    let key = needed("key", "write what makes two deliveries the same fact: `key = [\"/id\"]`")?;
    let key = key.list()?.iter().map(|at| part(at, scoped)).collect::<Result<_, _>>()?;
    let both = |name: &str| [top.get(name), table.get(name)].into_iter().flatten();
    let mut columns: Vec<(&'static Column, Source)> = Vec::new();
    for at in both("columns").map(|at| at.entries()).collect::<Result<Vec<_>, _>>()?.concat() {
        let column = plain_column(&at)?;
        put(&mut columns, column, Source::parse(&at, column, scoped)?, |c| c.name);
    }
    let mut texts: Vec<(&'static str, Places)> = Vec::new();
    for at in both("texts").map(|at| at.entries()).collect::<Result<Vec<_>, _>>()?.concat() {
        put(&mut texts, text_field(&at)?, Places::parse(&at, scoped)?, |field| *field);
    }
    let mut people: Vec<(&'static Column, Vec<Who>)> = Vec::new();
    for at in both("people").map(|at| at.entries()).collect::<Result<Vec<_>, _>>()?.concat() {
        let who = at.one_or_more()?.iter().map(|at| who(at, scoped)).collect::<Result<_, _>>()?;
        put(&mut people, people_column(&at)?, who, |c| c.name);
    }
    let time = time(&table, top, scoped)?;
    Ok(Event { each, when, kind, phase, key, time, columns, texts, people })
}

/// A part of a key: a place, or the word `time`.
fn part(at: &At<'_>, scoped: bool) -> Result<Part, RuleError> {
    if at.is_text() && at.text()? == "time" {
        return Ok(Part::Time);
    }
    Places::parse(at, scoped).map(Part::At)
}

/// Sets what the block says over what is shared.
fn put<K, V>(all: &mut Vec<(K, V)>, key: K, value: V, name: fn(&K) -> &'static str) {
    match all.iter_mut().find(|(known, _)| name(known) == name(&key)) {
        Some((_, old)) => *old = value,
        None => all.push((key, value)),
    }
}

fn each(table: &Table<'_>) -> Result<Option<Place>, RuleError> {
    let Some(at) = table.get("each") else { return Ok(None) };
    match Place::parse(&at)? {
        place @ Place::Body(_) => Ok(Some(place)),
        _ => Err(at.error("is no place in the body", "write `each = \"/list\"`")),
    }
}

/// The one of `words` that is written there.
fn one_of(at: &At<'_>, what: &str, words: &[&'static str]) -> Result<&'static str, RuleError> {
    let text = at.text()?;
    let found = words.iter().find(|word| **word == text).copied();
    found.ok_or_else(|| {
        at.error(
            format_args!("`{text}` is not {what}"),
            format_args!("one of {}", words.join(", ")),
        )
    })
}

fn phase(
    at: &At<'_>,
    kind: &str,
    phases: &[&'static str],
    scoped: bool,
) -> Result<Phase, RuleError> {
    let what = format!("a phase of {kind}");
    if !at.is_table() {
        return one_of(at, &what, phases).map(Phase::Always);
    }
    let table = at.table(&["from", "map"])?;
    let hint = "write { from = \"/state\", map = { done = \"succeeded\" } }";
    let from = Places::parse(&table.need("from", hint)?, scoped)?;
    let words = table.need("map", hint)?.entries()?;
    let word = |at: &At<'_>| Ok((at.name().to_owned(), one_of(at, &what, phases)?));
    Ok(Phase::Mapped(from, words.iter().map(word).collect::<Result<BTreeMap<_, _>, _>>()?))
}

/// What the event says of its time; what is shared counts as far as the event does not say the contrary.
fn time(event: &Table<'_>, top: &Table<'_>, scoped: bool) -> Result<Time, RuleError> {
    const HINT: &str =
        "write `time = \"/place\"`, or `time_basis = \"receipt\"` if the delivery says none";
    let (own, shared) = (basis(event)?, basis(top)?);
    let time = match own {
        Some((_, "receipt")) => event.get("time"),
        _ => event.get("time").or_else(|| top.get("time")),
    };
    let shared = shared.filter(|(_, basis)| *basis != "receipt" || event.get("time").is_none());
    let (time, basis) = match (time, own.or(shared)) {
        (None, Some((_, "receipt"))) => return Ok(Time::Receipt),
        (Some(_), Some((at, "receipt"))) => {
            return Err(at.error("contradicts `time`", "keep one of the two"));
        }
        (None, _) => return Err(event.missing("time", HINT)),
        (Some(time), basis) => (time, basis.map_or("source_event", |(_, basis)| basis)),
    };
    if !time.is_table() {
        let from = Places::parse(&time, scoped)?;
        return Ok(Time::Read { from, plus: None, form: Form::default(), basis });
    }
    let table = time.table(&["from", "as", "zone", "plus"])?;
    let from = Places::parse(&table.need("from", HINT)?, scoped)?;
    let form = Form::parse(table.get("as").as_ref(), table.get("zone").as_ref())?;
    let plus = table.get("plus");
    if let Some(plus) = plus.as_ref().filter(|_| !matches!(form, Form::Unix(_))) {
        return Err(plus.error("is a duration without a unit", "add `as = \"unix_ms\"` or alike"));
    }
    let plus = plus.map(|at| Places::parse(&at, scoped)).transpose()?;
    Ok(Time::Read { from, plus, form, basis })
}

fn basis<'t>(table: &Table<'t>) -> Result<Option<(At<'t>, &'static str)>, RuleError> {
    const BASES: [&str; 3] = ["source_event", "source_state", "receipt"];
    let Some(at) = table.get("time_basis") else { return Ok(None) };
    let basis = one_of(&at, "a basis of time", &BASES)?;
    Ok(Some((at, basis)))
}

/// A column that a rule may fill with a plain value.
fn plain_column(at: &At<'_>) -> Result<&'static Column, RuleError> {
    let name = at.name();
    if TEXT_FIELDS.contains(&name) {
        return Err(
            at.error("is a free text, which only the vault keeps", "move it to [event.texts]")
        );
    }
    let column = known_column(at)?;
    if column.holds_people() {
        return Err(at.error(
            "holds people, whose accounts only the vault keeps",
            format_args!("move it to [event.people]: {name} = {{ person = \"/place\" }}"),
        ));
    }
    if let Some((_, instead)) = INTAKE.iter().find(|(known, _)| *known == name) {
        return Err(at.error("is not for a rule to say", instead));
    }
    if column.role == Role::Commitment || column.ty == Type::StringMap {
        return Err(at.error("is not for a rule to say", "the ledger makes it"));
    }
    Ok(column)
}

fn known_column(at: &At<'_>) -> Result<&'static Column, RuleError> {
    column(at.name()).ok_or_else(|| {
        let distance = |c: &&Column| strsim::damerau_levenshtein(at.name(), c.name);
        let near = COLUMNS.iter().min_by_key(distance).map_or("", |c| c.name);
        at.error("is no column", format_args!("did you mean {near}? docs/events.md lists them"))
    })
}

fn text_field(at: &At<'_>) -> Result<&'static str, RuleError> {
    let found = TEXT_FIELDS.iter().find(|field| **field == at.name()).copied();
    found.ok_or_else(|| {
        at.error("is no free text", format_args!("the texts are {}", TEXT_FIELDS.join(", ")))
    })
}

fn people_column(at: &At<'_>) -> Result<&'static Column, RuleError> {
    let column = known_column(at)?;
    if column.holds_people() {
        return Ok(column);
    }
    Err(at.error("holds no people", "move it to [event.columns]"))
}

fn who(at: &At<'_>, scoped: bool) -> Result<Who, RuleError> {
    const HINT: &str = "write { person = \"/user/id\", name = \"/user/name\" }, { bot = \"/agent\" } or { vendor = \"/by\" }";
    if !at.is_table() {
        return Err(at.error("does not say who it is", HINT));
    }
    let table = at.table(&["person", "bot", "vendor", "name", "when"])?;
    let kinds = [("person", WhoKind::Person), ("bot", WhoKind::Bot), ("vendor", WhoKind::Vendor)];
    let mut stated = kinds.into_iter().filter_map(|(key, kind)| Some((kind, table.get(key)?)));
    let (Some((kind, id)), None) = (stated.next(), stated.next()) else {
        return Err(at.error("needs exactly one of person, bot, vendor", HINT));
    };
    let name = table.get("name");
    if let Some(name) = name.as_ref().filter(|_| kind != WhoKind::Person) {
        return Err(name.error("is for a person", "automation and vendors are known by their id"));
    }
    Ok(Who {
        when: table.get("when").map_or(Ok(Vec::new()), |at| Condition::parse_all(&at, scoped))?,
        kind,
        id: Places::parse(&id, scoped)?,
        name: name.map(|at| Places::parse(&at, scoped)).transpose()?,
    })
}
