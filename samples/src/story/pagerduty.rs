//! PagerDuty's webhooks, version 3.

use backtrail_schemas::Timestamp;
use serde_json::{Value, json};

use super::facts::{Facts, Incident, incident_id};
use super::line::Line;
use super::table::{at, hex, iso, later, rows};

/// All deliveries of PagerDuty, in the order of their tables.
pub(crate) fn lines(facts: &Facts) -> Vec<Line> {
    let mut lines = Vec::new();
    for incident in &facts.incidents {
        for (phase, event) in
            [("detected", "triggered"), ("acknowledged", "acknowledged"), ("resolved", "resolved")]
        {
            if let Some(at) = incident.marks.get(phase) {
                lines.push(line(facts, incident, event, *at));
            }
        }
    }
    for row in rows(include_str!("../../story/facts/pages.txt")) {
        let incident = facts
            .incidents
            .iter()
            .find(|i| i.key == row[2])
            .expect("pages.txt names known incidents");
        lines.push(line(facts, incident, row[3], at(row[0], row[1])));
    }
    lines
}

fn line(facts: &Facts, incident: &Incident, event: &str, at: Timestamp) -> Line {
    let key = format!("{}:{event}:{at}", incident.key);
    let headers = vec![
        ("Content-Type", "application/json".to_owned()),
        ("User-Agent", "PagerDuty-Webhook/V3.0".to_owned()),
        ("X-Webhook-Id", hex(&format!("webhook {key}"), 32)),
    ];
    let body = json!({"event": {
        "id": format!("01LF{}", hex(&key, 22).to_uppercase()),
        "event_type": format!("incident.{event}"),
        "resource_type": "incident",
        "occurred_at": iso(at),
        "agent": agent(facts, incident, event),
        "client": null,
        "data": data(facts, incident, event),
    }});
    let line = Line::new("pagerduty", at, headers, body);
    // The endpoint was down; PagerDuty tried again three quarters of an hour later.
    if key.starts_with("I12:resolved") { line.again(later(at, 45 * 60), "push") } else { line }
}

/// Who did it: a monitor pages through an integration, people do the rest.
fn agent(facts: &Facts, incident: &Incident, event: &str) -> Value {
    let by_monitor = incident.by == "monitor" && matches!(event, "triggered" | "escalated");
    if by_monitor {
        return json!({"id": "PLFMONIT", "type": "inbound_integration_reference", "summary": "Service monitors"});
    }
    let person = on_call(facts, incident.service);
    json!({"id": person.pagerduty, "type": "user_reference", "summary": person.name})
}

fn data(facts: &Facts, incident: &Incident, event: &str) -> Value {
    let status = match event {
        "triggered" | "reopened" | "escalated" => "triggered",
        "resolved" => "resolved",
        _ => "acknowledged",
    };
    let number: u64 = incident.key[1..].parse().expect("incidents are numbered");
    let person = on_call(facts, incident.service);
    let assignees = match status {
        "resolved" => json!([]),
        _ => json!([{"id": person.pagerduty, "type": "user_reference", "summary": person.name}]),
    };
    let priority = if event == "priority_updated" { "P1" } else { incident.priority };
    let merged = incident.key == "I07" && event == "resolved";
    let created = incident.marks["detected"];
    json!({
        "id": incident_id(incident.key),
        "type": "incident",
        "html_url": format!("https://lanternfish.pagerduty.example/incidents/{}", incident_id(incident.key)),
        "number": 1000 + number,
        "status": status,
        "incident_key": hex(&format!("incident {}", incident.key), 32),
        "created_at": iso(created),
        "title": incident.title,
        "service": {
            "id": format!("PLF{}", hex(incident.service, 5).to_uppercase()),
            "type": "service_reference",
            "summary": incident.service,
        },
        "assignees": assignees,
        "escalation_policy": {"id": "PLFESCAL", "type": "escalation_policy_reference", "summary": "Engineering"},
        "teams": [],
        "priority": {"id": format!("PLFPRI{}", &priority[1..]), "type": "priority_reference", "summary": priority},
        "urgency": if priority == "P4" { "low" } else { "high" },
        "conference_bridge": null,
        "resolve_reason": merged.then(|| json!({
            "type": "merge_resolve_reason",
            "incident": {"id": incident_id("I06"), "type": "incident_reference"},
        })),
        "incident_type": {"name": "incident_default"},
    })
}

/// Who carries the pager for a service.
fn on_call<'a>(facts: &'a Facts, service: &str) -> &'a super::facts::Person {
    let key = match service {
        "booking-api" => "tomas",
        "payments" | "records-sync" => "jonas",
        "patient-portal" => "mei",
        _ => "sam",
    };
    facts.person(key).expect("people.txt has everyone on call")
}
