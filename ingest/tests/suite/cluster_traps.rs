//! The traps of the sources of a Kubernetes cluster, by name. Each case is a sample and what it must give.

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
        let mapped = result(sample);
        let at = outline(&mapped).iter().rposition(|o| o == which);
        let event = &mapped.drafts[at.unwrap_or_else(|| panic!("{sample}: no {which}"))].event;
        for (column, want) in *columns {
            assert_eq!(event.text(column), *want, "{sample} {which} {column}");
        }
    }
}

#[test]
fn times_are_those_of_the_source() {
    for (sample, at, want) in [
        ("argocd/rolled_back_by_button.json", 6, "2026-04-03T14:00:05.000000Z"),
        ("kubernetes/deadline_exceeded.json", 0, "2026-04-02T09:10:10.000000Z"),
        ("kubernetes/event_of_a_series.json", 0, "2026-04-03T14:20:00.000002Z"),
        ("kubernetes/kubewatch_delete.json", 0, "2026-04-02T09:00:12.674637Z"),
        ("helm/list.json", 0, "2026-04-03T09:12:00.123456Z"),
        ("helm/status_uninstalled.json", 0, "2026-04-09T12:00:00.000000Z"),
        ("flagger/canary_progressing.json", 0, "2026-04-02T09:00:00.000000Z"),
        ("flagger/hook_weight.json", 0, "2026-04-02T09:05:00.123000Z"),
        ("flux/helm_release_uninstalled.json", 0, "2026-04-09T09:00:00.000000Z"),
    ] {
        let drafts = result(sample).drafts;
        let time = drafts[at].event.timestamp("occurred_at").unwrap();
        assert_eq!(time.to_string(), want, "{sample}");
    }
}

/// What must not happen, the sample that would make it happen, and the outline of its result.
type Trap = (&'static str, &'static str, &'static [&'static str]);

/// Two entries of a history.
const LIVE: [&str; 4] =
    ["deployment/started", "deployment/live", "deployment/started", "deployment/live"];

const TRAPS: &[Trap] = &[
    (
        "a rollback by button is one though the history was cut",
        "argocd/rolled_back_by_button.json",
        &[
            LIVE[0],
            LIVE[1],
            LIVE[2],
            LIVE[3],
            "deployment/started",
            "rollback/started",
            "deployment/live",
            "rollback/live",
            "deployment/succeeded",
            "rollback/succeeded",
            "health/sample",
        ],
    ),
    (
        "an order that the history no longer holds is not guessed",
        "argocd/order_unknown.json",
        &[
            LIVE[0],
            LIVE[1],
            LIVE[2],
            LIVE[3],
            "deployment/started",
            "deployment/live",
            "deployment/succeeded",
            "health/sample",
        ],
    ),
    (
        "the newer release taken up again is no rollback, the one before it was",
        "argocd/taken_up_again.json",
        &[
            LIVE[0],
            LIVE[1],
            LIVE[2],
            LIVE[3],
            "deployment/started",
            "rollback/started",
            "deployment/live",
            "rollback/live",
            "deployment/started",
            "deployment/live",
            "deployment/succeeded",
            "health/sample",
        ],
    ),
    (
        "the same release again is no rollback",
        "argocd/same_again.json",
        &[LIVE[0], LIVE[1], LIVE[2], LIVE[3], "deployment/succeeded", "health/sample"],
    ),
    (
        "an old revision of another path is another release",
        "argocd/other_values.json",
        &[LIVE[0], LIVE[1], LIVE[2], LIVE[3], LIVE[0], LIVE[1], "health/sample"],
    ),
    (
        "a sync that succeeded on a degraded application is no success yet",
        "argocd/degraded.json",
        &[LIVE[0], LIVE[1], LIVE[2], LIVE[3], "health/breached"],
    ),
    ("a dry run deploys nothing", "argocd/dry_run.json", &[LIVE[0], LIVE[1], "health/sample"]),
    (
        "a part of a release is not live",
        "argocd/partial.json",
        &[LIVE[0], LIVE[1], "deployment/started", "deployment/progressed", "health/sample"],
    ),
    ("an application that was never synced says nothing", "argocd/never_synced.json", &[]),
    ("a sync's event is in the application", "argocd/event_sync.json", &[]),
    ("a reason that is not read is not ignored", "argocd/event_unread.json", &["unmapped_type"]),
    (
        "an old replica set that serves again is a rollback",
        "kubernetes/undo_succeeded.json",
        &["deployment/succeeded", "rollback/succeeded"],
    ),
    ("an undo has no known start", "kubernetes/undo_in_flight.json", &["deployment/progressed"]),
    ("an undo can fail", "kubernetes/undo_failed.json", &["deployment/failed", "rollback/failed"]),
    ("a new replica set is no rollback", "kubernetes/forward.json", &["deployment/succeeded"]),
    (
        "the newer replica set taken up again is none",
        "kubernetes/taken_up_again.json",
        &["deployment/succeeded"],
    ),
    ("to undo a restart is none", "kubernetes/restart_undone.json", &["deployment/succeeded"]),
    ("a status of an older generation says nothing", "kubernetes/stale.json", &[]),
    ("a replica set alone has no time", "kubernetes/replica_set_alone.json", &[]),
    ("scaling is no deployment", "kubernetes/event_scaling.json", &[]),
    ("an event about a pod is none", "kubernetes/event_pod.json", &[]),
    (
        "a reason that is not read is not guessed",
        "kubernetes/unknown_reason.json",
        &["unknown_type"],
    ),
    ("a history without a name is nobody's", "helm/history.json", &["missing_field"]),
    (
        "one bad row does not take the list with it",
        "helm/list.json",
        &[
            "deployment/succeeded",
            "deployment/started",
            "deployment/started",
            "rollback/started",
            "bad_time",
        ],
    ),
    (
        "a rollback that failed hides in its description",
        "helm/status_rollback_failed.json",
        &["deployment/failed", "rollback/failed"],
    ),
    (
        "a description of one's own does not hide a rollback",
        "helm/status_rolled_back.json",
        &["deployment/succeeded", "rollback/succeeded"],
    ),
    ("an upgrade that failed is no rollback", "helm/status_failed.json", &["deployment/failed"]),
    ("an end without a time is not dated", "helm/status_uninstalling.json", &[]),
    ("a template that was taken back did not fail", "flagger/canary_taken_back.json", &[]),
    (
        "nor is it known whether that or a configuration failed",
        "flagger/canary_failed_or_taken_back.json",
        &["unmapped_state"],
    ),
    ("no traffic is no breach", "flagger/hook_no_data.json", &["health/no_data"]),
    (
        "nobody serves a release that has no replicas",
        "kubernetes/scaled_to_zero.json",
        &["deployment/progressed"],
    ),
    (
        "a canary that failed gave its traffic back",
        "flagger/canary_failed.json",
        &["deployment/failed", "rollback/succeeded"],
    ),
    (
        "not while it has weight left",
        "flagger/canary_failed_with_weight_left.json",
        &["deployment/failed", "rollback/started"],
    ),
    ("nor where nothing served before", "flagger/canary_failed_first.json", &["deployment/failed"]),
    (
        "each step changes the status, the start stays the start",
        "flagger/canary_progressing.json",
        &["deployment/started", "deployment/progressed"],
    ),
    ("a gate is asked and told nothing", "flagger/gate_confirm.json", &[]),
    ("a call without a time is not dated", "flagger/gate_after_failure.json", &["missing_field"]),
    ("words about waiting are no mark", "flagger/hook_words.json", &[]),
    ("milliseconds are a number", "flagger/hook_bad_time.json", &["bad_time"]),
    ("a reconciliation that changed nothing is none", "flux/kustomization_unchanged.json", &[]),
    ("the end of an interval deploys nothing", "flux/kustomization_repeated.json", &[]),
    ("what was applied went live", "flux/kustomization_applied.json", &["deployment/live"]),
    ("what a release no longer holds is pruned with it", "flux/kustomization_pruned.json", &[]),
    ("a health check has no release of its own", "flux/kustomization_health_passed.json", &[]),
    (
        "the last thing that a Kustomization does is no success",
        "flux/kustomization_removed.json",
        &["deployment/removed"],
    ),
    ("nor is an error whose reason is older", "flux/kustomization_not_pruned.json", &[]),
    ("what was given up for a newer one did not fail", "flux/upgrade_canceled.json", &[]),
    ("a HelmRelease that is ready was not deployed by that", "flux/reconciled.json", &[]),
    ("a source deploys nothing", "flux/git_repository.json", &[]),
    (
        "only the newest release is the one returned to",
        "flux/helm_release_remediated.json",
        &[
            "deployment/succeeded",
            "rollback/succeeded",
            "deployment/failed",
            "deployment/succeeded",
        ],
    ),
    (
        "a rollback stays one after later upgrades",
        "flux/helm_release_actions.json",
        &[
            "deployment/succeeded",
            "deployment/succeeded",
            "rollback/succeeded",
            "deployment/failed",
        ],
    ),
    ("a reason that is not known is not ignored", "flux/unread_reason.json", &["unmapped_type"]),
];

/// A sample, the last of its events of this kind and phase, and columns of that event; `None` where it must be absent.
type Columns = (&'static str, &'static str, &'static [(&'static str, Option<&'static str>)]);

const COLUMNS: &[Columns] = &[
    (
        "argocd/rolled_back_by_button.json",
        "rollback/live",
        &[
            ("recognised_by", Some("convention")),
            ("trigger", Some("manual")),
            ("mechanism", Some("redeploy")),
            ("rollback_id", Some("8a0e2f10-0003-4c11-9d51-0d6f71b19733:to:12")),
            ("from_version", Some("2222222222222222222222222222222222222222")),
            ("to_version", Some("1111111111111111111111111111111111111111")),
            ("service", Some("cart")),
            ("environment", Some("production")),
            ("cluster", Some("kiln-eu-1")),
        ],
    ),
    (
        "argocd/rolled_back_in_git.json",
        "rollback/live",
        &[
            ("recognised_by", Some("first_live")),
            ("trigger", None),
            ("actor_kind", Some("automation")),
            (
                "rollback_of",
                Some("8a0e2f10-0004-4c11-9d51-0d6f71b19733:2026-04-02T09:00:00.000000Z"),
            ),
        ],
    ),
    (
        "argocd/rollback_running.json",
        "rollback/started",
        &[("rollback_id", Some("8a0e2f10-0001-4c11-9d51-0d6f71b19733:to:0"))],
    ),
    (
        "argocd/event_rollback.json",
        "rollback/requested",
        &[
            ("recognised_by", Some("explicit")),
            ("rollback_id", Some("8a0e2f10-0001-4c11-9d51-0d6f71b19733:to:0")),
        ],
    ),
    ("argocd/by_a_token.json", "deployment/started", &[("actor_kind", Some("automation"))]),
    ("argocd/order_unknown.json", "deployment/live", &[("rollback_id", None)]),
    (
        "argocd/several_sources.yaml",
        "deployment/live",
        &[
            ("version", Some("2.1.0+4444444444444444444444444444444444444444")),
            ("commit_sha", None),
            ("service", Some("till-api")),
            ("environment_tier", Some("staging")),
            ("cluster", None),
        ],
    ),
    (
        "kubernetes/undo_succeeded.json",
        "rollback/succeeded",
        &[
            ("recognised_by", Some("first_live")),
            ("from_version", Some("1.8.0")),
            ("to_version", Some("1.7.4")),
            ("rollback_of", Some("c1d7a100-0001-4b6e-9d51-0d6f71b19733:8")),
            ("trigger", None),
        ],
    ),
    (
        "kubernetes/started.json",
        "deployment/started",
        &[
            ("version", Some("1.8.0")),
            ("environment", Some("production")),
            ("strategy", Some("rolling")),
            ("deployment_id", Some("c1d7a100-0001-4b6e-9d51-0d6f71b19733:8")),
        ],
    ),
    (
        "kubernetes/event_deadline.json",
        "deployment/failed",
        &[("error_type", Some("ProgressDeadlineExceeded")), ("deployment_id", None)],
    ),
    (
        "helm/list.json",
        "rollback/started",
        &[("rollback_id", Some("shop/lamp:2:rollback")), ("from_version", None)],
    ),
    ("helm/status_failed.json", "deployment/failed", &[("rollback_id", None)]),
    (
        "flagger/canary_failed.json",
        "rollback/succeeded",
        &[
            ("from_version", Some("746499bb7")),
            ("to_version", Some("cbdffb8fc")),
            ("mechanism", Some("traffic_shift")),
            ("recognised_by", Some("explicit")),
            ("trigger", Some("automatic")),
            ("service", Some("cart")),
        ],
    ),
    ("flagger/canary_succeeded.json", "deployment/succeeded", &[("deployment_id", None)]),
    ("flagger/hook_promoted.json", "deployment/succeeded", &[("deployment_id", None)]),
    (
        "flagger/hook_failed.json",
        "deployment/failed",
        &[("deployment_id", Some("shop/cart:85d5577c45"))],
    ),
    ("flagger/canary_failed_with_a_brake.json", "rollback/succeeded", &[("trigger", None)]),
    (
        "flagger/hook_halted.json",
        "health/breached",
        &[
            ("signal", Some("request-success-rate")),
            ("signal_value", Some("91.20")),
            ("signal_threshold", Some("99")),
            ("signal_unit", Some("%")),
        ],
    ),
    ("flagger/hook_no_data.json", "health/no_data", &[("signal_state", Some("no_data"))]),
    ("flagger/hook_rolling_back.json", "rollback/started", &[("trigger", Some("automatic"))]),
    ("flagger/hook_rolling_back_by_hand.json", "rollback/started", &[("trigger", Some("manual"))]),
    (
        "flagger/hook_started.json",
        "deployment/started",
        &[("version", Some("1.8.0")), ("environment", Some("production"))],
    ),
    (
        "flux/rollback_succeeded.json",
        "rollback/succeeded",
        &[
            ("recognised_by", Some("explicit")),
            ("trigger", Some("automatic")),
            ("to_version", Some("1.7.4")),
            ("from_version", None),
            ("version", None),
        ],
    ),
    ("flux/upgrade_failed.json", "deployment/failed", &[("version", Some("1.8.0"))]),
    (
        "flux/kustomization_succeeded.json",
        "deployment/succeeded",
        &[
            ("commit_sha", Some("1111111111111111111111111111111111111111")),
            ("ref", Some("main")),
            ("version", None),
        ],
    ),
    (
        "flux/kustomization_origin.json",
        "deployment/succeeded",
        &[
            ("commit_sha", Some("1111111111111111111111111111111111111111")),
            ("artifact_digest", None),
        ],
    ),
    (
        "flux/kustomization_of_an_artifact.json",
        "deployment/succeeded",
        &[("version", Some("1.8.0"))],
    ),
    (
        "flux/kustomization_applied.json",
        "deployment/live",
        &[("commit_sha", Some("1111111111111111111111111111111111111111")), ("outcome", None)],
    ),
    (
        "flux/kustomization_of_flux_0.json",
        "deployment/succeeded",
        &[
            ("commit_sha", Some("1111111111111111111111111111111111111111")),
            ("ref", Some("release/spring")),
            ("version", None),
        ],
    ),
    (
        "flux/kustomization_of_a_bucket.json",
        "deployment/succeeded",
        &[
            (
                "artifact_digest",
                Some("sha256:cdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcd"),
            ),
            ("version", None),
        ],
    ),
    (
        "argo-rollouts/undo_in_flight.json",
        "rollback/started",
        &[
            ("recognised_by", Some("first_live")),
            ("rollback_of", Some("5f0c7a52-0001-4b6e-9d51-0d6f78acc1c8:6")),
        ],
    ),
    (
        "argo-rollouts/aborted_by_experiment.json",
        "rollback/started",
        &[("trigger", Some("automatic"))],
    ),
    ("argo-rollouts/aborted_by_deadline_or_hand.json", "rollback/started", &[("trigger", None)]),
    ("argo-rollouts/aborted_before_1_0.json", "rollback/started", &[("trigger", Some("manual"))]),
    (
        "flux/helm_release_remediated.json",
        "rollback/succeeded",
        &[("from_version", Some("1.8.0")), ("to_version", Some("1.7.4"))],
    ),
];
