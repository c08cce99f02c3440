//! What a sender is told of a delivery that was kept.

use std::path::Path;

use axum::body::Body;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use backtrail_ingest::Totals;
use backtrail_ledger::{Error, Prover};
use serde_json::{Value, json};

use super::queue::Kept;
use crate::commands::ingest::receipt_json;

/// The counts of `ingest --format json`, a receipt for each event, and the ids of what lies in quarantine. With a checkpoint,
/// each receipt has its proof.
pub(super) fn of(kept: &Kept, dir: &Path) -> Result<(Totals, Value), Error> {
    let mut totals = Totals { checkpoint: kept.checkpoint, ..Totals::default() };
    let mut prover = kept.checkpoint.map(|_| Prover::new(dir));
    let mut receipts = Vec::new();
    for receipt in &kept.receipts {
        totals.count(receipt);
        for outcome in &receipt.outcomes {
            let mut line = receipt_json(outcome);
            if let (Some(prover), Some(seq)) = (&mut prover, line["seq"].as_u64()) {
                line["proof"] = prover.proof(seq)?.to_string().into();
            }
            receipts.push(line);
        }
    }
    let quarantined = kept.receipts.iter().filter_map(|r| r.quarantined.as_ref());
    let quarantine: Vec<&str> = quarantined.map(|id| id.0.as_str()).collect();
    let mut answer = json!(totals);
    answer["receipts"] = receipts.into();
    answer["quarantine"] = json!(quarantine);
    Ok((totals, answer))
}

/// 200 if something of it is in the log or there was nothing for it, 409 if all that was understood contradicts the log, 202
/// if nothing was understood: it is in quarantine, and there is no use in sending it again.
pub(super) fn status(totals: &Totals) -> StatusCode {
    let in_log = totals.accepted + totals.duplicate + totals.amended;
    if in_log > 0 || totals.quarantined == 0 {
        StatusCode::OK
    } else if totals.conflict > 0 {
        StatusCode::CONFLICT
    } else {
        StatusCode::ACCEPTED
    }
}

/// A response of JSON.
pub(super) fn json(status: StatusCode, value: &Value) -> Response {
    let headers = [(header::CONTENT_TYPE, "application/json"), (header::CACHE_CONTROL, "no-store")];
    (status, headers, Body::from(format!("{value}\n"))).into_response()
}
