//! All short sequences of deployments of one slot, against a model written apart from the views: classes, the history of
//! live versions, flips, cycles and episodes.

use std::collections::BTreeMap;

use backtrail_query::{Options, Period};
use backtrail_schemas::{Event, Timestamp};

use crate::case::{session, time};

/// Versions A, B and C, each going live or failing, in up to four deployments that begin eleven hours apart, so that some
/// returns lie within the oscillation window of 24 hours and some beyond.
#[tokio::test]
async fn all_short_sequences_have_the_labels_of_the_model() {
    let all = sequences(4);
    let events: Vec<Event> = all.iter().flat_map(|(name, steps)| events(name, steps)).collect();
    let options = Options {
        period: Period::parse("2026-10", Options::default().zone).ok(),
        ..Options::default()
    };
    let session = session(&events, options).await;
    let mut got: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for sql in [
        "select service, concat('deployment ', class) from deployments order by service, begin_ord",
        "select service, concat('live ', version, ' ', cast(flip as text), ' ', cast(cycle as text)) from slot_history
         order by service, position",
        "select service, concat('episode ', cast(from_position as text), ' ', cast(to_position as text), ' ',
         cast(flips as text)) from oscillation_episodes order by service, from_position",
    ] {
        for row in session.sql(sql).await.unwrap().texts().unwrap() {
            let [service, text] = [0, 1].map(|at| row[at].clone().unwrap());
            got.entry(service).or_default().push(text);
        }
    }
    assert_eq!(got.len(), all.len());
    for (name, steps) in &all {
        assert_eq!(got[name], model(steps), "{name}");
    }
}

/// One deployment: its version, and whether it goes live.
type Step = (char, bool);

/// Every sequence of one to `longest` steps, with a name that spells it: capitals go live.
fn sequences(longest: usize) -> Vec<(String, Vec<Step>)> {
    let steps: Vec<Step> = "ABC".chars().flat_map(|v| [(v, true), (v, false)]).collect();
    let mut all: Vec<Vec<Step>> = vec![Vec::new()];
    let mut from = 0;
    for _ in 0..longest {
        let end = all.len();
        for at in from..end {
            for step in &steps {
                all.push([all[at].as_slice(), &[*step]].concat());
            }
        }
        from = end;
    }
    let spell =
        |(version, live): &Step| if *live { *version } else { version.to_ascii_lowercase() };
    all.into_iter()
        .skip(1)
        .map(|steps| (format!("s-{}", steps.iter().map(spell).collect::<String>()), steps))
        .collect()
}

fn events(service: &str, steps: &[Step]) -> Vec<Event> {
    let mut events = Vec::new();
    for (n, (version, live)) in steps.iter().enumerate() {
        let begun = at(n);
        for (phase, at) in [
            ("started", begun),
            (if *live { "live" } else { "failed" }, begun.plus_seconds(60).unwrap()),
        ] {
            let mut event = Event::new("deployment", phase);
            event.put("event_id", format!("{service}.{n}.{phase}"));
            event.put("source", "test").put("time_basis", "source_event");
            event.put("service", service).put("environment", "production");
            event
                .put("deployment_id", format!("{service}.{n}"))
                .put("version", version.to_string());
            event.put("occurred_at", at).put("recorded_at", time("31T00:00"));
            events.push(event);
        }
    }
    events
}

const HOURS_APART: i64 = 11;

fn at(n: usize) -> Timestamp {
    time("01T00:00").plus_seconds(n as i64 * HOURS_APART * 3600).unwrap()
}

/// The answers, by following the definitions step by step.
fn model(steps: &[Step]) -> Vec<String> {
    let mut lines = Vec::new();
    let mut history: Vec<(char, i64)> = Vec::new();
    for (n, (version, goes_live)) in steps.iter().enumerate() {
        let first = |v: char| history.iter().position(|(seen, _)| *seen == v);
        let class = match history.last().map(|(current, _)| *current) {
            None => "forward",
            Some(current) if current == *version => "restart",
            Some(current) => match (first(*version), first(current)) {
                (None, _) => "forward",
                (Some(target), Some(replaced)) if target < replaced => "rollback",
                _ => "reapply",
            },
        };
        lines.push(format!("deployment {class}"));
        if *goes_live {
            history.push((*version, n as i64 * HOURS_APART));
        }
    }
    history.dedup_by_key(|(version, _)| *version);
    let mut flips = Vec::new();
    for k in 0..history.len() {
        let before = (0..k).rev().find(|j| history[*j].0 == history[k].0);
        let in_time = before.is_some_and(|j| history[k].1 - history[j + 1].1 <= 24);
        let flip = in_time && before == k.checked_sub(2);
        lines.push(format!("live {} {flip} {}", history[k].0, in_time && !flip));
        flips.push(flip);
    }
    let mut k = 0;
    while k < flips.len() {
        let run = flips[k..].iter().take_while(|flip| **flip).count();
        if run >= 2 {
            lines.push(format!("episode {} {} {run}", k + 1 - 2, k + run));
        }
        k += run.max(1);
    }
    lines
}
