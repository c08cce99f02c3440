//! Flagger: `Canary` objects, and the webhooks that it calls.
//!
//! Flagger shifts the traffic back itself when an analysis fails, and says so in words.

mod canary;
mod checksum;
mod halt;
mod hook;

use backtrail_schemas::{Delivery, Draft, Mapped};
use serde_json::Value;

use crate::context::Context;
use crate::kube::{each, in_cluster, shown, unread};
use crate::mapper::{Mapper, ignored, refused};
use crate::node::Node;

pub(crate) const MAPPER: Mapper =
    Mapper { name: "flagger", yaml: true, claims: |_| false, looks, map };

/// The phases of a canary.
const PHASES: &[&str] = &[
    "Initializing",
    "Initialized",
    "Waiting",
    "Progressing",
    "WaitingPromotion",
    "Promoting",
    "Finalising",
    "Succeeded",
    "Failed",
    "Terminating",
    "Terminated",
];

fn looks(body: &Value) -> bool {
    let canary = |v: &Value| {
        v["apiVersion"].as_str().is_some_and(|a| a.starts_with("flagger.app/"))
            && matches!(v["kind"].as_str(), Some("Canary" | "CanaryList"))
    };
    is_hook(body) || canary(body) || shown(body).into_iter().any(canary)
}

/// A webhook's body names a canary and its phase, and is no object.
fn is_hook(body: &Value) -> bool {
    let phase = body["phase"].as_str().is_some_and(|phase| PHASES.contains(&phase));
    let names = body["name"].is_string() && body["namespace"].is_string();
    phase && names && (body["checksum"].is_string() || body["metadata"].is_object())
}

fn map(body: &Value, delivery: &Delivery, context: &Context) -> Mapped {
    let root = Node::root(body);
    if !root.get("kind").exists() && !root.get("object").exists() {
        return hook::read(&root, delivery, context).unwrap_or_else(refused);
    }
    each(&root, |node, kind| match kind {
        "Canary" => canary::read(node, context),
        "MetricTemplate" | "AlertProvider" => Ok(ignored("its canaries say how a release goes")),
        _ => Err(unread(node)),
    })
}

/// The id of a release that failed: the canary, and the checksum that its webhooks call the template by. Others have
/// none, for a template that comes back is another deployment: its rows are put together by place, version and order.
fn release_id(
    namespace: Option<&str>,
    name: &str,
    checksum: Option<&str>,
    context: &Context,
) -> String {
    let id = format!("{}/{name}:{}", namespace.unwrap_or_default(), checksum.unwrap_or("-"));
    in_cluster(&id, context)
}

/// The columns that every row about a rollback has: Flagger gives the traffic back to the primary.
fn put_rollback(draft: &mut Draft, id: &str, of: &str) {
    draft.event.put("rollback_id", id);
    draft.event.put("rollback_of", of);
    draft.event.put("mechanism", "traffic_shift");
    draft.event.put("recognised_by", "explicit");
}
