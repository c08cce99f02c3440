//! What a shop says of its deliveries, on the command line and in the config, is the same for every way in.

use std::path::Path;

use serde_json::Value;

use crate::tool::{check, ok, run};

const HISTORY: &str = r#"[{"revision":1,"updated":"2026-09-01T10:00:00Z","status":"deployed","chart":"shop-4.1.0","app_version":"4.1.0","description":"Install complete"}]"#;
const ALERT: &str = r#"{"version":"4","groupKey":"g","status":"firing","receiver":"r","groupLabels":{},"commonLabels":{},"commonAnnotations":{},"externalURL":"http://am.example","alerts":[{"status":"firing","labels":{"alertname":"Slow","app":"shop"},"annotations":{},"startsAt":"2026-09-01T10:00:00Z","endsAt":"0001-01-01T00:00:00Z","generatorURL":"","fingerprint":"a1"}]}"#;

fn events(dir: &Path, args: &[&str]) -> Vec<Value> {
    let out = ok(dir, ["ingest", "--dry-run"].iter().chain(args));
    out.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn defaults_and_labels_fill_what_deliveries_leave_open() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    std::fs::write(dir.join("history.json"), HISTORY).unwrap();
    std::fs::write(dir.join("alert.json"), ALERT).unwrap();
    let service = |events: &[Value]| events[0]["service"].clone();
    let history = ["--source", "helm", "history.json"];
    let flagged = events(dir, &[&history[..], &["--default", "service=till"]].concat());
    assert_eq!(service(&flagged), "till");
    assert!(service(&events(dir, &["alert.json"])).is_null());
    let config = "[sources.helm]\ndefaults = { service = 'shop', environment = 'production' }\n\
                  [sources.alertmanager.labels]\nservice = ['app']\n";
    std::fs::write(dir.join("backtrail.toml"), config).unwrap();
    let found = events(dir, &history);
    assert_eq!((service(&found), &found[0]["environment"]), ("shop".into(), &"production".into()));
    let flagged = events(dir, &[&history[..], &["--default", "service=till"]].concat());
    assert_eq!(
        (service(&flagged), &flagged[0]["environment"]),
        ("till".into(), &"production".into())
    );
    let alert = events(dir, &["alert.json"]);
    assert_eq!(service(&alert), "shop");
    assert!(alert[0]["environment"].is_null(), "another source's default");
    for (args, says) in [
        (["--default", "servise=a"], "did you mean service?"),
        (["--default", "title=a"], "may have a default"),
        (["--default", "service"], "COLUMN=VALUE"),
        (["--default", "service="], "is empty"),
        (["--default", "environment_tier=prod"], "production, staging"),
    ] {
        let ran = run(dir, ["ingest", "--dry-run", "alert.json"].iter().chain(&args));
        check(&ran, 64, &[says]);
    }
    for (config, says) in [
        ("[sources.helmet]\ndefaults = { service = 'a' }", "did you mean helm?"),
        ("[sources.helm]\ndefaults = { servise = 'a' }", "sources.helm.defaults: `servise`"),
        ("[sources.helm.labels]\nservise = ['a']", "unknown field `servise`"),
    ] {
        std::fs::write(dir.join("backtrail.toml"), config).unwrap();
        check(&run(dir, ["ingest", "--dry-run", "alert.json"]), 65, &[says]);
    }
}

/// What the config leaves out at first, a retry with the config finds.
#[test]
fn a_retry_maps_with_the_config_of_now() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    ok(dir, ["init", "ledger", "--origin", "mapping.example/test"]);
    std::fs::write(dir.join("history.json"), HISTORY).unwrap();
    std::fs::write(dir.join("backtrail.toml"), "[ledger]\npath = 'ledger'\n").unwrap();
    let counts: Value = serde_json::from_str(&ok(
        dir,
        ["ingest", "--source", "helm", "--format", "json", "history.json"],
    ))
    .unwrap();
    assert_eq!((&counts["accepted"], &counts["quarantined"]), (&0.into(), &1.into()));
    let config = "[ledger]\npath = 'ledger'\n[sources.helm.defaults]\nservice = 'shop'\n";
    std::fs::write(dir.join("backtrail.toml"), config).unwrap();
    let retried: Value =
        serde_json::from_str(&ok(dir, ["quarantine", "retry", "--format", "json"])).unwrap();
    assert!(retried["accepted"].as_u64() >= Some(1) && retried["quarantined"] == 0, "{retried}");
}
