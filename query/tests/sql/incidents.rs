//! Random histories of incidents, held against a model that was written from the definitions alone.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;

use backtrail_query::{MetricFilter, Options, Period, Rows, Session};
use backtrail_schemas::{Event, Timestamp};
use chrono_tz::Tz;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;

use crate::case;
use crate::incident_model::{Outcome, Row, What, incidents};

/// How many histories; all of them lie in one log, each with a service of its own.
const WORLDS: usize = 400;

/// Seconds from the start of a history to `as_of`.
const AS_OF: i64 = 6 * 86_400;

#[tokio::test]
async fn random_histories_come_out_as_the_definitions_say() {
    let worlds = worlds(WORLDS);
    let session = open(&worlds, |_| ()).await;
    let got = outcomes(&session).await;
    let want: BTreeMap<String, Outcome> =
        worlds.iter().flat_map(|world| incidents(world, AS_OF)).collect();
    assert!(want.len() > 2 * WORLDS, "too few incidents to mean anything");
    for world in &worlds {
        for (name, want) in incidents(world, AS_OF) {
            let mut story = world.clone();
            story.sort_by_key(|row| row.at);
            let told: Vec<String> = story.iter().map(|row| format!("{row:?}")).collect();
            assert_eq!(got.get(&name), Some(&want), "{name}\n{}", told.join("\n"));
        }
    }
    assert_eq!(got.len(), want.len());
    assert_varied(&want);
}

/// That the histories reach what the definitions decide: else the test above could not fail where it matters.
fn assert_varied(outcomes: &BTreeMap<String, Outcome>) {
    let count =
        |is: &dyn Fn(&str, &Outcome) -> bool| outcomes.iter().filter(|(n, o)| is(n, o)).count();
    let least = [
        ("later generations", count(&|name, _| name.contains('#'))),
        ("open", count(&|_, o| o.censored)),
        ("invalid", count(&|_, o| o.order == "invalid")),
        ("clamped", count(&|_, o| o.order == "clamped")),
        ("with all phases", count(&|_, o| o.phases.iter().all(Option::is_some))),
        ("with gaps", count(&|_, o| o.active.is_some() && o.active != o.elapsed)),
        ("duplicates", count(&|_, o| o.excluded == Some("duplicate"))),
        ("cancelled", count(&|_, o| o.excluded == Some("cancelled"))),
        ("without start", count(&|_, o| o.excluded == Some("no_start"))),
    ];
    for (what, n) in least {
        assert!(n >= 5, "only {n} {what}");
    }
}

#[tokio::test]
async fn phases_and_the_unattributed_sum_to_the_active_time() {
    let session = open(&worlds(WORLDS), |_| ()).await;
    let sql = "select count(*), count(active_us) from incidents
      where (coalesce(detect_us, 0) + coalesce(decide_us, 0) + coalesce(act_us, 0) + coalesce(verify_us, 0) + unattributed_us
        is distinct from active_us)
        or least(detect_us, decide_us, act_us, verify_us, unattributed_us, active_us, elapsed_us - active_us) < 0";
    assert_eq!(texts(&session.sql(sql).await.unwrap()), [["0", "0"]]);
}

#[tokio::test]
async fn the_order_of_arrival_changes_no_incident_and_no_metric() {
    let worlds = worlds(40);
    let straight = answers(&open(&worlds, |_| ()).await).await;
    assert_eq!(straight, answers(&open(&worlds, |events| events.reverse()).await).await);
    let interleave = |events: &mut Vec<Event>| {
        events.sort_by_key(|event| {
            event.text("event_id").map(|id| id.chars().rev().collect::<String>())
        });
    };
    assert_eq!(straight, answers(&open(&worlds, interleave).await).await);
}

/// Counted and excluded are the cohort, in every row of every metric of incidents that counts them one by one.
#[tokio::test]
async fn cohorts_add_up() {
    let session = open(&worlds(WORLDS), |_| ()).await;
    let cohort = texts(
        &session
            .sql("select cast(count(*) as text) from incident_samples where service is null")
            .await
            .unwrap(),
    );
    for metric in ["mttr", "mttr_elapsed", "mttr_phases", "mttr_phases_available", "mttd"] {
        let filter = MetricFilter { names: vec![metric.to_owned()], ..MetricFilter::default() };
        let rows = session.metrics(&filter).await.unwrap();
        let [n, censored, excluded] = ["n", "censored", "excluded"].map(|name| column(&rows, name));
        let [service, environment, dimension] =
            ["service", "environment", "dimension"].map(|name| column(&rows, name));
        let mut totals = 0;
        for at in 0..n.len() {
            let whole = service[at].is_empty()
                && environment[at].is_empty()
                && matches!(dimension[at].as_str(), "" | "phase");
            if whole {
                let number = |text: &str| text.parse::<u64>().unwrap_or(0);
                let sum = number(&n[at]) + number(&censored[at]) + number(&excluded[at]);
                assert_eq!(sum.to_string(), cohort[0][0], "{metric}");
                totals += 1;
            }
        }
        assert_eq!(totals, if metric.contains("phases") { 4 } else { 1 }, "{metric}");
    }
}

async fn answers(session: &Session) -> Vec<Vec<Vec<String>>> {
    let mut all = Vec::new();
    for view in ["incidents", "ties", "incident_passes", "incident_samples"] {
        let mut rows = texts(&session.sql(&format!("select * from {view}")).await.unwrap());
        rows.sort();
        all.push(rows);
    }
    let timeline = "select incident_id, position, incident_phase, relation, event_id from timeline order by 1, 2";
    all.push(texts(&session.sql(timeline).await.unwrap()));
    all.push(texts(&session.metrics(&MetricFilter::default()).await.unwrap()));
    all
}

fn texts(rows: &Rows) -> Vec<Vec<String>> {
    let cells = rows.texts().unwrap().into_iter();
    cells.map(|row| row.into_iter().map(Option::unwrap_or_default).collect()).collect()
}

fn column(rows: &Rows, name: &str) -> Vec<String> {
    let at = rows.schema.index_of(name).unwrap();
    texts(rows).into_iter().map(|mut row| row.swap_remove(at)).collect()
}

async fn outcomes(session: &Session) -> BTreeMap<String, Outcome> {
    let sql = "select incident_id, detect_us, decide_us, act_us, verify_us, unattributed_us, active_us, elapsed_us, censored,
      order_flag, excluded_by from incidents";
    let rows = session.sql(sql).await.unwrap();
    let second = |text: &str| text.parse::<i64>().ok().map(|us| us / 1_000_000);
    let known = |text: &str| {
        ["duplicate", "drill", "cancelled", "no_start", "negative", "ok", "clamped", "invalid"]
            .into_iter()
            .find(|word| *word == text)
    };
    let outcome = |row: &[String]| Outcome {
        phases: [1, 2, 3, 4].map(|at| second(&row[at])),
        unattributed: second(&row[5]),
        active: second(&row[6]),
        elapsed: second(&row[7]),
        censored: row[8] == "true",
        order: known(&row[9]).unwrap(),
        excluded: known(&row[10]),
    };
    texts(&rows).iter().map(|row| (row[0].clone(), outcome(row))).collect()
}

/// The same histories every time. In every other one incident A takes an orderly course among the noise.
fn worlds(count: usize) -> Vec<Vec<Row>> {
    let mut runner = TestRunner::deterministic();
    let noise = prop::collection::vec(what(), 4..26);
    let course = (prop::array::uniform5(-4..150_i64), prop::collection::vec(what(), 0..8));
    let mut draw = |world: usize| {
        if world.is_multiple_of(2) {
            return noise.new_tree(&mut runner).unwrap().current();
        }
        let (steps, mut noise) = course.new_tree(&mut runner).unwrap().current();
        let mut at = 600;
        for (step, phase) in
            steps.into_iter().zip(["started", "detected", "decided", "mitigated", "verified"])
        {
            at += step;
            let of = "A".to_owned();
            noise.push((
                at,
                What::Incident { of, phase, resolved: None, drill: false, merged_into: None },
            ));
        }
        noise
    };
    let row = |world: usize, n: usize, (at, what): (i64, What)| Row {
        at,
        id: format!("w{world:03}.{n:02}"),
        what: placed(what, world),
    };
    (0..count)
        .map(|world| {
            unlike(
                draw(world)
                    .into_iter()
                    .enumerate()
                    .map(|(n, drawn)| row(world, n, drawn))
                    .collect(),
            )
        })
        .collect()
}

/// Names are unique across worlds, and their order within one is kept.
fn placed(what: What, world: usize) -> What {
    let named = |name: String| format!("w{world:03}{name}");
    match what {
        What::Incident { of, phase, resolved, drill, merged_into } => What::Incident {
            of: named(of),
            phase,
            resolved,
            drill,
            merged_into: merged_into.map(named),
        },
        What::Rollback { of, phase, names, automatic } => {
            What::Rollback { of: named(of), phase, names: names.map(named), automatic }
        }
        What::Failed { incident, rollback } => {
            What::Failed { incident: incident.map(named), rollback: rollback.map(named) }
        }
    }
}

/// A phase of a rollback occurs once: what several would mean is not about incidents.
fn unlike(rows: Vec<Row>) -> Vec<Row> {
    let mut seen = std::collections::BTreeSet::new();
    rows.into_iter()
        .filter(|row| match &row.what {
            What::Rollback { of, phase, .. } => seen.insert((of.clone(), *phase)),
            _ => true,
        })
        .collect()
}

fn what() -> impl Strategy<Value = (i64, What)> {
    let name = prop::sample::select(vec!["A", "A", "A", "B", "B", "C"]);
    let phase = prop::sample::select(vec![
        "started",
        "started",
        "detected",
        "detected",
        "reported",
        "decided",
        "decided",
        "mitigated",
        "mitigated",
        "verified",
        "verified",
        "resolved",
        "resolved",
        "closed",
        "reopened",
        "reopened",
        "reopened",
        "annotated",
    ]);
    let rare = prop::sample::select(vec!["cancelled", "merged", "drill", "claim", "gone"]);
    let incident = (
        name,
        phase,
        prop::option::weighted(0.12, rare),
        prop::sample::select(vec!["B", "C", "A", "X"]),
        instant(),
    );
    let incident = incident.prop_map(|(of, phase, rare, parent, claim)| What::Incident {
        of: of.to_owned(),
        phase: if rare == Some("cancelled") {
            "cancelled"
        } else if rare == Some("merged") {
            "merged"
        } else {
            phase
        },
        resolved: (rare == Some("claim")).then_some(claim),
        drill: rare == Some("drill"),
        merged_into: (rare == Some("merged")).then(|| parent.to_owned()),
    });
    // What a rollback names and what set it off go with its name, so that all its rows agree.
    let rollback = (0..5_usize, prop::sample::select(vec!["decided", "live", "live", "verified"]))
        .prop_map(|(n, phase)| {
            let (of, names, automatic) = [
                ("p", Some("A"), true),
                ("q", Some("A"), false),
                ("r", Some("C"), true),
                ("s", None, false),
                ("t", Some("X"), true),
            ][n];
            What::Rollback { of: of.to_owned(), phase, names: names.map(str::to_owned), automatic }
        });
    let failed = (
        prop::option::of(prop::sample::select(vec!["A", "B"])),
        prop::option::of(prop::sample::select(vec!["p", "q", "s"])),
    );
    let failed = failed.prop_map(|(incident, rollback)| What::Failed {
        incident: incident.map(str::to_owned),
        rollback: rollback.map(str::to_owned),
    });
    let what = prop_oneof![8 => incident, 4 => rollback, 1 => failed];
    (instant(), what)
}

/// Mostly in minutes, so that times meet; sometimes a few seconds off, sometimes days later.
fn instant() -> impl Strategy<Value = i64> {
    let days = prop::sample::select(vec![0, 0, 0, 0, 0, 0, 1, 1, 3]);
    let seconds = prop::sample::select(vec![0, 0, 0, 0, 2, 5, 6, 54, 57, 58]);
    (days, 0..25_i64, seconds)
        .prop_map(|(days, minutes, seconds)| days * 86_400 + minutes * 60 + seconds)
}

async fn open(worlds: &[Vec<Row>], arrange: impl Fn(&mut Vec<Event>)) -> Session {
    let start = case::time("01T00:00").micros();
    let at = |second: i64| Timestamp::from_micros(start + second * 1_000_000).unwrap();
    let mut events: Vec<Event> = Vec::new();
    for (n, world) in worlds.iter().enumerate() {
        for row in world {
            let mut event = event(row, &at);
            event
                .put("event_id", row.id.as_str())
                .put("source", "test")
                .put("time_basis", "source_event");
            event.put("service", format!("service{n:03}")).put("environment", "production");
            event.put("occurred_at", at(row.at)).put("recorded_at", at(0));
            events.push(event);
        }
    }
    arrange(&mut events);
    let period = Some(Period::parse("2026-10", Tz::UTC).unwrap());
    let options = Options { as_of: Some(at(AS_OF)), period, ..Options::default() };
    case::session(&events, options).await
}

fn event(row: &Row, at: &impl Fn(i64) -> Timestamp) -> Event {
    match &row.what {
        What::Incident { of, phase, resolved, drill, merged_into } => {
            let mut event = Event::new("incident", phase);
            event
                .put("incident_id", of.as_str())
                .put_some("reported_resolved_at", resolved.map(at));
            event
                .put_some("drill", drill.then_some(true))
                .put_some("duplicate_of", merged_into.as_deref());
            event
        }
        What::Rollback { of, phase, names, automatic } => {
            let mut event = Event::new("rollback", phase);
            event.put("rollback_id", of.as_str()).put_some("incident_id", names.as_deref());
            event.put("trigger", if *automatic { "automatic" } else { "manual" });
            event
        }
        What::Failed { incident, rollback } => {
            let mut event = Event::new("verification", "failed");
            event
                .put_some("incident_id", incident.as_deref())
                .put_some("rollback_id", rollback.as_deref());
            event
        }
    }
}
