//! What happens in ordinary times: releases, drills, samples, flags, checks.

use super::fact::{Cell, Fact};
use super::trouble;
use super::world::{Purpose, World, label};

const MINUTE: i64 = 60_000_000;

/// The rows of the next thing that happens, none before the world's clock.
pub(super) fn next(world: &mut World) -> Vec<Fact> {
    world.now += world.dice.between(60, 1_200) * 1_000_000;
    // Everything of an episode lies after its begin, so rows before it have all been queued.
    let at = world.now + 2 * 24 * 60 * MINUTE;
    let service = world.some_service();
    match world.dice.below(1000) {
        0..430 => release(world, service, at),
        430..560 => trouble::bad_release(world, service, at),
        560..640 => trouble::incident_alone(world, service, at),
        640..670 => trouble::reversion(world, service, at),
        670..685 => trouble::oscillation(world, service, at),
        685..710 => restart(world, service, at),
        710..740 => drill(world, service, at),
        740..820 => samples(world, (service, 0), at, 0),
        820..880 => flag(world, service, at),
        _ => checks(world, service, at),
    }
}

/// A new version in every region, with its change and approval, and now and then without.
fn release(world: &mut World, service: usize, at: i64) -> Vec<Fact> {
    let version = built(world, service);
    let (change, mut rows) = approved(world, service, version, at);
    let mut start = at;
    for slot in 0..world.services[service].slots.len() {
        let fails = world.dice.percent(3);
        let purpose = Purpose { change: Some(change), fails, ..Purpose::default() };
        let (facts, live) = world.deploy((service, slot), version, start, purpose);
        rows.extend(facts);
        start = live + world.dice.between(5, 60) * MINUTE;
    }
    rows
}

/// The next version of a service.
pub(super) fn built(world: &mut World, service: usize) -> u64 {
    world.services[service].newest += 1;
    world.services[service].newest
}

/// A change and what became of its approval: given in time, too late, by its own author, or not at all.
pub(super) fn approved(
    world: &mut World,
    service: usize,
    version: u64,
    at: i64,
) -> (u64, Vec<Fact>) {
    let change = world.entity();
    let (author, other) = (world.someone(), world.someone());
    let asked = at - world.dice.between(60, 1_440) * MINUTE;
    let about = |world: &mut World, at, kind, phase| {
        let mut fact = world.row(at, kind, phase, service);
        fact.cells.push(("change_id", Cell::Text(format!("c{change}"))));
        fact.cells.push(("version", Cell::Text(label(version))));
        fact
    };
    let mut created = about(world, asked, "change", "created");
    created.cells.push(("change_type", Cell::Word("normal")));
    created.cells.push(("requester", author.clone()));
    if let Cell::Text(account) = &author {
        created.cells.push(("authors", Cell::List(vec![account.clone()])));
    }
    let (luck, approval) = (world.dice.below(100), Cell::Text(format!("a{change}")));
    let mut rows = vec![created];
    if luck >= 3 {
        let given = if luck < 6 { at + 20 * MINUTE } else { at - 10 * MINUTE };
        let mut fact = about(world, given, "approval", "approved");
        fact.cells.push(("approval_id", approval));
        fact.cells.push(("decision", Cell::Word("approved")));
        fact.cells.push(("approver", if luck < 9 { author } else { other }));
        rows.push(fact);
    }
    (change, rows)
}

fn restart(world: &mut World, service: usize, at: i64) -> Vec<Fact> {
    let version = world.services[service].slots[0].version;
    world.deploy((service, 0), version, at, Purpose::default()).0
}

/// An exercise: due, and most of the time done by then.
fn drill(world: &mut World, service: usize, at: i64) -> Vec<Fact> {
    let drill = world.entity();
    let due = at + world.dice.between(60, 1_400) * MINUTE;
    let row = |world: &mut World, at, phase| {
        let mut fact = world.row(at, "drill", phase, service);
        fact.cells.push(("drill_id", Cell::Text(format!("x{drill}"))));
        fact.cells.push(("drill_kind", Cell::Word("rollback")));
        fact.cells.push(("drill", Cell::Flag(true)));
        fact
    };
    let mut scheduled = row(world, at, "scheduled");
    scheduled.cells.push(("due_at", Cell::Time(due)));
    scheduled.cells.push(("objective_recovery_s", Cell::Number(3_600)));
    let mut rows = vec![scheduled];
    if world.dice.percent(85) {
        let start = at + world.dice.between(30, 1_400) * MINUTE;
        rows.push(row(world, start, "started"));
        let end = start + world.dice.between(5, 90) * MINUTE;
        rows.push(row(world, end, "completed"));
        let version = world.services[service].slots[0].version;
        let purpose = Purpose { drill: true, ..Purpose::default() };
        rows.extend(world.deploy((service, 0), version, start + MINUTE, purpose).0);
    }
    rows
}

/// An hour of an SLO in five-minute samples, `bad` of them below the target, with a gap now and then.
pub(super) fn samples(world: &mut World, place: (usize, usize), at: i64, bad: i64) -> Vec<Fact> {
    let mut rows = Vec::new();
    for n in 0..12 {
        if world.dice.percent(2) {
            continue;
        }
        let start = at + n * 5 * MINUTE;
        let total = world.dice.between(0, 9_000);
        let good = if n < bad { total * 9 / 10 } else { total - total / 4_000 };
        let mut fact = world.slot_row(start + 5 * MINUTE, ("health", "sample"), place);
        fact.cells.extend([
            ("signal", Cell::Word("availability")),
            ("signal_kind", Cell::Word("slo")),
            ("slo_id", Cell::Word("availability")),
            ("slo_target_ppm", Cell::Number(999_000)),
            ("good_count", Cell::Number(good)),
            ("total_count", Cell::Number(total)),
            ("window_start", Cell::Time(start)),
            ("window_end", Cell::Time(start + 5 * MINUTE)),
        ]);
        rows.push(fact);
    }
    rows
}

fn flag(world: &mut World, service: usize, at: i64) -> Vec<Fact> {
    let flag = Cell::Text(format!("flag-{}", world.dice.below(200)));
    let off = at + world.dice.between(10, 1_400) * MINUTE;
    let row = |world: &mut World, at, phase, from, to| {
        let mut fact = world.row(at, "flag", phase, service);
        fact.cells.push(("environment", Cell::Word("production")));
        fact.cells.push(("flag", flag.clone()));
        fact.cells.push(("from_variant", Cell::Word(from)));
        fact.cells.push(("to_variant", Cell::Word(to)));
        fact
    };
    vec![row(world, at, "turned_on", "off", "on"), row(world, off, "turned_off", "on", "off")]
}

/// A test before release, and whether the artifact is still kept.
fn checks(world: &mut World, service: usize, at: i64) -> Vec<Fact> {
    let version = label(world.services[service].slots[0].version);
    let phase = if world.dice.percent(92) { "passed" } else { "failed" };
    let mut test = world.row(at, "verification", phase, service);
    test.cells.push(("check_name", Cell::Word("smoke")));
    test.cells.push(("check_stage", Cell::Word("pre")));
    test.cells.push(("version", Cell::Text(version.clone())));
    let kept = world.dice.percent(98);
    let phase = if kept { "checked" } else { "missing" };
    let mut artifact = world.row(at + MINUTE, "artifact", phase, service);
    artifact.cells.push(("version", Cell::Text(version)));
    artifact.cells.push(("artifact_available", Cell::Flag(kept)));
    vec![test, artifact]
}
