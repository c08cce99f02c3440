//! What the network brought, as submissions.

use std::io::Read as _;

use backtrail_ledger::Submission;
use backtrail_schemas::{Delivery, Mapped};
use flate2::read::MultiGzDecoder;

use crate::context::Context;
use crate::limits::{BODY_LINES_MAX, REFUSED_BYTES_MAX};
use crate::mapper::{located, map, refused};
use crate::node::reject;

/// Content types whose bodies are one delivery a line.
const LINES: &[&str] = &["application/x-ndjson", "application/ndjson", "application/jsonl"];

/// The delivery with what it says: one submission, or one for each line where the content type is NDJSON.
///
/// `delivery.source` is the source that was authenticated: nothing in the body makes it another.
pub fn submissions(delivery: Delivery, context: &Context) -> Vec<Submission> {
    let reception = context.reception(delivery.source.as_deref().unwrap_or_default());
    let delivery = Delivery { reception, ..delivery };
    let kind = delivery.header("content-type").unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    if !LINES.contains(&kind.as_str()) {
        return vec![submission(delivery, context)];
    }
    let lines: Vec<(usize, &[u8])> = delivery
        .body
        .split(|b| *b == b'\n')
        .enumerate()
        .map(|(at, line)| (at + 1, line.trim_ascii()))
        .filter(|(_, line)| !line.is_empty())
        .take(BODY_LINES_MAX + 1)
        .collect();
    if lines.is_empty() {
        return vec![submission(delivery, context)];
    }
    if lines.len() > BODY_LINES_MAX {
        let reason = located(&delivery.origin, &format!("more than {BODY_LINES_MAX} lines"));
        let body = delivery.body[..delivery.body.len().min(REFUSED_BYTES_MAX)].to_vec();
        let mapped = refused(reject("too_large", reason));
        return vec![Submission { delivery: Delivery { body, ..delivery }, mapped }];
    }
    let head = Delivery { body: Vec::new(), ..delivery.clone() };
    let one = |(number, line): (usize, &[u8])| {
        let origin = format!("{}:{number}", head.origin);
        submission(Delivery { origin, body: line.to_vec(), ..head.clone() }, context)
    };
    lines.into_iter().map(one).collect()
}

fn submission(delivery: Delivery, context: &Context) -> Submission {
    let mapped: Mapped = map(&delivery, context);
    Submission { delivery, mapped }
}

/// Why a compressed body cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Inflate {
    /// It is larger than allowed when it is expanded.
    TooLarge,
    /// It is no gzip, or ends early.
    Damaged,
}

/// The bytes of a gzip stream, of which at most `bytes_max` are made.
///
/// # Errors
/// There would be more, or it is damaged.
pub fn gunzip(bytes: &[u8], bytes_max: usize) -> Result<Vec<u8>, Inflate> {
    let mut out = Vec::new();
    let mut decoder = MultiGzDecoder::new(bytes).take(bytes_max as u64 + 1);
    decoder.read_to_end(&mut out).map_err(|_| Inflate::Damaged)?;
    if out.len() > bytes_max { Err(Inflate::TooLarge) } else { Ok(out) }
}
