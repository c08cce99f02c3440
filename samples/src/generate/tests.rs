use std::collections::{BTreeMap, BTreeSet};

use backtrail_schemas::columns::{Type, column};
use backtrail_schemas::json::parse;
use backtrail_schemas::{Event, Timestamp, Value as Column};
use serde_json::Value;

use super::*;

/// FNV-1a, 64 bits: short, and the same everywhere.
fn fingerprint(lines: impl Iterator<Item = String>) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    for line in lines {
        for byte in line.bytes().chain([b'\n']) {
            hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }
    hash
}

#[test]
fn a_seed_gives_the_same_bytes_everywhere() {
    assert_eq!(fingerprint(generate(7, 10_000, Shape::Native)), NATIVE_7);
    assert_eq!(fingerprint(generate(7, 10_000, Shape::Vendor)), VENDOR_7);
    assert_ne!(fingerprint(generate(8, 10_000, Shape::Native)), NATIVE_7);
}

const NATIVE_7: u64 = 2_369_092_599_530_988_158;
const VENDOR_7: u64 = 15_157_385_464_601_048_636;

#[test]
fn a_longer_history_begins_with_a_shorter_one() {
    let short: Vec<String> = generate(3, 500, Shape::Native).collect();
    assert_eq!(short.len(), 500);
    assert!(generate(3, 5_000, Shape::Native).zip(&short).all(|(long, short)| long == *short));
    assert_eq!(generate(3, 0, Shape::Vendor).count(), 0);
}

/// The columns of a native line that the log takes over as they are.
fn event(line: &Value) -> Event {
    let object = line.as_object().unwrap();
    let mut event = Event::new(line["kind"].as_str().unwrap(), line["phase"].as_str().unwrap());
    for (name, value) in object {
        let column = column(name).unwrap_or_else(|| panic!("{name} is no column"));
        if column.holds_people() || matches!(name.as_str(), "kind" | "phase") {
            continue;
        }
        let text = || value.as_str().unwrap().to_owned();
        let cell = match column.ty {
            Type::String => Column::from(text()),
            Type::Integer => Column::from(value.as_i64().unwrap()),
            Type::Boolean => Column::from(value.as_bool().unwrap()),
            Type::Timestamp => Column::from(text().parse::<Timestamp>().unwrap()),
            Type::StringList => Column::from(vec![value[0].as_str().unwrap().to_owned()]),
            Type::StringMap => {
                let map = value.as_object().unwrap().iter();
                Column::from(
                    map.map(|(k, v)| (k.clone(), v.as_str().unwrap().into()))
                        .collect::<BTreeMap<_, _>>(),
                )
            }
        };
        event.put(column.name, cell);
    }
    event
}

#[test]
fn native_lines_are_events() {
    for line in generate(11, 5_000, Shape::Native) {
        let value = parse(line.as_bytes()).unwrap();
        let checked = event(&value).check_drafted(&["recorded_at", "source", "time_basis"]);
        assert_eq!(checked, Ok(()), "{line}");
    }
}

#[test]
fn the_awkward_cases_occur() {
    let mut phases: BTreeMap<String, usize> = BTreeMap::new();
    let mut seen: BTreeMap<String, String> = BTreeMap::new();
    let (mut duplicates, mut restated, mut disordered, mut last) = (0, 0, 0, String::new());
    for line in generate(5, 40_000, Shape::Native) {
        let value = parse(line.as_bytes()).unwrap();
        let text = |name: &str| value[name].as_str().unwrap().to_owned();
        *phases.entry(format!("{}/{}", text("kind"), text("phase"))).or_default() += 1;
        disordered += usize::from(text("occurred_at") < last);
        last = text("occurred_at");
        match seen.insert(text("event_id"), line.clone()) {
            Some(first) if first == line => duplicates += 1,
            Some(_) => restated += 1,
            None => {}
        }
    }
    for phase in [
        "incident/reopened",
        "incident/merged",
        "incident/cancelled",
        "rollback/failed",
        "deployment/failed",
        "drill/scheduled",
        "correction/amended",
        "correction/retracted",
        "health/sample",
        "postmortem/published",
        "approval/approved",
        "flag/turned_off",
    ] {
        assert!(phases.contains_key(phase), "{phase}");
    }
    assert!(
        duplicates > 100 && restated > 50 && disordered > 1_000,
        "{duplicates} {restated} {disordered}"
    );
    assert!(
        phases["incident/resolved"] < phases["incident/detected"] + phases["incident/reopened"]
    );
}

#[test]
fn vendor_lines_are_recorded_deliveries_of_every_source() {
    let mut sources = BTreeSet::new();
    for line in generate(2, 3_000, Shape::Vendor) {
        let value = parse(line.as_bytes()).unwrap();
        value["received_at"].as_str().unwrap().parse::<Timestamp>().unwrap();
        parse(value["body"].as_str().unwrap().as_bytes()).unwrap();
        sources.insert(value["source"].as_str().unwrap().to_owned());
    }
    let all = ["argo-rollouts", "cdevents", "github", "native", "pagerduty"];
    assert_eq!(sources, all.into_iter().map(str::to_owned).collect());
}

#[test]
fn the_queue_does_not_grow_with_the_history() {
    let mut history = History {
        world: World::new(Dice::new(1)),
        queue: BTreeMap::new(),
        queued: 0,
        shape: Shape::Native,
    };
    let mut longest = 0;
    for _ in 0..60_000 {
        history.next_line();
        longest = longest.max(history.queue.len());
    }
    assert!(longest < 40_000, "{longest}");
}
