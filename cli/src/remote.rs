//! A server elsewhere, to which one event is sent over HTTP.

use std::time::Duration;

use serde_json::Value;

use crate::agent::{UNTRUSTED, agent, is_untrusted};
use crate::exit::{BAD_INPUT, Failure, NO_INPUT, TRY_LATER, UNAVAILABLE, USAGE};

/// How long the answer may take: the server waits for its disk, and for others.
const ANSWER_MAX: Duration = Duration::from_mins(1);

/// The longest answer, in bytes: one receipt has some hundred.
const ANSWER_BYTES_MAX: u64 = 1 << 20;

/// Sends one native event to the server at `url`, with the token in the environment's `variable`; its receipt. It is durable
/// then; a checkpoint may cover it a second later.
pub(crate) fn send(url: &str, variable: &str, event: &[u8]) -> Result<Value, Failure> {
    let url = url.trim_end_matches('/');
    let here = ["http://127.0.0.1:", "http://[::1]:", "http://localhost:"];
    if !url.starts_with("https://") && !here.iter().any(|host| url.starts_with(host)) {
        return Err(Failure::new(USAGE, format_args!("`{url}` would send the token in the open"))
            .hint("write --server https://HOST; http:// is for this host alone"));
    }
    #[expect(clippy::disallowed_methods, reason = "secrets come from the environment")]
    let token = std::env::var(variable).ok().filter(|token| !token.is_empty());
    let token = token.ok_or_else(|| {
        Failure::new(NO_INPUT, "--token-env names no variable that is set")
            .hint("put the token into one; the server has it as a secret of [sources.native]")
    })?;
    let unreached = |e: ureq::Error| {
        let again = "run the same command again; with --event-id nothing comes twice";
        Failure::new(UNAVAILABLE, format_args!("{url} does not answer: {e}"))
            .hint(if is_untrusted(&e) { UNTRUSTED } else { again })
    };
    let mut answer = agent(ANSWER_MAX)?
        .post(format!("{url}/v1/ingest/native"))
        .header("authorization", format!("Bearer {token}"))
        .content_type("application/json")
        .send(event)
        .map_err(unreached)?;
    let status = answer.status().as_u16();
    let body = answer.body_mut().with_config().limit(ANSWER_BYTES_MAX).read_to_string();
    let body = body.map_err(unreached)?;
    let told: Value = serde_json::from_str(&body).unwrap_or_default();
    match told["receipts"].get(0) {
        Some(receipt) => Ok(receipt.clone()),
        None => Err(refused(url, status, body.trim())),
    }
}

fn refused(url: &str, status: u16, body: &str) -> Failure {
    let (exit, hint) = match status {
        401 | 403 => (USAGE, "is it the token of [sources.native], with scheme \"bearer\"?"),
        429 | 500.. => {
            (TRY_LATER, "run the same command again; with --event-id nothing comes twice")
        }
        _ => (BAD_INPUT, "is it the address of `backtrail serve`?"),
    };
    let said: String = body.chars().filter(|c| !c.is_control()).take(300).collect();
    Failure::new(exit, format_args!("{url} answered {status}: {said}")).hint(hint)
}
