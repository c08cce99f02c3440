//! Argo Rollouts: `Rollout` and `AnalysisRun` objects as `kubectl get -o yaml|json` or a watch gives them.
//!
//! An object is a state, not an event: each mark is read from a time that the controller wrote, and its natural key
//! holds that time, so that every later snapshot of the same mark is the same fact.

mod analysis;
mod around;
mod rollout;

use backtrail_schemas::{Delivery, Draft, Mapped, Reject};
use serde_json::Value;

use self::around::Around;
use crate::context::Context;
use crate::facts::{Facts, put_label, put_tier};
use crate::mapper::{Mapper, gathered, ignored, refused};
use crate::node::Node;

pub(crate) const MAPPER: Mapper =
    Mapper { name: "argo-rollouts", yaml: true, claims: |_| false, looks, map };

/// The annotation of a pod template that names its version.
const VERSION: &str = "resource.opentelemetry.io/service.version";

const REVISION: &str = "rollout.argoproj.io/revision";

/// The annotations by which OpenTelemetry's operator lets a workload name its resource attributes, and our columns.
const PLACE: &[(&str, &str)] = &[
    ("resource.opentelemetry.io/service.name", "service"),
    ("resource.opentelemetry.io/deployment.environment.name", "environment"),
    ("resource.opentelemetry.io/cloud.region", "region"),
    ("resource.opentelemetry.io/k8s.cluster.name", "cluster"),
];

/// The labels that are kept as attributes.
const LABELS: &[&str] = &["app.kubernetes.io/instance", "app.kubernetes.io/part-of"];

fn looks(body: &Value) -> bool {
    let ours = |v: &Value| {
        v["apiVersion"].as_str().is_some_and(|a| a.starts_with("argoproj.io/"))
            && matches!(
                v["kind"].as_str(),
                Some("Rollout" | "RolloutList" | "AnalysisRun" | "AnalysisRunList" | "Experiment")
            )
    };
    let watched = body.get("object").unwrap_or(body);
    ours(watched)
        || watched["items"]
            .as_array()
            .is_some_and(|items| items.iter().any(|i| ours(i) || ours(&i["object"])))
}

fn map(body: &Value, _: &Delivery, context: &Context) -> Mapped {
    let mut objects = Vec::new();
    if let Err(reject) = collect(&Node::root(body), &mut objects, 0) {
        return refused(reject);
    }
    if objects.is_empty() {
        return ignored("an empty list");
    }
    let around = Around::new(objects);
    gathered(around.objects().iter().map(|object| element(object, &around, context)))
}

/// The objects of lists, in order; a watch wraps each in `object`.
fn collect<'a>(node: &Node<'a>, into: &mut Vec<Node<'a>>, depth: usize) -> Result<(), Reject> {
    let wrapped = node.get("object");
    let node = if wrapped.exists() && !node.get("kind").exists() { wrapped } else { node.clone() };
    let list = node.get("kind").text()?.is_some_and(|kind| kind.ends_with("List"));
    if !list || depth > 1 {
        into.push(node);
        return Ok(());
    }
    node.get("items").items()?.iter().try_for_each(|item| collect(item, into, depth + 1))
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

/// What identifies an object: its uid, else (in an object that was stripped) its namespace and name.
fn identity(node: &Node<'_>) -> Result<String, Reject> {
    let meta = node.get("metadata").required_object()?;
    let name = meta.get("name").required_text()?;
    Ok(match (meta.get("uid").text()?, meta.get("namespace").text()?) {
        (Some(uid), _) => uid.to_owned(),
        (None, Some(namespace)) => format!("{namespace}/{name}"),
        (None, None) => name.to_owned(),
    })
}

fn facts<'c>(node: &Node<'_>, kind: &str, context: &'c Context) -> Result<Facts<'c>, Reject> {
    Ok(Facts {
        source: MAPPER.name,
        instance: "default".to_owned(),
        event_id: node.at(&["metadata", "resourceVersion"]).id()?,
        event_type: Some(kind.to_owned()),
        context,
    })
}

/// Service, environment and labels, as the object's annotations state them; the service is else the rollout's name.
fn put_place(draft: &mut Draft, node: &Node<'_>, rollout: Option<&str>) -> Result<(), Reject> {
    let meta = node.get("metadata");
    draft.event.put_some("service_namespace", meta.get("namespace").text()?);
    draft.event.put_some("service", rollout);
    let stated =
        [meta.get("annotations"), node.at(&["spec", "template", "metadata", "annotations"])];
    for (annotation, column) in PLACE {
        for annotations in stated.iter().rev() {
            draft.event.put_some(column, annotations.get(annotation).text()?);
        }
    }
    if draft.event.text("environment").is_none() {
        draft.event.put_some("environment", meta.at(&["labels", "environment"]).text()?);
    }
    put_tier(draft);
    for label in LABELS {
        if let Some(text) = meta.at(&["labels", label]).text()? {
            put_label(draft, label, text)?;
        }
    }
    Ok(())
}
