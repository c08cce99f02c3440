//! A release that comes back is a rollback, though the source does not call it one; what a source repeats is none.

use serde_json::{Value, json};

use crate::tool::ok;

/// A canary whose template is live, as it is listed afterwards.
fn promoted(template: &str, at: &str) -> Value {
    json!({
        "apiVersion": "flagger.app/v1beta1", "kind": "Canary",
        "metadata": {"name": "till", "namespace": "shop", "uid": "u-till", "labels": {"environment": "production"}},
        "spec": {"targetRef": {"name": "till"}},
        "status": {
            "phase": "Succeeded", "canaryWeight": 0, "lastAppliedSpec": template, "lastPromotedSpec": template,
            "lastTransitionTime": at, "trackedConfigs": {},
            "conditions": [{"type": "Promoted", "status": "True", "reason": "Succeeded", "lastTransitionTime": at,
                "lastUpdateTime": at}],
        },
    })
}

/// What Flux says of a Kustomization at `at`.
fn notice(commit: char, at: &str, reason: &str, message: &str, commit_status: &str) -> Value {
    let commit = commit.to_string().repeat(40);
    json!({
        "involvedObject": {"apiVersion": "kustomize.toolkit.fluxcd.io/v1", "kind": "Kustomization", "name": "till",
            "namespace": "shop", "uid": "u-till"},
        "severity": "info", "timestamp": at, "reason": reason, "message": message,
        "metadata": {"revision": format!("main@sha1:{commit}"), "environment": "production",
            "commit_status": commit_status},
        "reportingController": "kustomize-controller", "reportingInstance": "k-1",
    })
}

fn applied(commit: char, at: &str) -> Value {
    notice(commit, at, "Progressing", "Deployment/shop/till configured", "")
}

fn repeated(commit: char, at: &str) -> Value {
    notice(commit, at, "ReconciliationSucceeded", "Reconciliation finished in 1s", "update")
}

/// What is live in turn, after these deliveries.
fn classes(deliveries: &[Value]) -> String {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path();
    std::fs::create_dir(dir.join("sent")).unwrap();
    for (at, delivery) in deliveries.iter().enumerate() {
        std::fs::write(dir.join(format!("sent/{at}.json")), delivery.to_string()).unwrap();
    }
    ok(dir, ["init", "ledger", "--origin", "till.example/log"]);
    ok(dir, ["ingest", "sent", "--ledger", "ledger", "--fail-on", "quarantine"]);
    let query = "select string_agg(class, ' ' order by position) as classes from slot_history";
    let printed = ok(dir, ["sql", "--ledger", "ledger", query]);
    printed.lines().last().unwrap().to_owned()
}

#[test]
fn a_template_of_flagger_that_comes_back_is_a_rollback() {
    let (a, b) = ("6f0c", "7d1e");
    let deliveries = [
        promoted(a, "2026-04-01T08:00:00Z"),
        promoted(b, "2026-04-02T08:00:00Z"),
        promoted(b, "2026-04-02T08:00:00Z"),
        promoted(a, "2026-04-03T08:00:00Z"),
        promoted(b, "2026-04-04T08:00:00Z"),
    ];
    assert_eq!(classes(&deliveries), "forward forward rollback reapply");
}

#[test]
fn a_commit_that_flux_applies_again_is_a_rollback() {
    let deliveries = [
        applied('a', "2026-04-01T08:00:00Z"),
        repeated('a', "2026-04-01T08:00:20Z"),
        repeated('a', "2026-04-01T08:10:20Z"),
        applied('b', "2026-04-01T08:15:00Z"),
        repeated('b', "2026-04-01T08:20:20Z"),
        applied('a', "2026-04-01T08:25:00Z"),
        repeated('a', "2026-04-01T08:30:20Z"),
    ];
    assert_eq!(classes(&deliveries), "forward forward rollback");
}
