//! The text form of a test case: events in one line each, then queries with the rows that they must give.
//!
//! ```text
//! case   a rollback flips once
//! period 2026-10
//! param  cooldown=4h
//!
//! deployment.live 01T10:00 id=a deployment_id=d1 version=A
//! deployment.live 01T11:00 deployment_id=d2 version=B recorded=02T00:00
//!
//! query
//! select version, class from deployments order by live_at
//! ----
//! A | forward
//! B | forward
//! ```
//!
//! Times are RFC 3339, or `DDTHH:MM[:SS]` of October 2026, UTC. An event is of service `shop` in `production` from source
//! `test`, unless it says otherwise (`service=` takes it away); lists are comma-separated; `attributes.x=y` adds a label.
//! Where it does not say so, it was recorded at the latest time that its case mentions as an occurrence.
//! A value with spaces is quoted. `error TEXT` below a query instead of `----` expects a failure that contains the text.

use std::collections::BTreeMap;

use backtrail_query::{Options, Period, Session, Source};
use backtrail_schemas::columns::{Type, column};
use backtrail_schemas::{Event, Timestamp, rows};

/// One case of a file.
#[derive(Clone, Debug, Default)]
pub(crate) struct Case {
    pub(crate) name: String,
    /// Whether the order in which rows were recorded is the point, so that it must not be changed.
    pub(crate) ordered: bool,
    options: Vec<(String, String)>,
    events: Vec<String>,
    pub(crate) queries: Vec<Query>,
}

/// A query with what it must give.
#[derive(Clone, Debug, Default)]
pub(crate) struct Query {
    pub(crate) sql: String,
    pub(crate) rows: Vec<String>,
    pub(crate) error: Option<String>,
}

/// The cases of a file.
pub(crate) fn parse(text: &str) -> Vec<Case> {
    let mut cases: Vec<Case> = Vec::new();
    let mut state = State::Events;
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        if let Some(name) = line.strip_prefix("case ") {
            cases.push(Case { name: name.trim().to_owned(), ..Case::default() });
            state = State::Events;
            continue;
        }
        let Some(case) = cases.last_mut() else { continue };
        state = case.take(line, state);
    }
    cases
}

#[derive(Clone, Copy, PartialEq)]
enum State {
    Events,
    Sql,
    Rows,
}

impl Case {
    fn take(&mut self, line: &str, state: State) -> State {
        match (state, line.trim()) {
            (_, "query") => {
                self.queries.push(Query::default());
                State::Sql
            }
            (State::Events, "ordered") => {
                self.ordered = true;
                State::Events
            }
            (State::Events, line) => {
                match line.split_once(' ') {
                    Some((key @ ("as_of" | "period" | "zone" | "param"), value)) => {
                        self.options.push((key.to_owned(), value.trim().to_owned()));
                    }
                    _ if line.is_empty() => {}
                    _ => self.events.push(line.to_owned()),
                }
                State::Events
            }
            (State::Sql, "----") => State::Rows,
            (State::Sql, line) => {
                let query = self.queries.last_mut().unwrap();
                match line.strip_prefix("error ") {
                    Some(text) => query.error = Some(text.to_owned()),
                    None => query.sql.extend([line, "\n"]),
                }
                State::Sql
            }
            (State::Rows, "") => State::Events,
            (State::Rows, row) => {
                self.queries.last_mut().unwrap().rows.push(row.to_owned());
                State::Rows
            }
        }
    }

    /// A session over the case's events, those recorded at one time in the order that `arrange` gives them.
    pub(crate) async fn open(&self, arrange: impl Fn(&mut Vec<Event>)) -> Session {
        let mut events: Vec<Event> =
            (1..).zip(&self.events).map(|(n, line)| event(n, line)).collect();
        let last = events.iter().filter_map(|e| e.timestamp("occurred_at")).max();
        for event in &mut events {
            if event.get("recorded_at").is_none() {
                event.put_some("recorded_at", last);
            }
        }
        arrange(&mut events);
        events.sort_by_key(|event| event.timestamp("recorded_at"));
        session(&events, self.options()).await
    }

    fn options(&self) -> Options {
        let mut options = Options::default();
        let all = |key: &'static str| {
            self.options.iter().filter(move |(k, _)| k == key).map(|(_, v)| v.as_str())
        };
        if let Some(zone) = all("zone").next() {
            options.zone = zone.parse().unwrap();
        }
        let period = all("period").next().unwrap_or("2026-10");
        options.period = Some(Period::parse(period, options.zone).unwrap());
        options.as_of = all("as_of").next().map(time);
        let pairs = all("param").map(|p| p.split_once('=').unwrap());
        options.parameters =
            pairs.map(|(n, v)| (n.to_owned(), v.to_owned())).collect::<BTreeMap<_, _>>();
        options
    }
}

/// A session over `events`, which become the tail of a log.
pub(crate) async fn session(events: &[Event], options: Options) -> Session {
    for event in events {
        event.check().unwrap_or_else(|e| panic!("{e}: {event:?}"));
    }
    let tail = vec![rows::to_batch(0, events).unwrap()];
    let source =
        Source { origin: "test".to_owned(), size: events.len() as u64, tail, ..Source::default() };
    Session::open(source, options).await.unwrap()
}

/// `kind.phase time key=value …`
fn event(number: usize, line: &str) -> Event {
    let words = words(line);
    let (kind, phase) = words[0].split_once('.').unwrap_or_else(|| panic!("no kind.phase: {line}"));
    let mut event = Event::new(kind, phase);
    event.put("occurred_at", time(&words[1]));
    let mut given = BTreeMap::from([
        ("id", format!("e{number}")),
        ("service", "shop".to_owned()),
        ("environment", "production".to_owned()),
        ("source", "test".to_owned()),
        ("time_basis", "source_event".to_owned()),
    ]);
    for word in &words[2..] {
        let (key, value) = word.split_once('=').unwrap_or_else(|| panic!("no key=value: {word}"));
        given.insert(key, value.to_owned());
    }
    for (key, value) in given {
        put(&mut event, key, &value);
    }
    event
}

fn put(event: &mut Event, key: &str, value: &str) {
    if let Some(label) = key.strip_prefix("attributes.") {
        return event.put_attribute(label, value).unwrap();
    }
    let key = match key {
        "id" => "event_id",
        "recorded" => "recorded_at",
        "amends" => "amends_event_id",
        other => other,
    };
    let known = column(key).unwrap_or_else(|| panic!("no column `{key}`"));
    match known.ty {
        Type::String => event.put(known.name, value),
        Type::Integer => event.put(known.name, value.parse::<i64>().unwrap()),
        Type::Boolean => event.put(known.name, value.parse::<bool>().unwrap()),
        Type::Timestamp => event.put(known.name, time(value)),
        Type::StringList => {
            event.put(known.name, value.split(',').map(str::to_owned).collect::<Vec<_>>())
        }
        Type::StringMap => panic!("write attributes.key=value"),
    };
}

/// The words of a line; quotes keep spaces together.
fn words(line: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut quoted = false;
    for c in line.chars() {
        match c {
            '"' => quoted = !quoted,
            c if c.is_whitespace() && !quoted => words.push(String::new()),
            c => words.last_mut().unwrap().push(c),
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

/// RFC 3339, or `DDTHH:MM[:SS]` of October 2026.
pub(crate) fn time(text: &str) -> Timestamp {
    let full = match text.len() {
        8 => format!("2026-10-{text}:00Z"),
        11 => format!("2026-10-{text}Z"),
        _ => text.to_owned(),
    };
    Timestamp::parse_rfc3339(&full).unwrap_or_else(|e| panic!("{e}"))
}
