//! Short names for the events that answers are worked out from, with the ids that they get in a ledger.

use backtrail_schemas::Timestamp;
use backtrail_schemas::id::{event_id, native_event_id};

use super::facts::{Deployment, Facts, deployment_id};
use super::table::{later, number, uuid};
use super::{native, pagerduty};
use crate::answers::{Fact, Mark};

/// All of them: `<change>/<region>.live`, `.started` and `.failed` of deployments, `<incident>.<phase>` of incidents, and
/// the native rows by their own ids.
pub(super) fn all(facts: &Facts) -> Vec<(String, Mark)> {
    let mut marks: Vec<(String, Mark)> = facts
        .deployments
        .iter()
        .flat_map(|deployment| match facts.service(deployment.service).tool {
            "github" => github(deployment),
            "argo" => {
                argo(deployment, &deployment_id(deployment, facts.service(deployment.service)))
            }
            _ => cdevents(deployment),
        })
        .collect();
    marks.extend(pages(facts));
    marks.extend(rows(facts));
    marks
}

fn mark(event_id: String, kind: &str, phase: &str, occurred_at: Timestamp) -> Mark {
    Mark { event_id, fact: Fact { kind: kind.to_owned(), phase: phase.to_owned(), occurred_at } }
}

fn github(deployment: &Deployment) -> Vec<(String, Mark)> {
    let mut states = vec![("started", "in_progress", "started", Some(deployment.start))];
    match deployment.outcome {
        "live" => states.push(("live", "success", "succeeded", deployment.end)),
        "failed" => states.push(("failed", "failure", "failed", deployment.end)),
        _ => {}
    }
    let named = |(name, state, phase, at): (&str, &str, &str, Option<Timestamp>)| {
        let key = format!("deployment_status:{}", number(&format!("{}:{state}", deployment.key)));
        let id = event_id("github", "github.com", &key, "deployment", phase);
        Some((format!("{}.{name}", deployment.key), mark(id, "deployment", phase, at?)))
    };
    states.into_iter().filter_map(named).collect()
}

fn argo(deployment: &Deployment, id: &str) -> Vec<(String, Mark)> {
    let end = deployment.end.expect("every rollout of the story ended");
    let one = |name: &str, what: &str, kind: &str, phase: &str, at: Timestamp| {
        let key = format!("{id}:{what}:{at}");
        let event = event_id("argo-rollouts", "default", &key, kind, phase);
        (format!("{}.{name}", deployment.key), mark(event, kind, phase, at))
    };
    if deployment.outcome == "live" {
        return vec![one("live", "completed", "deployment", "succeeded", end)];
    }
    vec![
        one("started", "aborted", "rollback", "started", end),
        one("live", "back", "rollback", "succeeded", later(end, 60)),
    ]
}

fn cdevents(deployment: &Deployment) -> Vec<(String, Mark)> {
    let source = format!("/lanternfish/pipelines/{}", deployment.service);
    let kind = if deployment.task == "rollback" { "rollback" } else { "deployment" };
    let id = uuid(&format!("cdevent {}", deployment.key));
    let event = event_id("cdevents", &source, &id, kind, "succeeded");
    let at = deployment.end.expect("a pipeline reports what it has done");
    vec![(format!("{}.live", deployment.key), mark(event, kind, "succeeded", at))]
}

fn pages(facts: &Facts) -> Vec<(String, Mark)> {
    let mut marks: Vec<(String, Mark)> = Vec::new();
    for line in pagerduty::lines(facts) {
        let event = &line.body["event"];
        let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
        let incident = text(&event["data"]["id"]).replace("QLANTERN", "");
        let merged = !event["data"]["resolve_reason"].is_null();
        let phase = match text(&event["event_type"]).trim_start_matches("incident.") {
            "triggered" => "detected",
            "priority_updated" => "severity_changed",
            "resolved" if merged => "merged",
            "resolved" => "resolved",
            "reopened" => "reopened",
            "escalated" => "escalated",
            _ => "acknowledged",
        };
        let name = format!("{incident}.{phase}");
        let again = if marks.iter().any(|(known, _)| *known == name) { ".2" } else { "" };
        let id = event_id(
            "pagerduty",
            "lanternfish.pagerduty.example",
            &text(&event["id"]),
            "incident",
            phase,
        );
        marks.push((format!("{name}{again}"), mark(id, "incident", phase, line.occurred)));
    }
    marks
}

/// The native rows, each once.
fn rows(facts: &Facts) -> Vec<(String, Mark)> {
    let mut marks: Vec<(String, Mark)> = Vec::new();
    for line in native::lines(facts) {
        let text = |name: &str| line.body[name].as_str().unwrap_or_default().to_owned();
        let own = text("event_id");
        let id = native_event_id(native::INSTANCE, &own).expect("the story's own ids are short");
        if !marks.iter().any(|(known, _)| *known == own) {
            marks.push((own, mark(id, &text("kind"), &text("phase"), line.occurred)));
        }
    }
    marks
}
