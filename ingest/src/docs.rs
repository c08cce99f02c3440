//! `docs/sources.md`: its table is made from [`crate::sources`], with the bundled rule files, its field lists from the constants that mappers read.

use std::fmt::Write;

use crate::conventions::KEYS;
use crate::rules;
use crate::table::sources;

/// The generated files: path from the top of the project, and content.
pub fn generated_files() -> Vec<(&'static str, String)> {
    vec![("docs/sources.md", page())]
}

fn page() -> String {
    let mut page = String::from(HEAD);
    page.push_str("| source | reads | same fact | authentication | rollback recognised by | cannot tell |\n|---|---|---|---|---|---|\n");
    for s in sources() {
        let cells = [s.reads, s.natural_key, s.authentication, s.rollback, s.cannot_tell];
        let _ = writeln!(page, "| `{}` | {} |", s.name, cells.join(" | "));
    }
    let keys: Vec<String> = KEYS.iter().map(|(key, _)| format!("`{key}`")).collect();
    let ruled: Vec<String> = rules::bundled().iter().map(|r| format!("`{}`", r.name())).collect();
    page.push_str(&BODY.replace("{keys}", &keys.join(", ")).replace("{rules}", &ruled.join(", ")));
    page
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
(`.tar`, `.tar.gz`, `.tgz`, `.gz`; not archives within archives).

- **One delivery per file**: JSON, or YAML for Argo Rollouts. A file `x.headers.json` beside `x.json` holds its headers.
- **One delivery per line**: `.ndjson` and `.jsonl`, and any file one of whose first two lines is an object of its own. A
  line that is no JSON is quarantined with its number; the others are read.
- **Recorded deliveries**: an object with `body` (text) or `body_base64`, and where known `received_at`, `source`,
  `headers` and `mode` (`push`, `poll`, `file`). It keeps what a bare body loses. `received_at` and `mode` are believed
  under a simulated clock only.
- **Recognition** (`--source auto`): headers first (`X-GitHub-Event`, `X-PagerDuty-Signature`, `ce-type`, a CloudEvents
  content type), then the shape of the body. A rule file of yours goes before what is built in. What else could be from two
  sources, or from none, is quarantined.
- A body has at most 25 MiB, an event at most 64 KiB in canonical form.

Why a delivery or an element of one is quarantined, by code: `bad_json`, `bad_yaml`, `bad_text`, `empty_body`,
`bad_record`, `too_large`, `nested_archive` (the bytes); `unknown_source`, `unknown_type`, `unsupported_version`,
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
| testsuiterun.started, finished | verification/started, passed, failed, inconclusive, skipped | `content.outcome`, `testSuite`, `reason` |
| approval.created, updated, closed | approval/requested, approved, rejected, revoked, expired | `content.decision`, `requestor`, `responder`, `approvalDetailsUrl` |
| artifact.published, deleted | artifact/… | `subject.id` (a package URL), `content.user` |
| environment.created, deleted | environment/… | `subject.id`, `content.name` |

Version and digest are read from the package URL: a version that is a digest is `artifact_digest`, and the `tag` qualifier
the label. `service.published` names no version and is unmapped, as are custom events and all other types.

## github

| delivery | event | from |
|---|---|---|
| deployment | deployment/queued | `deployment.{id, sha, ref, task, payload, environment, production_environment, creator, description, created_at}`, `workflow_run.{id, name}` |
| deployment_status | queued, pending, waiting → deployment/queued; in_progress → started; success → succeeded; failure, error → failed; inactive → superseded | `deployment_status.{id, state, environment, creator, description, log_url, target_url, created_at}`, and the deployment |
| deployment_review | approval/requested, approved, rejected, one per environment | `workflow_run`, `environment` or `workflow_job_runs[].environment`, `requestor`, `approver`, `comment`, `since` (else when it arrived) |
| REST list of deployments, of statuses | the same facts | `repository_url`, `deployment_url` name what the webhook says apart |

The service is the payload's `service`, else the repository's name. Production is `production_environment` true, else the
environment's name (Actions writes false whatever the name). With task `rollback` or `rollback_of` in the payload every
status is a rollback's too: requested, started, succeeded, failed; `rollback_id` is the payload's, else
`github:<deployment id>`. People are their account numbers; logins that end in `[bot]` are automation. Other events are
unmapped; a ping is ignored.

## pagerduty

`event.{id, event_type, occurred_at, agent, client, data}`; of an incident `id`, `title`, `service.summary`,
`priority.summary` (may be null), `urgency` and `incident_type.name` (attributes), `teams` (when one), `created_at`,
`html_url` (its host is the instance). incident.triggered is `detected`; `resolved` with a merge as its reason is `merged`
into that incident, since nothing recovered. The actor is the agent, else the client's name. Other events, and lists from
the API, are unmapped; a ping is ignored.

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
";
