//! Which source a delivery is from, when nobody says: its headers first, then the shape of its body.

use backtrail_schemas::{Delivery, Reject};
use serde_json::Value;

use crate::context::Context;
use crate::mapper::Reader;
use crate::node::reject;

/// The reader for `delivery`: the one named, else the one whose headers it carries, else the only one whose shape the
/// body has. A rule file of the user goes before what is built in, so that a copy can be changed and used.
pub(crate) fn recognise<'a>(
    delivery: &Delivery,
    body: &Value,
    context: &'a Context,
) -> Result<Reader<'a>, Reject> {
    if let Some(name) = delivery.source.as_deref().filter(|name| *name != "auto") {
        return Reader::all(context).find(|reader| reader.name() == name).ok_or_else(|| {
            let known: Vec<&str> = Reader::all(context).map(Reader::name).collect();
            let shown: String = name.chars().take(40).collect();
            reject("unknown_source", format!("source `{shown}` is not one of {}", known.join(", ")))
        });
    }
    let mut candidates: Vec<Reader<'a>> =
        Reader::all(context).filter(|reader| reader.claims(delivery)).collect();
    if candidates.is_empty() {
        candidates = Reader::all(context).filter(|reader| reader.looks(body)).collect();
    }
    if candidates.iter().any(|reader| matches!(reader, Reader::Own(_))) {
        candidates.retain(|reader| matches!(reader, Reader::Own(_)));
    }
    match candidates.as_slice() {
        [one] => Ok(*one),
        [] => Err(reject(
            "unknown_source",
            "neither headers nor body are those of a source that is read",
        )),
        several => {
            let names: Vec<&str> = several.iter().map(|reader| reader.name()).collect();
            Err(reject("unknown_source", format!("could be from {}", names.join(" or "))))
        }
    }
}
