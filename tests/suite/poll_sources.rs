//! Each source's own way to page, to limit and to change while it is read.

use std::sync::Mutex;

use serde_json::{Value, json};

use crate::polled::{Api, Asked, Reply, TOKEN, polled, push, pushed, sql, world};

const SPAN: [&str; 4] = ["--since", "2025-05-01", "--until", "2025-05-03"];

fn poll(dir: &std::path::Path, source: &str) -> Value {
    polled(dir, &[&[source], &SPAN[..]].concat())
}

/// A deployment of a GitLab project that succeeded some minutes after midnight.
fn deployment(id: u64, minute: u64) -> Value {
    let at = |seconds: u64| format!("2025-05-01T00:{minute:02}:{seconds:02}.000Z");
    json!({
        "id": id, "iid": id, "ref": "main", "sha": format!("{id:040x}"), "status": "success",
        "created_at": "2025-05-01T00:00:00.000Z", "updated_at": at(30),
        "user": {"id": 501, "username": "mira", "web_url": "https://gitlab.shop.example/mira"},
        "environment": {"id": 61, "name": "production", "slug": "production", "external_url": null, "tier": "production"},
        "deployable": {"id": 9900 + id, "started_at": at(0), "finished_at": at(30), "web_url": format!("https://gitlab.shop.example/shop/cart/-/jobs/{id}"), "pipeline": {"id": 1}, "commit": null},
        "approvals": [],
    })
}

/// GitLab: two elements a page. After the first page its first deployment changes and moves to the end, so that by page numbers
/// the third would be passed over; and one more is made.
fn gitlab(deployments: &Mutex<Vec<Value>>, asked: &Asked) -> Reply {
    assert_eq!(asked.headers["private-token"], TOKEN);
    if asked.path == "/projects/shop%2Fcart/issues" {
        assert_eq!(asked.query["issue_type"], "incident");
        if asked.before == 0 {
            return Reply::status(502);
        }
        return Reply::json(&json!([]));
    }
    assert_eq!(asked.path, "/projects/shop%2Fcart/deployments");
    let mut all = deployments.lock().unwrap();
    let since = asked.query["updated_after"].clone();
    let matching = |all: &[Value]| -> Vec<Value> {
        all.iter()
            .filter(|d| d["updated_at"].as_str().unwrap() >= since.as_str())
            .cloned()
            .collect()
    };
    let reply = Reply::linked(asked, &matching(&all), 2);
    if all.len() == 5 {
        let mut moved = all.remove(0);
        moved["updated_at"] = json!("2025-05-01T00:40:00.000Z");
        all.push(moved);
        all.push(deployment(6, 50));
    }
    reply
}

#[test]
fn a_list_that_changes_while_it_is_read_hides_nothing() {
    let deployments = Mutex::new((1..=5).map(|n| deployment(n, n * 5)).collect());
    let api = Api::start(move |asked| gitlab(&deployments, asked));
    let dir = world("gitlab", &api, "of = ['shop/cart']");
    let dir = dir.path();
    let hook = json!({
        "object_kind": "deployment", "status": "success", "status_changed_at": "2025-05-01 00:05:31 +0000",
        "deployment_id": 1, "deployable_id": 9901, "deployable_url": "https://gitlab.shop.example/shop/cart/-/jobs/1",
        "environment": "production", "environment_tier": "production", "short_sha": "00000000", "ref": "main",
        "user": {"id": 501, "username": "mira"},
        "project": {"id": 71, "path_with_namespace": "shop/cart", "web_url": "https://gitlab.shop.example/shop/cart"},
        "commit_url": format!("https://gitlab.shop.example/shop/cart/-/commit/{:040x}", 1),
    });
    push(dir, &[pushed("gitlab", "2025-05-01T00:05:32Z", &json!({}), &hook)]);
    let done = poll(dir, "gitlab");
    let ids = "select distinct deployment_id from events where ingest_mode = 'poll' and kind = 'deployment' order by 1";
    let want: Vec<String> = (1..=6).map(|n| format!("gitlab.shop.example/{n}")).collect();
    assert_eq!(sql(dir, ids), want);
    // GitLab lists what it pushes under other ids: the one that arrived is recognised by subject, phase and time.
    assert_eq!((&done["missed"], &done["totals"]["conflict"]), (&json!(5), &json!(0)), "{done}");
    assert_eq!(poll(dir, "gitlab")["missed"], 0);
}

fn entry(n: u64, what: &str, at: &str) -> Value {
    json!({
        "id": format!("R{n}{what}"), "type": format!("{what}_log_entry"), "summary": what, "created_at": at,
        "agent": {"id": "PMIRA", "type": "user_reference", "summary": "Mira K."},
        "service": {"id": "PCART", "summary": "cart"}, "channel": {"type": "web"},
        "incident": {"id": format!("Q{n}"), "html_url": format!("https://shop.pagerduty.example/incidents/Q{n}")},
    })
}

#[test]
fn pagerduty_tells_by_its_log_what_its_webhooks_missed() {
    let api = Api::start(|asked| {
        assert_eq!(asked.headers["authorization"], format!("Token token={TOKEN}"));
        if asked.before == 0 {
            // No `Retry-After` here: the limit says when.
            return Reply::status(429).with("ratelimit-remaining", 0).with("ratelimit-reset", 0);
        }
        if asked.path == "/incidents" {
            let record = json!({
                "id": "Q1", "type": "incident", "incident_number": 1, "title": "carts lose items", "status": "resolved",
                "created_at": "2025-05-01T09:00:00Z", "updated_at": "2025-05-01T10:00:00Z", "resolved_at": "2025-05-01T10:00:00Z",
                "html_url": "https://shop.pagerduty.example/incidents/Q1", "service": {"summary": "cart"}, "acknowledgements": [],
            });
            return Reply::json(&json!({"incidents": [record], "more": false, "total": 1}));
        }
        let entries = [
            entry(1, "resolve", "2025-05-01T10:00:00Z"),
            entry(1, "notify", "2025-05-01T09:00:02Z"),
            entry(1, "trigger", "2025-05-01T09:00:00Z"),
        ];
        let page = &entries[asked.number("offset")..][..1];
        let more = asked.number("offset") < 2;
        Reply::json(&json!({"log_entries": page, "more": more, "total": 3}))
    });
    let dir = world("pagerduty", &api, "");
    let dir = dir.path();
    let hook = |ty: &str, id: &str, at: &str, status: &str| {
        json!({"event": {
            "id": id, "event_type": ty, "occurred_at": at, "agent": null, "client": null,
            "data": {"id": "Q1", "type": "incident", "status": status, "title": "carts lose items", "created_at": "2025-05-01T09:00:00Z",
                "html_url": "https://shop.pagerduty.example/incidents/Q1", "service": {"summary": "cart"}},
        }})
    };
    let at = "2025-05-01T09:00:00Z";
    let triggered = hook("incident.triggered", "E1", at, "triggered");
    // Another incident shows that this source pushes resolutions, too; that of the first one was lost.
    let mut other = hook("incident.resolved", "E2", "2025-05-01T09:30:00Z", "resolved");
    other["event"]["data"]["id"] = json!("Q9");
    push(
        dir,
        &[
            pushed("pagerduty", at, &json!({}), &triggered),
            pushed("pagerduty", "2025-05-01T09:30:00Z", &json!({}), &other),
        ],
    );
    let done = poll(dir, "pagerduty");
    // Log entry and record tell of one resolution.
    assert_eq!((&done["missed"], &done["totals"]["ignored"]), (&json!(1), &json!(1)), "{done}");
    assert_eq!(done["said"], json!(["manifest", "gap_detected"]));
}

fn cell(value: &str) -> Value {
    json!({"value": value, "display_value": value})
}

#[test]
fn servicenow_pages_past_rows_that_are_hidden() {
    let api = Api::start(|asked| {
        assert_eq!(
            asked.headers["authorization"],
            "Basic YmFja3RyYWlsOnMzY3JldC1vZi10aGUtcG9sbA=="
        );
        let table = asked.path.strip_prefix("/api/now/table/").unwrap();
        let from = "sys_updated_on%3E%3D2025-04-30%2010:00:00%5EORDERBYsys_created_on";
        assert!(asked.query["sysparm_query"].starts_with(from), "{:?}", asked.query);
        assert_eq!(asked.query["sysparm_display_value"], "all");
        let incident = |number: &str, changed: &str| {
            json!({
                "sys_id": cell(number), "sys_class_name": cell("incident"), "number": cell(number), "state": cell("2"),
                "priority": cell("2"), "opened_at": cell("2025-05-01 09:00:00"), "sys_updated_on": cell(changed),
            })
        };
        let (rows, next): (Vec<Value>, bool) = match (table, asked.number("sysparm_offset")) {
            // One row of a hundred may be seen.
            ("incident", 0) => (vec![incident("INC1", "2025-05-01 09:00:00")], true),
            ("incident", 100) => (
                vec![
                    incident("INC2", "2025-05-02 09:00:00"),
                    incident("INC3", "2025-04-30 23:59:59"),
                    incident("INC4", "2025-05-03 00:00:00"),
                ],
                false,
            ),
            ("change_request" | "sysapproval_approver", 0) => (Vec::new(), false),
            other => panic!("{other:?}"),
        };
        let reply = Reply::json(&json!({"result": rows}));
        if next { reply.with("link", format!("<{}/x>;rel=\"next\"", asked.address)) } else { reply }
    });
    let dir = world("servicenow", &api, "user = 'backtrail'");
    let dir = dir.path();
    poll(dir, "servicenow");
    let numbers = "select distinct incident_id from events where kind = 'incident' order by 1";
    assert_eq!(sql(dir, numbers), ["INC1", "INC2"]);
}

#[test]
fn datadog_is_read_back_to_where_the_window_begins() {
    let api = Api::start(|asked| {
        assert_eq!(
            (asked.headers["dd-api-key"].as_str(), asked.headers["dd-application-key"].as_str()),
            (TOKEN, "second")
        );
        assert_eq!(asked.path, "/api/v2/incidents/search");
        let incident = |n: usize, created: &str, modified: &str| {
            json!({"data": {"type": "incidents", "id": format!("d{n:03}"), "attributes": {
                "public_id": n, "title": "carts lose items", "state": "active", "created": created, "modified": modified, "fields": {}}}})
        };
        let page: Vec<Value> = match asked.number("page%5Boffset%5D") {
            0 => (0..100)
                .map(|n| incident(n, "2025-05-01T10:00:00Z", "2025-05-01T11:00:00Z"))
                .collect(),
            // The hundredth is there twice, since the list grew; the last is older than any that is looked for.
            100 => (99..199)
                .map(|n| match n {
                    99 => incident(99, "2025-05-01T10:00:00Z", "2025-05-01T11:00:00Z"),
                    198 => incident(198, "2024-01-01T00:00:00Z", "2025-05-01T11:00:00Z"),
                    _ => incident(n, "2025-04-20T10:00:00Z", "2025-04-21T10:00:00Z"),
                })
                .collect(),
            other => panic!("{other}"),
        };
        Reply::json(&json!({"data": {"type": "incidents_search_results", "attributes": {"total": 500, "incidents": page}}}))
            .with("x-ratelimit-remaining", if asked.before == 0 { 0 } else { 9 })
            .with("x-ratelimit-reset", 0)
    });
    let dir = world("datadog", &api, "application_key_env = 'SECOND'");
    let dir = dir.path();
    let done = poll(dir, "datadog");
    assert_eq!(
        (&done["totals"]["deliveries"], &done["totals"]["conflict"]),
        (&json!(101), &json!(0)),
        "{done}"
    );
    assert_eq!(
        sql(dir, "select count(distinct incident_id) from events where source = 'datadog'"),
        ["101"]
    );
}

#[test]
fn sentry_tells_the_last_deploy_of_each_release() {
    let api = Api::start(|asked| {
        assert_eq!(
            (asked.path.as_str(), asked.headers["authorization"].clone()),
            ("/api/0/organizations/acme/releases/", format!("Bearer {TOKEN}"))
        );
        let release = |n: u64, created: &str, deployed: Option<&str>| {
            let deploy = deployed.map(|at| json!({"id": n.to_string(), "environment": "production", "dateStarted": null, "dateFinished": at, "url": null}));
            json!({"version": format!("cart@{n}"), "shortVersion": n.to_string(), "dateCreated": created, "lastDeploy": deploy, "projects": [{"slug": "cart"}]})
        };
        let link = |cursor: &str, results: bool| {
            format!(
                "<{}/api/0/organizations/acme/releases/?cursor={cursor}>; rel=\"next\"; results=\"{results}\"; cursor=\"{cursor}\"",
                asked.address
            )
        };
        match asked.query.get("cursor").map(String::as_str) {
            None => Reply::json(&json!([
                release(4, "2025-05-02T12:00:00Z", None),
                release(3, "2025-05-02T08:00:00Z", Some("2025-05-02T09:00:00Z"))
            ]))
            .with("link", link("0:2:0", true)),
            // An old release that is deployed again is how one goes back.
            Some("0:2:0") => Reply::json(&json!([
                release(2, "2025-04-01T08:00:00Z", Some("2025-05-02T10:00:00Z")),
                release(1, "2025-03-01T08:00:00Z", Some("2025-03-01T09:00:00Z"))
            ]))
            .with("link", link("0:4:0", false)),
            other => panic!("{other:?}"),
        }
    });
    let dir = world("sentry", &api, "of = ['acme']");
    let done = poll(dir.path(), "sentry");
    assert_eq!(
        (&done["totals"]["ignored"], &done["totals"]["quarantined"]),
        (&json!(1), &json!(0)),
        "{done}"
    );
    let versions = "select service, environment, version, phase from events where source = 'sentry' and kind = 'deployment' order by occurred_at";
    assert_eq!(
        sql(dir.path(), versions),
        ["cart,production,cart@3,succeeded", "cart,production,cart@2,succeeded"]
    );
}

/// The examples of the page are read, and asked of a server on this host in place of the real one.
#[test]
fn the_configs_of_the_page_are_read() {
    let page = include_str!("../../docs/polling.md");
    let mut sources = 0;
    for example in page.split("```toml\n").skip(1).map(|rest| rest.split("```").next().unwrap()) {
        let source = example.strip_prefix("[sources.").unwrap().split('.').next().unwrap();
        let api = Api::start(|_| Reply::status(401));
        let dir = world(source, &api, "");
        let other = |line: &&str| !line.starts_with("api = ");
        let kept: Vec<&str> = example.lines().filter(other).collect();
        let own = format!(".poll]\napi = '{}'", api.address);
        let config =
            format!("[ledger]\npath = 'ledger'\n{}\n", kept.join("\n")).replace(".poll]", &own);
        let config = config.replace("/etc/backtrail/", "./");
        std::fs::write(dir.path().join("backtrail.toml"), config).unwrap();
        for file in ["gitlab.token", "servicenow.password"] {
            std::fs::write(dir.path().join(file), "t\n").unwrap();
        }
        let mut command = crate::tool::backtrail();
        command.args(["poll", source, "--since", "2025-05-01"]).current_dir(dir.path());
        for name in ["GITHUB_TOKEN", "PAGERDUTY_TOKEN", "DD_API_KEY", "DD_APP_KEY", "SENTRY_TOKEN"]
        {
            command.env(name, "t");
        }
        let ran = crate::tool::ran(&command.output().unwrap());
        crate::tool::check(&ran, 65, &[source, "answered 401"]);
        sources += 1;
    }
    assert_eq!(sources, 6);
}
