//! Argo Rollouts: the Rollout objects of `payments` as a watch sees them, and the analysis runs that end two of them.

use std::collections::BTreeMap;

use backtrail_schemas::Timestamp;
use serde_json::{Value, json};

use super::facts::{Deployment, Facts};
use super::line::Line;
use super::table::{hex, iso, later, uuid};

/// All objects, in the order in which the watch saw them.
pub(crate) fn lines(facts: &Facts) -> Vec<Line> {
    let mut stable: BTreeMap<String, &str> = BTreeMap::new();
    let mut lines = Vec::new();
    for deployment in facts.deployed_by("argo") {
        let before = stable.entry(uid(deployment)).or_insert("7.1.9");
        lines.extend(one(deployment, before));
        if deployment.outcome == "live" {
            *before = deployment.version;
        }
    }
    lines
}

/// The uid of the rollout object of a slot.
pub(crate) fn uid(deployment: &Deployment) -> String {
    uuid(&format!("rollout {} {}", deployment.environment, deployment.region))
}

/// What the controller has got to.
#[derive(Clone, Copy)]
struct Stage {
    phase: &'static str,
    reason: &'static str,
    progressing: bool,
    message: &'static str,
    /// Replicas that run the new template.
    updated: u32,
    step: u32,
    available_since: Timestamp,
    at: Timestamp,
}

fn one(deployment: &Deployment, stable: &str) -> Vec<Line> {
    let end = deployment.end.expect("every rollout of the story ended");
    let started = Stage {
        phase: "Progressing",
        reason: "NewReplicaSetCreated",
        progressing: true,
        message: "a replica set for the new template was made",
        updated: 1,
        step: 1,
        available_since: deployment.start,
        at: deployment.start,
    };
    let mut lines = vec![line(started.at, rollout(deployment, stable, started))];
    if deployment.outcome == "live" {
        let healthy = Stage {
            phase: "Healthy",
            reason: "NewReplicaSetAvailable",
            message: "",
            updated: 5,
            step: 4,
            at: end,
            ..started
        };
        lines.push(line(end, rollout(deployment, stable, healthy)));
        return lines;
    }
    let aborted = Stage {
        phase: "Degraded",
        reason: "RolloutAborted",
        progressing: false,
        message: "the analysis of approval-rate failed twice, once is allowed",
        at: end,
        ..started
    };
    let back = later(end, 60);
    let safe = Stage { updated: 0, step: 0, available_since: back, ..aborted };
    lines.push(line(end, explained(deployment, stable, aborted)));
    lines.push(line(back, explained(deployment, stable, safe)));
    lines
}

/// An aborted rollout with what explains it: the replica set it returns to, and the analysis that failed.
fn explained(deployment: &Deployment, stable: &str, stage: Stage) -> Value {
    let items =
        [rollout(deployment, stable, stage), replica_set(deployment, stable), analysis(deployment)];
    json!({"apiVersion": "v1", "kind": "List", "items": items})
}

fn line(at: Timestamp, body: Value) -> Line {
    Line::new("argo-rollouts", at, vec![("Content-Type", "application/json".to_owned())], body)
}

/// The hash that a template of this version has.
fn pod_hash(version: &str) -> String {
    hex(&format!("template payments {version}"), 10)
}

fn rollout(deployment: &Deployment, stable: &str, stage: Stage) -> Value {
    let (current, before) = (pod_hash(deployment.version), pod_hash(stable));
    let stable = if stage.updated == 5 { &current } else { &before };
    let generation = deployment.revision * 2;
    let mut status = json!({
        "phase": stage.phase,
        "message": stage.message,
        "observedGeneration": generation.to_string(),
        "currentPodHash": current,
        "stableRS": stable,
        "currentStepIndex": stage.step,
        "replicas": 5,
        "readyReplicas": 5,
        "availableReplicas": 5,
        "updatedReplicas": stage.updated,
        "conditions": [
            condition("Available", true, "AvailableReason", "enough replicas are available", stage.available_since),
            condition("Progressing", stage.progressing, stage.reason, stage.message, stage.at),
        ],
    });
    if stage.reason == "RolloutAborted" {
        status["abort"] = json!(true);
        status["abortedAt"] = json!(iso(stage.at));
    }
    let steps = json!([
        {"setWeight": 20},
        {"analysis": {"templates": [{"templateName": "approval-rate"}]}},
        {"setWeight": 60},
        {"pause": {"duration": "5m"}},
    ]);
    json!({
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Rollout",
        "metadata": metadata(deployment, generation),
        "spec": {
            "replicas": 5,
            "strategy": {"canary": {"steps": steps}},
            "template": template(deployment.version),
        },
        "status": status,
    })
}

fn template(version: &str) -> Value {
    let digest = hex(&format!("payments {version}"), 64);
    let image = format!("registry.lanternfish.example/payments:{version}@sha256:{digest}");
    json!({"spec": {"containers": [{"name": "payments", "image": image}]}})
}

fn metadata(deployment: &Deployment, generation: u32) -> Value {
    json!({
        "name": deployment.service,
        "namespace": deployment.environment,
        "uid": uid(deployment),
        "generation": generation,
        "labels": {"app.kubernetes.io/part-of": "billing"},
        "annotations": annotations(deployment),
    })
}

/// Where the object belongs, by the annotations that OpenTelemetry's operator reads.
fn annotations(deployment: &Deployment) -> Value {
    json!({
        "rollout.argoproj.io/revision": deployment.revision.to_string(),
        "resource.opentelemetry.io/deployment.environment.name": deployment.environment,
        "resource.opentelemetry.io/cloud.region": deployment.region,
    })
}

fn owners(deployment: &Deployment) -> Value {
    json!([{
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Rollout",
        "name": deployment.service,
        "uid": uid(deployment),
        "controller": true,
    }])
}

/// The replica set of the version that stays.
fn replica_set(deployment: &Deployment, version: &str) -> Value {
    let hash = pod_hash(version);
    json!({
        "apiVersion": "apps/v1",
        "kind": "ReplicaSet",
        "metadata": {
            "name": format!("payments-{hash}"),
            "namespace": deployment.environment,
            "labels": {"rollouts-pod-template-hash": hash},
            "ownerReferences": owners(deployment),
        },
        "spec": {"replicas": 5, "template": template(version)},
    })
}

fn condition(ty: &str, holds: bool, reason: &str, message: &str, at: Timestamp) -> Value {
    json!({
        "type": ty,
        "status": if holds { "True" } else { "False" },
        "reason": reason,
        "message": message,
        "lastTransitionTime": iso(at),
        "lastUpdateTime": iso(at),
    })
}

/// The analysis that ended a canary: two of three measurements missed the condition.
fn analysis(deployment: &Deployment) -> Value {
    let end = deployment.end.expect("an aborted canary ended");
    let measured = |value: &str, phase: &str, before: i64| {
        let at = iso(later(end, -before));
        json!({"value": value, "phase": phase, "startedAt": at, "finishedAt": at})
    };
    let hash = pod_hash(deployment.version);
    let metric = json!({
        "name": "approval-rate",
        "interval": "5m",
        "failureLimit": 1,
        "successCondition": "result[0] >= 0.97",
    });
    json!({
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "AnalysisRun",
        "metadata": {
            "name": format!("payments-{hash}-{}-1", deployment.revision),
            "namespace": deployment.environment,
            "uid": uuid(&format!("analysis {}", deployment.key)),
            "labels": {"rollouts-pod-template-hash": hash},
            "annotations": annotations(deployment),
            "ownerReferences": owners(deployment),
        },
        "spec": {"metrics": [metric]},
        "status": {
            "phase": "Failed",
            "message": "two measurements of approval-rate failed",
            "startedAt": iso(later(deployment.start, 120)),
            "metricResults": [{
                "name": "approval-rate",
                "phase": "Failed",
                "count": 3,
                "successful": 1,
                "failed": 2,
                "measurements": [
                    measured("[0.981]", "Successful", 610),
                    measured("[0.942]", "Failed", 310),
                    measured("[0.937]", "Failed", 10),
                ],
            }],
        },
    })
}
