//! What a person sees when something is wrong: what, where, a hint, and the exit code of the manual.

use std::path::Path;

use crate::tool::{check, ok, run, run_with};

/// A folder with a small ledger.
fn trial() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    ok(dir.path(), ["init", "ledger", "--origin", "errors.example/test"]);
    let history = ok(dir.path(), ["generate", "--seed", "1", "--events", "50"]);
    std::fs::write(dir.path().join("history.ndjson"), history).unwrap();
    ok(dir.path(), ["ingest", "--ledger", "ledger", "history.ndjson"]);
    dir
}

#[test]
fn errors_say_what_where_and_what_next() {
    let dir = trial();
    let run = |args: &[&str]| run(dir.path(), args);
    check(&run(&["sql", "--ledger", "nowhere", "select 1"]), 66, &["nowhere is not a ledger"]);
    check(&run(&["sql", "select 1"]), 66, &["no ledger is named"]);
    check(&run(&["ingest", "--ledger", "ledger", "missing.ndjson"]), 66, &["missing.ndjson"]);
    check(
        &run(&["ingest", "--ledger", "ledger", "--source", "gitbug", "history.ndjson"]),
        64,
        &["gitbug"],
    );
    check(&run(&["init", "ledger", "--origin", "errors.example/test"]), 73, &["ledger"]);
    check(
        &run(&["sql", "--ledger", "ledger", "select servce from events"]),
        65,
        &["servce", "service"],
    );
    check(&run(&["sql", "--ledger", "ledger", "select * from evens"]), 65, &["evens"]);
    check(&run(&["sql", "--ledger", "ledger", "drop table events"]), 65, &["only"]);
    check(&run(&["metrics", "--ledger", "ledger", "--period", "2026-13"]), 64, &["2026-13"]);
    check(&run(&["metrics", "--ledger", "ledger", "--param", "hodl=3m"]), 64, &["hodl", "hold"]);
    check(&run(&["metrics", "explain", "mttrr"]), 64, &["mttrr", "mttr"]);
    let unknown = run(&["metrics", "--ledger", "ledger", "--metric", "nope"]);
    check(&unknown, 64, &["`nope` is not a metric", "`backtrail metrics list`"]);
    for (query, says) in [
        ("selec 1", "error: Expected: an SQL statement, found: selec at Line: 1"),
        ("select \"a\" frm \"b\"", "found: \"b\""),
        ("select 'a", "error: Unterminated string literal"),
    ] {
        let wrong = run(&["sql", "--ledger", "ledger", query]);
        check(&wrong, 65, &[says]);
        assert!(!wrong.err.contains("Error("), "{}", wrong.err);
    }
    check(&run(&["timeline", "--ledger", "ledger", "INC-0"]), 66, &["INC-0"]);
    check(&run(&["controls", "show", "CHG-99"]), 64, &["CHG-99"]);
}

#[test]
fn a_wrong_key_is_refused_in_both_directions() {
    let dir = trial();
    ok(dir.path(), ["init", "other", "--origin", "errors.example/other"]);
    check(&run(dir.path(), ["verify", "ledger", "--vkey", "other.vkey"]), 12, &["key"]);
    check(
        &run(dir.path(), ["ingest", "--ledger", "ledger", "--key", "other.key", "history.ndjson"]),
        65,
        &["key"],
    );
    check(&run(dir.path(), ["verify", "ledger", "--vkey", "not a key"]), 64, &["key"]);
    // A file that `verify` passes over, so that nothing but the key is wrong.
    std::fs::copy(dir.path().join("ledger.vkey"), dir.path().join("ledger/vkey.cut")).unwrap();
    let from_inside = run(dir.path(), ["verify", "ledger", "--vkey", "ledger/vkey.cut"]);
    check(&from_inside, 40, &["came with"]);
    assert_eq!(run(dir.path(), ["verify", "ledger", "--vkey", "ledger.vkey"]).exit, 0);
}

#[test]
fn a_malformed_delivery_is_kept_with_its_place() {
    let dir = trial();
    std::fs::write(dir.path().join("bad.ndjson"), "{\"kind\":\"deployment\"\n").unwrap();
    let ran = run(dir.path(), ["ingest", "--ledger", "ledger", "--source", "native", "bad.ndjson"]);
    assert_eq!(ran.exit, 0, "{}", ran.err);
    assert!(ran.out.contains("quarantined"), "{}", ran.out);
    let listed = ok(dir.path(), ["quarantine", "list", "--ledger", "ledger", "--format", "csv"]);
    assert!(listed.contains("bad.ndjson"), "{listed}");
    let id = &listed.lines().nth(1).unwrap()[..8];
    let quarantine =
        |args: &[&str]| run(dir.path(), [&["quarantine"], args, &["--ledger", "ledger"]].concat());
    let shown = quarantine(&["show", id]);
    for part in ["bad.ndjson", "native", "bad_json", "{\"kind\":\"deployment\""] {
        assert!(shown.out.contains(part), "{part} is not in\n{}", shown.out);
    }
    check(&quarantine(&["show", "zz"]), 66, &["zz"]);
    let line = quarantine(&["show", id, "--json"]).out;
    let record: serde_json::Value = serde_json::from_str(&line).unwrap();
    assert_eq!(record["body"], "{\"kind\":\"deployment\"");
    let entries = "select count(*) from events where phase <> 'retried'";
    let size = ok(dir.path(), ["sql", "--ledger", "ledger", entries]);
    let retried = quarantine(&["retry", "--format", "json"]).out;
    let counts: serde_json::Value = serde_json::from_str(&retried).unwrap();
    assert_eq!((&counts["deliveries"], &counts["quarantined"]), (&1.into(), &1.into()));
    assert_eq!(size, ok(dir.path(), ["sql", "--ledger", "ledger", entries]));
    let ran = run(
        dir.path(),
        [
            "ingest",
            "--ledger",
            "ledger",
            "--fail-on",
            "quarantine",
            "--source",
            "native",
            "bad.ndjson",
        ],
    );
    assert_eq!(ran.exit, 1, "{}", ran.err);
}

#[test]
fn a_second_writer_is_told_who_holds_the_lock() {
    let dir = trial();
    let mut first = crate::tool::backtrail()
        .args(["ingest", "--ledger", "ledger", "-"])
        .current_dir(dir.path())
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let pid = first.id().to_string();
    wait_for_lock(dir.path(), &pid);
    let ran = run_with(dir.path(), b"", ["ingest", "--ledger", "ledger", "-"]);
    check(&ran, 75, &[&pid]);
    drop(first.stdin.take());
    assert!(first.wait().unwrap().success());
}

/// The first writer has the lock once its process id stands in the lock file.
fn wait_for_lock(dir: &Path, pid: &str) {
    for _ in 0..1_000 {
        let held = std::fs::read_to_string(dir.join("ledger/state/lock")).unwrap_or_default();
        if held.contains(pid) {
            return;
        }
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    panic!("the first writer never took the lock");
}
