//! The same history in the vendors' words, as recorded deliveries. What no vendor sends is native.

use serde_json::{Value, json};

use super::dice::hex;
use super::fact::{Cell, Fact, time};
use super::world::{Tool, World};
use crate::story::text;

/// The recorded delivery of a row that arrives at `received`; `None` if the vendor says it in another row.
pub(super) fn line(world: &World, fact: &Fact, received: i64) -> Option<String> {
    let tool = world.services[fact.service].tool;
    let (source, headers, body) = match (fact.kind, tool) {
        ("deployment", Tool::GitHub) => github(fact),
        ("deployment", Tool::Argo) => argo(fact)?,
        ("deployment", Tool::CdEvents) => cdevent(fact, "upgraded")?,
        ("rollback", Tool::CdEvents) if fact.phase == "live" => cdevent(fact, "rolledback")?,
        // An Argo rollback is an older version again and nothing else; GitHub says the rest with the deployment.
        ("rollback", Tool::Argo) => return None,
        ("rollback", Tool::GitHub) if fact.phase != "decided" => return None,
        ("incident", _) if event_type(fact.phase).is_some() => pagerduty(fact),
        _ => ("native", json!({"Content-Type": "application/json"}), fact.native()),
    };
    let line = json!({
        "received_at": time(received).to_string(),
        "source": source,
        "headers": headers,
        "body": body,
    });
    Some(text(&line))
}

type Said = (&'static str, Value, String);

fn stated(fact: &Fact, names: &[&'static str]) -> Value {
    let mut object = json!({});
    for name in names {
        if let Some(text) = fact.text(name) {
            object[*name] = json!(text);
        }
    }
    object
}

fn number(fact: &Fact) -> u64 {
    let id = fact.text("deployment_id").unwrap_or_default();
    id.parse().unwrap_or(fact.id)
}

fn github(fact: &Fact) -> Said {
    let (service, at) = (fact.text("service").unwrap_or_default(), time(fact.at).to_string());
    let mut deployment = json!({
        "id": number(fact),
        "sha": fact.text("commit_sha"),
        "ref": "main",
        "task": if fact.text("rollback_id").is_some() { "rollback" } else { "deploy" },
        "environment": "production",
        "production_environment": true,
        "creator": {"login": fact.text("actor"), "id": 1 + fact.text("actor").map_or(0, str::len), "type": "User"},
        "created_at": at,
        "payload": stated(fact, &["region", "version", "artifact_digest", "change_id", "incident_id", "rollback_id"]),
    });
    if let Some(of) = fact.text("rollback_of") {
        deployment["payload"]["rollback_of"] = json!(of);
    }
    let repository = json!({"full_name": format!("generated-example/{service}"), "name": service});
    let mut body = json!({"action": "created", "deployment": deployment, "repository": repository});
    let state = match fact.phase {
        "started" => Some("in_progress"),
        "live" => Some("success"),
        "failed" => Some("failure"),
        _ => None,
    };
    if let Some(state) = state {
        body["deployment_status"] =
            json!({"id": fact.id, "state": state, "environment": "production", "created_at": at});
    }
    let event = if state.is_some() { "deployment_status" } else { "deployment" };
    let headers = json!({"Content-Type": "application/json", "X-GitHub-Event": event, "X-GitHub-Delivery": uuid(fact.id)});
    ("github", headers, text(&body))
}

/// A name in the form of a UUID.
fn uuid(id: u64) -> String {
    let h = hex(id, 7, 32);
    format!("{}-{}-4{}-8{}-{}", &h[..8], &h[8..12], &h[13..16], &h[17..20], &h[20..])
}

fn cdevent(fact: &Fact, predicate: &str) -> Option<Said> {
    let rollback = predicate == "rolledback";
    // A pipeline reports what is in place, and a rollback as such alone.
    if fact.phase != "live" || (!rollback && fact.text("rollback_id").is_some()) {
        return None;
    }
    let service = fact.text("service")?;
    let digest = fact.text("artifact_digest").unwrap_or("sha256:0").replace(':', "%3A");
    let (source, id) = (format!("/generated/{service}"), uuid(fact.id));
    let event_type = format!("dev.cdevents.service.{predicate}.0.3.0");
    let body = json!({
        "context": {"specversion": "0.5.1", "id": id, "source": source, "type": event_type, "timestamp": time(fact.at).to_string()},
        "subject": {"id": service, "source": source, "content": {
            "environment": {"id": "production"},
            "artifactId": format!("pkg:oci/{service}@{digest}"),
        }},
        "customData": stated(fact, &["region", "version", "change_id", "deployment_id", "incident_id", "rollback_id"]),
    });
    Some(("cdevents", json!({"Content-Type": "application/json"}), text(&body)))
}

fn argo(fact: &Fact) -> Option<Said> {
    let (reason, phase, done) = match fact.phase {
        "started" => ("NewReplicaSetCreated", "Progressing", false),
        "live" => ("NewReplicaSetAvailable", "Healthy", true),
        "failed" => ("ProgressDeadlineExceeded", "Degraded", false),
        _ => return None,
    };
    let (service, region) = (fact.text("service")?, fact.text("region")?);
    let hash = &hex(number(fact), 3, 10);
    let at = time(fact.at).to_string();
    let image = format!(
        "registry.example/{service}:{}@{}",
        fact.text("version")?,
        fact.text("artifact_digest")?
    );
    let body = json!({
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Rollout",
        "metadata": {
            "name": service,
            "namespace": "production",
            "uid": format!("{service}-{region}"),
            "annotations": {
                "rollout.argoproj.io/revision": number(fact).to_string(),
                "resource.opentelemetry.io/deployment.environment.name": "production",
                "resource.opentelemetry.io/cloud.region": region,
            },
        },
        "spec": {"replicas": 4, "strategy": {"canary": {}}, "template": {"spec": {"containers": [{"name": service, "image": image}]}}},
        "status": {
            "phase": phase,
            "currentPodHash": hash,
            "stableRS": if done { hash.clone() } else { "none".to_owned() },
            "conditions": [{"type": "Progressing", "status": if phase == "Degraded" { "False" } else { "True" },
                "reason": reason, "lastTransitionTime": at, "lastUpdateTime": at}],
        },
    });
    Some(("argo-rollouts", json!({"Content-Type": "application/json"}), text(&body)))
}

/// PagerDuty's word for a phase that it knows.
fn event_type(phase: &str) -> Option<&'static str> {
    Some(match phase {
        "detected" => "incident.triggered",
        "acknowledged" => "incident.acknowledged",
        "resolved" | "merged" => "incident.resolved",
        "reopened" => "incident.reopened",
        _ => return None,
    })
}

fn pagerduty(fact: &Fact) -> Said {
    let incident = fact.text("incident_id").unwrap_or_default();
    let priority = fact.cells.iter().find_map(|(name, cell)| match cell {
        Cell::Number(n) if *name == "severity" => Some(format!("P{n}")),
        _ => None,
    });
    let merged = fact.text("duplicate_of").map(|parent| {
        json!({"type": "merge_resolve_reason", "incident": {"id": parent, "type": "incident_reference"}})
    });
    let body = json!({"event": {
        "id": format!("01{}", hex(fact.id, 5, 24).to_uppercase()),
        "event_type": event_type(fact.phase),
        "resource_type": "incident",
        "occurred_at": time(fact.at).to_string(),
        "agent": {"id": "PGENMONI", "type": "inbound_integration_reference", "summary": "Monitors"},
        "data": {
            "id": incident,
            "type": "incident",
            "html_url": format!("https://generated.pagerduty.example/incidents/{incident}"),
            "title": format!("Incident {incident}"),
            "service": {"id": "PGEN", "type": "service_reference", "summary": fact.text("service")},
            "priority": priority.map(|p| json!({"summary": p})),
            "urgency": "high",
            "teams": [],
            "resolve_reason": merged,
        },
    }});
    let headers =
        json!({"Content-Type": "application/json", "User-Agent": "PagerDuty-Webhook/V3.0"});
    ("pagerduty", headers, text(&body))
}
