//! Argo Rollouts: `Rollout` and `AnalysisRun` objects as `kubectl get -o yaml|json` or a watch gives them.
//!
//! An object is a state, not an event: each mark is read from a time that the controller wrote, and its natural key
//! holds that time, so that every later snapshot of the same mark is the same fact.

mod analysis;
mod around;
mod rollout;

use backtrail_schemas::{Delivery, Mapped, Reject};
use serde_json::Value;

use self::around::Around;
use crate::context::Context;
use crate::facts::Facts;
use crate::kube::{objects, shown};
use crate::mapper::{Mapper, gathered, ignored, refused};
use crate::node::Node;

pub(crate) const MAPPER: Mapper =
    Mapper { name: "argo-rollouts", yaml: true, claims: |_| false, looks, map };

const REVISION: &str = "rollout.argoproj.io/revision";

fn looks(body: &Value) -> bool {
    let ours = |v: &Value| {
        v["apiVersion"].as_str().is_some_and(|a| a.starts_with("argoproj.io/"))
            && matches!(
                v["kind"].as_str(),
                Some("Rollout" | "RolloutList" | "AnalysisRun" | "AnalysisRunList" | "Experiment")
            )
    };
    ours(body) || shown(body).into_iter().any(ours)
}

fn map(body: &Value, _: &Delivery, context: &Context) -> Mapped {
    let objects = match objects(&Node::root(body)) {
        Ok(objects) => objects,
        Err(reject) => return refused(reject),
    };
    if objects.is_empty() {
        return ignored("an empty list");
    }
    let around = Around::new(objects);
    gathered(around.objects().iter().map(|object| element(object, &around, context)))
}

fn element(node: &Node<'_>, around: &Around<'_>, context: &Context) -> Mapped {
    let kind = node.get("kind");
    let ours = node
        .get("apiVersion")
        .text()
        .is_ok_and(|v| v.is_some_and(|v| v.starts_with("argoproj.io/")));
    let drafts = match kind.text() {
        Ok(Some("Rollout")) if ours => rollout::facts_of(node, around, context),
        Ok(Some("AnalysisRun")) if ours => analysis::facts_of(node, around, context),
        Ok(Some("ReplicaSet")) if around.owner(node).is_some() => {
            return ignored("a replica set whose rollout was read with it");
        }
        Ok(Some(_)) => Err(kind.unknown("unmapped_type", "is not a kind that is read")),
        Ok(None) => Err(kind.missing()),
        Err(reject) => Err(reject),
    };
    match drafts {
        Ok(drafts) if drafts.is_empty() => {
            ignored("the controller has not reported on this object yet")
        }
        Ok(drafts) => Mapped { drafts, ..Mapped::default() },
        Err(reject) => refused(reject),
    }
}

fn facts<'c>(node: &Node<'_>, kind: &str, context: &'c Context) -> Result<Facts<'c>, Reject> {
    crate::kube::facts(MAPPER.name, node, kind, context)
}
