//! The fixture of a control: a made-up log in which every one of its reason codes occurs, and the answers by hand.

use std::collections::BTreeMap;

use backtrail_query::{Options, Period, Session, Source};
use backtrail_schemas::{Event, Timestamp, leaf, rows};
use serde_json::{Map, Value};

use crate::canon;
use crate::error::Error;
use crate::evaluate::{self, Ground, State};
use crate::pack::Control;

/// What `control` says of its fixture, as lines `item_id,status,reason_code` in order, and what it should say.
///
/// # Errors
/// The fixture does not parse or its session cannot be opened.
pub async fn check(control: &Control) -> Result<Outcome, Error> {
    check_on(&open(control).await?, control).await
}

async fn check_on(session: &Session, control: &Control) -> Result<Outcome, Error> {
    let integrity = control.fixture.integrity.clone().unwrap_or_default();
    let ground = Ground { integrity, ..Ground::default() };
    let evaluation = evaluate::run(control, session, &ground).await?;
    let found = match evaluation.state {
        State::Error => vec![evaluation.note.unwrap_or_default()],
        _ => evaluation.items.iter().map(line).collect(),
    };
    let expected = control.fixture_expected.lines().skip(1).map(str::to_owned).collect();
    Ok(Outcome { expected, found })
}

/// The two sides of a fixture.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// As written by hand.
    pub expected: Vec<String>,
    /// As the control answers, or the one message of its failure.
    pub found: Vec<String>,
}

impl Outcome {
    /// Whether the control answers as it should.
    pub fn holds(&self) -> bool {
        self.expected == self.found
    }
}

/// A session over the events of the fixture of `control`.
async fn open(control: &Control) -> Result<Session, Error> {
    let wrong =
        |e: &dyn std::fmt::Display| Error::reject(format!("fixture of {}: {e}", control.id));
    let events = events(&control.id, control.fixture_events).map_err(|e| wrong(&e))?;
    let tail = rows::to_batch(0, &events).map_err(|e| wrong(&e))?;
    let source = Source {
        origin: "fixture".to_owned(),
        size: events.len() as u64,
        tail: vec![tail],
        simulated_clock: true,
        ..Source::default()
    };
    let as_of = Timestamp::parse_rfc3339(&control.fixture.as_of).map_err(|e| wrong(&e))?;
    let options = Options { as_of: Some(as_of), ..Options::default() };
    let period = Period::parse(&control.fixture.period, options.zone).map_err(|e| wrong(&e))?;
    let options = Options { period: Some(period), ..options };
    Session::open(source, options).await.map_err(|e| wrong(&e))
}

fn line(item: &evaluate::Item) -> String {
    format!("{},{},{}", item.item_id, item.status.word(), item.reason_code)
}

/// The events of the fixture of `control`: native events with short people and times, and what they leave out filled in.
pub(crate) fn events(control: &str, text: &str) -> Result<Vec<Event>, Error> {
    (1..).zip(text.lines()).map(|(number, line)| event(control, number, line)).collect()
}

fn event(control: &str, number: usize, line: &str) -> Result<Event, Error> {
    let wrong = |e: &dyn std::fmt::Display| Error::reject(format!("line {number}: {e}"));
    let mut row: Map<String, Value> = serde_json::from_str(line).map_err(|e| wrong(&e))?;
    let occurred_at = row.get("occurred_at").and_then(Value::as_str).unwrap_or_default();
    let recorded_at = Timestamp::parse_rfc3339(occurred_at).ok().and_then(|at| at.plus_seconds(1));
    let recorded_at = recorded_at.ok_or_else(|| wrong(&"no occurred_at"))?;
    for (name, value) in [
        ("event_id", format!("native:{control}:{number:04}")),
        ("schema", backtrail_schemas::event::PROFILE.to_owned()),
        ("time_basis", "source_event".to_owned()),
        ("recorded_at", recorded_at.to_string()),
        ("source", "native".to_owned()),
        ("ingest_mode", "push".to_owned()),
    ] {
        row.entry(name).or_insert(value.into());
    }
    let row: BTreeMap<String, Value> = row.into_iter().map(|(name, v)| (name, whole(v))).collect();
    let event = leaf::decode(&canon::bytes(&row)?).map_err(|e| wrong(&e))?;
    event.check().map_err(|e| wrong(&e))?;
    Ok(event)
}

/// A short person becomes a pseudonym of full length, a short time a canonical one.
fn whole(value: Value) -> Value {
    match value {
        Value::String(text) => {
            match (text.strip_prefix("person:"), Timestamp::parse_rfc3339(&text)) {
                (Some(name), _) => format!("person:{name:a<26}").into(),
                (None, Ok(at)) => at.to_string().into(),
                (None, Err(_)) => text.into(),
            }
        }
        Value::Array(list) => list.into_iter().map(whole).collect(),
        Value::Object(map) => map.into_iter().map(|(name, value)| (name, whole(value))).collect(),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pack;

    #[tokio::test]
    async fn every_control_answers_its_fixture_as_written_by_hand() {
        let mut wrong = Vec::new();
        for control in &pack::core().controls {
            let Outcome { expected, found } = check(control).await.unwrap();
            let lost = expected
                .iter()
                .filter(|line| !found.contains(line))
                .map(|l| format!("{} - {l}", control.id));
            wrong.extend(lost);
            let made = found
                .iter()
                .filter(|line| !expected.contains(line))
                .map(|l| format!("{} + {l}", control.id));
            wrong.extend(made);
        }
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    }

    #[test]
    fn every_reason_occurs_in_the_fixture() {
        for control in &pack::core().controls {
            for reason in &control.reasons {
                let line = format!(",{},{}", reason.status.word(), reason.code);
                let there = control.fixture_expected.lines().any(|l| l.ends_with(&line));
                assert!(there, "{}: {} does not occur", control.id, reason.code);
            }
        }
    }

    #[tokio::test]
    async fn no_branch_can_be_taken_out_unnoticed() {
        for control in &pack::core().controls {
            let arms = arms(&control.sql);
            assert!(arms.len() >= 3, "{}: {} branches", control.id, arms.len());
            let session = open(control).await.unwrap();
            assert!(check_on(&session, control).await.unwrap().holds(), "{}", control.id);
            for (from, to) in arms {
                let mut mutant = control.clone();
                mutant.sql.replace_range(from..to, " ");
                let outcome = check_on(&session, &mutant).await.unwrap();
                let taken = &control.sql[from..to];
                assert!(!outcome.holds(), "{}: nothing notices that `{taken}` is gone", control.id);
            }
        }
    }

    /// Where the branches `when … then …` of each `case` with more than one are.
    fn arms(sql: &str) -> Vec<(usize, usize)> {
        let (mut out, mut open) = (Vec::new(), Vec::<Vec<usize>>::new());
        for (at, word) in words(sql) {
            match word {
                "case" => open.push(Vec::new()),
                "when" => open.last_mut().unwrap().push(at),
                "else" | "end" if open.last().is_some_and(|starts| !starts.is_empty()) => {
                    let mut starts = std::mem::take(open.last_mut().unwrap());
                    starts.push(at);
                    if starts.len() > 2 {
                        out.extend(starts.windows(2).map(|pair| (pair[0], pair[1])));
                    }
                }
                _ => {}
            }
            if word == "end" {
                open.pop();
            }
        }
        out
    }

    /// Words outside comments and texts, with where they begin.
    fn words(sql: &str) -> Vec<(usize, &str)> {
        let mut out = Vec::new();
        for line in sql.lines() {
            let start = line.as_ptr() as usize - sql.as_ptr() as usize;
            let code = line.split("--").next().unwrap_or_default();
            let mut quoted = false;
            let mut at = 0;
            for piece in code.split_inclusive(|c: char| !(c.is_ascii_alphanumeric() || c == '_')) {
                let word =
                    piece.trim_end_matches(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
                if !quoted && !word.is_empty() {
                    out.push((start + at, word));
                }
                quoted ^= piece.ends_with('\'');
                at += piece.len();
            }
        }
        out
    }
}
