//! Samples that neither side can steer: the seed is the auditor's text and the root of the checkpoint.

use crate::hash::sha256;
use data_encoding::HEXLOWER;
use serde::{Deserialize, Serialize};

use crate::pack::Sampling;

/// One drawn item.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Drawn {
    /// The item.
    pub item_id: String,
    /// Its ticket, in hex.
    pub ticket: String,
}

impl Sampling {
    /// How many of `population` items are drawn.
    pub fn size_for(&self, population: u64) -> u64 {
        let share = (population * self.small_per_mille).div_ceil(1000);
        let size = match population {
            n if n <= self.all_up_to => n,
            n if n < self.small_below => share.max(self.small_min),
            _ => self.size,
        };
        size.min(population)
    }
}

/// The seed of a report: the auditor's text, a vertical bar, and the checkpoint's root.
pub fn seed(auditors_text: &str, root: &str) -> String {
    format!("{auditors_text}|{root}")
}

/// The `size` items with the smallest tickets, smallest first.
///
/// Source: R. Rivest, "Consistent Sampling with Replacement" (2018), with tickets in hex and without replacement: a
/// larger sample contains the smaller one.
pub fn draw<'a>(seed: &str, items: impl Iterator<Item = &'a str>, size: u64) -> Vec<Drawn> {
    let ticket = |id: &str| HEXLOWER.encode(&sha256(format!("{seed},{id}").as_bytes()));
    let mut all: Vec<Drawn> =
        items.map(|id| Drawn { item_id: id.to_owned(), ticket: ticket(id) }).collect();
    all.sort_by(|a, b| (&a.ticket, &a.item_id).cmp(&(&b.ticket, &b.item_id)));
    all.truncate(usize::try_from(size).unwrap_or(usize::MAX));
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pack;

    #[test]
    fn sizes_follow_the_table() {
        let sizes = &pack::core().sampling;
        for (population, want) in
            [(0, 0), (1, 1), (5, 5), (6, 5), (49, 5), (50, 25), (51, 25), (100_000, 25)]
        {
            assert_eq!(sizes.size_for(population), want, "{population}");
        }
    }

    #[test]
    fn a_larger_sample_contains_the_smaller_one_whatever_the_order() {
        let ids: Vec<String> = (0..200).map(|n| format!("d-{n}")).collect();
        let small = draw("seed", ids.iter().map(String::as_str), 10);
        let large = draw("seed", ids.iter().rev().map(String::as_str), 25);
        assert_eq!(small[..], large[..10]);
        assert_ne!(small, draw("another seed", ids.iter().map(String::as_str), 10));
        // printf 'seed,d-0' | sha256sum
        let all = draw("seed", ids.iter().map(String::as_str), 200);
        let first = all.iter().find(|d| d.item_id == "d-0").unwrap();
        assert_eq!(first.ticket, D0_TICKET);
    }

    const D0_TICKET: &str = "c1caf95459cc54bb0f19101784ef49daa7fb76d80990669029b9549201666985";
}
