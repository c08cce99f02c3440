//! What the objects of a Kubernetes cluster have in common: lists and watches, identity, conditions, place, image.

use backtrail_schemas::{Draft, Mapped, Reject, Timestamp};
use serde_json::Value;

use crate::context::Context;
use crate::facts::{Facts, put_label, put_tier};
use crate::limits::HISTORY_ENTRIES_MAX;
use crate::mapper::{gathered, ignored, refused};
use crate::node::Node;
use crate::words::{Package, image};

/// The annotation of a pod template that names its version.
const VERSION: &str = "resource.opentelemetry.io/service.version";

/// The annotations by which OpenTelemetry's operator lets a workload name its resource attributes, and our columns.
const PLACE: &[(&str, &str)] = &[
    ("resource.opentelemetry.io/service.name", "service"),
    ("resource.opentelemetry.io/deployment.environment.name", "environment"),
    ("resource.opentelemetry.io/cloud.region", "region"),
    ("resource.opentelemetry.io/k8s.cluster.name", "cluster"),
];

/// The labels that are kept as attributes.
const LABELS: &[&str] = &["app.kubernetes.io/instance", "app.kubernetes.io/part-of"];

/// The objects in a body, for recognition: the elements of a list, what a watch wraps, or the body itself.
pub(crate) fn shown(body: &Value) -> Vec<&Value> {
    let unwrapped = |v| watched(v).unwrap_or(v);
    let top = unwrapped(body);
    match top["items"].as_array().filter(|_| is_list(top)) {
        Some(items) => items.iter().map(unwrapped).collect(),
        None => vec![top],
    }
}

fn watched(value: &Value) -> Option<&Value> {
    value.get("object").filter(|object| object.is_object() && value.get("kind").is_none())
}

/// A list says so in its kind; Argo CD's API leaves the kind out.
fn is_list(value: &Value) -> bool {
    value["kind"].as_str().map_or(value["items"].is_array(), |kind| kind.ends_with("List"))
}

/// The objects of lists, in order; a watch wraps each in `object`.
pub(crate) fn objects<'a>(root: &Node<'a>) -> Result<Vec<Node<'a>>, Reject> {
    let mut all = Vec::new();
    collect(root, &mut all, 0)?;
    Ok(all)
}

fn collect<'a>(node: &Node<'a>, into: &mut Vec<Node<'a>>, depth: usize) -> Result<(), Reject> {
    let wrapped = node.value().and_then(watched).is_some();
    let node = if wrapped { node.get("object") } else { node.clone() };
    node.get("kind").text()?;
    // `kubectl` prints lists of objects; several YAML documents may each be one.
    if depth > 1 || !node.value().is_some_and(is_list) {
        into.push(node);
        return Ok(());
    }
    node.get("items").items()?.iter().try_for_each(|item| collect(item, into, depth + 1))
}

/// What the objects of a body give, each by itself: `read` gets an object and its kind.
pub(crate) fn each<'a>(
    root: &Node<'a>,
    read: impl Fn(&Node<'a>, &str) -> Result<Mapped, Reject>,
) -> Mapped {
    let one = |object: &Node<'a>| read(object, object.get("kind").required_text()?);
    match objects(root) {
        Ok(objects) if objects.is_empty() => ignored("an empty list"),
        Ok(objects) => gathered(objects.iter().map(|o| one(o).unwrap_or_else(refused))),
        Err(reject) => refused(reject),
    }
}

/// The reject of an object whose kind a source does not read.
pub(crate) fn unread(node: &Node<'_>) -> Reject {
    node.get("kind").unknown("unmapped_type", "is not a kind that is read")
}

/// An id that holds within one cluster, with the cluster before it where one is configured.
pub(crate) fn in_cluster(id: &str, context: &Context) -> String {
    match context.configured("cluster") {
        Some(cluster) => format!("{cluster}/{id}"),
        None => id.to_owned(),
    }
}

/// What identifies an object: its uid, else (in an object that was stripped) its namespace and name.
pub(crate) fn identity(node: &Node<'_>) -> Result<String, Reject> {
    let meta = node.get("metadata").required_object()?;
    let name = meta.get("name").required_text()?;
    Ok(match (meta.get("uid").text()?, meta.get("namespace").text()?) {
        (Some(uid), _) => uid.to_owned(),
        (None, Some(namespace)) => format!("{namespace}/{name}"),
        (None, None) => name.to_owned(),
    })
}

/// The envelope of what an object of this kind says.
pub(crate) fn facts<'c>(
    source: &'static str,
    node: &Node<'_>,
    kind: &str,
    context: &'c Context,
) -> Result<Facts<'c>, Reject> {
    Ok(Facts {
        source,
        instance: context.instance().to_owned(),
        event_id: node.at(&["metadata", "resourceVersion"]).id()?,
        event_type: Some(kind.to_owned()),
        context,
    })
}

/// Service, environment and labels, as the object's annotations state them; the service is else `service`.
pub(crate) fn put_place(
    draft: &mut Draft,
    node: &Node<'_>,
    service: Option<&str>,
) -> Result<(), Reject> {
    let meta = node.get("metadata");
    draft.event.put_some("service_namespace", meta.get("namespace").text()?);
    draft.event.put_some("service", service);
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

/// The version and digest of what a pod template ships: its annotation, else its label, else the tag of the container
/// that is named like the workload, else of the only one.
pub(crate) fn shipped(template: &Node<'_>, name: &str) -> Result<Package, Reject> {
    let containers = template.at(&["spec", "containers"]).items()?;
    let named =
        containers.iter().find(|c| matches!(c.get("name").text(), Ok(Some(n)) if n == name));
    let ((Some(main), _) | (None, [main])) = (named, containers.as_slice()) else {
        return Ok(Package::default());
    };
    let mut package = main.get("image").text()?.map(image).unwrap_or_default();
    let meta = template.get("metadata");
    for stated in
        [meta.at(&["labels", "app.kubernetes.io/version"]), meta.at(&["annotations", VERSION])]
    {
        package.version = stated.text()?.map(str::to_owned).or(package.version);
    }
    Ok(package)
}

/// One of the conditions of a status; all parts absent when there is none of that type.
pub(crate) struct Condition<'a> {
    pub(crate) status: Option<&'a str>,
    pub(crate) reason: Option<&'a str>,
    pub(crate) message: Node<'a>,
    /// When `status` last changed.
    pub(crate) changed: Option<Timestamp>,
    /// When the reason was last written, which is later where the status stayed the same.
    pub(crate) written: Option<Timestamp>,
}

/// The condition of type `ty`.
pub(crate) fn condition<'a>(status: &Node<'a>, ty: &str) -> Result<Condition<'a>, Reject> {
    let all = status.get("conditions").items()?;
    let found = all.into_iter().find(|c| matches!(c.get("type").text(), Ok(Some(t)) if t == ty));
    let node = found.unwrap_or_else(|| status.at(&["conditions", ty]));
    let changed = node.get("lastTransitionTime").time()?;
    Ok(Condition {
        status: node.get("status").text()?,
        reason: node.get("reason").text()?,
        message: node.get("message"),
        changed,
        written: node.get("lastUpdateTime").time()?.or(changed),
    })
}

/// A status about an older generation says nothing of the template beside it. What is no number (Argo Rollouts before
/// 1.0 wrote a hash) cannot be compared.
pub(crate) fn check_current(node: &Node<'_>, status: &Node<'_>) -> Result<(), Reject> {
    let (wanted, seen) =
        (node.at(&["metadata", "generation"]).id()?, status.get("observedGeneration").id()?);
    let number = |text: &Option<String>| text.as_deref().and_then(|t| t.parse::<u64>().ok());
    match (number(&wanted), number(&seen)) {
        (Some(wanted), Some(seen)) if wanted != seen => {
            let node = status.get("observedGeneration");
            Err(node.refuse(
                "stale_status",
                &format!("is {seen}, but the object is at generation {wanted}"),
            ))
        }
        _ => Ok(()),
    }
}

/// A history whose entries are compared with each other has a bound.
pub(crate) fn check_history(node: &Node<'_>, entries: usize) -> Result<(), Reject> {
    if entries > HISTORY_ENTRIES_MAX {
        let what = format!("holds more than {HISTORY_ENTRIES_MAX} entries");
        return Err(node.refuse("too_large", &what));
    }
    Ok(())
}

/// The key by which an owner is found: its uid, else namespace and name.
pub(crate) fn own_key(node: &Node<'_>) -> String {
    let meta = node.get("metadata");
    match meta.get("uid").text() {
        Ok(Some(uid)) => uid_key(uid),
        _ => name_key(&meta.get("namespace"), &meta.get("name")),
    }
}

/// The keys of the owners of this kind. An owner lies in the object's own namespace.
pub(crate) fn owner_keys(node: &Node<'_>, kind: &str) -> Vec<String> {
    let meta = node.get("metadata");
    let mut keys = Vec::new();
    for owner in meta.get("ownerReferences").items().unwrap_or_default() {
        if matches!(owner.get("kind").text(), Ok(Some(k)) if k == kind) {
            keys.extend(owner.get("uid").text().ok().flatten().map(uid_key));
            keys.push(name_key(&meta.get("namespace"), &owner.get("name")));
        }
    }
    keys
}

fn uid_key(uid: &str) -> String {
    format!("uid:{uid}")
}

fn name_key(namespace: &Node<'_>, name: &Node<'_>) -> String {
    let text = |node: &Node<'_>| node.text().ok().flatten().unwrap_or_default().to_owned();
    format!("name:{}/{}", text(namespace), text(name))
}

/// One `Event` of the core API or of `events.k8s.io`.
pub(crate) struct Notice<'a> {
    /// The object that it is about.
    pub(crate) about: Node<'a>,
    pub(crate) reason: Node<'a>,
    pub(crate) message: Node<'a>,
    /// When it was last seen: the cluster counts repetitions in one object.
    pub(crate) at: Timestamp,
    /// Its uid and count.
    pub(crate) key: String,
}

impl<'a> Notice<'a> {
    pub(crate) fn read(node: &Node<'a>) -> Result<Self, Reject> {
        let either = |first: &str, second: &str| {
            let node = [node.get(first), node.get(second)];
            node.iter().find(|n| n.exists()).unwrap_or(&node[0]).clone()
        };
        let mut at = None;
        for time in [
            node.at(&["series", "lastObservedTime"]),
            node.get("lastTimestamp"),
            node.get("deprecatedLastTimestamp"),
            node.get("eventTime"),
            node.get("firstTimestamp"),
            node.at(&["metadata", "creationTimestamp"]),
        ] {
            at = at.or(time.time()?);
        }
        let mut count = None;
        for number in
            [node.at(&["series", "count"]), node.get("count"), node.get("deprecatedCount")]
        {
            count = count.or(number.integer()?);
        }
        Ok(Self {
            about: either("involvedObject", "regarding").required_object()?,
            reason: node.get("reason"),
            message: either("message", "note"),
            at: at.ok_or_else(|| node.get("lastTimestamp").missing())?,
            key: format!("event:{}:{}", identity(node)?, count.unwrap_or(1)),
        })
    }
}
