//! Two accounts of one person.

use crate::tool::{check, ok, run};

/// An approval by an account at GitHub and one by an account of native events.
const APPROVALS: &str = r#"{"kind":"approval","phase":"approved","approval_id":"A1","approver":"mei@lanternfish.example","occurred_at":"2026-10-01T10:00:00Z","event_id":"A1.granted","source_instance":"acme"}
{"kind":"approval","phase":"approved","approval_id":"A2","approver":"mei","occurred_at":"2026-10-01T11:00:00Z","event_id":"A2.granted","source_instance":"acme"}
"#;

#[test]
fn linked_accounts_are_one_person_in_every_view() {
    let dir = tempfile::tempdir().unwrap();
    ok(dir.path(), ["init", "ledger", "--origin", "people.example/test"]);
    std::fs::write(dir.path().join("approvals.ndjson"), APPROVALS).unwrap();
    ok(dir.path(), ["ingest", "--ledger", "ledger", "--source", "native", "approvals.ndjson"]);
    let approvers = "select count(distinct approver) as people from approvals";
    let count = || {
        let csv = ok(dir.path(), ["sql", "--ledger", "ledger", "--format", "csv", approvers]);
        csv.lines().nth(1).unwrap().to_owned()
    };
    assert_eq!(count(), "2");
    let listed = ok(dir.path(), ["people", "list", "--ledger", "ledger", "--format", "csv"]);
    assert_eq!(listed.lines().count(), 3, "{listed}");

    ok(dir.path(), ["people", "link", "mei", "mei@lanternfish.example", "--ledger", "ledger"]);
    assert_eq!(count(), "1");
    let again = ["people", "link", "mei", "mei@lanternfish.example", "--ledger", "ledger"];
    check(&run(dir.path(), again), 65, &["linked already"]);
    let nobody = ["people", "link", "mei", "may", "--ledger", "ledger"];
    check(&run(dir.path(), nobody), 66, &["may", "people list"]);
    assert_eq!(run(dir.path(), ["verify", "ledger", "--vkey", "ledger.vkey"]).exit, 0);
}
