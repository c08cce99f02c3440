//! What each source gives, for people: `backtrail sources` and the table of `docs/sources.md`.

use std::sync::LazyLock;

use crate::rules;

/// One source that is read.
#[derive(Clone, Copy, Debug)]
pub struct Source<'a> {
    /// The name in column `source` and in `--source`.
    pub name: &'a str,
    /// Which deliveries are read, and in which forms.
    pub reads: &'a str,
    /// What makes two deliveries the same fact.
    pub natural_key: &'a str,
    /// How the source signs what it sends; files are not authenticated.
    pub authentication: &'a str,
    /// How a rollback is recognised.
    pub rollback: &'a str,
    /// What its deliveries cannot tell.
    pub cannot_tell: &'a str,
}

/// All sources that are read: those with a mapper of their own, in its order, then the bundled rule files.
pub fn sources() -> &'static [Source<'static>] {
    static ALL: LazyLock<Vec<Source<'static>>> = LazyLock::new(|| {
        SOURCES.iter().copied().chain(rules::bundled().iter().map(rules::Rule::meaning)).collect()
    });
    &ALL
}

const SOURCES: &[Source<'_>] = &[
    Source {
        name: "native",
        reads: "one event as one JSON object, keys as the columns of events.md, texts and people in plain; NDJSON or arrays",
        natural_key: "the event's own `event_id` within its `source_instance`; else time, place and ids that it states",
        authentication: "none of its own",
        rollback: "explicit: events of kind rollback",
        cannot_tell: "nothing that it does not state",
    },
    Source {
        name: "cdevents",
        reads: "CDEvents 0.3 to 0.5 and the approvals of the 0.6 draft; CloudEvents structured, batch and binary, or bare",
        natural_key: "`context.source` and `context.id`",
        authentication: "none of its own; whatever carries it",
        rollback: "explicit: service.rolledback",
        cannot_tell: "that a deployment started or failed, unless a pipeline or task run names service and environment in customData; acknowledgement, mitigation and reopening of incidents; the version that was left",
    },
    Source {
        name: "github",
        reads: "webhooks deployment, deployment_status, deployment_review; REST lists of deployments and of their statuses",
        natural_key: "host and number of the deployment or of the status; run, attempt, environment and time of a review",
        authentication: "HMAC-SHA256 over the body in X-Hub-Signature-256, without a time",
        rollback: "convention: task `rollback`, or `rollback_of` in the deployment's payload; else by order",
        cannot_tell: "regions and change requests, unless the payload names them; which deployment a review belongs to, beyond run and environment; when a status is lost (failed deliveries are not repeated)",
    },
    Source {
        name: "pagerduty",
        reads: "version 3 webhooks incident.triggered, acknowledged, unacknowledged, escalated, priority_updated, annotated, resolved, reopened",
        natural_key: "`event.id`",
        authentication: "HMAC-SHA256 over the body in X-PagerDuty-Signature (several at once while keys change), without a time",
        rollback: "not at all",
        cannot_tell: "when impact began or was mitigated; the environment; the cause",
    },
    Source {
        name: "argo-rollouts",
        reads: "Rollout and AnalysisRun objects as JSON or YAML: one, several documents, lists, watch events; replica sets beside them explain undos",
        natural_key: "uid, revision, and the mark with the time that the controller wrote",
        authentication: "none; the cluster's API guards the objects",
        rollback: "explicit: an abort, or the controller's own completion status; first_live: the replica set is older than the stable one",
        cannot_tell: "who did it; when traffic was back to the second (derived from the abort and from availability); the environment, unless an annotation names it",
    },
];
