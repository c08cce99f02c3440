//! What each source gives, for people: `backtrail sources` and the table of `docs/sources.md`.

/// One source that is read.
#[derive(Clone, Copy, Debug)]
pub struct Source {
    /// The name in column `source` and in `--source`.
    pub name: &'static str,
    /// Which deliveries are read, and in which forms.
    pub reads: &'static str,
    /// What makes two deliveries the same fact.
    pub natural_key: &'static str,
    /// How the source signs what it sends; files are not authenticated.
    pub authentication: &'static str,
    /// How a rollback is recognised.
    pub rollback: &'static str,
    /// What its deliveries cannot tell.
    pub cannot_tell: &'static str,
}

/// All sources that are read, in the order of their mappers.
pub fn sources() -> &'static [Source] {
    SOURCES
}

const SOURCES: &[Source] = &[
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
    Source {
        name: "argocd",
        reads: "Application objects as JSON or YAML: one, several documents, lists, the API's lists and stream, watch events, notifications that carry the application as `app`; the cluster's events about applications",
        natural_key: "uid, and the id in the history, or the start of the operation with its phase; uid and count of an event",
        authentication: "headers that the notification is configured with; the cluster's API guards the objects",
        rollback: "explicit: the event `initiated rollback to N`; first_live: the release was live before the one that it replaces, and the history is whole; convention: the same in a history that was cut, of a sync in the form that Argo CD's server gives to a rollback",
        cannot_tell: "which sync an event asked for, beyond the entry of the history; an order of releases that the history no longer holds; when traffic moved; the environment, unless an annotation or label names it",
    },
    Source {
        name: "kubernetes",
        reads: "Deployment objects as JSON or YAML: one, several documents, lists, watch events, kubewatch's CloudEvents; replica sets beside them explain undos; the cluster's events about deployments",
        natural_key: "uid, revision, reason and the time that the controller wrote; uid and count of an event",
        authentication: "none; the cluster's API guards the objects",
        rollback: "first_live: the replica set that serves is older than the one before it",
        cannot_tell: "who did it; that an undo began, before it ends; the start of a rollout that takes up an old replica set; the revision that an event is about; how a deployment without a progress deadline goes",
    },
    Source {
        name: "helm",
        reads: "what `helm history`, `helm list`, `helm status` and `helm get metadata` print with -o json or -o yaml",
        natural_key: "cluster (where it is configured), namespace, release and revision",
        authentication: "none; read from files",
        rollback: "explicit: `rollback_revision`, the status pending-rollback, or the description `Rollback to N`",
        cannot_tell: "the release that a history is of (configure the default of `service`); when an operation ended, since Helm keeps its begin; image digests; who did it; before Helm 4.2, that a release which failed while it was waited for was a rollback",
    },
    Source {
        name: "flagger",
        reads: "Canary objects as JSON or YAML, and the bodies of webhooks",
        natural_key: "uid, template, phase and time of a canary; namespace, name, checksum, message and time of a webhook",
        authentication: "none of its own; a secret in the address",
        rollback: "explicit: phase Failed, and the messages `Rolling back` and `Canary failed!`",
        cannot_tell: "version labels, unless the webhook's metadata names them; that a canary and its webhooks tell of one release (use one of the two); when gates were called, unless their arrival is recorded",
    },
    Source {
        name: "flux",
        reads: "events of notification-controller about HelmRelease and Kustomization, and HelmRelease objects as JSON or YAML",
        natural_key: "object, reason, revision, token and time of an event; uid and revision of a release",
        authentication: "HMAC in X-Signature where the provider is generic-hmac, without a time",
        rollback: "explicit: the reasons RollbackSucceeded and RollbackFailed, the condition Remediated, the action rollback",
        cannot_tell: "that a release began; the version that was left, in an event; that an event and an object tell of one release (use one of the two); what was dropped as equal to an event of the last five minutes",
    },
];
