//! What happens when something breaks: incidents in all their shapes, and the ways back.

use super::episodes::{approved, built, samples};
use super::fact::{Cell, Fact};
use super::world::{Purpose, World};

const SECOND: i64 = 1_000_000;
const MINUTE: i64 = 60 * SECOND;

/// A release that breaks something, the incident, and the rollback that ends it.
pub(super) fn bad_release(world: &mut World, service: usize, at: i64) -> Vec<Fact> {
    let before = world.services[service].slots.clone();
    let version = built(world, service);
    let (change, mut rows) = approved(world, service, version, at);
    let purpose = Purpose { change: Some(change), ..Purpose::default() };
    let mut live = at;
    for slot in 0..before.len() {
        let (facts, end) = world.deploy((service, slot), version, live, purpose);
        rows.extend(facts);
        live = end;
    }
    let incident = world.entity();
    let start = live + world.dice.between(1, 40) * MINUTE;
    let noticed = start + world.dice.between(1, 20) * MINUTE;
    rows.extend(opened(world, service, incident, Some(start), noticed));
    let decided = noticed + world.dice.between(2, 30) * MINUTE;
    let (facts, back) = rolled_back(world, service, incident, decided, &before);
    rows.extend(facts);
    rows.extend(samples(world, (service, 0), start - start % (5 * MINUTE), 4));
    rows.extend(closed(world, service, incident, back));
    rows
}

/// Rolls every slot back to what it had; some fail, which leaves the rollback partial. Nothing to go back to is fixed
/// forward.
fn rolled_back(
    world: &mut World,
    service: usize,
    incident: u64,
    decided: i64,
    before: &[super::world::Slot],
) -> (Vec<Fact>, i64) {
    let rollback = world.entity();
    let automatic = world.dice.percent(25);
    let (mut rows, mut end) = (Vec::new(), decided);
    for (slot, target) in before.iter().enumerate() {
        let place = (service, slot);
        if target.version == 0 {
            let version = built(world, service);
            let purpose = Purpose { incident: Some(incident), ..Purpose::default() };
            let (facts, live) = world.deploy(place, version, decided + MINUTE, purpose);
            rows.extend(facts);
            end = end.max(live);
            continue;
        }
        let fails = world.dice.percent(6);
        let of = world.services[service].slots[slot].deployment;
        let purpose = Purpose {
            rollback: Some((rollback, of)),
            incident: Some(incident),
            fails,
            ..Purpose::default()
        };
        let start = decided + world.dice.between(1, 5) * MINUTE;
        let (facts, live) = world.deploy(place, target.version, start, purpose);
        rows.extend(facts);
        let last = if fails { "failed" } else { "live" };
        for (phase, at) in [("decided", decided), ("started", start), (last, live)] {
            let mut fact = world.slot_row(at, ("rollback", phase), place);
            fact.cells.push(("rollback_id", Cell::Text(format!("r{rollback}"))));
            fact.cells.push(("incident_id", Cell::Text(format!("i{incident}"))));
            fact.cells.push(("rollback_of", Cell::Text(of.to_string())));
            fact.cells
                .push(("trigger", Cell::Word(if automatic { "automatic" } else { "manual" })));
            rows.push(fact);
        }
        end = end.max(live);
    }
    (rows, end)
}

/// An incident that no deployment is known to have caused.
pub(super) fn incident_alone(world: &mut World, service: usize, at: i64) -> Vec<Fact> {
    let incident = world.entity();
    let start = world.dice.percent(70).then_some(at);
    let noticed = at + world.dice.between(0, 30) * MINUTE;
    let mut rows = opened(world, service, incident, start, noticed);
    match world.dice.below(100) {
        // A false alarm, one that stays open, and one that another stands for.
        0..8 => rows.push(row(world, noticed + 10 * MINUTE, "cancelled", service, incident)),
        8..11 => {}
        11..18 => {
            let child = world.entity();
            rows.extend(opened(world, service, child, None, noticed + 2 * MINUTE));
            let mut merged = row(world, noticed + 9 * MINUTE, "merged", service, child);
            merged.cells.push(("duplicate_of", Cell::Text(format!("i{incident}"))));
            rows.push(merged);
            rows.extend(ended(world, service, incident, noticed));
        }
        _ => rows.extend(ended(world, service, incident, noticed)),
    }
    rows
}

/// Decided and mitigated, now and then in the wrong order, then closed.
fn ended(world: &mut World, service: usize, incident: u64, noticed: i64) -> Vec<Fact> {
    let mut decided = noticed + world.dice.between(2, 60) * MINUTE;
    match world.dice.below(100) {
        0..3 => decided = noticed - 3 * SECOND,
        3..6 => decided = noticed - 4 * MINUTE,
        _ => {}
    }
    let acted = noticed + world.dice.between(60, 200) * MINUTE;
    let mut rows = vec![row(world, decided, "decided", service, incident)];
    rows.push(row(world, acted, "mitigated", service, incident));
    rows.extend(closed(world, service, incident, acted));
    rows
}

fn row(world: &mut World, at: i64, phase: &'static str, service: usize, incident: u64) -> Fact {
    let mut fact = world.row(at, "incident", phase, service);
    fact.cells.push(("incident_id", Cell::Text(format!("i{incident}"))));
    fact
}

fn opened(
    world: &mut World,
    service: usize,
    incident: u64,
    start: Option<i64>,
    noticed: i64,
) -> Vec<Fact> {
    let mut rows = Vec::new();
    if let Some(start) = start {
        rows.push(row(world, start, "started", service, incident));
    }
    let mut detected = row(world, noticed, "detected", service, incident);
    let by = ["monitor", "monitor", "customer", "person"][world.dice.below(4) as usize];
    detected.cells.push(("detected_by", Cell::Word(by)));
    detected.cells.push(("severity", Cell::Number(world.dice.between(1, 5))));
    rows.push(detected);
    let taken = noticed + world.dice.between(1, 9) * MINUTE;
    let mut acknowledged = row(world, taken, "acknowledged", service, incident);
    acknowledged.cells.push(("actor", world.someone()));
    rows.push(acknowledged);
    rows
}

/// Verified and resolved, or resolved alone; some come back, within a day or after it, and some get a postmortem.
fn closed(world: &mut World, service: usize, incident: u64, acted: i64) -> Vec<Fact> {
    let mut rows = Vec::new();
    let verified = world.dice.percent(80);
    if verified {
        rows.push(row(world, acted + 18 * MINUTE, "verified", service, incident));
    }
    let mut end = acted + 25 * MINUTE;
    rows.push(row(world, end, "resolved", service, incident));
    if world.dice.percent(8) {
        let back = end + world.dice.between(30, 1_900) * MINUTE;
        rows.push(row(world, back, "reopened", service, incident));
        end = back + world.dice.between(20, 200) * MINUTE;
        rows.push(row(world, end - 10 * MINUTE, "verified", service, incident));
        rows.push(row(world, end, "resolved", service, incident));
    }
    if world.dice.percent(60) {
        let later = end + world.dice.between(6, 80) * 60 * MINUTE;
        let mut published = world.row(later, "postmortem", "published", service);
        published.cells.push(("postmortem_id", Cell::Text(format!("m{incident}"))));
        published.cells.push(("incident_id", Cell::Text(format!("i{incident}"))));
        rows.push(published);
    }
    rows
}

/// An older version comes back and nobody calls it a rollback.
pub(super) fn reversion(world: &mut World, service: usize, at: i64) -> Vec<Fact> {
    let version = world.services[service].slots[0].version;
    let older = version.saturating_sub(1).max(1);
    world.deploy((service, 0), older, at, Purpose::default()).0
}

/// Two versions take turns within hours.
pub(super) fn oscillation(world: &mut World, service: usize, at: i64) -> Vec<Fact> {
    let old = world.services[service].slots[0].version.max(1);
    let new = built(world, service);
    let mut rows = Vec::new();
    let mut start = at;
    for turn in 0..world.dice.between(3, 6) {
        let version = if turn % 2 == 0 { new } else { old };
        let (facts, live) = world.deploy((service, 0), version, start, Purpose::default());
        rows.extend(facts);
        start = live + world.dice.between(20, 240) * MINUTE;
    }
    rows
}
