//! Flux: the events that notification-controller sends, and `HelmRelease` objects.

mod notice;
mod release;

use backtrail_schemas::{Delivery, Draft, Mapped};
use serde_json::Value;

use crate::context::Context;
use crate::kube::{each, shown, unread};
use crate::mapper::{Mapper, ignored, refused};
use crate::node::Node;

pub(crate) const MAPPER: Mapper = Mapper { name: "flux", yaml: true, claims, looks, map };

/// The group of a toolkit's API, as `helm.toolkit.fluxcd.io/v2`.
const GROUP: &str = ".toolkit.fluxcd.io/";

/// notification-controller names the controller that reported.
fn claims(delivery: &Delivery) -> bool {
    delivery.header("gotk-component").is_some()
}

fn looks(body: &Value) -> bool {
    let release = |v: &Value| {
        v["apiVersion"].as_str().is_some_and(|a| a.contains(GROUP))
            && matches!(
                v["kind"].as_str(),
                Some("HelmRelease" | "HelmReleaseList" | "Kustomization" | "KustomizationList")
            )
    };
    is_event(body) || release(body) || shown(body).into_iter().any(release)
}

fn is_event(body: &Value) -> bool {
    body["involvedObject"].is_object()
        && body.get("kind").is_none()
        && ["severity", "reason", "reportingController"].iter().all(|key| body[*key].is_string())
}

fn map(body: &Value, _: &Delivery, context: &Context) -> Mapped {
    let root = Node::root(body);
    if root.get("involvedObject").exists() {
        return notice::read(&root, context).unwrap_or_else(refused);
    }
    each(&root, |node, kind| match kind {
        "HelmRelease" => release::read(node, context),
        "Kustomization" => {
            Ok(ignored("a Kustomization keeps no history; its events say what was applied"))
        }
        _ => Err(unread(node)),
    })
}

/// The columns that every row about a rollback has: the controller returns by itself to the release before.
fn put_rollback(draft: &mut Draft, id: &str) {
    draft.event.put("rollback_id", id);
    draft.event.put("mechanism", "revision_undo");
    draft.event.put("trigger", "automatic");
    draft.event.put("recognised_by", "explicit");
}
