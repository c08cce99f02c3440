//! Whether the log has all that its sources sent: a server that is pushed to, a poll beside it, a source that falls silent.

use std::path::Path;

use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::{Value, json};
use sha2::Sha256;

use crate::intake::post;
use crate::poll::{KEYS, SPAN, github, webhooks};
use crate::polled::{Api, TOKEN, polled, push, pushed, sql, world};
use crate::serving::{Serving, eventually, ledger, rows};
use crate::tool::ok;

const SECRET: &str = "marble-otter-31-fig";

/// Sends what GitHub would have sent.
fn deliver(server: &Serving, delivery: &Value) {
    let body = delivery["body"].as_str().unwrap().as_bytes();
    let mut mac = <Hmac<Sha256>>::new_from_slice(SECRET.as_bytes()).unwrap();
    mac.update(body);
    let code = data_encoding::HEXLOWER.encode(&mac.finalize().into_bytes());
    let signature = format!("sha256={code}");
    let event = delivery["headers"]["x-github-event"].as_str().unwrap();
    let headers = [("x-github-event", event), ("x-hub-signature-256", signature.as_str())];
    let (status, _, answer) = server.send(&post("github", &headers, body));
    assert_eq!(status, 200, "{}", String::from_utf8_lossy(&answer));
}

/// Control LOG-01 of a report: its state, and its exceptions as item, reason and how many rows they cite.
fn log_01(dir: &Path, out: &str) -> (String, Vec<(String, String, usize)>) {
    ok(dir, ["report", "soc2", "--period", "2025-05", "--out", out, "--format", "md"]);
    ok(dir, ["report", "verify", out, "--vkey", "ledger.vkey"]);
    let text = std::fs::read_to_string(dir.join(out).join("report.json")).unwrap();
    let report: Value = serde_json::from_str(&text).unwrap();
    let controls = report["controls"].as_array().unwrap();
    let control = controls.iter().find(|c| c["id"] == "LOG-01").unwrap();
    let exceptions = control["exceptions"].as_array().unwrap().iter().map(|item| {
        let text = |name: &str| item[name].as_str().unwrap().to_owned();
        (text("item_id"), text("reason_code"), item["seq"].as_array().unwrap().len())
    });
    (control["state"].as_str().unwrap().to_owned(), exceptions.collect())
}

#[test]
fn what_a_push_missed_and_a_poll_found_is_seen_everywhere() {
    let api = Api::start(github);
    let pushes = "[sources.github]\nsecrets = [{ id = 'a', env = 'SECOND' }]";
    let dir = world("github", &api, &format!("{KEYS}\n{pushes}"));
    let dir = dir.path();
    let webhooks = webhooks();
    // The first deployment was pushed in May; of the second two of its three steps come now, of the third nothing.
    push(dir, &webhooks[..3]);
    let variables = [("TOKEN", TOKEN), ("SECOND", SECRET)];
    let mut server = Serving::start_with(dir, &[], &variables);
    webhooks[3..].iter().for_each(|delivery| deliver(&server, delivery));
    let read = [&["github"], &SPAN[..]].concat();
    assert_eq!(polled(dir, &read)["missed"], 4);

    let missed = "select kind || '/' || phase, occurred_at from missed_pushes order by seq";
    let mut found = sql(dir, missed);
    found.sort();
    assert_eq!(
        found,
        [
            "deployment/queued,2025-05-02T10:00:00.000000Z",
            "deployment/started,2025-05-02T10:01:00.000000Z",
            "deployment/succeeded,2025-05-01T16:09:00.000000Z",
            "deployment/succeeded,2025-05-02T10:09:00.000000Z",
        ]
    );
    let quality = ["metrics", "--period", "2025-05", "--metric", "data_quality", "--format", "csv"];
    let quality = ok(dir, quality);
    assert!(quality.lines().any(|l| l.contains(",missed,") && l.contains("4.000000")), "{quality}");
    let (state, exceptions) = log_01(dir, "open");
    assert_eq!(state, "exceptions");
    let open =
        |day: &str, cites: usize| (format!("github/2025-05-{day}"), "GAP_OPEN".to_owned(), cites);
    // Each cites the gap and the count of the day, and what was found on it.
    assert_eq!(exceptions, [open("01", 3), open("02", 5), open("03", 2)]);
    let page = std::fs::read_to_string(dir.join("open/report.md")).unwrap();
    let row = "| github | deployment/succeeded | ";
    assert_eq!(page.lines().filter(|line| line.starts_with(row)).count(), 2, "{page}");

    assert_eq!(polled(dir, &read)["said"], json!(["manifest", "reconciled"]));
    assert_eq!(log_01(dir, "closed"), ("effective".to_owned(), Vec::new()));
    assert_eq!(sql(dir, missed).len(), 4, "what was missed stays told");
    // Whoever counts the deliveries that were sent has another view of the first day.
    ok(dir, "emit ingest manifest --field window_start=2025-05-01T00:00:00Z --field window_end=2025-05-02T00:00:00Z --field expected_count=11 --attribute source=github".split(' '));
    let fewer = ("github/2025-05-01".to_owned(), "FEWER_THAN_COUNTED".to_owned(), 5);
    assert_eq!(log_01(dir, "fewer"), ("exceptions".to_owned(), vec![fewer]));
    let page = std::fs::read_to_string(dir.join("fewer/report.md")).unwrap();
    assert!(page.contains("github says manifest from 2025-05-01"), "other controls say why");
    assert_eq!(server.signal("-TERM"), 0);
}

/// Writes a config that says which service the releases of Helm are of, or leaves it open.
fn configure_helm(dir: &Path, defaults: &str) {
    let config = format!("[ledger]\npath = 'ledger'\n[sources.helm]\n{defaults}\n");
    std::fs::write(dir.join("backtrail.toml"), config).unwrap();
}

/// The deliveries that are listed in quarantine: state, time of the retry and rows.
fn quarantined(dir: &Path) -> Vec<Value> {
    let listed = ok(dir, ["quarantine", "list", "--format", "json"]);
    serde_json::from_str(&listed).unwrap()
}

fn retried(dir: &Path) -> Value {
    serde_json::from_str(&ok(dir, ["quarantine", "retry", "--format", "json"])).unwrap()
}

#[test]
fn a_retry_settles_what_was_in_quarantine_and_the_log_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    ok(dir, ["init", "ledger", "--origin", "retry.example/test", "--simulated-clock"]);
    configure_helm(dir, "");
    let release = |day: u8| {
        let at = format!("2025-05-0{day}T10:00:00Z");
        let history = json!([{"revision": day, "updated": at, "status": "deployed", "chart": "till-4.1.0", "app_version": "4.1.0"}]);
        pushed("helm", &at, &json!({}), &history)
    };
    let sent = [release(5), release(6)].map(|delivery| delivery.to_string()).join("\n");
    std::fs::write(dir.join("sent.ndjson"), sent).unwrap();
    assert!(ok(dir, ["ingest", "sent.ndjson"]).contains("2 quarantined"));
    assert!(quarantined(dir).iter().all(|q| q["state"] == "open" && q["retried_at"] == ""));

    // A retry that fails is on record, once, and changes nothing.
    for _ in 0..2 {
        assert_eq!(retried(dir)["quarantined"], 2);
    }
    let retries = "select count(*) from events where phase = 'retried'";
    assert_eq!(sql(dir, retries), ["2"]);
    // Each cites the refusal and the retry.
    let open = |day: &str| (format!("helm/2025-05-{day}"), "IN_QUARANTINE".to_owned(), 2);
    assert_eq!(log_01(dir, "failed"), ("exceptions".to_owned(), vec![open("05"), open("06")]));
    assert!(quarantined(dir).iter().all(|q| q["state"] == "open" && q["retried_at"] != ""));

    // What one of them says comes another way before it is retried.
    configure_helm(dir, "defaults = { service = 'till' }");
    push(dir, &[release(6)]);
    let counts = retried(dir);
    assert_eq!((&counts["quarantined"], &counts["deliveries"]), (&0.into(), &2.into()));
    assert_eq!((&counts["accepted"], &counts["duplicate"]), (&1.into(), &1.into()));
    assert_eq!(retried(dir)["deliveries"], 0, "nothing is open");
    for day in [5, 6] {
        let of = format!(
            "select seq from events where source = 'helm' and kind = 'deployment' and cast(occurred_at as varchar) like '2025-05-0{day}%'"
        );
        let held = &quarantined(dir)[day - 5];
        assert_eq!(held["state"], "settled", "{held}");
        let shown = ok(dir, ["quarantine", "show", held["id"].as_str().unwrap()]);
        let column = if day == 5 { "rows" } else { "known_rows" };
        assert!(shown.contains(&format!("\n{column:<12} {}\n", sql(dir, &of)[0])), "{shown}");
    }
    // From here on the days are judged by what is in the log.
    for day in [5, 6] {
        let count = format!(
            "emit ingest manifest --attribute source=helm --field expected_count=1 --field window_start=2025-05-0{day}T00:00:00Z --field window_end=2025-05-0{}T00:00:00Z",
            day + 1
        );
        ok(dir, count.split(' '));
    }
    assert_eq!(log_01(dir, "settled"), ("effective".to_owned(), Vec::new()));
    let days = "select quarantined, retried, held, met from source_days where source = 'helm'";
    assert_eq!(sql(dir, days), ["0,1,1,true", "0,1,1,true"]);
    ok(dir, ["verify", "ledger", "--vkey", "ledger.vkey"]);
}

const SILENT: &str = "
[sources.native]
scheme = 'bearer'
secrets = [{ id = 'ci', env = 'NATIVE_TOKEN' }]
silent_after_s = 10

[sources.github]
secrets = [{ id = 'a', env = 'NATIVE_TOKEN' }]
silent_after_s = 10
";

fn silences(dir: &Path) -> Vec<Value> {
    rows(dir).into_iter().filter(|row| row["phase"] == "source_silent").collect()
}

#[test]
fn a_running_server_tells_each_silence_once() {
    let dir = ledger(3);
    let dir = dir.path();
    std::fs::write(dir.join("backtrail.toml"), SILENT).unwrap();
    let start = || Serving::start_with(dir, &[], &[("NATIVE_TOKEN", SECRET)]);
    let mut server = start();
    let said = |server: &Serving, id: &str| {
        let event = json!({"event_id": id, "kind": "deployment", "phase": "live", "occurred_at": "2026-04-02T09:00:00Z", "service": "mill", "version": id});
        let authorization = format!("Bearer {SECRET}");
        let request =
            post("native", &[("authorization", &authorization)], event.to_string().as_bytes());
        assert_eq!(server.send(&request).0, 200);
    };
    let silent = |server: &Serving, state: &str| {
        let metrics = String::from_utf8(server.ask("GET", "/metrics").2).unwrap();
        metrics.contains(&format!("backtrail_source_silent{{source=\"native\"}} {state}\n"))
            && metrics.contains("backtrail_source_silent{source=\"github\"} 0\n")
    };
    said(&server, "a");
    assert!(eventually(|| silent(&server, "0")) && silences(dir).is_empty());
    assert!(eventually(|| silent(&server, "1")));
    assert!(eventually(|| silences(dir).len() == 1));
    let first = &silences(dir)[0];
    let pushed = rows(dir).into_iter().find(|row| row["ingest_mode"] == "push").unwrap();
    assert_eq!(first["window_start"], pushed["recorded_at"], "{first}");
    assert_eq!((&first["source"], &first["ingest_mode"]), (&json!("native"), &json!("derived")));
    // Another process that watches the same silence knows it; it ends with the next delivery.
    assert_eq!(server.signal("-TERM"), 0);
    server = start();
    assert!(eventually(|| silent(&server, "1")));
    said(&server, "b");
    assert!(eventually(|| silent(&server, "0")));
    assert_eq!(silences(dir).len(), 1);
    assert!(eventually(|| silences(dir).len() == 2));
    assert_eq!(server.signal("-TERM"), 0);
    let spans = "select count(*), count(distinct from_at), count(*) filter (where until_at < (select max(recorded_at) from events)) from source_gaps";
    let answer = ok(dir, ["sql", "--ledger", "ledger", "--format", "csv", spans]);
    assert_eq!(answer.lines().nth(1), Some("2,2,1"), "{answer}");
    ok(dir, ["verify", "ledger", "--vkey", "ledger.vkey"]);
}
