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
    let mut candidates: Vec<Mapping<'a>> =
        Mapping::all(context).filter(|mapping| mapping.claims(delivery)).collect();
    if candidates.is_empty() {
        candidates = Mapping::all(context).filter(|mapping| mapping.looks(body)).collect();
    }
    if candidates.iter().any(|mapping| matches!(mapping, Mapping::Own(_))) {
        candidates.retain(|mapping| matches!(mapping, Mapping::Own(_)));
    }
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
