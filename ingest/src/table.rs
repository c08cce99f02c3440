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
        reads: "one event as one JSON object, keys as the columns of events.md, texts and people in plain, an account of another source as an object of directory, id and name; NDJSON or arrays",
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
        cannot_tell: "that a deployment started or failed, unless a pipeline or task run names service and environment in customData; whether two emitters that call a service, environment or incident by one id mean the same; acknowledgement, mitigation and reopening of incidents; the version that was left",
    },
    Source {
        name: "github",
        reads: "webhooks deployment, deployment_status, deployment_review, deployment_protection_rule, workflow_run, workflow_job, release, issues with the label for incidents; REST lists of deployments, of their statuses, of runs and of issues; DevLake's rows of the GraphQL answer",
        natural_key: "host and number of the deployment, status, job or release; run and attempt; run, attempt, environment and time of a review; number of the issue and time of the change",
        authentication: "HMAC-SHA256 over the body in X-Hub-Signature-256, without a time",
        rollback: "convention: task `rollback`, `rollback_of` in the deployment's payload, or a workflow's name; else by order",
        cannot_tell: "regions and change requests, unless the payload names them; which deployment a review belongs to, beyond run and environment; that an issue moved to a repository whose hooks are not read goes on; from the REST list, what a workflow with a `run-name:` is called; when a status is lost (failed deliveries are not repeated)",
    },
    Source {
        name: "pagerduty",
        reads: "version 3 webhooks incident.triggered, acknowledged, unacknowledged, escalated, priority_updated, annotated, status_update_published, resolved, reopened; incidents and log entries of the REST API",
        natural_key: "`event.id`; id of the log entry; id of the incident, mark and its time",
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
        cannot_tell: "who did it; whether a person or the progress deadline aborted, where the deadline may and the condition names no reason; when traffic was back to the second (derived from the abort and from availability); the environment, unless an annotation names it",
    },
    Source {
        name: "alertmanager",
        reads: "version 4 webhooks, one row per alert",
        natural_key: "address of the installation, fingerprint, start and state of the alert",
        authentication: "none of its own; bearer token, basic or client certificate",
        rollback: "not at all",
        cannot_tell: "alerts that were cut off (counted as a gap), silenced or lost in a restart; people; incidents",
    },
    Source {
        name: "grafana",
        reads: "alerting webhooks, one row per alert",
        natural_key: "as alertmanager, within the organisation",
        authentication: "HMAC-SHA256 in X-Grafana-Alerting-Signature, where configured",
        rollback: "not at all",
        cannot_tell: "as alertmanager",
    },
    Source {
        name: "opsgenie",
        reads: "webhooks about alerts; alerts and incidents of the REST API, alone or listed",
        natural_key: "id of the alert or incident, mark and its time",
        authentication: "none of its own; a static header",
        rollback: "not at all",
        cannot_tell: "to the second when an incident was resolved; names of impacted services; its account (configure `instance`)",
    },
    Source {
        name: "datadog",
        reads: "monitor webhooks by the template below; incidents and their tasks; DORA deployments, failures and patches; results of deployment gates",
        natural_key: "`$ID`; id of the record, mark and its time",
        authentication: "none of its own; a static header or basic",
        rollback: "explicit: a patch or a list names the deployment that put it right as a rollback",
        cannot_tell: "when a rollback was noted; to the second when an incident became stable; deployments that failed; its organisation, outside of monitors (configure `instance`)",
    },
    Source {
        name: "servicenow",
        reads: "rows of incident, change_request and sysapproval_approver from the Table API",
        natural_key: "table, sys_id, mark and its time",
        authentication: "none of its own; rows are asked for, or pushed by the shop's rule",
        rollback: "not at all",
        cannot_tell: "when impact began or was mitigated; states between two readings; who approved on whose behalf",
    },
    Source {
        name: "jira",
        reads: "webhooks about issues that are incidents or changes, and approvals in any issue",
        natural_key: "id of the issue and of the changelog entry; id of the approval",
        authentication: "HMAC-SHA256 in X-Hub-Signature, for administrators' webhooks with a secret",
        rollback: "not at all",
        cannot_tell: "when impact began or was mitigated; the environment, unless a label names it; which of several approvers decided when",
    },
    Source {
        name: "launchdarkly",
        reads: "audit log entries about flags: webhooks, pages of the log, and the form that integrations get",
        natural_key: "`_id`, flag and environment",
        authentication: "HMAC-SHA256 in X-LD-Signature, without a time",
        rollback: "not at all; a kill switch is named by its tag",
        cannot_tell: "which service a flag is about, unless a tag names it; which variants were served; approvals: an entry has no field for the request that it is about nor for the decision, so requests and reviews are ignored (state them with `emit`)",
    },
    Source {
        name: "gitlab",
        reads: "Deployment, Issue (incidents) and Feature Flag Hooks; REST lists of deployments, of environments and of issues",
        natural_key: "host, number of the deployment and status; an approval's deployment and time; an issue's number and the time of the change; a flag's number and the delivery's Idempotency-Key",
        authentication: "X-Gitlab-Token, or Standard Webhooks (HMAC-SHA256 over id, time and body)",
        rollback: "by order: its button runs the old deployment's job again",
        cannot_tell: "whether a human uses an account; the whole hash of a commit without its address; when a flag was turned (the hook has no time); when an incident was mitigated; the service of an incident beyond its project",
    },
    Source {
        name: "otlp",
        reads: "OpenTelemetry log records named `backtrail.<kind>.<phase>`; OTLP/HTTP as JSON or protobuf",
        natural_key: "attribute `event.id` within the resource's `service.name`; else time, place and ids that it states",
        authentication: "none of its own; whatever carries it",
        rollback: "explicit: events of kind rollback",
        cannot_tell: "nothing that it does not state",
    },
    Source {
        name: "cloudevents",
        reads: "CloudEvents 1.0 around the deliveries of the other sources; structured, batch and binary",
        natural_key: "that of the source inside",
        authentication: "none of its own; whatever carries it",
        rollback: "as the source inside does",
        cannot_tell: "what its data does not say: the envelope's own attributes are not read",
    },
    Source {
        name: "octopus",
        reads: "subscription webhooks about deployments; REST lists of deployments and of releases",
        natural_key: "`Event.Id`; the id of the listed document",
        authentication: "a static header",
        rollback: "by order: the deployment of an older release",
        cannot_tell: "how a listed deployment went (its task says); the project's name in lists, and the environment's where the deployment has a name of its own; who approved a manual intervention",
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
        cannot_tell: "who did it; that an undo began, before it ends; the start of a rollout that takes up an old replica set; the revision that an event is about; how a deployment without a progress deadline goes; that a rollout to no replicas serves",
    },
    Source {
        name: "helm",
        reads: "what `helm history`, `helm list`, `helm status` and `helm get metadata` print with -o json or -o yaml",
        natural_key: "cluster (where it is configured), namespace, release and revision",
        authentication: "none; read from files",
        rollback: "explicit: `rollback_revision`, the status pending-rollback, or the description `Rollback to N`",
        cannot_tell: "the release that a history is of (configure the default of `service`); when an operation ended, since Helm keeps its begin; image digests; who did it; whether `--rollback-on-failure` rolled back or a person; before Helm 4.2, that a release which failed while it was waited for was a rollback",
    },
    Source {
        name: "flagger",
        reads: "Canary objects as JSON or YAML, and the bodies of webhooks",
        natural_key: "uid, template, phase of a canary and when it began (of a failure without the template); namespace, name, checksum, message and time of a webhook",
        authentication: "none of its own; a secret in the address",
        rollback: "explicit: phase Failed, and the messages `Rolling back` and `Canary failed!`",
        cannot_tell: "version labels, unless the webhook's metadata names them; that a canary and its webhooks tell of one release, unless it failed, so that successful ones double (use one of the two); that what failed is what had begun: nothing that Flagger sends from beginning to end tells one trial of a template from the next, so that the beginning stays in progress beside the failed deployment; which metric a canary failed by; the template that serves, where it uses configurations; of a canary whose template changed while it was tried, when the second trial began; when gates were called, unless their arrival is recorded",
    },
    Source {
        name: "flux",
        reads: "events of notification-controller about HelmRelease and Kustomization, and HelmRelease objects as JSON or YAML",
        natural_key: "object, reason, revision, token and time of an event; uid and revision of a release",
        authentication: "HMAC in X-Signature where the provider is generic-hmac, without a time",
        rollback: "explicit: the reasons RollbackSucceeded and RollbackFailed, the condition Remediated, the action rollback",
        cannot_tell: "that a release began; the version that was left, in an event; that an event and an object tell of one release (use one of the two); that what a Kustomization applied became healthy; of a HelmRelease, that a release failed which a later one took the place of; what was dropped as equal to an event of the last five minutes",
    },
];
