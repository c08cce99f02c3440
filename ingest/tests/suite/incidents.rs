//! The traps of alerts, tickets, flags and records that change in place. Each case is a sample and what it must give.

use std::collections::BTreeMap;

use backtrail_ingest::{Context, Labels, map};
use backtrail_schemas::{Delivery, Draft};
use serde_json::{Value, json};

use crate::support::{as_json, ids, mapped, samples};
use crate::traps::{outline, result};

#[test]
fn each_trap_is_avoided() {
    for (trap, sample, want) in TRAPS {
        assert_eq!(&outline(&result(sample)), want, "{trap}");
    }
}

#[test]
fn columns_say_how_it_is_known() {
    for (sample, which, columns) in COLUMNS {
        let all = result(sample);
        let at = outline(&all).iter().position(|o| o == which);
        let at = at.unwrap_or_else(|| panic!("{sample}: no {which}"));
        for (column, want) in *columns {
            assert_eq!(shown(&all.drafts[at], column).as_deref(), Some(*want), "{sample} {column}");
        }
    }
}

/// A column, `attributes.<key>`, or the first person or text of that name, as text.
fn shown(draft: &Draft, column: &str) -> Option<String> {
    if let Some(key) = column.strip_prefix("attributes.") {
        return draft.event.attribute(key).map(str::to_owned);
    }
    let text = draft.texts.iter().find(|(field, _)| *field == column).map(|(_, text)| text.clone());
    let who =
        draft.people.iter().find(|(name, _)| *name == column).map(|(_, who)| format!("{who:?}"));
    let value = draft.event.get(column).map(|value| match value.to_json() {
        Value::String(text) => text,
        other => other.to_string(),
    });
    value.or(text).or(who)
}

#[test]
fn what_is_not_said_is_absent() {
    for (sample, column) in ABSENT {
        let all = result(sample);
        assert!(!all.drafts.is_empty(), "{sample}");
        for draft in all.drafts {
            assert_eq!(shown(&draft, column), None, "{sample} {column}");
        }
    }
}

/// What two readings of one record both state of one fact is the same: otherwise the second would be a conflict.
#[test]
fn readings_of_a_changing_record_never_contradict_each_other() {
    for family in FAMILIES {
        let mut first: BTreeMap<String, (String, Value)> = BTreeMap::new();
        let mut met = 0;
        for (name, delivery) in samples().iter().filter(|(name, _)| name.starts_with(family)) {
            for one in as_json(&mapped(delivery))["events"].as_array().unwrap() {
                let id = one["event"]["event_id"].as_str().unwrap().to_owned();
                let Some((other, known)) = first.get(&id) else {
                    first.insert(id, (name.clone(), one.clone()));
                    continue;
                };
                met += 1;
                for (column, value) in one["event"].as_object().unwrap() {
                    let same = known["event"].get(column).is_none_or(|k| k == value);
                    assert!(same || column == "source_event_type", "{name}, {other}: {column}");
                }
                assert_eq!(
                    (&known["people"], &known["texts"]),
                    (&one["people"], &one["texts"]),
                    "{name}"
                );
            }
        }
        assert!(met > 0, "{family}: no fact is read twice");
    }
}

const FAMILIES: &[&str] = &[
    "alertmanager/",
    "grafana/",
    "opsgenie/rest_incident_",
    "datadog/incident_",
    "datadog/task",
    "datadog/dora_deployment",
    "servicenow/incident_",
    "servicenow/change_",
    "servicenow/approval_",
    "pagerduty/rest_incident_",
    "jira/approval_",
];

#[test]
fn an_alert_has_the_same_id_in_any_group() {
    let (_, group) =
        samples().into_iter().find(|(n, _)| n == "alertmanager/one_of_two_resolved.json").unwrap();
    let body: Value = serde_json::from_slice(&group.body).unwrap();
    let mut apart = Vec::new();
    for alert in body["alerts"].as_array().unwrap() {
        let mut one = body.clone();
        one["alerts"] = json!([alert]);
        let body = one.to_string().into_bytes();
        apart.extend(ids(&mapped(&Delivery { body, ..group.clone() })));
    }
    apart.sort();
    assert_eq!(apart, ids(&mapped(&group)));
    assert_eq!(apart.len(), 2);
}

#[test]
fn a_webhook_and_the_list_meet_where_they_have_the_same_time() {
    let webhook = ids(&result("opsgenie/create.json"));
    assert!(ids(&result("opsgenie/rest_alerts.json")).contains(&webhook[0]));
    let sent = ids(&result("datadog/dora_deployment_sent.json"));
    let listed = ids(&result("datadog/dora_deployments_listed.json"));
    assert!(sent.iter().all(|id| listed.contains(id)));
}

/// The correction is about the row that the deployment made when it was sent or listed.
#[test]
fn a_rollback_reported_later_amends_the_deployment_that_was_it() {
    let patch = result("datadog/received.ndjson:1").drafts.remove(0);
    let listed = result("datadog/dora_deployments_listed.json").drafts;
    let amended =
        listed.iter().find(|d| d.event.text("event_id") == patch.event.text("amends_event_id"));
    let amended = amended.expect("the list holds the deployment");
    assert_eq!(amended.event.text("deployment_id"), Some("dep-19"));
    assert_eq!(amended.event.text("phase"), Some("succeeded"));
}

#[test]
fn milliseconds_and_nanoseconds_of_one_body_are_told_apart() {
    let at = |sample: &str| {
        let draft = result(sample).drafts.remove(0);
        draft.event.timestamp("occurred_at").unwrap().to_string()
    };
    assert_eq!(at("opsgenie/create.json"), "2026-04-02T09:10:01.104000Z");
    assert_eq!(at("opsgenie/acknowledge.json"), "2026-04-02T09:14:02.504002Z");
    assert_eq!(at("datadog/monitor_triggered.json"), "2026-04-02T09:10:01.104000Z");
    assert_eq!(at("datadog/dora_deployment_sent.json"), "2026-04-02T09:00:00.000000Z");
}

#[test]
fn the_labels_that_are_read_are_the_shops() {
    let labels = Labels {
        places: vec![("service", vec!["till".to_owned(), "grafana_folder".to_owned()])],
        incident: "question".to_owned(),
        kill_switch: "service:till".to_owned(),
    };
    let context = Context { labels, ..Context::file() };
    let first = |sample: &str| {
        let (_, delivery) = samples().into_iter().find(|(n, _)| n == sample).unwrap();
        map(&delivery, &context).drafts.into_iter().next()
    };
    assert_eq!(first("grafana/firing.json").unwrap().event.text("service"), Some("Shop"));
    let issue = first("github/issues_of_another_kind.json").unwrap();
    assert_eq!(issue.event.text("incident_id"), Some("kiln-shop/cart#4"));
    assert!(first("github/issues_opened.json").is_none());
    assert!(first("jira/incident_created.json").is_none());
    let flag = first("launchdarkly/turned_off.json").unwrap();
    assert_eq!(shown(&flag, "kill_switch").as_deref(), Some("true"));
}

/// What must not happen, the sample that would make it happen, and the outline of its result.
type Trap = (&'static str, &'static str, &'static [&'static str]);

const TRAPS: &[Trap] = &[
    (
        "one delivery is many alerts, each in its own state",
        "alertmanager/one_of_two_resolved.json",
        &["health/recovered", "health/breached"],
    ),
    (
        "alerts that were cut off are a gap",
        "alertmanager/truncated.json",
        &["health/breached", "health/breached", "ingest/gap_detected"],
    ),
    ("the same at Grafana", "grafana/truncated.json", &["health/breached", "ingest/gap_detected"]),
    ("Go's zero time is no end", "alertmanager/never_ended.json", &["missing_field"]),
    ("nor a start", "alertmanager/never_began.json", &["missing_field"]),
    (
        "an alert that ended in a firing group is not guessed at",
        "alertmanager/ended_without_status.json",
        &["missing_field"],
    ),
    (
        "one bad alert does not take the group with it",
        "alertmanager/one_bad_of_two.json",
        &["health/breached", "wrong_type"],
    ),
    ("a rule without data is not breached", "grafana/no_data.json", &["health/no_data"]),
    ("an alert is no incident", "opsgenie/create.json", &["health/breached"]),
    ("unless the shop tags it as one", "opsgenie/incident_create.json", &["incident/detected"]),
    ("taking an alert does not end it", "opsgenie/acknowledge.json", &["health/sample"]),
    ("a deleted alert did not recover", "opsgenie/delete.json", &["health/no_data"]),
    ("a note changes nothing", "opsgenie/add_note.json", &[]),
    (
        "the end of impact is no end of the incident",
        "opsgenie/rest_incident_impact_over.json",
        &["incident/started", "incident/detected", "incident/mitigated", "incident/annotated"],
    ),
    ("a reminder is no second alert", "datadog/monitor_renotify.json", &[]),
    (
        "a stable incident is mitigated and not resolved",
        "datadog/incident_stable.json",
        &[
            "incident/started",
            "incident/reported",
            "incident/detected",
            "incident/mitigated",
            "incident/annotated",
        ],
    ),
    (
        "an incident that is active after it was resolved was reopened",
        "datadog/incident_reopened.json",
        &[
            "incident/started",
            "incident/reported",
            "incident/detected",
            "incident/reopened",
            "incident/resolved",
            "incident/annotated",
        ],
    ),
    ("a patch that nobody dated is not dated", "datadog/dora_patch_bare.json", &["missing_field"]),
    ("a roll-forward is no rollback", "datadog/dora_patch_rollforward.json", &[]),
    (
        "a list that writes its times as text says what put a deployment right",
        "datadog/dora_deployments_remedied.json",
        &[
            "deployment/started",
            "deployment/succeeded",
            "correction/amended",
            "deployment/started",
            "deployment/succeeded",
        ],
    ),
    ("a gate that is still asked did not pass", "datadog/received.ndjson:4", &[]),
    ("an incident asked for is none yet", "datadog/incident_asked_for.json", &[]),
    (
        "displayed times are in somebody's zone",
        "servicenow/displayed_alone.json",
        &["unmapped_state"],
    ),
    ("a stored time has no zone", "servicenow/zoned_time.json", &["bad_time"]),
    (
        "a cancelled incident is no recovery",
        "servicenow/incident_cancelled.json",
        &["incident/reported", "incident/cancelled", "incident/annotated"],
    ),
    ("a task is no incident", "jira/task_created.json", &[]),
    ("a cancelled ticket is no recovery", "jira/incident_cancelled.json", &["incident/cancelled"]),
    ("what a status means is its category", "jira/incident_resolved.json", &["incident/resolved"]),
    (
        "a resolution taken back reopens, whatever the status is called",
        "jira/incident_resolution_taken_back.json",
        &["incident/reopened"],
    ),
    (
        "who has not decided did not approve",
        "jira/approval_approved.json",
        &["approval/requested", "approval/approved", "approval/approved"],
    ),
    (
        "entries of the audit log come in any order, and each has its own time",
        "launchdarkly/audit_log_page.json",
        &["flag/turned_on", "flag/turned_off"],
    ),
    (
        "one entry can turn a flag off in several environments",
        "launchdarkly/two_environments.json",
        &["flag/turned_off", "flag/turned_off"],
    ),
    ("on or off is not guessed", "launchdarkly/on_or_off_unknown.json", &["missing_field"]),
    ("a tag changes nothing that is served", "launchdarkly/tagged.json", &[]),
    (
        "a merge is no recovery in the API either",
        "pagerduty/rest_incident_merged.json",
        &["incident/detected", "incident/merged", "incident/annotated"],
    ),
    (
        "the log in an incident does not hide the incident",
        "pagerduty/rest_incident_with_its_log.json",
        &[
            "incident/detected",
            "incident/resolved",
            "incident/annotated",
            "incident/acknowledged",
            "incident/resolved",
            "wrong_type",
        ],
    ),
    ("that somebody was called is no fact", "pagerduty/rest_log_entry_quiet.json", &[]),
    (
        "an incident that is open again was reopened",
        "pagerduty/rest_incident_reopened.json",
        &["incident/detected", "incident/reopened", "incident/annotated"],
    ),
    ("a question is no incident", "github/issues_of_another_kind.json", &[]),
    (
        "an issue that is not planned did not recover",
        "github/issues_closed_not_planned.json",
        &["incident/cancelled"],
    ),
    (
        "an issue that lost the label is none",
        "github/issues_unlabeled.json",
        &["incident/cancelled"],
    ),
    (
        "an issue that gets the label after its end has an end",
        "github/issues_labeled_when_closed.json",
        &["incident/reported", "incident/reported", "incident/resolved"],
    ),
    (
        "what was over as no incident does not begin with the label",
        "github/issues_labeled_when_not_planned.json",
        &["incident/annotated", "incident/reported", "incident/cancelled"],
    ),
    (
        "an issue that moves goes on elsewhere",
        "github/issues_transferred.json",
        &["incident/merged"],
    ),
    (
        "where an issue moved is not guessed",
        "github/issues_transferred_nowhere.json",
        &["missing_field"],
    ),
    (
        "who deletes an open incident takes it back",
        "github/issues_deleted.json",
        &["incident/cancelled"],
    ),
    (
        "an incident that ended stays one when its issue is deleted",
        "github/issues_deleted_when_closed.json",
        &["incident/annotated"],
    ),
    (
        "a change without the approval that it needs is an override",
        "launchdarkly/approval_bypassed.json",
        &["override/used", "flag/turned_off"],
    ),
    ("what is scheduled has not happened", "launchdarkly/scheduled.json", &[]),
    ("who asks for approval changes nothing", "launchdarkly/approval_requested.json", &[]),
    ("a review names neither request nor decision", "launchdarkly/approval_reviewed.json", &[]),
];

/// A sample, one of its events, and columns, texts or people of that event.
type Columns = (&'static str, &'static str, &'static [(&'static str, &'static str)]);

const COLUMNS: &[Columns] = &[
    (
        "alertmanager/one_of_two_resolved.json",
        "health/recovered",
        &[
            ("occurred_at", "2026-04-02T09:31:00.000000Z"),
            ("signal", "CartSlow/aa01"),
            ("signal_state", "ok"),
            ("source_instance", "https://alerts.kiln.example"),
            ("service", "cart"),
            ("environment_tier", "production"),
        ],
    ),
    (
        "alertmanager/truncated.json",
        "ingest/gap_detected",
        &[
            ("expected_count", "9"),
            ("occurred_at", "2026-04-02T09:12:00.000000Z"),
            ("time_basis", "derived"),
        ],
    ),
    (
        "alertmanager/without_fingerprint.json",
        "health/breached",
        &[("signal", "TillSlow/5c606c917e67277a")],
    ),
    (
        "grafana/no_data.json",
        "health/no_data",
        &[("signal", "CartSlow/bb02"), ("source_instance", "https://graf.kiln.example/?orgId=3")],
    ),
    (
        "opsgenie/create.json",
        "health/breached",
        &[("signal", "cart-latency"), ("region", "eu-1"), ("actor_kind", "automation")],
    ),
    (
        "opsgenie/incident_priority.json",
        "incident/severity_changed",
        &[("severity", "1"), ("severity_raw", "P1"), ("title", "cart answers slowly")],
    ),
    (
        "opsgenie/rest_incident_resolved.json",
        "incident/resolved",
        &[("time_basis", "source_state"), ("occurred_at", "2026-04-02T10:00:00.000000Z")],
    ),
    (
        "opsgenie/rest_incident_resolved.json",
        "incident/annotated",
        &[("severity", "2"), ("service", "cart"), ("title", "carts lose items")],
    ),
    (
        "datadog/incident_stable.json",
        "incident/mitigated",
        &[("time_basis", "source_state"), ("occurred_at", "2026-04-02T09:45:00.000000Z")],
    ),
    (
        "datadog/incident_impact_over.json",
        "incident/mitigated",
        &[("time_basis", "source_event"), ("occurred_at", "2026-04-02T09:40:00.000000Z")],
    ),
    (
        "datadog/incident_resolved.json",
        "incident/annotated",
        &[
            ("severity", "1"),
            ("service", "cart"),
            ("environment", "production"),
            ("detected_by", "customer"),
            ("customer_impact", "true"),
            ("team", "cart-team"),
        ],
    ),
    (
        "datadog/incident_of_two_services.json",
        "incident/annotated",
        &[("drill", "true"), ("severity_raw", "UNKNOWN")],
    ),
    (
        "datadog/received.ndjson:1",
        "correction/amended",
        &[
            ("rollback_of", "dep-18"),
            ("recognised_by", "explicit"),
            ("time_basis", "receipt"),
            ("occurred_at", "2026-04-02T09:40:00.000000Z"),
        ],
    ),
    ("datadog/received.ndjson:3", "verification/failed", &[("check_stage", "pre")]),
    (
        "servicenow/incident_resolved.json",
        "incident/annotated",
        &[
            ("severity", "1"),
            ("service", "cart"),
            ("change_id", "CHG0000018"),
            ("incident_id", "INC0000042"),
            ("detected_by", "monitor"),
            ("environment_tier", "production"),
        ],
    ),
    (
        "servicenow/incident_new.json",
        "incident/reported",
        &[
            ("occurred_at", "2026-04-02T09:15:00.000000Z"),
            ("source_instance", "kiln.service-now.example"),
        ],
    ),
    (
        "servicenow/change_closed.json",
        "change/closed",
        &[
            ("change_type", "emergency"),
            ("outcome", "unsuccessful"),
            ("has_backout_plan", "false"),
            ("service", "cart"),
        ],
    ),
    (
        "servicenow/approval_approved.json",
        "approval/approved",
        &[("change_id", "CHG0000018"), ("cab", "true"), ("time_basis", "source_state")],
    ),
    (
        "jira/incident_created.json",
        "incident/reported",
        &[
            ("occurred_at", "2026-04-02T09:15:00.000000Z"),
            ("incident_id", "OPS-42"),
            ("severity", "2"),
            ("service", "cart"),
            ("environment", "production"),
            ("source_event_id", "wh-1"),
        ],
    ),
    (
        "jira/incident_resolved.json",
        "incident/resolved",
        &[("occurred_at", "2026-04-02T09:20:05.123000Z")],
    ),
    (
        "jira/time_as_text.json",
        "incident/resolved",
        &[("occurred_at", "2026-04-02T09:20:00.000000Z")],
    ),
    ("jira/change_closed.json", "change/closed", &[("actor_kind", "automation")]),
    (
        "jira/approval_declined.json",
        "approval/rejected",
        &[("decision", "rejected"), ("change_id", "OPS-42"), ("approval_id", "OPS-42/7")],
    ),
    (
        "launchdarkly/turned_off.json",
        "flag/turned_off",
        &[
            ("kill_switch", "true"),
            ("service", "till"),
            ("environment", "production"),
            ("flag", "new-till"),
        ],
    ),
    (
        "launchdarkly/changed_by_token.json",
        "flag/changed",
        &[("actor_kind", "automation"), ("attributes.action", "updateRules")],
    ),
    ("launchdarkly/turned_off_by_version.json", "flag/turned_off", &[("kill_switch", "true")]),
    ("pagerduty/rest_incident_merged.json", "incident/merged", &[("duplicate_of", "QCART4")]),
    (
        "datadog/dora_deployments_remedied.json",
        "correction/amended",
        &[
            ("rollback_of", "dep-28"),
            ("rollback_id", "datadog:dep-29"),
            ("time_basis", "source_state"),
        ],
    ),
    ("github/issues_transferred.json", "incident/merged", &[("duplicate_of", "kiln-shop/till#31")]),
    (
        "launchdarkly/approval_bypassed.json",
        "override/used",
        &[("flag", "new-till"), ("environment", "production"), ("service", "till")],
    ),
    (
        "pagerduty/rest_log_entries.json",
        "incident/detected",
        &[("detected_by", "monitor"), ("service", "cart"), ("title", "carts lose items")],
    ),
    (
        "github/issues_opened.json",
        "incident/reported",
        &[
            ("incident_id", "kiln-shop/cart#4"),
            ("severity", "2"),
            ("environment", "production"),
            ("service", "cart"),
            ("commit_sha", "9fceb02d0ae598e95dc970b74767f19372d61af8"),
        ],
    ),
    (
        "github/issues_severity.json",
        "incident/severity_changed",
        &[("severity", "1"), ("service", "till")],
    ),
];

const ABSENT: &[(&str, &str)] = &[
    ("alertmanager/firing.json", "incident_id"),
    ("alertmanager/firing.json", "message"),
    ("grafana/firing.json", "signal_value"),
    ("datadog/dora_failure_sent.json", "severity"),
    ("datadog/dora_deployment_without_id.json", "deployment_id"),
    ("datadog/incidents_in_camel_case.json", "service"),
    ("servicenow/values_alone.json", "service"),
    ("servicenow/change_new.json", "change_type"),
    ("jira/incident_priority.json", "severity"),
    ("launchdarkly/created_everywhere.json", "environment"),
    ("launchdarkly/turned_on.json", "kill_switch"),
    ("github/issues_labeled.json", "commit_sha"),
    ("pagerduty/rest_incident_resolved.json", "severity"),
];
