//! Which source a delivery is from, when nobody says: its headers first, then the shape of its body.

use backtrail_schemas::{Delivery, Reject};
use serde_json::Value;

use crate::context::Context;
use crate::mapper::Mapping;
use crate::node::reject;

/// What maps `delivery`: the source named, else the one whose headers it carries, else the only one whose shape the
/// body has. A rule file of the user goes before what is built in, so that a copy can be changed and used.
pub(crate) fn recognise<'a>(
    delivery: &Delivery,
    body: &Value,
    context: &'a Context,
) -> Result<Mapping<'a>, Reject> {
    if let Some(name) = delivery.source.as_deref().filter(|name| *name != "auto") {
        return Mapping::all(context).find(|mapping| mapping.name() == name).ok_or_else(|| {
            let known: Vec<&str> = Mapping::all(context).map(Mapping::name).collect();
            let shown: String = name.chars().take(40).collect();
            reject("unknown_source", format!("source `{shown}` is not one of {}", known.join(", ")))
        });
    }
    let by_headers = specific(Mapping::all(context).filter(|m| m.claims(delivery)).collect());
    let candidates = match by_headers.as_slice() {
        [] => by_shape(body, context),
        [_] => by_headers,
        // CloudEvents are carried by several sources.
        _ => by_headers.into_iter().filter(|m| m.looks(body)).collect(),
    };
    match candidates.as_slice() {
        [one] => Ok(*one),
        [] => Err(reject(
            "unknown_source",
            "neither headers nor body are those of a source that is read",
        )),
        several => {
            let names: Vec<&str> = several.iter().map(|mapping| mapping.name()).collect();
            Err(reject("unknown_source", format!("could be from {}", names.join(" or "))))
        }
    }
}

/// What maps bodies of this shape.
pub(crate) fn by_shape<'a>(body: &Value, context: &'a Context) -> Vec<Mapping<'a>> {
    specific(Mapping::all(context).filter(|mapping| mapping.looks(body)).collect())
}

/// The user's own rules alone, if there are any; else without the envelope of any source, if a source knows it as its own.
fn specific(mut candidates: Vec<Mapping<'_>>) -> Vec<Mapping<'_>> {
    if candidates.iter().any(|mapping| matches!(mapping, Mapping::Own(_))) {
        candidates.retain(|mapping| matches!(mapping, Mapping::Own(_)));
    }
    if candidates.len() > 1 {
        candidates.retain(|mapping| mapping.name() != "cloudevents");
    }
    candidates
}
