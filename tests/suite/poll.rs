//! `poll` with the real binary: what pushes missed is told, an interruption loses nothing, and no token is shown.

use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::{Value, json};

use crate::polled::{Api, Asked, Reply, TOKEN, configure, poll, polled, push, pushed, sql, world};
use crate::tool::{check, ok};

const REPOSITORY: &str = "https://api.github.com/repos/shop/cart";

fn deployment(id: u64, at: &str) -> Value {
    json!({
        "id": id, "sha": format!("{id:040x}"), "ref": "main", "task": "deploy", "payload": {},
        "environment": "production", "production_environment": true, "description": "cart",
        "creator": {"login": "mira", "id": 501, "type": "User"},
        "created_at": at, "updated_at": at.replace(":00:00Z", ":09:00Z"),
        "url": format!("{REPOSITORY}/deployments/{id}"),
        "statuses_url": format!("{REPOSITORY}/deployments/{id}/statuses"),
        "repository_url": REPOSITORY,
    })
}

fn status(deployment: u64, state: &str, at: &str) -> Value {
    let id = deployment * 10 + u64::from(state == "success");
    json!({
        "id": id, "state": state, "environment": "production", "description": "step",
        "creator": {"login": "mira", "id": 501, "type": "User"}, "created_at": at,
        "deployment_url": format!("{REPOSITORY}/deployments/{deployment}"),
        "repository_url": REPOSITORY,
    })
}

/// Three deployments, the newest first, each with two statuses.
const DAYS: [(u64, &str); 3] =
    [(3, "2025-05-02T10:00:00Z"), (2, "2025-05-01T16:00:00Z"), (1, "2025-05-01T10:00:00Z")];

fn statuses(id: u64) -> Vec<Value> {
    let (_, at) = DAYS.iter().find(|(known, _)| *known == id).unwrap();
    let later = |minutes: &str| at.replace(":00:00Z", minutes);
    vec![status(id, "success", &later(":09:00Z")), status(id, "in_progress", &later(":01:00Z"))]
}

/// GitHub: two elements a page; the last of a page is the first of the next; the list of runs is refused once.
pub(crate) fn github(asked: &Asked) -> Reply {
    assert_eq!(asked.headers["authorization"], format!("Bearer {TOKEN}"));
    assert!(asked.headers["user-agent"].starts_with("backtrail/"));
    let below = |path: &str| asked.path.strip_prefix("/repos/shop/cart")?.strip_prefix(path);
    if let Some(rest) = below("/deployments/") {
        let id = rest.strip_suffix("/statuses").unwrap().parse().unwrap();
        return Reply::json(&json!(statuses(id)));
    }
    if below("/deployments").is_some() {
        let list: Vec<Value> = DAYS.iter().map(|(id, at)| deployment(*id, at)).collect();
        let list = [list[0].clone(), list[1].clone(), list[1].clone(), list[2].clone()];
        return Reply::linked(asked, &list, 2);
    }
    if below("/actions/runs").is_some() {
        assert_eq!(asked.query["created"], "2025-04-28T00:00:00Z..2025-05-04T00:00:00Z");
        if asked.before == 0 {
            return Reply::status(429).with("retry-after", 1);
        }
        return Reply::json(&json!({"total_count": 0, "workflow_runs": []}));
    }
    if below("/issues").is_some() {
        assert_eq!(asked.query["labels"], "outage");
        return Reply::json(
            &json!([issue(), {"number": 8, "pull_request": {"url": "x"}, "updated_at": "2025-05-01T12:00:00Z"}]),
        );
    }
    let delivery = |id: u64, guid: &str, code: u64| json!({"id": id, "guid": guid, "delivered_at": "2025-05-01T16:09:01Z", "status_code": code, "event": "deployment_status"});
    assert_eq!(below("/hooks/77/deliveries"), Some(""));
    Reply::json(&json!([delivery(3, "b", 200), delivery(2, "b", 502), delivery(1, "a", 502)]))
}

fn issue() -> Value {
    json!({
        "id": 40, "number": 4, "title": "carts lose items", "body": null, "state": "open",
        "url": format!("{REPOSITORY}/issues/4"), "repository_url": REPOSITORY,
        "html_url": "https://github.com/shop/cart/issues/4", "labels": [{"name": "outage"}],
        "user": {"login": "mira", "id": 501, "type": "User"}, "state_reason": null,
        "created_at": "2025-05-01T12:00:00Z", "updated_at": "2025-05-01T12:30:00Z", "closed_at": null,
    })
}

/// What arrived: all of the first deployment, of the second that it began, nothing of the third.
pub(crate) fn webhooks() -> Vec<Value> {
    let repository = json!({"full_name": "shop/cart", "html_url": "https://github.com/shop/cart"});
    let hook = |event: &str, at: &str, body: &Value| {
        pushed("github", at, &json!({"x-github-event": event}), body)
    };
    let mut deliveries = Vec::new();
    for (id, at) in [DAYS[2], DAYS[1]] {
        let body = json!({"action": "created", "deployment": deployment(id, at), "repository": repository});
        deliveries.push(hook("deployment", at, &body));
        let mut told = statuses(id);
        told.reverse();
        for status in told.iter().take(if id == 1 { 2 } else { 1 }) {
            let body = json!({"deployment_status": status, "deployment": deployment(id, at), "repository": repository});
            deliveries.push(hook(
                "deployment_status",
                status["created_at"].as_str().unwrap(),
                &body,
            ));
        }
    }
    deliveries
}

pub(crate) const KEYS: &str = "of = ['shop/cart']\nhooks = { 'shop/cart' = 77 }\n[sources.github.labels]\nincident = 'outage'";
pub(crate) const SPAN: [&str; 4] = ["--since", "2025-05-01", "--until", "2025-05-04"];

fn state_of_controls(dir: &std::path::Path, out: &str) -> (String, Vec<Value>) {
    ok(dir, ["report", "soc2", "--period", "2025-05", "--out", out, "--format", "md"]);
    let text = std::fs::read_to_string(dir.join(out).join("report.json")).unwrap();
    let report: Value = serde_json::from_str(&text).unwrap();
    (text, report["controls"].as_array().unwrap().clone())
}

#[test]
fn what_pushes_missed_is_told_until_nothing_is() {
    let api = Api::start(github);
    let dir = world("github", &api, KEYS);
    let dir = dir.path();
    push(dir, &webhooks());
    let first = polled(dir, &[&["github"], &SPAN[..]].concat());
    // Of the second deployment that it succeeded; of the third everything: queued, started, succeeded.
    assert_eq!((&first["missed"], &first["failed_pushes"]), (&json!(4), &json!(1)), "{first}");
    // Those and the incident, which this source never pushed: reported, and as it stands.
    assert_eq!(
        (&first["totals"]["accepted"], &first["totals"]["duplicate"]),
        (&json!(6), &json!(5))
    );
    assert_eq!(first["said"], json!(["manifest", "gap_detected"]));
    assert!(first["totals"]["checkpoint"].as_u64() > Some(11), "{first}");
    let days = "select cast(window_start as date), expected_count from events where phase = 'manifest' order by 1";
    assert_eq!(sql(dir, days), ["2025-05-01,8", "2025-05-02,3", "2025-05-03,0"]);
    let gap = "select expected_count, attributes['missed'], attributes['failed_pushes'], source, ingest_mode from events where phase = 'gap_detected'";
    assert_eq!(sql(dir, gap), ["11,4,1,github,poll"]);
    let (text, controls) = state_of_controls(dir, "with-gap");
    let inconclusive = |c: &Value| c["state"] == "inconclusive";
    assert!(text.contains("github says gap_detected"), "the report does not name the gap");
    // An exception is one whatever is missing; nothing passes while something is.
    let states: Vec<&Value> =
        controls.iter().filter(|c| c["id"] != "LOG-02").map(|c| &c["state"]).collect();
    assert!(states.iter().all(|s| ["inconclusive", "exceptions"].contains(&s.as_str().unwrap())));
    assert!(controls.iter().any(inconclusive), "{states:?}");
    // The same again: all of it is known, so nothing is missing any more.
    let second = polled(dir, &[&["github"], &SPAN[..]].concat());
    assert_eq!(
        (&second["totals"]["accepted"], &second["missed"]),
        (&json!(0), &json!(0)),
        "{second}"
    );
    assert_eq!(second["said"], json!(["manifest", "reconciled"]));
    let (text, controls) = state_of_controls(dir, "reconciled");
    assert!(!text.contains("github says gap_detected") && !controls.iter().any(inconclusive));
    assert_eq!(sql(dir, "select count(*) from events where phase = 'manifest'"), ["3"]);
    let page = std::fs::read_to_string(dir.join("reconciled/report.md")).unwrap();
    for (day, next, count) in [("01", "02", 8), ("02", "03", 3), ("03", "04", 0)] {
        let at = |day: &str| format!("2025-05-{day} 00:00:00");
        let row = format!("| github | {} | {} | {count} | {count} |", at(day), at(next));
        assert!(page.contains(&row), "{row}");
    }
    ok(dir, ["verify", "ledger", "--vkey", "ledger.vkey"]);
    let asked = api.asked();
    assert_eq!(asked.iter().filter(|path| path.contains("/actions/runs")).count(), 3, "{asked:#?}");
}

#[test]
fn a_silent_source_is_told_once_and_not_reconciled() {
    let api = Api::start(github);
    let dir = world("github", &api, &format!("{KEYS}\n[sources.github]\nsilent_after_s = 86400"));
    let dir = dir.path();
    push(dir, &webhooks());
    for said in
        [json!(["manifest", "gap_detected", "source_silent"]), json!(["manifest", "source_silent"])]
    {
        assert_eq!(polled(dir, &[&["github"], &SPAN[..]].concat())["said"], said);
    }
    let silences = "select cast(window_start as varchar) from events where phase = 'source_silent'";
    assert_eq!(sql(dir, silences).len(), 1);
    let failed = poll(dir, &[&["github", "--fail-on", "missed"], &SPAN[..]].concat());
    assert_eq!(failed.exit, 0, "{}", failed.err);
    assert!(failed.out.contains("the pushes missed nothing"), "{}", failed.out);
}

#[test]
fn a_preview_keeps_nothing() {
    let api = Api::start(github);
    let dir = world("github", &api, KEYS);
    let dir = dir.path();
    let shown = poll(dir, &[&["github", "--dry-run"], &SPAN[..]].concat());
    assert_eq!(shown.exit, 0, "{}", shown.err);
    assert_eq!(shown.out.lines().count(), 11, "{}", shown.out);
    assert!(shown.out.lines().all(|line| line.contains("\"ingest_mode\":\"poll\"")));
    assert_eq!(sql(dir, "select count(*) from events where source = 'github'"), ["0"]);
    assert!(!dir.join("ledger.poll/github.json").exists());
}

#[test]
fn a_poll_through_a_server_needs_no_key() {
    let api = Api::start(github);
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    ok(dir, ["init", "ledger", "--origin", "poll.example/served"]);
    configure(dir, "github", &api, KEYS);
    let mut server = crate::serving::Serving::start(dir, &[]);
    std::fs::rename(dir.join("ledger.key"), dir.join("away")).unwrap();
    let first = polled(dir, &[&["github"], &SPAN[..]].concat());
    assert_eq!((&first["totals"]["accepted"], &first["missed"]), (&json!(11), &Value::Null));
    assert_eq!(server.signal("-TERM"), 0);
    ok(dir, ["verify", "ledger", "--vkey", "ledger.vkey"]);
    let modes = "select distinct ingest_mode, authn_method from events where source = 'github'";
    assert_eq!(sql(dir, modes), ["poll,none"]);
}

/// A hundred and thirty entries, the newest first.
fn entries(asked: &Asked) -> Reply {
    if asked.path == "/incidents" {
        return Reply::json(&json!({"incidents": [], "more": false, "total": 0}));
    }
    let skip = asked.number("offset");
    let entries: Vec<Value> = (skip..(skip + 100).min(130)).map(entry).collect();
    Reply::json(&json!({"log_entries": entries, "more": skip == 0, "total": 130}))
}

fn entry(n: usize) -> Value {
    json!({
        "id": format!("R{n}"), "type": "trigger_log_entry", "summary": "trigger",
        "created_at": format!("2025-05-01T{:02}:{:02}:00Z", 23 - n / 60, 59 - n % 60),
        "agent": {"id": "PINT", "type": "service_reference", "summary": "checks"},
        "service": {"id": "PCART", "summary": "cart"},
        "incident": {"id": format!("Q{n}"), "html_url": format!("https://shop.pagerduty.example/incidents/Q{n}")},
        "event_details": {"description": "carts lose items"},
    })
}

#[test]
fn an_interrupted_poll_goes_on_where_it_was() {
    let broken = AtomicBool::new(true);
    let api = Api::start(move |asked| {
        let second = asked.query.get("offset").is_some_and(|n| n == "100");
        if second && broken.swap(false, Ordering::SeqCst) {
            Reply::status(404)
        } else {
            entries(asked)
        }
    });
    let dir = world("pagerduty", &api, "");
    let dir = dir.path();
    let pushed_entry = json!({"event": {
        "id": "E1", "event_type": "incident.triggered", "occurred_at": "2025-05-01T00:00:01Z",
        "agent": null, "client": null,
        "data": {"id": "Q-other", "type": "incident", "html_url": "https://shop.pagerduty.example/incidents/Q-other", "created_at": "2025-05-01T00:00:01Z", "status": "triggered", "title": "earlier", "service": {"summary": "cart"}},
    }});
    push(dir, &[pushed("pagerduty", "2025-05-01T00:00:01Z", &json!({}), &pushed_entry)]);
    let broken = poll(dir, &["pagerduty", "--since", "2025-05-01", "--until", "2025-05-02"]);
    check(&broken, 65, &["pagerduty: http://127.0.0.1:", "/log_entries answered 404"]);
    let held = "select count(*) from events where source = 'pagerduty' and ingest_mode = 'poll'";
    assert_eq!(sql(dir, held), ["100"], "the first page is durable");
    let cursor = std::fs::read_to_string(dir.join("ledger.poll/pagerduty.json")).unwrap();
    assert!(cursor.contains("\"skip\": 100") && !cursor.contains(TOKEN), "{cursor}");
    let done = polled(dir, &["pagerduty"]);
    // What the first part found is judged with the second; days that were read in two parts are not counted.
    assert_eq!((&done["totals"]["accepted"], &done["missed"]), (&json!(30), &json!(130)), "{done}");
    assert_eq!(done["said"], json!(["gap_detected"]));
    assert_eq!(sql(dir, held), ["131"]);
    let offsets: Vec<String> =
        api.asked().into_iter().filter(|p| p.starts_with("/log_entries")).collect();
    assert_eq!(offsets.iter().filter(|p| p.contains("offset=0&")).count(), 1, "{offsets:#?}");
    // The next one overlaps it by an hour, and asks the whole list.
    let next = polled(dir, &["pagerduty", "--until", "2025-05-02T12:00:00Z"]);
    assert_eq!(next["from"], "2025-05-01T23:00:00.000000Z");
    assert_eq!(
        (&next["totals"]["accepted"], &next["totals"]["duplicate"]),
        (&json!(0), &json!(60))
    );
    assert_eq!(next["said"], json!(["reconciled"]));
    ok(dir, ["verify", "ledger", "--vkey", "ledger.vkey"]);
}

#[test]
fn a_list_that_hides_a_part_is_an_error() {
    let api = Api::start(|asked| {
        assert!(asked.path.starts_with("/log_entries"));
        Reply::json(&json!({"log_entries": [entry(1)], "more": false, "total": 2}))
    });
    let dir = world("pagerduty", &api, "");
    let ran = poll(dir.path(), &["pagerduty", "--since", "2025-05-01", "--until", "2025-05-02"]);
    check(&ran, 69, &["log entries: the API says that there are 2, and lists 1", "--since"]);
}

#[test]
fn what_is_wrong_is_told_without_the_token() {
    let answer = |asked: &Asked| match asked.path.as_str() {
        path if path.starts_with("/moved") => {
            Reply::status(301).with("location", "https://evil.example/")
        }
        path if path.starts_with("/html") => Reply { body: "<html>".into(), ..Reply::status(200) },
        path if path.starts_with("/object") => Reply::json(&json!({"message": "hello"})),
        path if path.starts_with("/slow") => Reply::status(429).with("retry-after", 86_400),
        path if path.starts_with("/away") => {
            Reply::json(&json!([])).with("link", "<https://evil.example/x>; rel=\"next\"")
        }
        _ => Reply { body: TOKEN.into(), ..Reply::status(401) },
    };
    let api = Api::start(answer);
    let dir = world("github", &api, KEYS);
    let dir = dir.path();
    let since = ["github", "--since", "2025-05-01"];
    let at = |path: &str| {
        let text = format!(
            "[ledger]\npath = 'ledger'\n[sources.github.poll]\napi = '{}{path}'\ntoken_env = 'TOKEN'\nof = ['shop/cart']\n",
            api.address
        );
        std::fs::write(dir.join("backtrail.toml"), text).unwrap();
        poll(dir, &since)
    };
    for (path, exit, says) in [
        ("", 65, "answered 401"),
        ("/moved", 69, "answered 301"),
        ("/html", 69, "answered no JSON"),
        ("/object", 69, "something else than a list"),
        ("/slow", 75, "wants no request for 86400 s"),
        ("/away", 69, "not below the address of the API"),
    ] {
        let ran = at(path);
        check(&ran, exit, &[says]);
        assert!(!format!("{}{}", ran.out, ran.err).contains(TOKEN), "{}", ran.err);
    }
    let with = |keys: &str| {
        let text = format!("[ledger]\npath = 'ledger'\n[sources.github.poll]\n{keys}\n");
        std::fs::write(dir.join("backtrail.toml"), text).unwrap();
        poll(dir, &since)
    };
    check(&with("of = ['a/b']\napi = 'http://api.example'\ntoken_env = 'TOKEN'"), 65, &["https"]);
    check(
        &with("of = ['a/b']\ntoken_env = 'NOT_SET'"),
        66,
        &["sources.github.poll.token_env names no variable"],
    );
    check(
        &with("of = ['a/b']\ntoken_env = 'TOKEN'\ntoken_file = 'x'"),
        65,
        &["no token is named, or two"],
    );
    check(&with("of = ['a/b']\ntoken_file = 'missing'"), 66, &["missing"]);
    check(&with("token_env = 'TOKEN'"), 65, &["repositories, as owner/name"]);
    check(&with("tokn_env = 'TOKEN'"), 65, &["tokn_env"]);
    check(&poll(dir, &["gitbug"]), 65, &["tokn_env"]);
    configure(dir, "pagerduty", &api, "");
    check(&poll(dir, &["gitbug"]), 64, &["`gitbug` has no API that is polled", "github"]);
    check(&poll(dir, &["gitlab"]), 66, &["no [sources.gitlab.poll]"]);
    check(&poll(dir, &["pagerduty"]), 64, &["was not polled yet", "--since"]);
    check(&poll(dir, &["pagerduty", "--since", "yesterday"]), 64, &["yesterday"]);
}

#[test]
fn pages_that_lead_back_end_the_poll() {
    // The first page leads to the second, and that to the first by its number.
    let api = Api::start(|asked| {
        let next = if asked.number("page") == 2 { 1 } else { 2 };
        let link = format!("<{}{}?page={next}>; rel=\"next\"", asked.address, asked.path);
        Reply::json(&json!([])).with("link", link)
    });
    let dir = world("github", &api, "of = ['shop/cart']");
    let ran = poll(dir.path(), &["github", "--since", "2025-05-01"]);
    let says = "names /repos/shop/cart/deployments?page=2 as the next page, which was read already";
    check(&ran, 69, &["deployments of shop/cart", says]);
    assert_eq!(api.asked().len(), 3, "{:?}", api.asked());
}

/// GitLab is asked from the last change on, in whole seconds: the same question again is no page that leads back.
#[test]
fn a_change_soon_after_the_beginning_does_not_end_the_poll() {
    let api = Api::start(|asked| {
        if asked.number("page") == 2 {
            return Reply::json(&json!([]));
        }
        let change = json!([{"updated_at": "2025-05-01T00:00:01.500Z"}]);
        let link = format!("<{}{}?page=2>; rel=\"next\"", asked.address, asked.path);
        Reply::json(&change).with("link", link)
    });
    let dir = world("gitlab", &api, "of = ['shop/cart']");
    let ran = poll(dir.path(), &["gitlab", "--since", "2025-05-01", "--dry-run"]);
    assert_eq!(ran.exit, 0, "{}", ran.err);
    let first = |path: &&String| path.contains("/deployments") && path.contains("&page=1&");
    assert_eq!(api.asked().iter().filter(first).count(), 2, "{:?}", api.asked());
}
