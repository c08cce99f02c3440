//! The trigger and template that we ship for Argo CD.

use backtrail_schemas::Delivery;
use serde_json::{Value, json};

use crate::support::{as_json, crate_folder, mapped, samples};

/// The `ConfigMap` that we ship.
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
