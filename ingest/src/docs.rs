//! `docs/sources.md`: its table is made from [`crate::sources`], with the bundled rule files, its field lists from the constants that mappers read.

mod incidents;
mod samples;

use std::fmt::Write;
use std::path::Path;

use crate::conventions::KEYS;
use crate::error::Error;
use crate::rules;
use crate::sources::otlp::NAMES;
use crate::table::sources;

/// The generated files: path from the top of the project, and content. `samples` is the folder of this crate's samples.
///
/// # Errors
/// The samples cannot be read.
pub fn generated_files(samples: &Path) -> Result<Vec<(&'static str, String)>, Error> {
    Ok(vec![("docs/sources.md", page(samples)?)])
}

fn page(samples: &Path) -> Result<String, Error> {
    let mut page = String::from(HEAD);
    page.push_str("| source | reads | same fact | authentication | rollback recognised by | cannot tell |\n|---|---|---|---|---|---|\n");
    for s in sources() {
        let cells = [s.reads, s.natural_key, s.authentication, s.rollback, s.cannot_tell];
        let _ = writeln!(page, "| `{}` | {} |", s.name, cells.join(" | "));
    }
    let keys: Vec<String> = KEYS.iter().map(|(key, _)| format!("`{key}`")).collect();
    let names: Vec<String> =
        NAMES.iter().map(|(name, column)| format!("`{name}` → `{column}`")).collect();
    let ruled: Vec<String> = rules::bundled().iter().map(|r| format!("`{}`", r.name())).collect();
    let lists = [("{keys}", keys), ("{names}", names), ("{rules}", ruled)];
    let filled =
        |page: String, (mark, list): (&str, Vec<String>)| page.replace(mark, &list.join(", "));
    page.push_str(&lists.into_iter().fold(BODY.to_owned(), filled));
    page.push_str(&incidents::sections());
    page.push_str(&samples::table(samples)?);
    Ok(page)
}

const HEAD: &str = "\
# Sources

<!-- Made from ingest/src/table.rs, ingest/rules/*.toml and ingest/src/docs.rs by `just generate`. -->

A delivery is what a source sent: a webhook's headers and body, or an object that was exported. Mapping it gives events,
rejects, or the reason why it carries nothing for the log. It never guesses: what a delivery does not say is absent, and
what is not understood goes to quarantine with the path of the body that it is about.

";

const BODY: &str = r"
## How deliveries are read

`backtrail ingest PATH…` takes files, folders (in byte order of their paths), `-` for standard input, and archives
(`.tar`, `.tar.gz`, `.tgz`, `.gz`; not archives within archives). What is damaged is quarantined from there on, and the rest is read.

- **One delivery per file**: JSON, or YAML for what Kubernetes and Helm print. A file `x.headers.json` beside `x.json` holds its headers.
- **One delivery per line**: `.ndjson` and `.jsonl`, and any file one of whose first two lines is an object of its own. A
  line that is no JSON is quarantined with its number; the others are read.
- **One delivery per row**: `.csv`, whose first row names the columns. A row's column `data` is the delivery where there is
  one (DevLake's raw tables); else the row is one object of its texts, without the empty ones.
- **Recorded deliveries**: an object with `body` (text) or `body_base64`, and where known `received_at`, `source`,
  `headers` and `mode` (`push`, `poll`, `file`). It keeps what a bare body loses. `received_at` and `mode` are believed
  under a simulated clock only.
- **Recognition** (`--source auto`): headers first (`X-GitHub-Event`, `X-Gitlab-Event`, `X-PagerDuty-Signature`, `ce-type`,
  the content types of CloudEvents and protobuf), then the shape of the body. A rule file of yours goes before what is built in. What
  else could be from two sources, or from none, is quarantined.
- **What a delivery leaves open** of its place (`service`, `environment` …) the user may state: `--default service=shop` for one
  run, `[sources.NAME] defaults` and `labels` for good, see [configuration.md](configuration.md).
- A body has at most 25 MiB, one in protobuf 4 MiB, an event or a text that is read at most 64 KiB. A delivery gives at most 10,000 events
  that hold 100 MiB together; a list inside one record, each of whose entries is a row or is compared with the others, has at most 1,000.

Why a delivery or an element of one is quarantined, by code: `bad_json`, `bad_yaml`, `bad_text`, `bad_csv`,
`bad_protobuf`, `empty_body`, `bad_record`, `too_large`, `nested_archive`, `unreadable` (the bytes); `unknown_source`, `unknown_type`, `unsupported_version`,
`unmapped_type` (a type that carries no fact of ours), `unmapped_state`, `stale_status` (the kind of delivery);
`missing_field`, `unknown_field`, `forbidden_field`, `wrong_type`, `bad_time`, `bad_value` (its content); `no_fact`.

Common to all: times are RFC 3339, and `0001-01-01T00:00:00Z` means never. Ids are texts or whole numbers, of which every
digit is kept. `null` and the empty text mean absent. A severity is a number only if the label is one of 1 to 5 with or
without `P` or `SEV`; the label itself is `severity_raw`. `environment_tier` follows from the environment's name where
that is one of production, prod, staging, stage, testing, test, qa, development, dev.

## Sources by rule file

{rules} are read by [rule files](rules.md), which `backtrail sources show NAME` prints: fields, phases
and what is left out stand there. Copy one to change it, or describe a source of your own.

## Conventions in free fields

GitHub's `deployment.payload` and CDEvents' `customData` are the shop's own. These keys are read there, if they are texts
or whole numbers: {keys}. `committed_at` is when the deployed commit was made, which
lead time is counted from; what is no RFC 3339 time is not read. Others stay in the vault with the delivery.

## native

Keys are the columns of [events.md](events.md). `kind`, `phase` and `occurred_at` are needed. Texts (`title`, `reason`,
`comment`, `message`, `url`, `backout_plan`) and people (`actor`, `approver`, `authors` …) are given in plain: `bot:name` is
automation, `vendor:name` a vendor, anything else the account of a person at `source_instance` (default `default`).
`event_id`, at most 128 bytes, becomes `native:<instance>:<id>`. Without it the id follows from time, place and ids, so two
facts that differ in people, texts or measured values alone need ids of their own.

An event may not state `seq`, `authn_*`, `ingest_mode`, any `*_commitment`, another `source`, a `schema` other than
`event/1`, the kind `ledger`, or (unless the clock is simulated) `recorded_at`. Unknown keys are refused.

## cdevents

| type | event | from |
|---|---|---|
| service.deployed, service.upgraded | deployment/succeeded | `subject.id` (service), `content.environment.id`, `content.artifactId` |
| service.rolledback | rollback/succeeded, `explicit` | the same; the artifact is the version returned to |
| service.removed | deployment/removed | the same |
| pipelinerun, taskrun: queued, started, finished | deployment/queued, started, succeeded, failed, cancelled | only with `service` and `environment` in `customData`; `content.outcome`, `errors`, `uri` or `url` |
| incident.detected, reported, resolved | incident/… | `subject.id`, `content.service.id`, `environment.id`, `description`, `ticketURI`; `customData.severity` |
| ticket.created, updated, closed | change/… for type change; action_item/… for type task or action_item | `content.summary`, `creator`, `assignees` (one is the owner), `updatedBy`, `resolution` |
| testsuiterun, testcaserun: started, finished, skipped | verification/started, passed, failed, inconclusive, skipped | `content.outcome`, `testSuite` or `testCase`, `reason` |
| approval.created, updated, closed | approval/requested, approved, rejected, revoked, expired | `content.decision`, `requestor`, `responder`, `approvalDetailsUrl` |
| artifact.published, deleted | artifact/… | `subject.id` (a package URL), `content.user` |
| environment.created, deleted | environment/… | `subject.id`, `content.name` |

Version and digest are read from the package URL: a version that is a digest is `artifact_digest`, and the `tag` qualifier
the label. `context.source` is the instance, and with `context.id` the key; `subject.source` and `environment.source` are not
read: a subject or environment is called by its id alone. Runs without a place, `service.published`, which names no version,
and the specification's other types that state nothing of this are ignored; custom events and unknown types are unmapped.

## github

| delivery | event | from |
|---|---|---|
| deployment | deployment/queued | `deployment.{id, sha, ref, task, payload, environment, production_environment, creator, description, created_at}`, `workflow_run.{id, name}` |
| deployment_status | queued, pending, waiting → deployment/queued; in_progress → started; success → succeeded; failure, error → failed; inactive → superseded | `deployment_status.{id, state, environment, creator, description, log_url, target_url, created_at}`, and the deployment |
| deployment_review | approval/requested, approved, rejected, one per environment | `workflow_run`, `environment` or `workflow_job_runs[].environment`, `requestor`, `approver`, `comment`, `since` (else when it arrived) |
| issues with the label `incident` | opened, labeled with it → incident/reported, with its end where it was closed before; closed → resolved, as not planned or duplicate → cancelled; reopened → reopened; unlabeled, deleted while open → cancelled, until it is labeled again; transferred → merged into the new issue; another severity label → severity_changed; edited, deleted after its end → annotated | `issue.{id, number, title, body, labels, created_at, closed_at, updated_at}`, `sender`, `changes.{new_issue.number, new_repository.full_name}` |
| deployment_protection_rule | approval/requested | `deployment`, `environment`, `deployment_callback_url` |
| workflow_job with a deployment | queued, waiting → deployment/queued; in_progress → started; completed → succeeded, failed, cancelled | `workflow_job.{id, run_id, conclusion, started_at, completed_at}`, and the deployment |
| workflow_run of a name as below | requested → deployment/queued; in_progress → started; completed → succeeded, failed, cancelled | `workflow_run.{id, run_attempt, name, head_sha, head_branch, head_commit.timestamp, conclusion, triggering_actor, run_started_at, updated_at}` |
| any other workflow_run | verification/started, passed, failed, inconclusive, skipped | the same |
| release: published, released, prereleased | artifact/published, once | `release.{id, tag_name, published_at, author, name}` |
| REST list of deployments, of statuses, of runs | the same facts | `repository_url`, `deployment_url` name what the webhook says apart |
| REST list of issues with the label | incident/reported, resolved or cancelled, which meet the webhook's; annotated, the issue as it stands | `created_at`, `closed_at`, `state_reason`, `updated_at`, `user`, `closed_by` |
| DevLake's rows of GraphQL deployments | deployment/queued, and its statuses, else the latest | `DatabaseId`, `CommitOid`, `Statuses.nodes`, `LatestStatus`; a status has no number there, so it does not meet the webhook's row |

The service is the payload's `service`, else the repository's name. Production is `production_environment` true, else the
environment's name (Actions writes false whatever the name). With task `rollback` or `rollback_of` in the payload every
status is a rollback's too: requested, started, succeeded, failed; `rollback_id` is the payload's, else
`github:<deployment id>`. People are their account numbers; logins that end in `[bot]` are automation. Other events are
unmapped; a ping, a job that deploys nothing, a run that was only requested and edits of releases are ignored.

A workflow is a deployment only by its name: `Deploy [SERVICE] to ENVIRONMENT`, `Rollback [SERVICE] in ENVIRONMENT`, each
one word. The REST list has no name of a workflow whose runs have titles of their own (`run-name:`): there its file stands for it, and
decides nothing. Its jobs should name no `environment:`, since GitHub reports those deployments itself. `deployment_id` is
`run:<id>:<attempt>`: a run again of an old workflow is another deployment of its old commit, and order shows that it goes back.

`incident_id` is `owner/name#number`. A label such as `SEV-2` is the severity, a line `root cause: <commit>` of the issue's
text is `commit_sha`; which deployment that was is not concluded from it. Issues without the label are ignored.

## pagerduty

`event.{id, event_type, occurred_at, agent, client, data}`; of an incident `id`, `title`, `service.summary`,
`priority.summary` (may be null), `urgency` and `incident_type.name` (attributes), `teams` (when one), `created_at`,
`html_url` (its host is the instance). incident.triggered is `detected`; `resolved` with a merge as its reason is `merged`
into that incident, since nothing recovered. A status update is `annotated`, its message the comment. The actor is the agent,
else the client's name. Who is assigned or asked to help, changes of services and of the shop's own fields are ignored, as is
a ping; other events are unmapped.

Of the API, incidents (records that change in place: detected, acknowledged while that holds, reopened, resolved or merged) and
log entries (trigger, acknowledge, unacknowledge, escalate, priority_change, resolve, reopen, annotate; the others are
ignored) are read, listed or alone. A log entry has another id than the webhook of the same act: both are rows, and the
earliest of a phase counts.

## argo-rollouts

A Rollout is a state. Read are `metadata.{name, namespace, uid, generation, annotations, labels}`,
`spec.{replicas, strategy, template}`, and `status`, only when `observedGeneration` is the object's generation.

| state | event | when |
|---|---|---|
| a new replica set, or `duration.rolloutStartedAt` | deployment/started | the condition's `lastUpdateTime`, or that time |
| `pauseConditions` | deployment/paused, one each | `startTime` |
| progressing, resumed | deployment/progressed, resumed, with `traffic_percent` where a router reports weights | `lastUpdateTime` |
| `currentPodHash` is `stableRS` and the rollout is complete | deployment/succeeded | `duration.finishedAt`, else the condition's |
| progress deadline exceeded, invalid spec | deployment/failed | `lastTransitionTime` |
| abort | deployment/failed and rollback/started (mechanism abort) | `abortedAt`, else the condition's |
| abort, no traffic on the new version, the stable one fully available | rollback/succeeded | the later of abort and availability; `time_basis` derived |
| an AnalysisRun | verification/started, passed, failed, inconclusive | `startedAt`, `completedAt`, else the last measurement's end |
| a finished measurement | health/sample, breached, warning, no_data | `finishedAt` |

An abort is `automatic` when an analysis of the update failed or the progress deadline aborts, else `manual`. The phase stays
Degraded afterwards: that is no outage, and no event says so. `deployment_id` is `<uid>:<revision>`. The version is the
pod template's annotation `resource.opentelemetry.io/service.version`, else its label `app.kubernetes.io/version`, else the
tag of the image of the container named like the rollout, or of the only one. Place comes from the annotations
`resource.opentelemetry.io/` + `service.name`, `deployment.environment.name`, `cloud.region`, `k8s.cluster.name` on the pod
template, else on the object; the environment else from the label `environment`, the service else from the rollout's name.

## gitlab

| delivery | event | from |
|---|---|---|
| Deployment Hook: created, running, success, failed, canceled, skipped | deployment/queued, started, succeeded, failed, cancelled | `deployment_id`, `status_changed_at`, `environment`, `environment_tier`, `commit_url`, `ref`, `user`, `deployable_url`, `project` |
| blocked; approved, rejected | approval/requested; approved, rejected | `approver`, `approval.{created_at, comment, approval_rule.{required_approvals, access_level_description}}`; the requester is `user` |
| Issue Hook of type Incident: open, reopen, close | incident/reported, reopened, resolved; merged when closed as a duplicate or moved | `object_attributes.{id, title, severity, created_at, updated_at, closed_at, duplicated_to_id, moved_to_id, url}`, `user` |
| update: `changes.escalation_status`, `changes.severity` | incident/acknowledged, unacknowledged, resolved, cancelled (ignored); severity_changed | the same, at `updated_at` |
| Feature Flag Hook | flag/turned_on, turned_off | `object_attributes.{id, name, active}`; when it arrived, so a bare body is refused |
| REST list of deployments | deployment/queued, started and how it stands; approval/requested, approved, rejected | `id`, `sha`, `created_at`, `updated_at`, `deployable.{started_at, finished_at, failure_reason, commit, pipeline, web_url}`, `approvals` |
| REST list of issues of type incident | incident/reported, resolved or merged, which meet the hook's; annotated, the issue as it stands | `created_at`, `closed_at`, `moved_to_id`, `updated_at`, `severity`, `author`, `closed_by`, `web_url` |
| REST list of environments | environment/created | `id`, `name`, `tier`, `created_at` |

A list's times are kept by other rows than a hook's, so both stand in the log about one deployment; an approval is the same row in both.

A time is RFC 3339, or `2026-04-02 09:12:00 +0200`, or the same with `UTC`. The service is the project's name in its address;
the host is the instance, and `deployment_id` and `incident_id` are `<host>/<number>`. Severities are GitLab's: critical, high,
medium, low are 1 to 4. Accounts called `project_…_bot`, `group_…_bot` and `alert-bot` are automation; of others it is not known.
A rule for one account names a person, so `approver_role` is that of groups and roles only. Pipelines, jobs and releases are
ignored, since Deployment Hooks tell the same.

## otlp

A record counts if its `eventName`, else its attribute `event.name`, is `backtrail.<kind>.<phase>` of [events.md](events.md)
(not kinds ingest and ledger); others are passed over. Each bad element is refused by itself. `timeUnixNano` is the time; where it
is 0, `observedTimeUnixNano` with `time_basis` receipt. Attributes of the record count before those of its scope and resource:

{names}

`backtrail.<column>` on the record gives any other column, text or person of the native form; the record's body, where it is a
text, is the `message`. A record that names a `service.name` of its own speaks of another service than its emitter: place and
version of the resource are not taken then. With `event.id` a record keeps its identity whatever it says.

In protobuf (`Content-Type: application/x-protobuf`) a body is an ExportLogsServiceRequest; compressed bodies are not expanded.

## cloudevents

The data of an envelope (`data`, `data_base64`, or the body in binary mode) is mapped as the source whose shape it has; CDEvents
as such. Headers that are not the envelope's stay; the types `dev.knative.source.github.<event>` and
`dev.knative.sources.gitlab.<event>` stand for the event's header. Anything else is unmapped, also an envelope in an envelope.

## octopus

| delivery | event | from |
|---|---|---|
| DeploymentQueued, Started, Resumed, Succeeded, Failed | deployment/queued, started, resumed, succeeded, failed | `Payload.Event.{Id, Category, Occurred, RelatedDocumentIds, Message, MessageReferences, UserId, Username, IsService}`, `Payload.ServerUri` |
| TaskCanceled of a deployment; GuidedFailureInterruptionRaised | deployment/cancelled; paused | the same |
| ManualInterventionInterruptionRaised | approval/requested | the same |
| REST list of deployments | deployment/queued | `Id`, `Created`, `Name`, `Changes[].Version` (the last), `TaskId`, `DeployedById`, `DeployedBy`, `Comments` |
| REST list of releases | artifact/published | `Id`, `Version`, `Assembled`, `BuildInformation` (when one) |

Service, environment and version are what the message calls the documents that it refers to. A list has their ids only
(attributes `project_id`, `environment_id`), and the environment in a default name `Deploy to <environment>`. Events about
documents and users are ignored, other categories unmapped.

## argocd

Read are `metadata.{name, uid, annotations, labels, deletionTimestamp}`, `spec.{destination, project, source, sources}` and
`status.{history, operationState, health}`.

| state | event | when |
|---|---|---|
| an entry of the history | deployment/started, live | `deployStartedAt`, `deployedAt` |
| an operation | deployment/started | `startedAt` |
| it succeeded and the application is healthy | deployment/succeeded | `finishedAt` |
| it succeeded for chosen resources only | deployment/progressed | `finishedAt` |
| it failed, or ended in an error | deployment/failed | `finishedAt` |
| health Healthy, Degraded, Unknown | health/sample, breached, no_data | `lastTransitionTime` |
| deleted | deployment/removed | `deletionTimestamp` |
| the event `initiated rollback to N` | rollback/requested | its time |

A release is its revisions and sources. It goes back when it was live before the one that it replaces first was; the rows
of the deployment then have a rollback's beside them. The controller cuts the history (10 entries): an order that it no
longer holds makes no rollback here, unless a person asked for one in the form of Argo CD's own rollback (a sync to a stated
source, applied without hooks); the ledger's own history decides then. A commit is `commit_sha`, the revision of a chart
`version`; several revisions are joined by `+`. Dry runs are left out. The actor is `initiatedBy`; a project's token is
automation.

The triggers of Argo CD's catalog are silent on a rollback to a revision that was announced before.
[argocd-notifications.yaml](argocd-notifications.yaml) is a trigger and a template that are not.

## kubernetes

| Progressing | event | when |
|---|---|---|
| NewReplicaSetCreated, FoundNewReplicaSet | deployment/started | `lastUpdateTime` |
| ReplicaSetUpdated | deployment/progressed | `lastUpdateTime` |
| NewReplicaSetAvailable | deployment/succeeded | `lastUpdateTime` |
| ProgressDeadlineExceeded, ReplicaSetCreateError | deployment/failed | `lastTransitionTime` |
| DeploymentPaused, DeploymentResumed | deployment/paused, resumed | `lastUpdateTime` |

The same reasons are read of the cluster's events, which name no revision; scaling is left out. `deployment_id` is
`<uid>:<revision>`. With the replica sets in the same delivery (`kubectl get deployments,replicasets -o json`) a revision
that is served by an older set than the one before it is a rollback; taking up the newer one again is none, and neither is
undoing a restart, where the templates differ in nothing else. The change cause is the reason. Version and place are read as
of Argo Rollouts; the service is else the deployment's name. A rollout that is complete with no replicas is
deployment/progressed: nothing of it serves.

## helm

Status deployed and superseded are deployment/succeeded, failed is failed, pending-… is started, uninstalled is removed
(where `info.deleted` says when). Helm calls superseded, too, what had failed before another revision took its place: with the
description of a failure (of a Release, Upgrade or Rollback that `failed: …`) it is failed. `rollback_revision`, else the
description `Rollback to N`, makes a rollback's row beside it: from the revision before it, to the one named, as far as the
history holds them. The version is `app_version`, else the chart's. Helm keeps one time per revision, that of its begin. A
configured `cluster` stands before `deployment_id` and `rollback_id`.

Helm's own Secrets (`sh.helm.release.v1.…`) are not read: they hold the values of the chart, passwords among them.

`helm history` names neither its release nor the namespace; both are given with it, for one history at a time:

```sh
helm history cart --namespace shop --output json > cart.json
backtrail ingest cart.json --default service=cart --default service_namespace=shop --default cluster=kiln-eu-1
```

## flagger

Of a Canary: Progressing is deployment/started (when the condition began) and progressed with `traffic_percent`; Waiting and
WaitingPromotion are paused; Promoting is progressed, Finalising live, Initialized and Succeeded succeeded; Failed is
deployment/failed and, where a release was promoted before and the canary has no weight left, rollback/succeeded (mechanism
traffic_shift; automatic where the analysis has no webhook of type `rollback`). A phase is dated by the condition Promoted,
since the status of a canary that failed is written again at every look at it.

The version is the checksum by which webhooks call the template and its configurations; a canary's is computed from
`status.lastAppliedSpec` and `status.trackedConfigs` as Flagger does. A template that comes back has the same one, so that a
deployment has no id: its rows are put together by place, version and order. What failed is `<namespace>/<canary>:<checksum>`
(after a configured `cluster`) for a canary and its webhooks alike, and so is its rollback.

Of a webhook: the message of type `event` tells the same, `Rolling back …` being rollback/started (automatic, unless it says
that a webhook was invoked by hand) and `Halt …` paused where it waits for a gate, health/no_data where a metric has no
values, else health/breached with the metric or check, value and threshold that it names. Calls of gates are questions; only
phase Succeeded or Failed, which `post-rollout` is called with, is read, at the time of arrival. The keys of the conventions
are read in the webhook's metadata.

## flux

| reason | event |
|---|---|
| InstallSucceeded, UpgradeSucceeded | deployment/succeeded |
| of a Kustomization any, with a list of what was `created` or `configured` | deployment/live |
| the same with `deleted` only: Progressing; any other | ignored; deployment/removed |
| ReconciliationSucceeded of a Kustomization, unless `commit_status` is `update`, as at the end of each interval | deployment/succeeded |
| InstallFailed, UpgradeFailed; of a Kustomization ReconciliationFailed, HealthCheckFailed, BuildFailed, ValidationFailed, PruneFailed | deployment/failed |
| RollbackSucceeded, RollbackFailed | rollback/succeeded, failed (automatic) |
| UninstallSucceeded | deployment/removed |
| TestSucceeded, TestFailed | verification/passed, failed |
| DriftDetected, DriftCorrectionFailed; DriftCorrected | divergence/detected; reconciled |

`metadata.revision` (with or without its API group, `originRevision` first) is the chart's version, `branch@sha1:commit` (in
Flux 0 `branch/commit`), `tag@sha256:digest` or `sha256:digest`; of a rollback it is the version returned to. The conventions
and `cluster` are read in the metadata, as an Alert's `eventMetadata` puts them there. Failures of one revision are one
deployment. Of a HelmRelease `status.history` is read: each release is a deployment, and a rollback's row stands beside one
whose `action` is rollback, or beside the newest one while the condition Remediated says RollbackSucceeded.
";
