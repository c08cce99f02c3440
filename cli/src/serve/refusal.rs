//! Why a delivery was not kept, as HTTP has it.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use backtrail_ledger::{Error, Kind};
use serde_json::json;

use super::limits::{RETRY_BUSY_S, RETRY_FULL_S, RETRY_STOPPED_S};

/// Why a delivery was not kept. Nothing of it is in the log.
pub(super) enum Refusal {
    /// Unknown source, source that is not configured, no signature, a wrong one: all alike.
    Unauthenticated,
    /// A header that is not text, or a query that we do not know.
    Malformed(&'static str),
    /// The body ended early.
    Incomplete,
    /// The body did not come in time.
    Slow,
    /// The body is larger than it may be, as it came or expanded.
    TooLarge,
    /// A content type or encoding that no source is read from.
    Unsupported(&'static str),
    /// More than the source may send; in so many seconds it may again.
    TooMany(u64),
    /// More than we can hold at once.
    Busy,
    /// The server ends.
    Stopping,
    /// The ledger could not take it.
    Ledger(Error),
}

impl Refusal {
    /// The word in metrics and logs.
    pub(super) fn outcome(&self) -> &'static str {
        match self {
            Self::Unauthenticated => "unauthenticated",
            Self::Malformed(_) | Self::Incomplete => "malformed",
            Self::Slow => "slow",
            Self::TooLarge => "too_large",
            Self::Unsupported(_) => "unsupported",
            Self::TooMany(_) => "limited",
            Self::Busy => "busy",
            Self::Stopping => "stopping",
            Self::Ledger(e) if e.is_full() => "full",
            Self::Ledger(_) => "failed",
        }
    }

    /// Status, text, and when to come again.
    fn parts(&self) -> (StatusCode, &'static str, Option<u64>) {
        match self {
            Self::Unauthenticated => (StatusCode::UNAUTHORIZED, "not authenticated", None),
            Self::Malformed(what) => (StatusCode::BAD_REQUEST, what, None),
            Self::Incomplete => (StatusCode::BAD_REQUEST, "the body ended early", None),
            Self::Slow => (StatusCode::REQUEST_TIMEOUT, "the body took too long", None),
            Self::TooLarge => (StatusCode::PAYLOAD_TOO_LARGE, "the body is too large", None),
            Self::Unsupported(what) => (StatusCode::UNSUPPORTED_MEDIA_TYPE, what, None),
            Self::TooMany(seconds) => {
                (StatusCode::TOO_MANY_REQUESTS, "more than this source may send", Some(*seconds))
            }
            Self::Busy => (StatusCode::SERVICE_UNAVAILABLE, "busy", Some(RETRY_BUSY_S)),
            Self::Stopping => (StatusCode::SERVICE_UNAVAILABLE, "stopping", Some(RETRY_STOPPED_S)),
            Self::Ledger(e) if e.is_full() => {
                (StatusCode::INSUFFICIENT_STORAGE, "no space for the log", Some(RETRY_FULL_S))
            }
            // Larger than a frame of the log, with what it says.
            Self::Ledger(e) if e.kind() == Kind::Reject => {
                (StatusCode::PAYLOAD_TOO_LARGE, "the log cannot hold it", None)
            }
            Self::Ledger(_) => {
                (StatusCode::SERVICE_UNAVAILABLE, "the log cannot be written", Some(RETRY_FULL_S))
            }
        }
    }

    /// The answer.
    pub(super) fn response(&self) -> Response {
        let (status, text, again) = self.parts();
        let mut response = super::answer::json(status, &json!({ "error": text }));
        if let Some(seconds) = again {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if status == StatusCode::UNAUTHORIZED {
            let realm = HeaderValue::from_static("Bearer realm=\"backtrail\"");
            response.headers_mut().insert(header::WWW_AUTHENTICATE, realm);
        }
        response.into_response()
    }
}
