//! The bundled story from deliveries to metrics, whatever way it arrives (I3).

use std::collections::BTreeMap;
use std::path::Path;

use crate::tool::ok;

/// Metrics that are about recording, and so may depend on the order of arrival (docs/metrics.md lists them).
const ABOUT_RECORDING: &[&str] = &["data_quality", "reapply_without_rca"];

/// The story's lines in the order in which they were received.
pub(crate) fn story() -> Vec<String> {
    backtrail_samples::story_in_order()
        .map(|line| String::from_utf8(line.to_vec()).unwrap())
        .collect()
}

/// Writes the batches as files, ingests one after the other, and prints the quarter's metrics without those about
/// recording, and without the columns that name the checkpoint.
fn metrics_of(dir: &Path, name: &str, batches: &[&[String]]) -> String {
    ok(dir, ["init", name, "--origin", "story.example/test", "--simulated-clock"]);
    for (n, lines) in batches.iter().enumerate() {
        let file = format!("{name}-{n}.ndjson");
        std::fs::write(dir.join(&file), lines.join("\n")).unwrap();
        ok(dir, ["ingest", "--ledger", name, &file]);
    }
    ok(dir, ["verify", name, "--vkey", &format!("{name}.vkey")]);
    let csv = ok(dir, ["metrics", "--ledger", name, "--period", "2026-Q3", "--format", "ndjson"]);
    let rows = csv.lines().map(|line| {
        let mut row: BTreeMap<String, serde_json::Value> = serde_json::from_str(line).unwrap();
        row.remove("checkpoint");
        row
    });
    let kept = rows.filter(|row| !ABOUT_RECORDING.contains(&row["metric"].as_str().unwrap()));
    kept.map(|row| serde_json::to_string(&row).unwrap() + "\n").collect()
}

/// A permutation that depends only on `seed`: Fisher–Yates with a multiplicative generator.
fn shuffled(lines: &[String], seed: u64) -> Vec<String> {
    let mut lines = lines.to_vec();
    let mut state = seed;
    for at in (1..lines.len()).rev() {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        lines.swap(at, (state >> 33) as usize % (at + 1));
    }
    lines
}

#[test]
fn arrival_changes_no_metric() {
    let dir = tempfile::tempdir().unwrap();
    let lines = story();
    let straight = metrics_of(dir.path(), "straight", &[&lines]);
    assert!(straight.lines().count() > 100, "{straight}");
    let (first, rest) = lines.split_at(lines.len() / 3);
    let (second, third) = rest.split_at(rest.len() / 2);
    assert_eq!(metrics_of(dir.path(), "batches", &[first, second, third]), straight);
    assert_eq!(metrics_of(dir.path(), "twice", &[&lines, &lines]), straight);
    for seed in [1, 2] {
        let mixed = shuffled(&lines, seed);
        assert_eq!(
            metrics_of(dir.path(), &format!("mixed-{seed}"), &[&mixed]),
            straight,
            "seed {seed}"
        );
    }
}

#[test]
fn the_same_deliveries_again_add_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let lines = story();
    std::fs::write(dir.path().join("story.ndjson"), lines.join("\n")).unwrap();
    ok(dir.path(), ["init", "ledger", "--origin", "story.example/test", "--simulated-clock"]);
    let ingest = || -> serde_json::Value {
        let out =
            ok(dir.path(), ["ingest", "--ledger", "ledger", "--format", "json", "story.ndjson"]);
        serde_json::from_str(&out).unwrap()
    };
    let first = ingest();
    let count = |counts: &serde_json::Value, name: &str| counts[name].as_u64().unwrap();
    assert_eq!(count(&first, "deliveries"), lines.len() as u64);
    let sum = |c: &serde_json::Value| {
        ["accepted", "duplicate", "amended", "conflict"].iter().map(|n| count(c, n)).sum::<u64>()
    };
    assert_eq!(sum(&first), count(&first, "events"));
    let second = ingest();
    assert_eq!((count(&second, "accepted"), count(&second, "amended")), (0, 0));
    assert_eq!(sum(&second), count(&second, "events"));
    assert_eq!(count(&second, "events"), count(&first, "events"));
}
