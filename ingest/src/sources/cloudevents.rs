//! CloudEvents around the events of a source that is read: binary, structured and batch.
//!
//! *Source*: CloudEvents 1.0.2, HTTP protocol binding and JSON event format. The envelope says nothing of its own: its
//! data is mapped as if the source had sent it. CDEvents in it are read as such.

use std::collections::BTreeMap;

use backtrail_schemas::{Delivery, Mapped, Reject};
use data_encoding::BASE64;
use serde_json::Value;

use super::cdevents;
use crate::context::Context;
use crate::mapper::{Mapper, gathered, ignored, refused};
use crate::node::Node;
use crate::recognise::by_shape;

pub(crate) const MAPPER: Mapper = Mapper { name: "cloudevents", yaml: false, claims, looks, map };

/// Knative's sources keep a webhook as it is and put its event into the type, after this.
const KNATIVE: &[(&str, &str)] = &[
    ("dev.knative.source.github.", "x-github-event"),
    ("dev.knative.sources.gitlab.", "x-gitlab-event"),
];

fn claims(delivery: &Delivery) -> bool {
    let envelope = is_structured(delivery) || delivery.header("ce-type").is_some();
    envelope && !cdevents::claims(delivery)
}

pub(super) fn is_structured(delivery: &Delivery) -> bool {
    let media = delivery.header("content-type").map(|t| t.trim_start().to_ascii_lowercase());
    media.is_some_and(|t| t.starts_with("application/cloudevents"))
}

fn looks(body: &Value) -> bool {
    let first = body.as_array().map_or(Some(body), |list| list.first());
    let attributes = ["specversion", "id", "source", "type"];
    first.is_some_and(|v| {
        let cdevent = v["type"].as_str().is_some_and(cdevents::is_type);
        attributes.iter().all(|key| v[*key].is_string()) && !cdevent
    })
}

/// A batch gives per element: one bad element does not take the others with it.
fn map(body: &Value, delivery: &Delivery, context: &Context) -> Mapped {
    let root = Node::root(body);
    let binary = delivery.header("ce-type").filter(|_| !is_structured(delivery));
    if let Some(ty) = binary {
        return data(&root, ty, body, delivery, context).unwrap_or_else(refused);
    }
    match root.items() {
        Ok(elements) if elements.is_empty() => ignored("an empty batch"),
        Ok(elements) => gathered(elements.iter().map(|e| element(e, delivery, context))),
        Err(_) => element(&root, delivery, context),
    }
}

/// An envelope that holds its data, or an event of CDEvents without one.
pub(super) fn element(node: &Node<'_>, delivery: &Delivery, context: &Context) -> Mapped {
    unwrapped(node, delivery, context).unwrap_or_else(refused)
}

fn unwrapped(node: &Node<'_>, delivery: &Delivery, context: &Context) -> Result<Mapped, Reject> {
    if node.get("context").exists() {
        return Ok(cdevents::element(node, context));
    }
    let ty = node.get("type").required_text()?;
    let (plain, encoded) = (node.get("data"), node.get("data_base64"));
    let parsed;
    let inner = if encoded.exists() {
        let bytes = BASE64
            .decode(encoded.required_text()?.as_bytes())
            .map_err(|_| encoded.refuse("bad_value", "is not base64"))?;
        parsed = backtrail_schemas::json::parse(&bytes)
            .map_err(|e| encoded.refuse("bad_json", &e.to_string()))?;
        &parsed
    } else {
        plain.value().ok_or_else(|| plain.missing())?
    };
    data(node, ty, inner, delivery, context)
}

/// Maps `inner`, which the envelope of type `ty` at `node` holds.
fn data(
    node: &Node<'_>,
    ty: &str,
    inner: &Value,
    delivery: &Delivery,
    context: &Context,
) -> Result<Mapped, Reject> {
    if cdevents::is_type(ty) {
        return Ok(cdevents::element(node, context));
    }
    let shown: String = ty.chars().take(80).collect();
    let why = match by_shape(inner, context).as_slice() {
        [one] if one.name() != MAPPER.name => {
            let inside = Delivery {
                received_at: delivery.received_at,
                headers: headers(ty, delivery),
                origin: delivery.origin.clone(),
                ..Delivery::default()
            };
            let mut mapped = one.map(inner, &inside, context);
            for reject in &mut mapped.rejects {
                reject.reason = format!("{shown}: {}", reject.reason);
            }
            return Ok(mapped);
        }
        [_] => "is another envelope",
        [] => "has not the shape of a source that is read",
        _ => "could be from several sources",
    };
    Err(node.refuse("unmapped_type", &format!("type `{shown}`: its data {why}")))
}

/// The delivery's headers without those of the envelope, and the one that names the webhook's event where the type
/// keeps it.
fn headers(ty: &str, delivery: &Delivery) -> BTreeMap<String, String> {
    let own = |name: &str| name.starts_with("ce-") || name == "content-type";
    let kept = delivery.headers.iter().filter(|(name, _)| !own(name));
    let mut headers: BTreeMap<String, String> =
        kept.map(|(name, value)| (name.clone(), value.clone())).collect();
    for (prefix, header) in KNATIVE {
        if let Some(event) = ty.strip_prefix(prefix) {
            headers.insert((*header).to_owned(), event.to_owned());
        }
    }
    headers
}
