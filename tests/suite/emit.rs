//! `emit`: what no source sends, stated on the command line, checked before anything is written.

use std::path::Path;

use serde_json::Value;

use crate::serving::Serving;
use crate::tool::{backtrail, check, ok, ran, run};

fn ledger() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    ok(dir.path(), ["init", "ledger", "--origin", "emit.example/test"]);
    dir
}

fn emit(dir: &Path, args: &[&str]) -> crate::tool::Ran {
    run(dir, ["emit", "--ledger", "ledger"].iter().chain(args))
}

fn rows(dir: &Path) -> Vec<Value> {
    let leaves = ok(dir, ["export", "events", "--ledger", "ledger"]);
    leaves.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn a_retried_job_adds_no_second_row() {
    let dir = ledger();
    let dir = dir.path();
    let job = |check: &str| {
        let check = format!("check_name={check}");
        emit(
            dir,
            &[
                "verification",
                "passed",
                "--field",
                &check,
                "--field",
                "actor=bot:ci",
                "--event-id",
                "job-7",
                "--format",
                "json",
            ],
        )
    };
    let receipts: Vec<Value> = [job("smoke"), job("smoke")]
        .iter()
        .map(|r| serde_json::from_str(&r.out).unwrap())
        .collect();
    assert_eq!(receipts[0]["outcome"], "accepted");
    assert_eq!(receipts[1]["outcome"], "duplicate");
    assert_eq!(receipts[0]["seq"], receipts[1]["seq"]);
    assert_eq!(receipts[0]["event_id"], "native:default:job-7");
    let found = rows(dir);
    let row = &found[receipts[0]["seq"].as_u64().unwrap() as usize];
    for (column, value) in [
        ("source", "native"),
        ("ingest_mode", "attested"),
        ("authn_method", "local"),
        ("assertion", "observed"),
        ("actor", "bot:ci"),
        ("actor_kind", "automation"),
        ("time_basis", "receipt"),
    ] {
        assert_eq!(row[column], value, "{column}");
    }
    check(&job("load"), 65, &["native:default:job-7", "says something else"]);
    ok(dir, ["verify", "ledger", "--vkey", "ledger.vkey"]);
}

#[test]
fn people_texts_and_lists_reach_their_places() {
    let dir = ledger();
    let dir = dir.path();
    let at = ["--at", "2026-10-01T12:00:00+02:00"];
    let decided = emit(
        dir,
        &[
            &[
                "service",
                "declared",
                "--field",
                "service=shop",
                "--field",
                "tags=pci",
                "--field",
                "tags=eu",
                "--field",
                "objective_recovery_s=1800",
                "--person",
                r"owner=pagerduty\:acme:P7:Mei",
                "--attribute",
                "cost/centre=7",
                "--text",
                "comment=the till",
            ][..],
            &at,
        ]
        .concat(),
    );
    assert_eq!(decided.exit, 0, "{}", decided.err);
    let found = rows(dir);
    let row = found.iter().find(|row| row["kind"] == "service").unwrap();
    assert_eq!(row["tags"], serde_json::json!(["eu", "pci"]));
    assert_eq!(row["objective_recovery_s"], 1800);
    assert_eq!(row["occurred_at"], "2026-10-01T10:00:00.000000Z");
    assert_eq!(
        (&row["assertion"], &row["time_basis"]),
        (&"attested".into(), &"source_event".into())
    );
    assert_eq!(row["attributes"]["cost_x2fcentre"], "7");
    assert!(row["owner"].as_str().unwrap().starts_with("person:"));
    assert!(row["comment_commitment"].is_string() && row.get("comment").is_none());
    let people = ok(dir, ["people", "list", "--ledger", "ledger", "--format", "csv"]);
    assert!(people.contains("pagerduty:acme,P7,Mei"), "{people}");
    let before = found.len();
    let shown = emit(dir, &["drill", "started", "--field", "drill_id=d", "--dry-run"]);
    assert!(shown.exit == 0 && shown.out.contains(r#""drill_id":"d""#), "{}", shown.out);
    assert_eq!(rows(dir).len(), before);
}

#[test]
fn what_is_no_event_is_refused_before_anything_is_written() {
    let dir = ledger();
    let dir = dir.path();
    let cases: &[(&[&str], &[&str])] = &[
        (&["verificaton", "passed"], &["`verificaton` is not a kind", "verification?"]),
        (&["drill", "complete"], &["not a phase of `drill`", "completed?"]),
        (&["ledger", "genesis"], &["the ledger's own"]),
        (&["ingest", "rejected"], &["intake itself", "manifest"]),
        (&["drill", "started", "--field", "servise=a"], &["`servise`", "did you mean service?"]),
        (&["drill", "started", "--field", "drill=yes"], &["column `drill`", "true or false"]),
        (&["drill", "started", "--field", "due_at=monday"], &["due_at", "2026-10-01T"]),
        (&["service", "declared", "--field", "objective_recovery_s=30m"], &["a whole number"]),
        (
            &["verification", "passed", "--field", "check_stage=after"],
            &["check_stage", "pre, post"],
        ),
        (&["drill", "started", "--field", "service="], &["--field service is empty"]),
        (&["drill", "started", "--field", "service"], &["`service` after --field"]),
        (&["drill", "started", "--field", "title=x"], &["--text title="]),
        (&["drill", "started", "--field", "occurred_at=x"], &["--at"]),
        (&["drill", "started", "--field", "seq=4"], &["forbidden_field", "$.seq"]),
        (&["drill", "started", "--field", "service=a", "--field", "service=b"], &["twice"]),
        (&["drill", "started", "--text", "titel=x"], &["did you mean title?"]),
        (&["drill", "started", "--person", "service=github:1"], &["holds no people"]),
        (&["drill", "started", "--person", "owner=mei"], &["DIRECTORY:ID"]),
        (&["drill", "started", "--at", "noon"], &["--at"]),
        (&["drill", "started", "--event-id", ""], &["--event-id is empty"]),
    ];
    let before = rows(dir);
    for (args, says) in cases {
        check(&emit(dir, args), 64, says);
    }
    assert_eq!(rows(dir), before);
    let nowhere = run(dir, ["emit", "drill", "started", "--ledger", "absent"]);
    check(&nowhere, 66, &["absent is not a ledger"]);
}

#[test]
fn another_host_sends_through_the_server() {
    let dir = ledger();
    let dir = dir.path();
    let config =
        "[sources.native]\nscheme = 'bearer'\nsecrets = [{ id = 'ci', env = 'CI_TOKEN' }]\n";
    std::fs::write(dir.join("backtrail.toml"), config).unwrap();
    let token = "a-token-of-more-than-16-bytes";
    let mut server = Serving::start_with(dir, &[], &[("CI_TOKEN", token)]);
    let url = format!("http://{}", server.address);
    let send = |url: &str, token: &str| {
        let fields = ["--field", "check_name=smoke", "--event-id", "job-8", "--server", url];
        let output = backtrail()
            .args(["emit", "verification", "passed", "--token-env", "TOKEN"])
            .args(fields)
            .env("TOKEN", token)
            .current_dir(dir)
            .output();
        ran(&output.unwrap())
    };
    let first = send(&url, token);
    assert!(first.out.starts_with("accepted native:default:job-8 in row "), "{}", first.err);
    assert!(send(&url, token).out.starts_with("duplicate native:default:job-8 "));
    check(&send(&url, "another-token-of-enough-bytes"), 64, &["answered 401"]);
    check(&send(&url, ""), 66, &["--token-env names no variable"]);
    check(&send("http://ledger.example.org", token), 64, &["in the open"]);
    check(&send(&format!("{url}/elsewhere"), token), 65, &["answered 405"]);
    assert_eq!(server.signal("-TERM"), 0);
    check(&send(&url, token), 69, &["does not answer"]);
    let row = rows(dir).into_iter().find(|row| row["kind"] == "verification").unwrap();
    for (column, value) in
        [("ingest_mode", "push"), ("authn_method", "bearer"), ("authn_key_id", "ci")]
    {
        assert_eq!(row[column], value, "{column}");
    }
}
