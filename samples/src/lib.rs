//! Sample deliveries, a small story with hand-computed answers, and a seeded generator of any size.

pub mod answers;
mod generate;
pub mod story;

pub use generate::{Shape, generate};

/// The story's recorded deliveries: file name and NDJSON, as committed in `samples/story/deliveries`.
///
/// A ledger wants them in the order of [`story_in_order`], since `recorded_at` never goes back.
pub fn story() -> impl Iterator<Item = (&'static str, &'static [u8])> {
    FILES.iter().copied()
}

/// The lines of all files in the order in which they were received, without line ends: the order in which a ledger has to
/// be fed. Lines received at once keep the order of the files.
pub fn story_in_order() -> impl Iterator<Item = &'static [u8]> {
    let mut lines: Vec<&str> = story()
        .flat_map(|(_, bytes)| std::str::from_utf8(bytes).expect("the story is UTF-8").lines())
        .collect();
    lines.sort_by_key(|line| received(line));
    lines.into_iter().map(str::as_bytes)
}

/// The canonical time after `"received_at":"`, whose text order is time order. In the body the quotes are escaped.
fn received(line: &str) -> &str {
    let key = r#""received_at":""#;
    let at = line.find(key).expect("every line of the story says when it was received") + key.len();
    &line[at..at + "2026-09-30T20:00:00.000000Z".len()]
}

/// Accounts of the story that are one person's: ids at GitHub and `PagerDuty`, and the address that native events use.
pub const ACCOUNTS: &[(&str, &str)] = &[
    ("90010001", "imani@lanternfish.example"),
    ("90010002", "tomas@lanternfish.example"),
    ("90010005", "mei@lanternfish.example"),
    ("90010007", "sam@lanternfish.example"),
    ("PLFJONAS", "jonas@lanternfish.example"),
    ("PLFMEITA", "mei@lanternfish.example"),
    ("PLFSAMOD", "sam@lanternfish.example"),
    ("PLFTOMAS", "tomas@lanternfish.example"),
];

const FILES: &[(&str, &[u8])] = &[
    ("argo-rollouts.ndjson", include_bytes!("../story/deliveries/argo-rollouts.ndjson")),
    ("cdevents.ndjson", include_bytes!("../story/deliveries/cdevents.ndjson")),
    ("github.ndjson", include_bytes!("../story/deliveries/github.ndjson")),
    ("native.ndjson", include_bytes!("../story/deliveries/native.ndjson")),
    ("pagerduty.ndjson", include_bytes!("../story/deliveries/pagerduty.ndjson")),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_files_are_one_stream_that_never_goes_back() {
        let text = |line: &'static [u8]| std::str::from_utf8(line).unwrap();
        let lines: Vec<&str> = story_in_order().map(text).collect();
        assert!(lines.windows(2).all(|w| received(w[0]) <= received(w[1])));
        let whole: usize = story().map(|(_, bytes)| text(bytes).lines().count()).sum();
        assert_eq!(lines.len(), whole);
        assert_eq!(received(lines[lines.len() - 1]), "2026-09-30T20:00:00.000000Z");
    }
}
