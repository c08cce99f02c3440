//! Sample deliveries, a small story with hand-computed answers, and a seeded generator of any size.

pub mod story;

/// The story's recorded deliveries: file name and NDJSON, as committed in `samples/story/deliveries`.
///
/// Feed them to a ledger with a simulated clock in the order of `received_at` over all files: `recorded_at` never goes
/// back.
pub fn story() -> impl Iterator<Item = (&'static str, &'static [u8])> {
    FILES.iter().copied()
}

const FILES: &[(&str, &[u8])] = &[
    ("argo-rollouts.ndjson", include_bytes!("../story/deliveries/argo-rollouts.ndjson")),
    ("cdevents.ndjson", include_bytes!("../story/deliveries/cdevents.ndjson")),
    ("github.ndjson", include_bytes!("../story/deliveries/github.ndjson")),
    ("native.ndjson", include_bytes!("../story/deliveries/native.ndjson")),
    ("pagerduty.ndjson", include_bytes!("../story/deliveries/pagerduty.ndjson")),
];
