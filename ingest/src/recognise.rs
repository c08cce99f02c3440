//! Which source a delivery is from, when nobody says: its headers first, then the shape of its body.

use backtrail_schemas::{Delivery, Reject};
use serde_json::Value;

use crate::mapper::{Mapper, mappers};
use crate::node::reject;

/// The mapper for `delivery`: the one named, else the one whose headers it carries, else the only one whose shape the
/// body has.
pub(crate) fn recognise(delivery: &Delivery, body: &Value) -> Result<&'static Mapper, Reject> {
    if let Some(name) = delivery.source.as_deref().filter(|name| *name != "auto") {
        let named = mappers().iter().find(|m| m.name == name);
        return named.ok_or_else(|| {
            let known: Vec<&str> = mappers().iter().map(|m| m.name).collect();
            let shown: String = name.chars().take(40).collect();
            reject("unknown_source", format!("source `{shown}` is not one of {}", known.join(", ")))
        });
    }
    let by_headers: Vec<&Mapper> = mappers().iter().filter(|m| (m.claims)(delivery)).collect();
    let candidates = match specific(by_headers).as_slice() {
        [] => specific(by_shape(body)),
        [one] => vec![*one],
        // CloudEvents are carried by several sources.
        several => several.iter().copied().filter(|m| (m.looks)(body)).collect(),
    };
    match candidates.as_slice() {
        [one] => Ok(one),
        [] => Err(reject(
            "unknown_source",
            "neither headers nor body are those of a source that is read",
        )),
        several => {
            let names: Vec<&str> = several.iter().map(|m| m.name).collect();
            Err(reject("unknown_source", format!("could be from {}", names.join(" or "))))
        }
    }
}

/// The mappers whose shape the body has.
pub(crate) fn by_shape(body: &Value) -> Vec<&'static Mapper> {
    mappers().iter().filter(|m| (m.looks)(body)).collect()
}

/// Without the envelope of any source, where a source knows the envelope as its own.
fn specific(mut candidates: Vec<&'static Mapper>) -> Vec<&'static Mapper> {
    if candidates.len() > 1 {
        candidates.retain(|mapper| mapper.name != "cloudevents");
    }
    candidates
}
