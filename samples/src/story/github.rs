//! GitHub's `deployment` and `deployment_status` webhooks.

use backtrail_schemas::Timestamp;
use serde_json::{Value, json};

use super::facts::{Deployment, Facts, incident_id};
use super::line::Line;
use super::table::{at, hex, iso, later, number, uuid};

const ORGANISATION: &str = "lanternfish-example";

/// All deliveries of GitHub, in the order in which they were sent.
pub(crate) fn lines(facts: &Facts) -> Vec<Line> {
    let mut lines: Vec<Line> = Vec::new();
    for deployment in facts.deployed_by("github") {
        for line in one(facts, deployment) {
            lines.extend(received(deployment, line));
        }
    }
    lines.push(unknown(facts));
    lines
}

/// How one delivery reached us: some twice, one only because we asked.
fn received(deployment: &Deployment, line: Line) -> Vec<Line> {
    let success = line.body["deployment_status"]["state"] == "success";
    match deployment.key.as_str() {
        // The reconciliation of 10 August asks for what the webhooks had already brought.
        "CHG-1020/eu" => vec![line.again(at("08-10", "06:00"), "poll"), line],
        // This webhook was lost; the next reconciliation found it.
        "CHG-1040/staging" if success => vec![line.again(at("09-05", "06:00"), "poll")],
        // GitHub sent this one twice.
        "CHG-1042/us" if success => vec![line.again(later(line.received, 31), "push"), line],
        _ => vec![line],
    }
}

fn one(facts: &Facts, deployment: &Deployment) -> Vec<Line> {
    let created = later(deployment.start, -60);
    let mut lines = vec![line("deployment", created, &deployment.key, body(facts, deployment))];
    let mut status = |state: &str, at: Timestamp| {
        let key = format!("{}:{state}", deployment.key);
        let mut body = body(facts, deployment);
        body["deployment_status"] = json!({
            "id": number(&key),
            "state": state,
            "environment": deployment.environment,
            "description": "",
            "creator": body["deployment"]["creator"],
            "created_at": iso(at),
            "updated_at": iso(at),
        });
        lines.push(line("deployment_status", at, &key, body));
    };
    status("in_progress", deployment.start);
    match (deployment.outcome, deployment.end) {
        ("live", Some(end)) => status("success", end),
        ("failed", Some(end)) => status("failure", end),
        _ => {}
    }
    lines
}

fn line(event: &str, at: Timestamp, key: &str, body: Value) -> Line {
    let headers = vec![
        ("Content-Type", "application/json".to_owned()),
        ("X-GitHub-Delivery", uuid(key)),
        ("X-GitHub-Event", event.to_owned()),
    ];
    Line::new("github", at, headers, body)
}

fn body(facts: &Facts, deployment: &Deployment) -> Value {
    let person = facts.person(deployment.actor).expect("people deploy through GitHub");
    let account = json!({"id": person.github, "login": person.login, "type": "User"});
    let owner = json!({"id": number(ORGANISATION), "login": ORGANISATION, "type": "Organization"});
    let created = iso(later(deployment.start, -60));
    json!({
        "action": "created",
        "deployment": {
            "id": number(&deployment.key),
            "sha": hex(&format!("commit {} {}", deployment.service, deployment.version), 40),
            "ref": format!("v{}", deployment.version),
            "task": deployment.task,
            "payload": payload(facts, deployment),
            "environment": deployment.environment,
            "original_environment": deployment.environment,
            "production_environment": deployment.environment == "production",
            "transient_environment": false,
            "description": null,
            "creator": account,
            "created_at": created,
            "updated_at": created,
        },
        "repository": {
            "id": number(deployment.service),
            "name": deployment.service,
            "html_url": format!("https://github.com/{ORGANISATION}/{}", deployment.service),
            "full_name": format!("{ORGANISATION}/{}", deployment.service),
            "private": true,
            "owner": owner,
        },
        "sender": account,
    })
}

/// What this organisation says in the free field of a deployment.
fn payload(facts: &Facts, deployment: &Deployment) -> Value {
    let mut payload = json!({
        "service": deployment.service,
        "version": deployment.version,
        "artifact_digest": format!("sha256:{}", hex(&format!("{} {}", deployment.service, deployment.version), 64)),
        "region": deployment.region,
    });
    let stated = [
        ("change_id", deployment.change.map(str::to_owned)),
        ("committed_at", facts.committed(deployment).map(iso)),
        ("rollback_id", deployment.rollback.map(str::to_owned)),
        ("rollback_of", deployment.of.map(|key| facts.deployment_id(key))),
        ("incident_id", deployment.incident.map(incident_id)),
    ];
    for (key, text) in stated {
        if let Some(text) = text {
            payload[key] = json!(text);
        }
    }
    payload
}

/// A state that GitHub does not have: whoever reads it must keep it and say so, and not guess.
fn unknown(facts: &Facts) -> Line {
    let deployment = &facts.deployed_by("github").last().expect("GitHub deploys");
    let at = later(deployment.start, -7200);
    let mut body = body(facts, deployment);
    body["deployment_status"] = json!({
        "id": number("unknown state"),
        "state": "rehearsed",
        "environment": deployment.environment,
        "description": "",
        "creator": body["deployment"]["creator"],
        "created_at": iso(at),
        "updated_at": iso(at),
    });
    line("deployment_status", at, "unknown state", body)
}
