//! Every kind and phase that a source is said to give is in a sample of it, and no other is.

use std::collections::BTreeSet;

use backtrail_ingest::rules;

use crate::support::{SOURCES, crate_folder, mapped, samples};

/// What the mappers give, as the page of sources says. `native` and `otlp` give any event, `cloudevents` what is in it.
const PROMISED: &[(&str, &str)] = &[
    (
        "cdevents",
        "action_item: cancelled, completed, created, updated; approval: approved, expired, rejected, requested, revoked; artifact: deleted, published; change: closed, created; deployment: cancelled, failed, queued, removed, started, succeeded; environment: created, deleted; incident: detected, reported, resolved; rollback: succeeded; verification: failed, inconclusive, passed, skipped, started",
    ),
    (
        "github",
        "approval: approved, rejected, requested; artifact: published; deployment: cancelled, failed, queued, started, succeeded, superseded; incident: annotated, cancelled, merged, reopened, reported, resolved, severity_changed; rollback: cancelled, failed, requested, started, succeeded; verification: failed, inconclusive, passed, skipped, started",
    ),
    (
        "pagerduty",
        "incident: acknowledged, annotated, detected, escalated, merged, reopened, resolved, severity_changed, unacknowledged",
    ),
    (
        "argo-rollouts",
        "deployment: failed, paused, progressed, resumed, started, succeeded; health: breached, no_data, sample, warning; rollback: started, succeeded; verification: failed, inconclusive, passed, started",
    ),
    ("alertmanager", "health: breached, no_data, recovered; ingest: gap_detected"),
    ("grafana", "health: breached, no_data, recovered; ingest: gap_detected"),
    (
        "opsgenie",
        "health: breached, no_data, recovered, sample; incident: acknowledged, annotated, closed, detected, escalated, mitigated, resolved, severity_changed, started, unacknowledged",
    ),
    (
        "datadog",
        "action_item: completed, created, updated; correction: amended; deployment: started, succeeded; health: breached, no_data, recovered, warning; incident: annotated, detected, mitigated, reopened, reported, resolved, started; verification: failed, passed",
    ),
    (
        "servicenow",
        "approval: approved, rejected, requested, revoked; change: closed, created, scheduled; incident: acknowledged, annotated, cancelled, closed, reopened, reported, resolved",
    ),
    (
        "jira",
        "approval: approved, rejected, requested; change: closed, created; incident: acknowledged, annotated, cancelled, closed, reopened, reported, resolved, severity_changed",
    ),
    ("launchdarkly", "flag: changed, turned_off, turned_on; override: used"),
    (
        "gitlab",
        "approval: approved, rejected, requested; deployment: cancelled, failed, queued, started, succeeded; environment: created; flag: turned_off, turned_on; incident: acknowledged, annotated, cancelled, merged, reopened, reported, resolved, severity_changed, unacknowledged",
    ),
    (
        "octopus",
        "approval: requested; artifact: published; deployment: cancelled, failed, paused, queued, resumed, started, succeeded",
    ),
    (
        "argocd",
        "deployment: failed, live, progressed, removed, started, succeeded; health: breached, no_data, sample; rollback: failed, live, requested, started, succeeded",
    ),
    (
        "kubernetes",
        "deployment: failed, paused, progressed, removed, resumed, started, succeeded; rollback: failed, started, succeeded",
    ),
    (
        "helm",
        "deployment: failed, removed, started, succeeded; rollback: failed, started, succeeded",
    ),
    (
        "flagger",
        "deployment: failed, live, paused, progressed, removed, started, succeeded; health: breached, no_data; rollback: started, succeeded",
    ),
    (
        "flux",
        "deployment: failed, live, removed, succeeded; divergence: detected, reconciled; rollback: failed, succeeded; verification: failed, passed",
    ),
];

#[test]
fn every_promise_of_a_mapper_has_a_sample() {
    let any = ["native", "otlp", "cloudevents"];
    let promised: Vec<&str> = PROMISED.iter().map(|(source, _)| *source).collect();
    let sources: Vec<&str> = SOURCES.iter().copied().filter(|s| !any.contains(s)).collect();
    assert_eq!(promised, sources);
    for (source, promised) in PROMISED {
        assert_eq!(given(source), facts(promised), "{source}");
    }
}

/// Whether the page says that `source` gives such an event. Rule files say so themselves.
pub(crate) fn is_promised(source: &str, kind: &str, phase: &str) -> bool {
    let promised = PROMISED.iter().find(|(name, _)| *name == source);
    promised.is_none_or(|(_, promised)| facts(promised).contains(&format!("{kind}/{phase}")))
}

fn facts(promised: &str) -> BTreeSet<String> {
    let kinds = promised.split("; ").map(|part| part.split_once(": ").unwrap());
    kinds
        .flat_map(|(kind, phases)| phases.split(", ").map(move |p| format!("{kind}/{p}")))
        .collect()
}

#[test]
fn every_phase_of_a_rule_file_has_a_sample() {
    for name in rules::names() {
        let rule: toml::Table = rules::text(name).unwrap().parse().unwrap();
        let mut promised = BTreeSet::new();
        for event in rule["event"].as_array().unwrap() {
            let kind = event["kind"].as_str().unwrap();
            let phases = match (event["phase"].as_str(), event["phase"].get("map")) {
                (Some(phase), _) => vec![phase],
                (None, Some(map)) => {
                    map.as_table().unwrap().values().filter_map(toml::Value::as_str).collect()
                }
                (None, None) => panic!("{name}: a phase of another form"),
            };
            promised.extend(phases.into_iter().map(|phase| format!("{kind}/{phase}")));
        }
        assert_eq!(given(name), promised, "{name}");
    }
}

/// Kind and phase of all events of one source's samples.
fn given(source: &str) -> BTreeSet<String> {
    let prefix = format!("{source}/");
    let own = samples().into_iter().filter(|(name, _)| name.starts_with(&prefix));
    let drafts = own.flat_map(|(_, delivery)| mapped(&delivery).drafts);
    let fact = |column: &str, draft: &backtrail_schemas::Draft| {
        draft.event.text(column).unwrap().to_owned()
    };
    drafts.map(|draft| format!("{}/{}", fact("kind", &draft), fact("phase", &draft))).collect()
}

/// The traps of the sources, and the test or case that each has: a text of the file beside it.
const TRAPS: &[(&str, &str, &str)] = &[
    ("a rollback is rarely called one", "traps.rs", "a rollback is one by convention"),
    (
        "order tells it, not having been seen before",
        "cluster_traps.rs",
        "the newer release taken up again is no rollback",
    ),
    (
        "an aborted rollout stays Degraded",
        "traps.rs",
        "an aborted rollout stays degraded and is no outage",
    ),
    (
        "Argo CD's trigger is silent on a rollback",
        "notifications.rs",
        "our_trigger_is_not_silent_on_a_rollback",
    ),
    ("merged incidents are no samples of recovery", "traps.rs", "a merge is no recovery"),
    (
        "GitLab has two forms of time in one field",
        "forges.rs",
        "one_field_with_several_forms_of_a_time_gives_instants",
    ),
    (
        "Opsgenie mixes milliseconds and nanoseconds",
        "incidents.rs",
        "milliseconds_and_nanoseconds_of_one_body_are_told_apart",
    ),
    ("Go's zero time means never", "incidents.rs", "Go's zero time is no end"),
    ("one delivery of Alertmanager is many alerts", "incidents.rs", "one delivery is many alerts"),
    ("and may be cut off", "incidents.rs", "alerts that were cut off are a gap"),
    (
        "times of ServiceNow are UTC without a zone",
        "incidents.rs",
        "displayed times are in somebody's zone",
    ),
];

#[test]
fn every_trap_has_a_case() {
    for (trap, file, case) in TRAPS {
        let text = std::fs::read_to_string(crate_folder().join("tests/suite").join(file)).unwrap();
        assert!(text.contains(case), "{trap}: {file} has no `{case}`");
    }
}
