//! Kubernetes: `Deployment` objects as `kubectl`, a watch or kubewatch give them, the replica sets that explain them,
//! and the cluster's events about them.
//!
//! `kubectl rollout undo` only patches the template: nothing says that it was one but the age of the replica set that
//! serves again.

mod deployment;
mod notice;

use std::collections::HashMap;

use backtrail_schemas::{Delivery, Mapped, Reject};
use serde_json::Value;

use crate::context::Context;
use crate::facts::{Facts, When};
use crate::kube::{objects, own_key, owner_keys, shown};
use crate::limits::LIST_ELEMENTS_MAX;
use crate::mapper::{Mapper, gathered, ignored, refused};
use crate::node::Node;

pub(crate) const MAPPER: Mapper = Mapper { name: "kubernetes", yaml: true, claims, looks, map };

/// The type of the CloudEvents that kubewatch sends.
const KUBEWATCH: &str = "KUBERNETES_TOPOLOGY_CHANGE";

/// The annotation that numbers the templates of a deployment; a replica set has it of the last time that it served.
const REVISION: &str = "deployment.kubernetes.io/revision";

/// kubewatch says who it is in the event's type, which is a header or a member of a structured event.
fn claims(delivery: &Delivery) -> bool {
    let structured = delivery
        .header("content-type")
        .is_some_and(|t| t.to_ascii_lowercase().starts_with("application/cloudevents"));
    delivery.header("ce-type") == Some(KUBEWATCH)
        || structured && delivery.body.windows(KUBEWATCH.len()).any(|w| w == KUBEWATCH.as_bytes())
}

fn looks(body: &Value) -> bool {
    let kind = |v: &Value| v["kind"].as_str().unwrap_or_default().to_owned();
    let group = |v: &Value, wanted: &[&str]| {
        v["apiVersion"].as_str().is_some_and(|a| wanted.iter().any(|w| a.starts_with(w)))
    };
    let list = matches!(kind(body).as_str(), "DeploymentList" | "ReplicaSetList")
        && group(body, &["apps/", "extensions/"]);
    list || is_kubewatch(body)
        || shown(body).into_iter().any(|object| match kind(object).as_str() {
            "Deployment" => group(object, &["apps/", "extensions/"]),
            "ReplicaSet" => {
                let owners = object["metadata"]["ownerReferences"].as_array();
                let rollout = owners.is_some_and(|o| o.iter().any(|o| kind(o) == "Rollout"));
                group(object, &["apps/", "extensions/"]) && !rollout
            }
            "Event" => {
                let about = [&object["involvedObject"], &object["regarding"]];
                group(object, &["v1", "events.k8s.io/"])
                    && !about.iter().any(|about| group(about, &["argoproj.io/"]))
            }
            _ => false,
        })
}

/// A structured event, or the data of a binary one.
fn is_kubewatch(body: &Value) -> bool {
    let data =
        |v: &Value| v["operation"].is_string() && v["kind"].is_string() && v["obj"].is_object();
    body["type"] == KUBEWATCH || data(body)
}

fn map(body: &Value, delivery: &Delivery, context: &Context) -> Mapped {
    let root = Node::root(body);
    if is_kubewatch(body) {
        return kubewatch(&root, delivery, context).unwrap_or_else(refused);
    }
    let objects = match objects(&root) {
        Ok(objects) if objects.is_empty() => return ignored("an empty list"),
        Ok(objects) => objects,
        Err(reject) => return refused(reject),
    };
    let sets = Sets::new(&objects);
    if sets.pairs() > LIST_ELEMENTS_MAX {
        let what =
            format!("more than {LIST_ELEMENTS_MAX} pairs of a deployment and its replica set");
        return refused(root.refuse("too_large", &what));
    }
    gathered(objects.iter().map(|object| element(object, &sets, context)))
}

fn element(node: &Node<'_>, sets: &Sets<'_>, context: &Context) -> Mapped {
    let kind = node.get("kind");
    let mapped = match kind.text() {
        Ok(Some("Deployment")) => deployment::read(node, sets, context),
        Ok(Some("Event")) => notice::read(node, context),
        Ok(Some("ReplicaSet")) if sets.known.contains_key(&set_owner(node)) => {
            Ok(ignored("a replica set whose deployment was read with it"))
        }
        Ok(Some("ReplicaSet")) => Ok(ignored(
            "a replica set says no time of its own; list it with its deployment: \
             kubectl get deployments,replicasets -o json",
        )),
        Ok(Some(_)) => Err(kind.unknown("unmapped_type", "is not a kind that is read")),
        Ok(None) => Err(kind.missing()),
        Err(reject) => Err(reject),
    };
    mapped.unwrap_or_else(refused)
}

/// What kubewatch tells of one object. It leaves the kind out of the object itself.
fn kubewatch(root: &Node<'_>, delivery: &Delivery, context: &Context) -> Result<Mapped, Reject> {
    let whole = root.get("data");
    let data = if whole.exists() { whole } else { root.clone() };
    let (kind, operation) = (data.get("kind").required_text()?, data.get("operation"));
    if kind != "Deployment" {
        return Ok(ignored(format!("kubewatch tells of a {}, not of a Deployment", short(kind))));
    }
    let object = data.get("obj").required_object()?;
    match operation.required_text()? {
        "create" | "update" => deployment::read(&object, &Sets::new(&[]), context),
        "delete" if object.at(&["metadata", "deletionTimestamp"]).exists() => {
            deployment::read(&object, &Sets::new(&[]), context)
        }
        "delete" => {
            let when = When::event_or_receipt(&root.get("time"), delivery)?;
            deployment::removed(&object, when, context)
        }
        _ => Err(operation.unknown("unknown_type", "is not an operation that is read")),
    }
}

/// A name in a sentence: no longer than one.
fn short(name: &str) -> String {
    name.chars().take(40).collect()
}

fn facts<'c>(node: &Node<'_>, kind: &str, context: &'c Context) -> Result<Facts<'c>, Reject> {
    crate::kube::facts(MAPPER.name, node, kind, context)
}

/// The replica sets of one delivery, by the deployment that owns them: a cluster's list can hold thousands.
struct Sets<'a> {
    by_owner: HashMap<String, Vec<Node<'a>>>,
    /// The deployments that came with them, and how often each did.
    known: HashMap<String, usize>,
}

impl<'a> Sets<'a> {
    fn new(objects: &[Node<'a>]) -> Self {
        let mut sets = Self { by_owner: HashMap::new(), known: HashMap::new() };
        for object in objects {
            match object.get("kind").text() {
                Ok(Some("Deployment")) => {
                    *sets.known.entry(own_key(object)).or_default() += 1;
                }
                Ok(Some("ReplicaSet")) => {
                    sets.by_owner.entry(set_owner(object)).or_default().push(object.clone());
                }
                _ => {}
            }
        }
        sets
    }

    /// How many replica sets all deployments are compared with together.
    fn pairs(&self) -> usize {
        let of = |(owner, times): (&String, &usize)| {
            times * self.by_owner.get(owner).map_or(0, Vec::len)
        };
        self.known.iter().map(of).sum()
    }

    fn of(&self, deployment: &Node<'_>) -> &[Node<'a>] {
        self.by_owner.get(&own_key(deployment)).map_or(&[], Vec::as_slice)
    }
}

/// The key of the deployment that owns a set; an owner reference always has a uid, unless it was stripped.
fn set_owner(set: &Node<'_>) -> String {
    owner_keys(set, "Deployment").into_iter().next().unwrap_or_default()
}
