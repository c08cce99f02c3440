//! Deliveries in quarantine, mapped again: what is understood now becomes rows, and a row says what became of each delivery.

use backtrail_ledger::{Appender, Outcome, QuarantineId, Receipt, Submission};
use backtrail_schemas::{Delivery, Mapped, Timestamp};
use serde_json::json;

use crate::context::Context;
use crate::error::Error;
use crate::facts::{Facts, When};
use crate::limits::SPANS_MAX;
use crate::read::Found;
use crate::run::Totals;

/// What is known of a retry besides the deliveries.
#[derive(Clone, Debug)]
pub struct Retry<'a> {
    /// How deliveries from files are mapped; others are mapped as they were received.
    pub context: &'a Context,
    /// The origin of the log.
    pub origin: &'a str,
    /// When it is done.
    pub at: Timestamp,
}

/// Maps deliveries that lie in quarantine again, each as received as it was, makes what is understood now part of the ledger, and
/// says of each in a row `ingest/retried` what became of it.
///
/// What is still not understood is counted as `quarantined`; its entries are in the log already. A retry that ends as one
/// before it did adds nothing.
///
/// # Errors
/// The ledger failed. What was told of before is durable; running it again gives duplicates for that.
pub fn retry(
    ledger: &mut dyn Appender,
    how: &Retry<'_>,
    kept: impl IntoIterator<Item = (QuarantineId, Delivery)>,
) -> Result<Totals, Error> {
    let mut totals = Totals::default();
    for (id, delivery) in kept {
        let source = delivery.source.clone();
        let context = how.context.received(delivery.reception.as_ref());
        let (delivery, mut mapped) = Found { delivery, mode: None, refused: None }.mapped(&context);
        let refused = std::mem::take(&mut mapped.rejects).len();
        let mut receipt = Receipt { ignored: refused == 0, ..Receipt::default() };
        if !mapped.drafts.is_empty() {
            let receipts = ledger.append(vec![Submission { delivery, mapped }]);
            receipt = receipts.map_err(Error::Ledger)?.remove(0);
        }
        totals.count(&receipt);
        totals.quarantined += u64::from(refused > 0 && receipt.quarantined.is_none());
        // A crash before this leaves rows that nothing links to the delivery: the next retry finds them as duplicates.
        let said = outcome(how, &id, source, refused, &receipt);
        ledger.append(vec![said]).map_err(Error::Ledger)?;
    }
    totals.checkpoint = Some(ledger.publish().map_err(Error::Ledger)?.size);
    Ok(totals)
}

/// The row that says what became of one delivery, as a user of this host states it. It is settled if all that it says is in the
/// log now, or was before, or if it has nothing for the log.
fn outcome(
    how: &Retry<'_>,
    id: &QuarantineId,
    source: Option<String>,
    refused: usize,
    receipt: &Receipt,
) -> Submission {
    let context = Context::attested(how.context.clone());
    let source = source.filter(|name| !name.is_empty()).unwrap_or_else(|| "unknown".to_owned());
    let settled = refused == 0 && receipt.quarantined.is_none();
    let rows = |wanted: fn(&Outcome) -> Option<u64>| {
        receipt.outcomes.iter().filter_map(wanted).collect::<Vec<u64>>()
    };
    let added = rows(|outcome| match outcome {
        Outcome::Accepted { seq, .. } | Outcome::Amended { seq, .. } => Some(*seq),
        Outcome::Duplicate { .. } | Outcome::Conflict { .. } => None,
    });
    let known = rows(|outcome| match outcome {
        Outcome::Duplicate { seq, .. } => Some(*seq),
        _ => None,
    });
    let labels = [
        ("quarantine", id.0.clone()),
        ("outcome", if settled { "settled" } else { "open" }.to_owned()),
        ("added", added.len().to_string()),
        ("known", known.len().to_string()),
        ("rows", spans(added)),
        ("known_rows", spans(known)),
    ];
    let facts = Facts {
        source: &source,
        instance: how.origin.to_owned(),
        event_id: None,
        event_type: None,
        context: &context,
    };
    let when = When { at: how.at, basis: "receipt" };
    let mut draft = facts.draft("ingest", "retried", &format!("retried:{labels:?}"), when);
    for (name, text) in &labels {
        draft.event.put_attribute(name, text).expect("names of ours, each once");
    }
    let reception = context.reception(&source);
    let delivery = Delivery {
        received_at: Some(how.at),
        source: Some(source),
        body: json!({ "retried": id.0 }).to_string().into_bytes(),
        reception,
        ..Delivery::default()
    };
    Submission { delivery, mapped: Mapped { drafts: vec![draft], ..Mapped::default() } }
}

/// The rows as spans, `3-5,9`: the first [`SPANS_MAX`], and an ellipsis for more.
fn spans(mut rows: Vec<u64>) -> String {
    rows.sort_unstable();
    rows.dedup();
    let mut found: Vec<String> = rows
        .chunk_by(|one, next| next - one == 1)
        .map(|span| match span {
            [first, .., last] => format!("{first}-{last}"),
            one => one[0].to_string(),
        })
        .collect();
    if found.len() > SPANS_MAX {
        found.truncate(SPANS_MAX);
        found.push("…".to_owned());
    }
    found.join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_spans_and_never_more_than_a_leaf_holds() {
        assert_eq!(spans(Vec::new()), "");
        assert_eq!(spans(vec![9, 4, 3, 5, 4]), "3-5,9");
        let scattered = spans((0..2 * SPANS_MAX as u64).map(|n| 3 * n).collect());
        assert!(scattered.ends_with(",1497,…") && scattered.starts_with("0,3,6,"), "{scattered}");
    }
}
