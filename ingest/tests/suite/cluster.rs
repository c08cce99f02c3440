//! The sources of a Kubernetes cluster: one fact in several forms, and whose object is whose.

use backtrail_ingest::{Context, map};
use backtrail_schemas::{Delivery, Timestamp};
use serde_json::{Value, json};

use crate::support::{as_json, ids, mapped, samples};
use crate::traps::{outline, result};

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

/// Helm calls a revision superseded, too, that never served.
#[test]
fn what_helm_calls_superseded_may_have_failed() {
    let history = with("helm/history_after_failures.json", &helm_context());
    let want = [
        "deployment/failed",
        "deployment/succeeded",
        "deployment/failed",
        "deployment/failed",
        "rollback/failed",
        "deployment/succeeded",
        "rollback/succeeded",
    ];
    assert_eq!(outline(&history), want);
}

/// Entries are compared with each other: a body full of them would take hours.
#[test]
fn a_history_has_a_bound() {
    let max = backtrail_ingest::limits::HISTORY_ENTRIES_MAX;
    let row = json!({"revision": 2, "updated": "2026-04-02T09:00:00Z", "status": "deployed", "chart": "cart-1.0.0",
        "app_version": "1", "description": "Rollback to 1"});
    let entry = json!({"id": 1, "revision": "a", "deployedAt": "2026-04-02T09:00:00Z"});
    let app = |entries: usize| {
        json!({"apiVersion": "argoproj.io/v1alpha1", "kind": "Application",
        "metadata": {"name": "cart", "uid": "u"}, "spec": {}, "status": {"history": vec![entry.clone(); entries]}})
    };
    for (entries, refused) in [(max, false), (max + 1, true)] {
        for body in [json!(vec![row.clone(); entries]), app(entries)] {
            let rejects = map(&delivery(&body, None), &helm_context()).rejects;
            assert_eq!(rejects.iter().any(|r| r.code == "too_large"), refused, "{entries}");
        }
    }
}

#[test]
fn clusters_with_equal_names_are_told_apart_where_they_are_configured() {
    let mut context = helm_context();
    context.defaults.push(("cluster", "kiln-eu-1".to_owned()));
    let (here, there) =
        (with("helm/metadata.json", &context), with("helm/metadata.json", &helm_context()));
    assert_ne!(ids(&here), ids(&there));
    let (here, there) = (&here.drafts[0].event, &there.drafts[0].event);
    assert_eq!(here.text("source_instance"), Some("kiln-eu-1"));
    assert_eq!(here.text("deployment_id"), Some("kiln-eu-1/shop/cart:3"));
    assert_eq!(there.text("deployment_id"), Some("shop/cart:3"));
}

/// Flagger writes the status of a failed canary again at every look, and says when it did.
#[test]
fn another_look_at_a_failed_canary_is_no_new_fact() {
    let (_, delivery) =
        samples().into_iter().find(|(n, _)| n == "flagger/canary_failed.json").unwrap();
    let mut canary: Value = serde_json::from_slice(&delivery.body).unwrap();
    canary["status"]["lastTransitionTime"] = json!("2026-04-02T17:00:00Z");
    let again = Delivery { body: canary.to_string().into_bytes(), ..delivery };
    let first = result("flagger/canary_failed.json");
    assert_eq!(as_json(&mapped(&again)), as_json(&first));
    // Nor when it names the next template already, which has not been tried.
    canary["status"]["lastAppliedSpec"] = json!("9d0e11");
    let next = Delivery { body: canary.to_string().into_bytes(), ..again };
    assert_eq!(ids(&mapped(&next)), ids(&first));
}

#[test]
fn a_canary_and_its_webhook_tell_of_one_release() {
    let canary = &result("flagger/canary_failed.json").drafts[1].event;
    let webhook = &result("flagger/hook_of_the_canary.json").drafts[0].event;
    for column in ["rollback_id", "rollback_of", "from_version", "trigger"] {
        assert_eq!(webhook.text(column), canary.text(column), "{column}");
    }
    assert_eq!(canary.text("rollback_of"), Some("shop/cart-canary:746499bb7"));
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
