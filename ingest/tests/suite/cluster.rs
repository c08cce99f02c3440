//! The sources of a Kubernetes cluster: their traps by name, one fact in several forms, and the notifications that we
//! ship for Argo CD.

use backtrail_ingest::{Context, map};
use backtrail_schemas::{Delivery, Timestamp};
use serde_json::{Value, json};

use crate::support::{as_json, crate_folder, ids, mapped, samples};
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

#[test]
fn one_fact_in_several_forms_has_one_id() {
    for forms in [
        &[
            "argocd/succeeded.json",
            "argocd/watched.json",
            "argocd/stream.json",
            "argocd/api_list.json",
        ][..],
        &[
            "kubernetes/succeeded.json",
            "kubernetes/watched.json",
            "kubernetes/kubewatch_update.json",
            "kubernetes/forward.json",
        ],
    ] {
        let first = ids(&result(forms[0]));
        assert!(!first.is_empty(), "{}", forms[0]);
        for form in &forms[1..] {
            assert_eq!(ids(&result(form)), first, "{form}");
        }
    }
}

/// Text that a later snapshot adds must not change what an earlier one said of the same mark.
#[test]
fn a_sync_begins_once() {
    let running = result("argocd/running.json").drafts;
    let later = result("argocd/succeeded.json").drafts;
    for draft in running.iter().filter(|d| d.event.text("kind") == Some("deployment")) {
        let id = draft.event.text("event_id");
        let again: Vec<_> = later.iter().filter(|d| d.event.text("event_id") == id).collect();
        assert_eq!(again.len(), 1, "{id:?}");
        for (column, value) in draft.event.iter() {
            assert_eq!(again[0].event.get(column), Some(value), "{column}");
        }
        assert_eq!(again[0].people, draft.people);
    }
}

#[test]
fn the_order_of_a_list_changes_nothing() {
    for sample in ["kubernetes/undo_succeeded.json", "kubernetes/undo_failed.json"] {
        let (_, delivery) = samples().into_iter().find(|(n, _)| n == sample).unwrap();
        let mut list: Value = serde_json::from_slice(&delivery.body).unwrap();
        list["items"].as_array_mut().unwrap().reverse();
        let body = list.to_string().into_bytes();
        let reversed = mapped(&Delivery { body, ..delivery });
        assert_eq!(as_json(&reversed), as_json(&result(sample)), "{sample}");
    }
}

/// A deployment alone is the same fact as with its replica sets, which add that it was a rollback.
#[test]
fn replica_sets_only_add() {
    let whole = result("kubernetes/undo_succeeded.json");
    let (_, delivery) =
        samples().into_iter().find(|(n, _)| n == "kubernetes/undo_succeeded.json").unwrap();
    let list: Value = serde_json::from_slice(&delivery.body).unwrap();
    let body = list["items"][0].to_string().into_bytes();
    let alone = mapped(&Delivery { body, ..delivery });
    assert_eq!(outline(&alone), ["deployment/succeeded"]);
    for (column, value) in alone.drafts[0].event.iter() {
        assert_eq!(whole.drafts[0].event.get(column), Some(value), "{column}");
    }
}

fn helm_context() -> Context {
    let place = [("service", "cart"), ("service_namespace", "shop")];
    let defaults = place.map(|(column, text)| (column, text.to_owned())).to_vec();
    Context { defaults, ..Context::file() }
}

fn with(sample: &str, context: &Context) -> backtrail_schemas::Mapped {
    let (_, delivery) = samples().into_iter().find(|(n, _)| n == sample).unwrap();
    map(&delivery, context)
}

#[test]
fn a_history_whose_release_is_configured_tells_its_rollbacks() {
    let history = with("helm/history.json", &helm_context());
    let want = [
        "deployment/succeeded",
        "deployment/succeeded",
        "deployment/succeeded",
        "rollback/succeeded",
    ];
    assert_eq!(outline(&history), want);
    for (column, want) in [
        ("recognised_by", "explicit"),
        ("mechanism", "revision_undo"),
        ("rollback_id", "shop/cart:3:rollback"),
        ("rollback_of", "shop/cart:2"),
        ("from_version", "1.8.0"),
        ("to_version", "1.7.4"),
        ("service", "cart"),
    ] {
        assert_eq!(history.drafts[3].event.text(column), Some(want), "{column}");
    }
    let third = history.drafts[2].event.text("event_id").unwrap().to_owned();
    for form in ["helm/list.json", "helm/metadata.json"] {
        assert!(ids(&result(form)).contains(&third), "{form} tells of another fact");
    }
}

#[test]
fn clusters_with_equal_names_are_told_apart_where_they_are_configured() {
    let mut context = helm_context();
    context.defaults.push(("cluster", "kiln-eu-1".to_owned()));
    let (here, there) =
        (with("helm/metadata.json", &context), with("helm/metadata.json", &helm_context()));
    assert_ne!(ids(&here), ids(&there));
    assert_eq!(here.drafts[0].event.text("source_instance"), Some("kiln-eu-1"));
}

#[test]
fn a_gate_after_the_release_is_read_when_its_arrival_is_known() {
    let (_, delivery) =
        samples().into_iter().find(|(n, _)| n == "flagger/gate_after_failure.json").unwrap();
    let received_at = Timestamp::parse_rfc3339("2026-04-02T09:06:00Z").ok();
    let drafts = mapped(&Delivery { received_at, ..delivery }).drafts;
    assert_eq!(drafts.len(), 2);
    assert_eq!(drafts[1].event.text("kind"), Some("rollback"));
    assert_eq!(drafts[1].event.text("time_basis"), Some("receipt"));
}

fn delivery(body: &Value, source: Option<&str>) -> Delivery {
    let source = source.map(str::to_owned);
    Delivery { body: body.to_string().into_bytes(), source, ..Delivery::default() }
}

#[test]
fn nobody_steals_the_objects_of_another() {
    let object = |api: &str, kind: &str| json!({"apiVersion": api, "kind": kind, "metadata": {"name": "cart"}});
    let list = |items: &[Value]| json!({"apiVersion": "v1", "kind": "List", "items": items});
    let deployment = object("apps/v1", "Deployment");
    let application = object("argoproj.io/v1alpha1", "Application");
    for (body, want) in [
        (
            list(&[deployment.clone(), object("argoproj.io/v1alpha1", "Rollout")]),
            "argo-rollouts or kubernetes",
        ),
        (list(&[deployment, object("flagger.app/v1beta1", "Canary")]), "kubernetes or flagger"),
    ] {
        let rejects = mapped(&delivery(&body, None)).rejects;
        assert_eq!(rejects[0].reason, format!("could be from {want}"));
    }
    for (body, codes) in [
        (list(&[application, object("argoproj.io/v1alpha1", "AppProject")]), &[][..]),
        (object("v1", "Service"), &["unknown_source"]),
        (object("batch/v1", "Deployment"), &["unknown_source"]),
        (
            json!({"name": "cart", "namespace": "shop", "phase": "Pondering", "metadata": {}}),
            &["unknown_source"],
        ),
        (json!([{"revision": 1, "status": "open"}]), &["unknown_source"]),
        (json!([]), &["unknown_source"]),
    ] {
        let got: Vec<_> =
            mapped(&delivery(&body, None)).rejects.into_iter().map(|r| r.code).collect();
        assert_eq!(got, codes, "{body}");
    }
}

/// Nothing may be lost when the events of all namespaces are read as those of deployments.
#[test]
fn an_event_of_argo_cd_among_others_is_not_left_out() {
    let about = |api: &str, kind: &str| {
        json!({
            "apiVersion": "v1", "kind": "Event", "metadata": {"name": "e", "uid": "e"}, "reason": "OperationStarted",
            "message": "mira initiated rollback to 3", "lastTimestamp": "2026-04-03T14:00:00Z",
            "involvedObject": {"apiVersion": api, "kind": kind, "name": "cart", "uid": "u"},
        })
    };
    let events = [about("argoproj.io/v1alpha1", "Application"), about("v1", "Pod")];
    let list = json!({"apiVersion": "v1", "kind": "List", "items": events});
    let read = mapped(&delivery(&list, None));
    assert_eq!(outline(&read), ["unmapped_type"]);
    assert!(read.rejects[0].reason.ends_with("is read with --source argocd"), "{:?}", read.rejects);
    assert_eq!(outline(&mapped(&delivery(&list, Some("argocd")))), ["rollback/requested"]);
}

/// The ConfigMap that we ship.
fn notifications() -> Value {
    let path = crate_folder().parent().unwrap().join("docs/argocd-notifications.yaml");
    yaml(&std::fs::read_to_string(path).unwrap())
}

fn yaml(text: &str) -> Value {
    serde_saphyr::from_str(text).unwrap()
}

/// What Argo CD makes of our template for this application: each `{{toJson .path}}` as the JSON there.
fn rendered(app: &Value) -> String {
    let template = yaml(notifications()["data"]["template.backtrail"].as_str().unwrap());
    let body = template["webhook"]["backtrail"]["body"].as_str().unwrap();
    let top = json!({"app": app});
    let mut parts = body.split("{{");
    let mut text = parts.next().unwrap().to_owned();
    for part in parts {
        let (call, rest) = part.split_once("}}").unwrap();
        let path =
            call.strip_prefix("toJson .").unwrap_or_else(|| panic!("{call} is not rendered"));
        let value = top.pointer(&format!("/{}", path.replace('.', "/"))).unwrap_or(&Value::Null);
        text.push_str(&value.to_string());
        text.push_str(rest);
    }
    text
}

#[test]
fn our_notification_says_all_that_the_application_says() {
    let mut seen = 0;
    for (name, sample) in samples().into_iter().filter(|(name, _)| name.starts_with("argocd/")) {
        let Ok(body) = serde_json::from_slice::<Value>(&sample.body) else { continue };
        let Some(app) =
            [&body["app"], &body["object"], &body].into_iter().find(|v| v["kind"] == "Application")
        else {
            continue;
        };
        let body = rendered(app).into_bytes();
        let sent = mapped(&Delivery { body, ..sample.clone() });
        let mut want = as_json(&mapped(&sample));
        // A reject names its path, which a notification begins with the application.
        if name != "argocd/unknown_phase.json" {
            want["rejects"] = json!([]);
            assert_eq!(as_json(&sent), want, "{name}");
        }
        seen += 1;
    }
    assert!(seen > 15, "{seen} applications");
}

/// The trap of the catalog: a key made of the revision is silent when the revision comes back.
#[test]
fn our_trigger_is_not_silent_on_a_rollback() {
    let data = &notifications()["data"];
    let trigger = yaml(data["trigger.backtrail"].as_str().unwrap());
    let conditions = trigger.as_array().unwrap();
    let phases = ["Running", "Succeeded", "Failed", "Error", "Degraded", "deletionTimestamp"];
    for phase in phases {
        assert!(conditions.iter().any(|c| c["when"].as_str().unwrap().contains(phase)), "{phase}");
    }
    for condition in conditions {
        let (when, once) =
            (condition["when"].as_str().unwrap(), condition["oncePer"].as_str().unwrap());
        let key =
            if when.contains("operationState") { "operationState?.startedAt" } else { "Time" };
        assert!(once.contains(key) && !once.contains("evision"), "{when}: {once}");
        assert_eq!(condition["send"], json!(["backtrail"]));
    }
    let subscriptions = yaml(data["subscriptions"].as_str().unwrap());
    assert_eq!(subscriptions[0], json!({"recipients": ["backtrail"], "triggers": ["backtrail"]}));
    let service = yaml(data["service.webhook.backtrail"].as_str().unwrap());
    assert!(service["url"].as_str().unwrap().ends_with("/v1/ingest/argocd"));
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
            ("rollback_id", Some("8a0e2f10-0001-4c11-9d51-0d6f71b19733:to:12")),
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
                Some("8a0e2f10-0001-4c11-9d51-0d6f71b19733:2026-04-02T09:00:00.000000Z"),
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
            ("from_version", Some("7c4d9f")),
            ("to_version", Some("5b8f11")),
            ("mechanism", Some("traffic_shift")),
            ("recognised_by", Some("explicit")),
            ("trigger", None),
            ("service", Some("cart")),
        ],
    ),
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
        "flux/kustomization_of_an_artifact.json",
        "deployment/succeeded",
        &[("version", Some("1.8.0"))],
    ),
    (
        "flux/helm_release_remediated.json",
        "rollback/succeeded",
        &[("from_version", Some("1.8.0")), ("to_version", Some("1.7.4"))],
    ),
];
