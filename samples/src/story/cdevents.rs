//! CDEvents in structured CloudEvents: `notify` speaks 0.5, `records-sync` still 0.4.

use serde_json::{Value, json};

use super::facts::{Deployment, Facts, deployment_id};
use super::line::Line;
use super::table::{hex, iso, uuid};

/// All deliveries of the pipelines that speak CDEvents.
pub(crate) fn lines(facts: &Facts) -> Vec<Line> {
    let mut seen: Vec<(&str, &str)> = Vec::new();
    let mut lines = Vec::new();
    for deployment in facts.deployed_by("cdevents") {
        let slot = (deployment.service, deployment.environment);
        let predicate = match deployment.task {
            "rollback" => "rolledback",
            _ if seen.contains(&slot) => "upgraded",
            _ => "deployed",
        };
        seen.push(slot);
        lines.push(line(facts, deployment, predicate));
    }
    lines
}

fn line(facts: &Facts, deployment: &Deployment, predicate: &str) -> Line {
    let old = facts.service(deployment.service).tool == "cdevents4";
    let at = deployment.end.expect("a pipeline reports what it has done");
    let id = uuid(&format!("cdevent {}", deployment.key));
    let source = format!("/lanternfish/pipelines/{}", deployment.service);
    let (spec, version) = if old { ("version", "0.4.1") } else { ("specversion", "0.5.1") };
    let event_type =
        format!("dev.cdevents.service.{predicate}.{}", if old { "0.2.0" } else { "0.3.0" });
    let mut subject = json!({
        "id": deployment.service,
        "source": source,
        "content": {
            "environment": {"id": deployment.environment, "source": "/lanternfish/environments"},
            "artifactId": purl(deployment),
        },
    });
    if old {
        subject["type"] = json!("service");
    }
    let body = json!({
        "specversion": "1.0",
        "id": id,
        "source": source,
        "type": event_type,
        "time": iso(at),
        "datacontenttype": "application/json",
        "data": {
            "context": {
                spec: version,
                "id": id,
                "chainId": uuid(&format!("chain {}", deployment.change.unwrap_or(&deployment.key))),
                "source": source,
                "type": event_type,
                "timestamp": iso(at),
            },
            "subject": subject,
            "customData": custom(facts, deployment),
            "customDataContentType": "application/json",
        },
    });
    let headers = vec![("Content-Type", "application/cloudevents+json; charset=utf-8".to_owned())];
    Line::new("cdevents", at, headers, body)
}

fn purl(deployment: &Deployment) -> String {
    let digest = hex(&format!("{} {}", deployment.service, deployment.version), 64);
    format!("pkg:oci/{}@sha256%3A{digest}?tag={}", deployment.service, deployment.version)
}

/// What this organisation adds to its events.
fn custom(facts: &Facts, deployment: &Deployment) -> Value {
    let mut custom = json!({"region": deployment.region, "version": deployment.version});
    match deployment.change {
        Some(change) => {
            custom["change_id"] = json!(change);
            custom["deployment_id"] =
                json!(deployment_id(deployment, facts.service(deployment.service)));
        }
        None => custom["rollback_id"] = json!(deployment.key.split('/').next().unwrap_or_default()),
    }
    custom
}
