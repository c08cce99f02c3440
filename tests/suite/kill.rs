//! L3 with the real binary: whatever a receipt was printed for is there, exactly once, after `kill -9`.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use serde_json::Value;

use crate::tool::{backtrail, ok};

const KILLS: usize = 200;
const EVENTS: usize = 3_000;

/// At least this many kills must fall between the first receipt and the last, or the test shows nothing.
const PARTIAL_MIN: usize = 150;

#[test]
fn a_killed_ingest_loses_no_receipt() {
    let dir = tempfile::tempdir().unwrap();
    let history = ok(dir.path(), ["generate", "--seed", "7", "--events", &EVENTS.to_string()]);
    std::fs::write(dir.path().join("history.ndjson"), history).unwrap();
    let partial = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..2)
            .map(|worker| {
                let dir = dir.path();
                scope.spawn(move || {
                    (worker..KILLS).step_by(2).filter(|n| kill_once(dir, *n)).count()
                })
            })
            .collect();
        workers.into_iter().map(|w| w.join().unwrap()).sum::<usize>()
    });
    println!("{KILLS} kills, {partial} between the first and the last receipt");
    assert!(
        partial >= PARTIAL_MIN,
        "only {partial} of {KILLS} kills fell between the first and the last receipt"
    );
}

/// Kills one `ingest` after a number of receipts that depends on `n`, and checks what is left. Whether some but not
/// all receipts had been printed.
fn kill_once(dir: &Path, n: usize) -> bool {
    let ledger = format!("ledger-{n}");
    ok(dir, ["init", &ledger, "--origin", "kill.example/test"]);
    let mut child = backtrail()
        .args(["ingest", "--ledger", &ledger, "--format", "ndjson", "history.ndjson"])
        .current_dir(dir)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    // A multiplicative hash spreads the instants: a number of receipts, then a pause of up to 8 ms.
    let draw = (n as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let wanted = (draw >> 40) as usize % EVENTS;
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut receipts: Vec<String> = lines.by_ref().take(wanted).map(Result::unwrap).collect();
    std::thread::sleep(Duration::from_micros((draw >> 20) % 8_000));
    child.kill().unwrap();
    child.wait().unwrap();
    // What was already in the pipe was printed, too; the last line may be cut.
    receipts.extend(lines.map_while(Result::ok).filter(|line| line.ends_with('}')));
    check(dir, &ledger, &receipts);
    !receipts.is_empty() && receipts.len() < EVENTS
}

fn check(dir: &Path, ledger: &str, receipts: &[String]) {
    // The next writer recovers; then everything must hold.
    ok(dir, ["ingest", "--ledger", ledger, "--source", "native", "/dev/null"]);
    ok(dir, ["verify", ledger, "--vkey", &format!("{ledger}.vkey")]);
    let leaves = ok(dir, ["export", "events", "--ledger", ledger]);
    let mut count: BTreeMap<String, usize> = BTreeMap::new();
    for line in leaves.lines() {
        let leaf: Value = serde_json::from_str(line).unwrap();
        *count.entry(leaf["event_id"].as_str().unwrap().to_owned()).or_default() += 1;
    }
    for receipt in receipts {
        let receipt: Value = serde_json::from_str(receipt).unwrap();
        let id = receipt["event_id"].as_str().unwrap();
        assert_eq!(count.get(id), Some(&1), "{ledger}: {id}");
    }
    std::fs::remove_dir_all(dir.join(ledger)).unwrap();
}
