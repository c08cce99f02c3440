//! What the made-up organisation remembers: its services, what is live in each slot, and the next numbers.

use super::dice::{Dice, hex};
use super::fact::{Cell, Fact};

/// How a service is deployed, which decides the vendor that speaks of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tool {
    GitHub,
    CdEvents,
    Argo,
}

/// One service, with a slot per region.
pub(super) struct Service {
    pub(super) name: String,
    pub(super) tool: Tool,
    pub(super) slots: Vec<Slot>,
    /// The number of the newest version that was ever built.
    pub(super) newest: u64,
}

/// What is live in one region.
#[derive(Clone, Copy, Default)]
pub(super) struct Slot {
    pub(super) version: u64,
    pub(super) deployment: u64,
}

/// Everything that the history depends on, besides its queue.
pub(super) struct World {
    pub(super) dice: Dice,
    /// The time up to which everything that arrives is known, µs.
    pub(super) now: i64,
    pub(super) services: Vec<Service>,
    facts: u64,
    entities: u64,
}

/// What a deployment is for.
#[derive(Clone, Copy, Default)]
pub(super) struct Purpose {
    /// The rollback that it carries out, and the deployment that this takes back.
    pub(super) rollback: Option<(u64, u64)>,
    pub(super) incident: Option<u64>,
    pub(super) change: Option<u64>,
    pub(super) drill: bool,
    pub(super) fails: bool,
}

const SERVICES: u64 = 48;
const REGIONS: [&str; 3] = ["north", "south", "west"];
const PEOPLE: u64 = 60;

/// 2024-01-01T00:00:00Z.
const BEGIN_US: i64 = 1_704_067_200_000_000;

impl World {
    /// An organisation on its first day.
    pub(super) fn new(dice: Dice) -> Self {
        let services = (0..SERVICES).map(|n| Service {
            name: format!("service-{n:02}"),
            tool: [Tool::GitHub, Tool::CdEvents, Tool::Argo][n as usize % 3],
            slots: vec![Slot::default(); 1 + n as usize % REGIONS.len()],
            newest: 0,
        });
        Self { dice, now: BEGIN_US, services: services.collect(), facts: 0, entities: 0 }
    }

    /// The number of the next row.
    pub(super) fn identify(&mut self) -> u64 {
        self.facts += 1;
        self.facts
    }

    /// The number of the next deployment, change, rollback or incident.
    pub(super) fn entity(&mut self) -> u64 {
        self.entities += 1;
        self.entities
    }

    /// One of the services.
    pub(super) fn some_service(&mut self) -> usize {
        self.dice.below(SERVICES) as usize
    }

    /// One of the people, by account.
    pub(super) fn someone(&mut self) -> Cell {
        Cell::Text(format!("p{:02}@example.org", self.dice.below(PEOPLE)))
    }

    /// A row about a service.
    pub(super) fn row(
        &mut self,
        at: i64,
        kind: &'static str,
        phase: &'static str,
        service: usize,
    ) -> Fact {
        let name = Cell::Text(self.services[service].name.clone());
        let id = self.identify();
        Fact { at, id, kind, phase, service, cells: vec![("service", name)], occurred_at: None }
    }

    /// A row about one slot in production.
    pub(super) fn slot_row(
        &mut self,
        at: i64,
        (kind, phase): (&'static str, &'static str),
        (service, slot): (usize, usize),
    ) -> Fact {
        let mut fact = self.row(at, kind, phase, service);
        fact.cells.push(("environment", Cell::Word("production")));
        fact.cells.push(("region", Cell::Word(REGIONS[slot])));
        fact
    }

    /// Deploys a version to a slot; the rows, and when it was live (or failed).
    pub(super) fn deploy(
        &mut self,
        place: (usize, usize),
        version: u64,
        at: i64,
        purpose: Purpose,
    ) -> (Vec<Fact>, i64) {
        let deployment = self.entity();
        let live = at + self.dice.between(60, 900) * 1_000_000;
        let who = self.someone();
        let last = if purpose.fails { "failed" } else { "live" };
        let phases = [("queued", at - 30_000_000), ("started", at), (last, live)];
        let rows = phases.map(|(phase, at)| {
            let mut fact = self.slot_row(at, ("deployment", phase), place);
            fact.cells.push(("deployment_id", Cell::Text(deployment.to_string())));
            fact.cells.push(("version", Cell::Text(label(version))));
            fact.cells.push(("artifact_digest", Cell::Text(digest(place.0, version))));
            fact.cells.push(("commit_sha", Cell::Text(hex(place.0 as u64 + 1, version, 40))));
            fact.cells.push(("actor", who.clone()));
            fact.cells.extend(stated(purpose));
            fact
        });
        if !purpose.fails {
            self.services[place.0].slots[place.1] = Slot { version, deployment };
        }
        (rows.into(), live)
    }
}

fn stated(purpose: Purpose) -> impl Iterator<Item = (&'static str, Cell)> {
    let numbered = |prefix: &str, n: u64| Cell::Text(format!("{prefix}{n}"));
    let change = purpose.change.map(|n| ("change_id", numbered("c", n)));
    let incident = purpose.incident.map(|n| ("incident_id", numbered("i", n)));
    let rollback = purpose.rollback.map(|(n, _)| ("rollback_id", numbered("r", n)));
    let of = purpose.rollback.map(|(_, of)| ("rollback_of", numbered("", of)));
    let drill = purpose.drill.then_some(("drill", Cell::Flag(true)));
    [change, incident, rollback, of, drill].into_iter().flatten()
}

/// The label of a version by its number.
pub(super) fn label(version: u64) -> String {
    format!("{}.{}.{}", 1 + version / 100, version / 10 % 10, version % 10)
}

/// The digest of what a service ships as a version.
pub(super) fn digest(service: usize, version: u64) -> String {
    format!("sha256:{}", hex(service as u64, version, 64))
}
