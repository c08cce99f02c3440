//! Upkeep as an operator runs it: erase, compact, back up, restore.

use std::path::Path;
use std::sync::Arc;

use backtrail_ledger::{Clock, FileSigner, InitOptions, Ledger, Signer as _};
use backtrail_schemas::Timestamp;

use crate::tool::{check, ok, run};

/// A ledger with three segments and a tail; the key lies beside it.
fn ledger() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    ok(dir.path(), ["init", "ledger", "--origin", "ledger.example/upkeep"]);
    for seed in ["1", "2", "3", "4"] {
        append(dir.path(), seed);
        if seed != "4" {
            ok(dir.path(), ["seal", "--ledger", "ledger"]);
        }
    }
    dir
}

fn append(dir: &Path, seed: &str) {
    let events = ok(dir, ["generate", "--seed", seed, "--events", "40"]);
    std::fs::write(dir.join("events.ndjson"), events).unwrap();
    ok(dir, ["ingest", "--ledger", "ledger", "--source", "native", "events.ndjson"]);
}

fn verify(dir: &Path, ledger: &str) -> i32 {
    run(dir, ["verify", ledger, "--vkey", "ledger.vkey"]).exit
}

fn rows(dir: &Path) -> String {
    ok(dir, ["sql", "--ledger", "ledger", "--format", "csv", COUNT])
}

const COUNT: &str =
    "select kind, count(*) as n from events where kind <> 'ledger' group by kind order by kind";

#[test]
fn what_is_erased_is_shown_as_erased() {
    let dir = ledger();
    let dir = dir.path();
    let before = rows(dir);
    let first = "select event_id from events where kind = 'deployment' order by seq limit 1";
    let id = ok(dir, ["sql", "--ledger", "ledger", "--format", "csv", first]);
    let id = id.lines().nth(1).unwrap();
    let erase = ["erase", "--ledger", "ledger", "--event", id, "--reason", "a secret"];
    let said = ok(dir, erase);
    assert!(said.starts_with("erased 1 events and 0 people"), "{said}");
    assert_eq!(verify(dir, "ledger"), 0);
    assert_eq!(rows(dir), before, "rows and what they say stay");
    let again = run(dir, erase);
    assert_eq!(again.exit, 65, "{}", again.err);
    assert_eq!(run(dir, ["erase", "--ledger", "ledger", "--reason", "x"]).exit, 64);
    let entries = "select count(*) as n from log where phase = 'erasure'";
    let entries = ok(dir, ["sql", "--ledger", "ledger", "--format", "csv", entries]);
    assert_eq!(entries.lines().nth(1), Some("2"));
    let people = "select pseudonym from people order by pseudonym limit 1";
    let person = ok(dir, ["sql", "--ledger", "ledger", "--format", "csv", people]);
    let person = person.lines().nth(1).unwrap();
    let reason = ["--with-events", "--reason", "right to erasure"];
    ok(dir, ["erase", "--ledger", "ledger", "--person", person].into_iter().chain(reason));
    assert_eq!(verify(dir, "ledger"), 0);
    assert_eq!(rows(dir), before);
}

#[test]
fn rewritten_segments_answer_the_same() {
    let dir = ledger();
    let dir = dir.path();
    let before = rows(dir);
    let said = ok(dir, ["compact", "--ledger", "ledger"]);
    assert!(said.contains("rewrote 1 segments"), "{said}");
    assert_eq!(verify(dir, "ledger"), 0);
    assert_eq!(rows(dir), before);
    // The old files stay for an hour, for readers that opened them.
    let files = std::fs::read_dir(dir.join("ledger/segments")).unwrap().count();
    assert_eq!(files, 4);
}

#[test]
fn a_restored_backup_signs_once_it_is_confirmed() {
    let dir = ledger();
    let dir = dir.path();
    let note = |to: &str| std::fs::copy(dir.join("ledger/checkpoint"), dir.join(to)).unwrap();
    note("older.note");
    append(dir, "5");
    ok(dir, ["backup", "--ledger", "ledger", "backup"]);
    note("same.note");
    append(dir, "6");
    note("newer.note");
    assert_eq!(verify(dir, "backup"), 30, "a copy");

    ok(dir, ["restore", "backup", "restored"]);
    ok(dir, ["sql", "--ledger", "restored", "--format", "csv", COUNT]);
    let seal = ["seal", "--ledger", "restored", "--key", "ledger.key"];
    let refused = run(dir, seal);
    assert_eq!(refused.exit, 66, "{}", refused.err);
    assert!(refused.err.contains("backtrail restore restored --confirm NOTE"), "{}", refused.err);
    let confirm =
        |note: &str| run(dir, ["restore", "restored", "--confirm", note, "--key", "ledger.key"]);
    let newer = confirm("newer.note");
    assert_eq!(newer.exit, 13, "{}", newer.err);
    assert!(newer.err.contains("rows are missing"), "{}", newer.err);
    assert_eq!(confirm("older.note").exit, 65);
    assert_eq!(confirm("restored/checkpoint").exit, 64, "its own word");
    assert_eq!(run(dir, seal).exit, 66, "still");
    assert_eq!(confirm("same.note").exit, 0);
    ok(dir, seal);
    assert_eq!(verify(dir, "restored"), 0);
    // The older copy does not overwrite the newer one.
    ok(dir, ["backup", "--ledger", "ledger", "backup"]);
    let back = run(dir, ["backup", "--ledger", "restored", "backup"]);
    assert_eq!(back.exit, 13, "{}", back.err);
}

#[test]
fn retention_keeps_what_the_policy_keeps() {
    let dir = ledger();
    let dir = dir.path();
    let before = rows(dir);
    let refused = run(dir, ["retain", "--ledger", "ledger", "--before", "2026-01-01"]);
    assert_eq!(refused.exit, 65, "{}", refused.err);
    assert!(refused.err.contains("P6Y"), "{}", refused.err);
    let none = ok(dir, ["retain", "--ledger", "ledger", "--policy"]);
    assert!(none.starts_with("nothing to prune"), "{none}");
    ok(dir, ["retain", "--ledger", "ledger", "--before", "2001-01-01"]);
    for wrong in [
        vec!["retain", "--ledger", "ledger"],
        vec!["retain", "--ledger", "ledger", "--before", "soon"],
    ] {
        assert_eq!(run(dir, wrong).exit, 64);
    }
    assert_eq!(rows(dir), before);
    assert_eq!(verify(dir, "ledger"), 0);
}

#[test]
fn the_doctor_names_what_is_wrong_and_what_to_run() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    ok(dir, ["init", "ledger", "--origin", "ledger.example/doctor"]);
    append(dir, "1");
    ok(dir, ["seal", "--ledger", "ledger"]);
    append(dir, "1");
    let doctor = |more: &[&str]| run(dir, ["doctor", "--ledger", "ledger"].iter().chain(more));
    let well = doctor(&[]);
    assert_eq!(well.exit, 0, "{}", well.out);
    ok(dir, ["backup", "--ledger", "ledger", "backup"]);
    assert_eq!(doctor(&["--backup", "backup"]).exit, 0);
    let says = |more: &[&str], what: &str, command: &str| {
        let ran = doctor(more);
        assert_eq!(ran.exit, 1, "{what}: {}", ran.out);
        let mut lines = ran.out.lines().skip_while(|line| !line.contains(what));
        assert!(lines.next().is_some(), "{what}: {}", ran.out);
        assert!(lines.next().unwrap().contains(command), "{what}: {}", ran.out);
    };
    std::fs::write(dir.join("broken.json"), "{").unwrap();
    run(dir, ["ingest", "--ledger", "ledger", "--source", "github", "broken.json"]);
    says(&[], "in quarantine", "quarantine list");
    std::fs::write(dir.join("ledger/wal/00000000000000000000.wal"), "").unwrap();
    says(&[], "left of a command", "backtrail seal");
    std::fs::rename(dir.join("ledger.key"), dir.join("other.key")).unwrap();
    says(&[], "there is no key", "--key FILE");
    says(&["--backup", "nowhere"], "backup cannot be read", "backtrail backup nowhere");
    std::fs::remove_file(dir.join("ledger/state/head")).unwrap();
    says(&[], "`state/head` is missing", "backtrail restore ledger --confirm NOTE");
    std::fs::write(dir.join("ledger/checkpoint"), "x").unwrap();
    says(&[], "cannot be read", "backtrail verify ledger");
    let json = doctor(&["--json"]);
    let list: serde_json::Value = serde_json::from_str(&json.out).unwrap();
    assert!(list["findings"].as_array().unwrap().iter().all(|f| f["run"].is_string()), "{list}");
}

#[test]
fn a_pruned_ledger_answers_from_what_is_left() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let init = ["init", "ledger", "--origin", "ledger.example/pruned", "--retention"];
    assert_eq!(run(dir, init.into_iter().chain(["six years"])).exit, 64);
    ok(dir, init.into_iter().chain(["P0D"]));
    for seed in ["1", "2", "3"] {
        append(dir, seed);
        ok(dir, ["seal", "--ledger", "ledger"]);
    }
    append(dir, "4");
    let query = |sql: &str| ok(dir, ["sql", "--ledger", "ledger", "--format", "csv", sql]);
    let ids = query("select event_id from log where kind = 'deployment' order by seq limit 1");
    let oldest = ids.lines().nth(1).unwrap();
    let said = ok(dir, ["retain", "--ledger", "ledger", "--policy"]);
    assert!(said.starts_with("pruned the rows before "), "{said}");
    assert_eq!(verify(dir, "ledger"), 0);
    // Rows of the tail answer, and the ledger's own entries of all time.
    assert_ne!(rows(dir).lines().count(), 1);
    let entries = query("select count(*) as n from log where phase = 'segment_sealed'");
    assert_eq!(entries.lines().nth(1), Some("3"));
    let genesis = query("select seq from log where phase = 'genesis'");
    assert_eq!(genesis.lines().nth(1), Some("0"));
    ok(dir, ["prove", "--ledger", "ledger", oldest]);
    assert_eq!(run(dir, ["prove", "--ledger", "ledger", oldest, "--leaf", "leaf"]).exit, 66);
    ok(dir, ["export", "events", "--ledger", "ledger"]);
    let again = ok(dir, ["ingest", "--ledger", "ledger", "--source", "native", "events.ndjson"]);
    assert!(again.contains(" 0 accepted"), "{again}");
    ok(dir, ["backup", "--ledger", "ledger", "backup"]);
    ok(dir, ["metrics", "--ledger", "ledger", "--format", "csv"]);
}

/// A clock that stands where the test puts it.
struct Standing(Timestamp);

impl Clock for Standing {
    fn now(&self) -> Timestamp {
        self.0
    }
}

#[test]
fn a_clock_that_jumped_is_confirmed_in_the_log() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let signer = FileSigner::generate("clock.example/test").unwrap();
    signer.save(&dir.join("ledger.key")).unwrap();
    std::fs::write(dir.join("ledger.vkey"), signer.vkey().to_string()).unwrap();
    let then = Standing(Timestamp::parse_rfc3339("2026-01-01T00:00:00Z").unwrap());
    let options = InitOptions::default();
    drop(Ledger::init(&dir.join("ledger"), &options, Box::new(signer), Arc::new(then)).unwrap());
    let emit = ["emit", "drill", "started", "--ledger", "ledger", "--field", "drill_id=d-1"];
    check(&run(dir, emit), 75, &["the last row is of 2026-01-01", "doctor --confirm-clock"]);
    let doctor = ["doctor", "--ledger", "ledger"];
    assert!(run(dir, doctor).out.contains("the clock says"));
    ok(dir, ["doctor", "--ledger", "ledger", "--confirm-clock"]);
    ok(dir, emit);
    assert_eq!(verify(dir, "ledger"), 0);
    let entries = ok(dir, ["export", "events", "--ledger", "ledger"]);
    assert_eq!(entries.matches("clock_anomaly").count(), 1);
}
