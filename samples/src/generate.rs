//! A made-up history of any size, the same bytes for the same seed on every machine.
//!
//! One episode after another (a release, an incident with its rollback, a drill …) puts rows into a queue that is
//! ordered by arrival; the queue holds a few days of one organisation, so memory does not grow with the length of the
//! history. All randomness is `ChaCha8` and all arithmetic is on integers.

mod dice;
mod episodes;
mod fact;
mod trouble;
mod vendor;
mod world;

use std::collections::BTreeMap;

use dice::Dice;
use fact::{Cell, Fact};
use world::World;

/// What the lines are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// Native events, one a line.
    Native,
    /// Recorded deliveries of GitHub, PagerDuty, CDEvents and Argo Rollouts, and native ones for what they do not send.
    Vendor,
}

/// `lines` lines of NDJSON without line ends. Among them are duplicates, conflicts, amendments, corrections, late and disordered
/// rows, reopened, open and merged incidents, drills, oscillations and partial rollbacks.
///
/// A longer history begins with a shorter one of the same seed and shape.
pub fn generate(seed: u64, lines: u64, shape: Shape) -> impl Iterator<Item = String> {
    let mut history =
        History { world: World::new(Dice::new(seed)), queue: BTreeMap::new(), queued: 0, shape };
    (0..lines).map(move |_| history.next_line())
}

/// Rows that have not arrived yet, by the time of their arrival.
struct History {
    world: World,
    queue: BTreeMap<(i64, u64), String>,
    queued: u64,
    shape: Shape,
}

impl History {
    fn next_line(&mut self) -> String {
        loop {
            // Nothing that is still to happen arrives before the world's clock.
            match self.queue.first_entry() {
                Some(first) if first.key().0 <= self.world.now => return first.remove(),
                _ => self.happen(),
            }
        }
    }

    fn happen(&mut self) {
        for fact in episodes::next(&mut self.world) {
            self.arrive(&fact);
        }
    }

    /// Queues a row, some of them late, twice, or followed by another statement of the same id.
    fn arrive(&mut self, fact: &Fact) {
        let dice = &mut self.world.dice;
        let seconds = match dice.below(1000) {
            0..15 => dice.between(3_600, 172_800),
            15..65 => dice.between(20, 300),
            _ => dice.between(0, 5),
        };
        let again = dice.between(60, 3_600);
        let more = match dice.below(1000) {
            0..10 => Some(fact.clone()),
            10..12 => Some(fact.with("severity_raw", Cell::Text(format!("rated {}", self.queued)))),
            12..14 => Some(fact.with("service", Cell::Word("service-of-another"))),
            14..16 if fact.is_a_persons_mark() => Some(fact.corrected(self.world.identify(), 60)),
            16..17 if fact.is_a_persons_mark() => Some(fact.retracted(self.world.identify())),
            _ => None,
        };
        let received = fact.at + seconds * 1_000_000;
        self.queue(received, fact);
        if let Some(more) = more {
            self.queue(received + again * 1_000_000, &more);
        }
    }

    fn queue(&mut self, received: i64, fact: &Fact) {
        let line = match self.shape {
            Shape::Native => Some(fact.native()),
            Shape::Vendor => vendor::line(&self.world, fact, received),
        };
        if let Some(line) = line {
            self.queue.insert((received, self.queued), line);
            self.queued += 1;
        }
    }
}

#[cfg(test)]
mod tests;
