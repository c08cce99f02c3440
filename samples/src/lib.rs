//! Sample deliveries, a small story with hand-computed answers, and a seeded generator of any size.

pub mod answers;
mod generate;
pub mod story;

pub use generate::{Shape, generate};

/// The story's recorded deliveries: file name and NDJSON, as committed in `samples/story/deliveries`.
///
/// Feed them to a ledger with a simulated clock in the order of `received_at` over all files: `recorded_at` never goes
/// back.
pub fn story() -> impl Iterator<Item = (&'static str, &'static [u8])> {
    FILES.iter().copied()
}

/// The lines of all files in the order in which they were received, each with its file name: the order in which a ledger
/// has to be fed.
pub fn in_order() -> Vec<(&'static str, &'static str)> {
    let mut lines: Vec<(&str, &str, &str)> = Vec::new();
    for (file, bytes) in FILES {
        let text = std::str::from_utf8(bytes).expect("the story is UTF-8");
        lines.extend(text.lines().map(|line| (received(line), *file, line)));
    }
    lines.sort_by_key(|(received, _, _)| *received);
    lines.into_iter().map(|(_, file, line)| (file, line)).collect()
}

/// The canonical time after `"received_at":"`, whose text order is time order. In the body the quotes are escaped.
fn received(line: &str) -> &str {
    let key = r#""received_at":""#;
    let at = line.find(key).expect("every line of the story says when it was received") + key.len();
    &line[at..at + "2026-09-30T20:00:00.000000Z".len()]
}

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
        let lines = in_order();
        assert!(lines.windows(2).all(|w| received(w[0].1) <= received(w[1].1)));
        let whole: usize =
            story().map(|(_, bytes)| std::str::from_utf8(bytes).unwrap().lines().count()).sum();
        assert_eq!(lines.len(), whole);
        assert_eq!(received(lines[lines.len() - 1].1), "2026-09-30T20:00:00.000000Z");
    }
}
