//! The same fact has the same id, however it arrives.

use std::collections::{BTreeMap, BTreeSet};

use backtrail_ingest::{Context, map};
use backtrail_schemas::{Delivery, Draft};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::mangled::pointers;
use crate::support::{as_json, context, ids, mapped, samples};

fn sample(name: &str) -> Delivery {
    samples().into_iter().find(|(n, _)| n == name).unwrap_or_else(|| panic!("no sample {name}")).1
}

/// JSON text with the keys of every object in the order that `rank` gives.
fn reordered(value: &Value, rank: &dyn Fn(&str) -> u64) -> String {
    match value {
        Value::Object(object) => {
            let mut keys: Vec<&String> = object.keys().collect();
            keys.sort_by_key(|key| rank(key));
            let pairs = keys
                .iter()
                .map(|k| format!("{}:{}", Value::from(k.as_str()), reordered(&object[*k], rank)));
            format!("{{{}}}", pairs.collect::<Vec<_>>().join(","))
        }
        Value::Array(list) => {
            format!("[{}]", list.iter().map(|v| reordered(v, rank)).collect::<Vec<_>>().join(","))
        }
        other => other.to_string(),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(8) })]

    #[test]
    fn key_order_and_header_case_change_nothing(seed in any::<u64>(), upper in any::<bool>()) {
        for (name, delivery) in samples() {
            let Ok(body) = serde_json::from_slice::<Value>(&delivery.body) else { continue };
            let rank = |key: &str| key.bytes().fold(seed | 1, |hash, b| hash.wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(17) ^ u64::from(b));
            let cased = |text: &str| if upper { text.to_ascii_uppercase() } else { text.to_ascii_lowercase() };
            let headers: BTreeMap<String, String> =
                delivery.headers.iter().map(|(k, v)| (cased(k), v.clone())).collect();
            let at = delivery.received_at.map(|at| at.to_string());
            let body = reordered(&body, &rank);
            let record = json!({"received_at": at, "headers": headers, "body": body}).to_string();
            let file = tempfile::Builder::new().suffix(".ndjson").tempfile().unwrap();
            std::fs::write(file.path(), record).unwrap();
            let mut again = crate::support::found(file.path()).remove(0).delivery;
            again.origin.clone_from(&delivery.origin);
            again.received_at = delivery.received_at;
            prop_assert_eq!(as_json(&mapped(&again)), as_json(&mapped(&delivery)), "{}", name);
        }
    }
}

#[test]
fn a_batch_is_its_elements() {
    for name in ["cdevents/batch.json", "github/rest_deployments.json", "native/list.json"] {
        let whole = sample(name);
        let Value::Array(elements) = serde_json::from_slice(&whole.body).unwrap() else {
            panic!("{name}")
        };
        let mut apart = Vec::new();
        for element in elements {
            let mut one = whole.clone();
            one.headers.remove("content-type");
            one.body = element.to_string().into_bytes();
            apart.extend(ids(&mapped(&one)));
        }
        apart.sort();
        assert_eq!(apart, ids(&mapped(&whole)), "{name}");
        assert!(!apart.is_empty(), "{name}");
    }
}

/// The sources of which some delivery does not name its account.
const NAMELESS: &[&str] = &[
    "argo-rollouts",
    "argocd",
    "datadog",
    "firehydrant",
    "flagger",
    "flux",
    "gitlab",
    "grafana-irm",
    "harness",
    "helm",
    "incident-io",
    "jenkins",
    "kubernetes",
    "native",
    "octopus",
    "opsgenie",
    "rootly",
    "sentry",
    "spinnaker",
];

/// What is told of an account is in every id of a delivery that does not name its own, and in no other.
#[test]
fn an_account_that_is_told_tells_ids_apart() {
    let of = |told: &str| Context { instance: Some(told.to_owned()), ..context() };
    let mut nameless = BTreeSet::new();
    for (name, delivery) in samples() {
        let [here, again, there] = ["emea", "emea", "apac"].map(|told| map(&delivery, &of(told)));
        assert_eq!(here, again, "{name}");
        for ((bare, here), there) in
            mapped(&delivery).drafts.iter().zip(&here.drafts).zip(&there.drafts)
        {
            let of = |draft: &Draft, column| draft.event.text(column).unwrap().to_owned();
            let known = of(bare, "source_instance");
            let ids = [bare, here, there].map(|draft| of(draft, "event_id"));
            if known == "default" || known.starts_with("default/") {
                assert_eq!(
                    of(here, "source_instance"),
                    known.replacen("default", "emea", 1),
                    "{name}"
                );
                assert_eq!(BTreeSet::from(ids).len(), 3, "{name}");
                nameless.insert(of(bare, "source"));
            } else {
                assert_eq!((bare, bare), (here, there), "{name} names its own");
            }
        }
    }
    let nameless: Vec<&str> = nameless.iter().map(String::as_str).collect();
    assert_eq!(nameless, NAMELESS);
}

/// An amendment names the event that it amends by the id that the account gives it.
#[test]
fn what_amends_an_event_of_an_account_names_it() {
    let told = Context { instance: Some("emea".to_owned()), ..context() };
    let all = |name| map(&sample(name), &told).drafts;
    let remedied = all("datadog/dora_deployments_remedied.json");
    let deployments: BTreeSet<&str> =
        remedied.iter().filter_map(|d| d.event.text("event_id")).collect();
    let amended: Vec<&str> =
        remedied.iter().filter_map(|d| d.event.text("amends_event_id")).collect();
    assert!(
        !amended.is_empty() && amended.iter().any(|id| deployments.contains(id)),
        "{amended:?}"
    );
}

/// Sources whose elements explain each other: replica sets their deployment, revisions of a history the next one.
const BOUND_TOGETHER: &[&str] = &["argo-rollouts", "kubernetes", "helm"];

/// Every list at the top of a sample, or of an object that is the sample: how many elements come at once changes no id.
#[test]
fn a_list_may_be_cut_anywhere() {
    let mut cut = 0;
    for (name, delivery) in samples() {
        let Ok(body) = serde_json::from_slice::<Value>(&delivery.body) else { continue };
        let source = name.split('/').next().unwrap().to_owned();
        if BOUND_TOGETHER.contains(&source.as_str()) {
            continue;
        }
        for pointer in pointers(&body).into_iter().filter(|p| p.matches('/').count() < 2) {
            let Some(Value::Array(list)) = body.pointer(&pointer) else { continue };
            let of = |body: &Value| {
                let body = body.to_string().into_bytes();
                let mapped =
                    mapped(&Delivery { body, source: Some(source.clone()), ..delivery.clone() });
                let facts = mapped.drafts.iter().filter(|d| d.event.text("kind") != Some("ingest"));
                facts.map(|d| d.event.text("event_id").unwrap().to_owned()).collect::<BTreeSet<_>>()
            };
            let mut apart = BTreeSet::new();
            for element in list {
                let mut one = body.clone();
                *one.pointer_mut(&pointer).unwrap() = json!([element]);
                apart.extend(of(&one));
            }
            assert!(list.is_empty() || apart == of(&body), "{name} {pointer}");
            cut += usize::from(list.len() > 1 && !apart.is_empty());
        }
    }
    assert!(cut > 15, "{cut} lists of several elements");
}

#[test]
fn a_list_of_objects_gives_the_ids_of_its_objects() {
    let whole = sample("argo-rollouts/aborted_with_its_analysis.json");
    let list: Value = serde_json::from_slice(&whole.body).unwrap();
    let mut apart = Vec::new();
    for item in list["items"].as_array().unwrap() {
        apart.extend(ids(&mapped(&Delivery {
            body: item.to_string().into_bytes(),
            ..whole.clone()
        })));
    }
    apart.sort();
    assert_eq!(apart, ids(&mapped(&whole)));
}

/// A backfill states less than the webhook, and nothing else.
#[test]
fn a_webhook_and_a_backfill_of_one_fact_meet() {
    let pairs = [
        ("github/deployment.json", "github/rest_deployments.json"),
        ("github/deployment_status_success.json", "github/rest_statuses.json"),
        ("argo-rollouts/completed.json", "argo-rollouts/watched.json"),
    ];
    let not_compared = ["source_event_id", "source_event_type", "attributes"];
    for (webhook, backfill) in pairs {
        let (first, second) = (mapped(&sample(webhook)), mapped(&sample(backfill)));
        assert_eq!(ids(&first), ids(&second), "{webhook}");
        for (column, value) in
            second.drafts[0].event.iter().filter(|(c, _)| !not_compared.contains(c))
        {
            assert_eq!(first.drafts[0].event.get(column), Some(value), "{webhook}: {column}");
        }
        assert_eq!(first.drafts[0].people, second.drafts[0].people, "{webhook}");
    }
}

#[test]
fn large_ids_keep_every_digit() {
    let deployment = mapped(&sample("github/deployment.json"));
    assert_eq!(deployment.drafts[0].event.text("deployment_id"), Some("9007199254740993"));
}

/// The native key leaves out people, texts and measured values, and reads a time as an instant.
#[test]
fn a_native_event_without_an_id_has_the_id_of_its_content() {
    let id = |extra: Value| {
        let mut event = json!({"kind": "incident", "phase": "detected", "occurred_at": "2026-04-02T09:12:00Z", "incident_id": "i-5"});
        event.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        ids(&mapped(&Delivery { body: event.to_string().into_bytes(), ..Delivery::default() }))
            .remove(0)
    };
    let first = id(json!({}));
    assert_eq!(id(json!({"title": "x", "actor": "mira", "severity": 2})), first);
    assert_eq!(id(json!({"occurred_at": "2026-04-02T11:12:00.000+02:00"})), first);
    assert_eq!(id(json!({"service": null, "environment": ""})), first);
    assert_ne!(id(json!({"service": "cart"})), first);
    assert_ne!(id(json!({"incident_id": "i-6"})), first);
    assert_ne!(id(json!({"source_instance": "plant-2"})), first);
    assert_eq!(id(json!({"event_id": "e-1"})), "native:default:e-1");
    assert_eq!(
        id(json!({"event_id": "github:00", "source_instance": "plant-2"})),
        "native:plant-2:github:00"
    );
}

/// A native event may name the account that another source knows, so that both are one person.
#[test]
fn a_native_event_names_accounts_of_other_directories() {
    let event = |approver: Value| {
        let event = json!({"kind": "rollback", "phase": "approved", "occurred_at": "2026-04-02T09:12:00Z",
            "approver": approver, "authors": [{"directory": "github", "id": 9}, "mira"]});
        mapped(&Delivery { body: event.to_string().into_bytes(), ..Delivery::default() })
    };
    let named = event(json!({"directory": "github", "id": "41", "name": "Mira"}));
    let people: Vec<String> =
        named.drafts[0].people.iter().map(|(column, who)| format!("{column} {who:?}")).collect();
    assert_eq!(
        people,
        [
            r#"approver Person { directory: "github", id: "41", name: Some("Mira") }"#,
            r#"authors Person { directory: "github", id: "9", name: None }"#,
            r#"authors Person { directory: "native:default", id: "mira", name: None }"#,
        ]
    );
    for (bad, place) in [
        (json!({"directory": "github"}), "$.approver.id"),
        (json!({"id": "41"}), "$.approver.directory"),
        (json!({"directory": "github", "id": "41", "mail": "x"}), "$.approver.mail"),
        (json!(["41"]), "$.approver"),
    ] {
        assert!(event(bad).rejects[0].reason.contains(place), "{place}");
    }
    let nobody = json!({"kind": "rollback", "phase": "approved", "occurred_at": "2026-04-02T09:12:00Z", "authors": [""]});
    let nobody = mapped(&Delivery { body: nobody.to_string().into_bytes(), ..Delivery::default() });
    assert!(nobody.rejects[0].reason.contains("$.authors[0] is missing"));
}
