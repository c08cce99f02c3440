//! The traps of each source, by name. Each case is a sample and what it must give.

use backtrail_ingest::{Context, Mode, map};
use backtrail_schemas::{Delivery, Draft, Mapped};
use serde_json::json;

use crate::support::{mapped, samples};

/// What one sample gives.
pub(crate) fn result(sample: &str) -> Mapped {
    let (_, delivery) = samples()
        .into_iter()
        .find(|(n, _)| n == sample)
        .unwrap_or_else(|| panic!("no sample {sample}"));
    mapped(&delivery)
}

/// `kind/phase` of every draft, then `code` of every reject.
pub(crate) fn outline(mapped: &Mapped) -> Vec<String> {
    let text = |draft: &Draft, column| draft.event.text(column).unwrap_or("-").to_owned();
    let drafts = mapped.drafts.iter().map(|d| format!("{}/{}", text(d, "kind"), text(d, "phase")));
    drafts.chain(mapped.rejects.iter().map(|r| r.code.to_string())).collect()
}

#[test]
fn each_trap_is_avoided() {
    check_traps(TRAPS);
}

pub(crate) fn check_traps(traps: &[Trap]) {
    for (trap, sample, want) in traps {
        assert_eq!(&outline(&result(sample)), want, "{trap}");
    }
}

#[test]
fn columns_say_how_it_is_known() {
    check_columns(COLUMNS);
}

pub(crate) fn check_columns(columns: &[Columns]) {
    for (sample, which, columns) in columns {
        let mapped = result(sample);
        let at = outline(&mapped)
            .iter()
            .position(|o| o == which)
            .unwrap_or_else(|| panic!("{sample}: no {which}"));
        for (column, want) in *columns {
            assert_eq!(
                mapped.drafts[at].event.text(column),
                Some(*want),
                "{sample} {which} {column}"
            );
        }
    }
}

#[test]
fn what_is_not_said_is_absent() {
    for (sample, column) in [
        ("pagerduty/triggered_by_monitor.json", "severity"),
        ("pagerduty/resolved_by_itself.json", "severity"),
        ("github/deployment_status_elsewhere.json", "environment_tier"),
        ("github/rest_statuses.json", "service"),
        ("argo-rollouts/aborted_by_hand_back.json", "actor"),
        ("cdevents/service_removed.json", "version"),
        ("cdevents/incident_reported.json", "severity"),
    ] {
        for draft in result(sample).drafts {
            assert_eq!(draft.event.get(column), None, "{sample} {column}");
        }
    }
}

#[test]
fn traffic_is_back_when_the_stable_version_is_available_again() {
    for (sample, want) in [
        ("argo-rollouts/aborted_by_hand_back.json", "2026-04-04T10:04:00.000000Z"),
        ("argo-rollouts/aborted_available_later.json", "2026-04-04T10:06:00.000000Z"),
    ] {
        let back = result(sample).drafts.pop().unwrap();
        assert_eq!(back.event.timestamp("occurred_at").unwrap().to_string(), want, "{sample}");
    }
}

#[test]
fn a_native_event_claims_nothing_that_is_ours() {
    let codes: Vec<String> = (1..=14)
        .map(|line| {
            let (_, delivery) = samples()
                .into_iter()
                .find(|(n, _)| *n == format!("native/refused.ndjson:{line}"))
                .unwrap();
            outline(&mapped(&delivery)).join(" ")
        })
        .collect();
    let want = [
        "forbidden_field",
        "forbidden_field",
        "forbidden_field",
        "forbidden_field",
        "forbidden_field",
        "unsupported_version",
        "bad_value",
        "wrong_type",
        "unknown_field",
        "bad_value",
        "missing_field",
        "bad_value",
        "forbidden_field",
        "unknown_source",
    ];
    assert_eq!(codes[..13], want[..13]);
    assert_eq!(codes[13], "bad_json", "a broken line");
}

#[test]
fn a_simulated_clock_lets_native_events_say_when_they_were_recorded() {
    let event = json!({"kind": "deployment", "phase": "live", "occurred_at": "2026-04-02T09:00:00Z", "recorded_at": "2026-04-02T09:00:03Z"});
    let delivery = Delivery { body: event.to_string().into_bytes(), ..Delivery::default() };
    let simulated = Context { simulated_clock: true, ..Context::file() };
    let drafts = map(&delivery, &simulated).drafts;
    assert_eq!(
        drafts[0].event.timestamp("recorded_at").unwrap().to_string(),
        "2026-04-02T09:00:03.000000Z"
    );
    assert_eq!(outline(&mapped(&delivery)), ["forbidden_field"]);
}

#[test]
fn the_configured_place_fills_what_the_source_leaves_open() {
    let context = Context {
        mode: Mode::Push,
        authn_method: "hmac-sha256".to_owned(),
        authn_verified: true,
        authn_key_id: Some("k2".to_owned()),
        defaults: vec![("environment", "production".to_owned()), ("region", "eu-9".to_owned())],
        ..Context::file()
    };
    let (_, delivery) =
        samples().into_iter().find(|(n, _)| n == "pagerduty/triggered.json").unwrap();
    let draft = map(&delivery, &context).drafts.remove(0);
    for (column, want) in [
        ("environment", "production"),
        ("region", "eu-9"),
        ("ingest_mode", "push"),
        ("authn_key_id", "k2"),
    ] {
        assert_eq!(draft.event.text(column), Some(want));
    }
    let (_, delivery) =
        samples().into_iter().find(|(n, _)| n == "argo-rollouts/started.json").unwrap();
    assert_eq!(map(&delivery, &context).drafts[0].event.text("region"), Some("eu-1"));
}

#[test]
fn an_event_too_large_for_a_leaf_is_refused() {
    let event = |bytes: usize| json!({"kind": "deployment", "phase": "live", "occurred_at": "2026-04-02T09:00:00Z", "version": "v".repeat(bytes)});
    for (bytes, want) in [(60_000, "deployment/live"), (65_200, "too_large"), (70_000, "too_large")]
    {
        let delivery =
            Delivery { body: event(bytes).to_string().into_bytes(), ..Delivery::default() };
        assert_eq!(outline(&mapped(&delivery)), [want]);
    }
}

#[test]
fn another_cloud_event_is_no_cdevent() {
    let event = json!({"specversion": "1.0", "id": "1", "source": "/kiln", "type": "com.kiln.fired", "data": {}});
    let mut delivery = Delivery { body: event.to_string().into_bytes(), ..Delivery::default() };
    assert_eq!(outline(&mapped(&delivery)), ["unmapped_type"]);
    delivery.headers.insert("content-type".to_owned(), "application/cloudevents+json".to_owned());
    assert_eq!(outline(&mapped(&delivery)), ["unmapped_type"]);
}

#[test]
fn a_delivery_of_too_many_elements_is_one_reject() {
    let max = backtrail_ingest::limits::DELIVERY_EVENTS_MAX;
    for (elements, rejects) in [(max, max), (max + 1, 1)] {
        let body = json!(vec![1; elements]).to_string().into_bytes();
        let delivery = Delivery { source: Some("native".to_owned()), body, ..Delivery::default() };
        assert_eq!(mapped(&delivery).rejects.len(), rejects);
    }
}

#[test]
fn what_could_be_two_sources_is_nobodys() {
    let both = json!({
        "kind": "deployment", "phase": "live", "occurred_at": "2026-04-02T09:00:00Z",
        "event": {"event_type": "incident.triggered", "occurred_at": "2026-04-02T09:00:00Z", "data": {}},
    });
    let mut delivery = Delivery { body: both.to_string().into_bytes(), ..Delivery::default() };
    assert_eq!(outline(&mapped(&delivery)), ["unknown_source"]);
    assert_eq!(mapped(&delivery).rejects[0].reason, "could be from native or pagerduty");
    delivery.source = Some("gitlap".to_owned());
    assert_eq!(outline(&mapped(&delivery)), ["unknown_source"]);
    delivery.source = None;
    delivery.headers.insert("x-github-event".to_owned(), "push".to_owned());
    assert_eq!(outline(&mapped(&delivery)), ["unmapped_type"], "headers come first");
}

/// What must not happen, the sample that would make it happen, and the outline of its result.
pub(crate) type Trap = (&'static str, &'static str, &'static [&'static str]);

const TRAPS: &[Trap] = &[
    (
        "an aborted rollout stays degraded and is no outage",
        "argo-rollouts/aborted_by_hand_back.json",
        &["deployment/failed", "rollback/started", "rollback/succeeded"],
    ),
    (
        "an abort with replicas of the new version left is not back",
        "argo-rollouts/aborted_by_hand_underway.json",
        &["deployment/failed", "rollback/started"],
    ),
    (
        "an abort with an unavailable stable version is not back",
        "argo-rollouts/aborted_unavailable.json",
        &["deployment/failed", "rollback/started"],
    ),
    (
        "a router that still sends traffic is not back",
        "argo-rollouts/aborted_with_router_weight_left.json",
        &["deployment/failed", "rollback/started"],
    ),
    (
        "pods that wait for their scale down do not matter",
        "argo-rollouts/aborted_with_router_back.json",
        &["deployment/failed", "rollback/started", "rollback/succeeded"],
    ),
    (
        "a blue-green abort is back when the service points to the stable version",
        "argo-rollouts/blue_green_aborted.json",
        &["deployment/failed", "rollback/started", "rollback/succeeded"],
    ),
    (
        "and not before",
        "argo-rollouts/blue_green_still_switched.json",
        &["deployment/failed", "rollback/started"],
    ),
    ("a status of an older generation says nothing", "argo-rollouts/stale.json", &["stale_status"]),
    ("an object without a status is not reported on yet", "argo-rollouts/unseen.json", &[]),
    (
        "a condition that was true before has no start",
        "argo-rollouts/progressed.json",
        &["deployment/progressed"],
    ),
    (
        "a dry run decides nothing",
        "argo-rollouts/analysis_dry_run.json",
        &["verification/started", "verification/passed"],
    ),
    (
        "a measurement that goes on is no sample",
        "argo-rollouts/analysis_running.json",
        &["verification/started", "health/sample"],
    ),
    (
        "a replica set alone is no rollout",
        "argo-rollouts/replica_set_alone.json",
        &["unknown_source"],
    ),
    ("a merge is no recovery", "pagerduty/merged.json", &["incident/merged"]),
    (
        "a merge into nothing is not guessed",
        "pagerduty/merged_into_nothing.json",
        &["missing_field"],
    ),
    ("a ping is no fact", "pagerduty/ping.json", &[]),
    ("a GitHub ping is no fact", "github/ping.json", &[]),
    (
        "one review holds back several environments, each once",
        "github/deployment_review_approved.json",
        &["approval/approved", "approval/approved"],
    ),
    (
        "a replaced rollback was still one",
        "github/rollback_status_inactive.json",
        &["deployment/superseded"],
    ),
    (
        "a rollback is one by convention",
        "github/rollback_status_success.json",
        &["deployment/succeeded", "rollback/succeeded"],
    ),
    (
        "a pipeline run without a place is no deployment",
        "cdevents/pipelinerun_without_place.json",
        &[],
    ),
    ("what states nothing is not quarantined", "cdevents/service_published.json", &[]),
    ("what states nothing is not quarantined", "cdevents/environment_modified.json", &[]),
    (
        "one case of a suite is a check too",
        "cdevents/testcaserun_finished.json",
        &["verification/failed"],
    ),
    (
        "a case that was skipped did not pass",
        "cdevents/testcaserun_skipped.json",
        &["verification/skipped"],
    ),
    (
        "an update for others is an annotation",
        "pagerduty/status_update.json",
        &["incident/annotated"],
    ),
    ("who is asked to help is no fact", "pagerduty/responder_added.json", &[]),
    ("a custom event is not guessed", "cdevents/custom.json", &["unmapped_type"]),
    (
        "one bad element does not take the batch with it",
        "cdevents/batch.json",
        &["deployment/succeeded", "deployment/removed", "bad_value"],
    ),
    (
        "a version that is not read is not tried",
        "cdevents/unread_version.json",
        &["unsupported_version"],
    ),
    (
        "one bad event does not take the list with it",
        "native/list.json",
        &["flag/turned_off", "bad_value"],
    ),
];

/// A sample, one of its events, and columns of that event.
pub(crate) type Columns = (&'static str, &'static str, &'static [(&'static str, &'static str)]);

const COLUMNS: &[Columns] = &[
    (
        "argo-rollouts/aborted_by_hand_back.json",
        "rollback/started",
        &[
            ("trigger", "manual"),
            ("mechanism", "abort"),
            ("recognised_by", "explicit"),
            ("from_version", "1.8.0"),
        ],
    ),
    ("argo-rollouts/aborted_by_analysis.json", "rollback/started", &[("trigger", "automatic")]),
    ("argo-rollouts/aborted_by_deadline.json", "rollback/started", &[("trigger", "automatic")]),
    (
        "argo-rollouts/aborted_with_its_analysis.json",
        "rollback/started",
        &[
            ("trigger", "automatic"),
            ("trigger_condition", "result[0] > 0.05"),
            ("to_version", "1.7.4"),
        ],
    ),
    ("argo-rollouts/aborted_by_hand_back.json", "rollback/succeeded", &[("time_basis", "derived")]),
    (
        "argo-rollouts/undo_in_flight.json",
        "rollback/started",
        &[
            ("mechanism", "revision_undo"),
            ("recognised_by", "first_live"),
            ("from_version", "1.8.0"),
            ("to_version", "1.7.4"),
        ],
    ),
    ("argo-rollouts/rolled_back.json", "rollback/succeeded", &[("recognised_by", "explicit")]),
    (
        "argo-rollouts/several.yaml",
        "deployment/succeeded",
        &[
            ("version", "4.0.1"),
            ("strategy", "blue_green"),
            ("deployment_id", "production/till:3"),
            ("environment_tier", "production"),
        ],
    ),
    (
        "argo-rollouts/several.yaml",
        "verification/passed",
        &[("check_stage", "post"), ("service", "till")],
    ),
    (
        "argo-rollouts/started.json",
        "deployment/started",
        &[
            ("version", "1.8.0"),
            ("environment", "production"),
            ("region", "eu-1"),
            ("strategy", "canary"),
        ],
    ),
    (
        "github/deployment.json",
        "deployment/queued",
        &[
            ("service", "basket"),
            ("repository", "https://github.com/kiln-shop/cart"),
            ("pipeline_run_id", "7100"),
        ],
    ),
    (
        "github/deployment_rollback_task.json",
        "rollback/requested",
        &[
            ("rollback_of", "30"),
            ("recognised_by", "convention"),
            ("rollback_id", "github:31"),
            ("actor_kind", "automation"),
        ],
    ),
    (
        "github/rollback_status_success.json",
        "deployment/succeeded",
        &[("rollback_id", "r-3"), ("incident_id", "i-5"), ("service", "cart")],
    ),
    (
        "github/deployment_status_elsewhere.json",
        "deployment/succeeded",
        &[("environment", "github-pages"), ("source_instance", "git.kiln.example")],
    ),
    ("pagerduty/merged.json", "incident/merged", &[("duplicate_of", "QCART4")]),
    (
        "pagerduty/triggered_by_monitor.json",
        "incident/detected",
        &[("detected_by", "monitor"), ("actor_kind", "automation")],
    ),
    (
        "pagerduty/resolved_by_itself.json",
        "incident/resolved",
        &[("severity_raw", "Critical"), ("actor_kind", "automation")],
    ),
    (
        "cdevents/service_rolledback.json",
        "rollback/succeeded",
        &[("recognised_by", "explicit"), ("rollback_of", "d-18")],
    ),
    (
        "cdevents/service_deployed.json",
        "deployment/succeeded",
        &[("version", "1.8.0"), ("chain_id", "chain-1"), ("region", "eu-1")],
    ),
];
