//! `POST /v1/ingest/{source}`: who is it, what does it say, is it durable, and only then the answer.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::extract::Request;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use backtrail_ingest::Context;
use backtrail_ingest::authenticate::{self, Authenticated};
use backtrail_ingest::push::{Inflate, gunzip, submissions};
use backtrail_ledger::{Clock as _, Outcome, Submission};
use backtrail_schemas::{Delivery, Draft, Timestamp};
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;

use super::body::{self, Held};
use super::connections::Visitor;
use super::limits::{BODIES_BYTES_MAX, IDS_LOGGED_MAX, INLINE_BYTES_MAX, MAPPINGS_MAX};
use super::metrics::Metrics;
use super::queue::{Kept, NotKept, Queue};
use super::refusal::Refusal;
use super::share::Share;
use super::silences::Silences;
use super::sources::Endpoint;
use super::{answer, complaints::Complaints};
use crate::clock::SystemClock;

/// The label of deliveries to a source that is not configured: what a stranger writes is no label.
const UNKNOWN: &str = "unknown";

/// What takes deliveries.
pub(super) struct Intake {
    pub(super) endpoints: BTreeMap<String, Endpoint>,
    pub(super) queue: Queue,
    pub(super) metrics: Arc<Metrics>,
    silences: Arc<Silences>,
    pub(super) dir: PathBuf,
    pub(super) body_bytes_max: usize,
    pub(super) simulated_clock: bool,
    /// Whether the server ends: what is under way is finished, and nothing else taken.
    pub(super) stopping: AtomicBool,
    clock: SystemClock,
    /// Headers of this config that hold secrets, beside those that are known to.
    secret_headers: BTreeSet<String>,
    bodies: Arc<Share>,
    mappings: Semaphore,
    complaints: Complaints,
    quarantined: Complaints,
}

impl Intake {
    pub(super) fn new(
        endpoints: BTreeMap<String, Endpoint>,
        queue: Queue,
        metrics: Arc<Metrics>,
        silences: Arc<Silences>,
        dir: PathBuf,
        body_bytes_max: usize,
        simulated_clock: bool,
    ) -> Self {
        Self {
            endpoints,
            queue,
            metrics,
            silences,
            dir,
            body_bytes_max,
            simulated_clock,
            stopping: AtomicBool::new(false),
            clock: SystemClock::default(),
            secret_headers: BTreeSet::new(),
            bodies: Share::new("bodies", BODIES_BYTES_MAX),
            mappings: Semaphore::new(MAPPINGS_MAX),
            complaints: Complaints::default(),
            quarantined: Complaints::default(),
        }
    }

    /// The same, keeping no header that is named here either.
    pub(super) fn without_headers(self, secret_headers: BTreeSet<String>) -> Self {
        Self { secret_headers, ..self }
    }

    /// Microseconds since some moment, of a clock that does not go back.
    pub(super) fn elapsed_us(&self) -> i64 {
        self.clock.elapsed_us().unwrap_or_default()
    }

    /// Answers a request to `/v1/ingest/{source}`.
    pub(super) async fn answer(
        &self,
        source: &str,
        visitor: &Visitor,
        request: Request,
    ) -> Response {
        match *request.method() {
            Method::POST => {}
            Method::OPTIONS => return self.handshake(source, request.headers()),
            _ => {
                let allow = [(header::ALLOW, "POST, OPTIONS")];
                return (StatusCode::METHOD_NOT_ALLOWED, allow, "only POST\n").into_response();
            }
        }
        let began_us = self.elapsed_us();
        let endpoint = self.endpoints.get(source);
        let label = endpoint.map_or(UNKNOWN, |e| e.name);
        let taken = self.take(endpoint, visitor, request).await;
        let (outcome, response) = match taken {
            Ok(taken) => taken,
            Err(refusal) => {
                if let Some(others) = self.complaints.one_more(began_us) {
                    let outcome = refusal.outcome();
                    tracing::warn!(source = label, outcome, others, "a delivery was refused");
                }
                (refusal.outcome(), refusal.response())
            }
        };
        self.metrics.delivery(label, outcome);
        if outcome != "unauthenticated" {
            let took_us = self.elapsed_us() - began_us;
            let took_us = u32::try_from(took_us).unwrap_or(u32::MAX);
            self.metrics.latency(label, f64::from(took_us) / 1e6);
        }
        response
    }

    /// From a request to the answer for a delivery that is durable.
    async fn take(
        &self,
        endpoint: Option<&Endpoint>,
        visitor: &Visitor,
        request: Request,
    ) -> Result<(&'static str, Response), Refusal> {
        if self.stopping.load(Ordering::Relaxed) {
            return Err(Refusal::Stopping);
        }
        let (parts, body) = request.into_parts();
        let publish = asks_for_proof(&parts)?;
        let headers = texts(&parts.headers)?;
        body::announced(&parts.headers, self.body_bytes_max)?;
        let endpoint = endpoint.ok_or(Refusal::Unauthenticated)?;
        let now = self.clock.now();
        let names = &visitor.names.0;
        let verify = |body: &[u8]| {
            let request = authenticate::Request { headers: &headers, body, names, now };
            endpoint.authenticator.verify(&request).map_err(|_| Refusal::Unauthenticated)
        };
        // Whoever shows a secret is known before a byte of the body is read.
        let early = (!endpoint.authenticator.signs_body()).then(|| verify(&[])).transpose()?;
        let part = self.bodies.part(visitor.place.guest(), 0).await.ok_or(Refusal::Busy)?;
        let mut held = Held { bytes: Vec::new(), part };
        let known = |held: &Held| {
            visitor.place.known();
            held.part.known();
        };
        if early.is_some() {
            known(&held);
        }
        body::read(body, self.body_bytes_max, &mut held).await?;
        let who = early.map_or_else(|| verify(&held.bytes), Ok)?;
        known(&held);
        endpoint.rate.take(self.elapsed_us()).map_err(Refusal::TooMany)?;
        self.readable(&parts.headers, &mut held).await?;
        let submissions = self.mapped(endpoint, headers, &mut held, who, now).await?;
        let occurred = occurred(&submissions);
        let kept = self.queue.keep(submissions, publish).await.map_err(|e| match e {
            NotKept::Busy => Refusal::Busy,
            NotKept::Ledger(e) => Refusal::Ledger(e),
        })?;
        self.note_lag(endpoint.name, &kept, &occurred, now);
        self.told(endpoint.name, kept).await
    }

    /// Expands the body and refuses forms that no source is read from.
    async fn readable(&self, headers: &HeaderMap, held: &mut Held) -> Result<(), Refusal> {
        match text(headers, header::CONTENT_ENCODING).as_deref() {
            None | Some("identity") => {}
            Some("gzip" | "x-gzip") => {
                let expanded = gunzip(&held.bytes, self.body_bytes_max);
                let expanded = expanded.map_err(|wrong| match wrong {
                    Inflate::TooLarge => Refusal::TooLarge,
                    Inflate::Damaged => Refusal::Malformed("the body is no gzip"),
                })?;
                held.replace(expanded).await?;
            }
            Some(_) => return Err(Refusal::Unsupported("only gzip is expanded")),
        }
        let Some(kind) = text(headers, header::CONTENT_TYPE) else { return Ok(()) };
        let kind = kind.split(';').next().unwrap_or_default().trim().to_owned();
        let form = kind == "application/x-www-form-urlencoded";
        // GitHub's own default: the JSON in one field.
        let wrong = form && !held.bytes.starts_with(b"payload=");
        if wrong || ["multipart/form-data", "text/html"].contains(&kind.as_str()) {
            return Err(Refusal::Unsupported("send JSON: content type application/json"));
        }
        Ok(())
    }

    /// What the delivery says. A large one is read beside the others, and not many at once: a parsed body takes several
    /// times its size.
    async fn mapped(
        &self,
        endpoint: &Endpoint,
        mut headers: BTreeMap<String, String>,
        held: &mut Held,
        who: Authenticated,
        now: Timestamp,
    ) -> Result<Vec<Submission>, Refusal> {
        headers.retain(|name, _| {
            !authenticate::is_secret(name) && !self.secret_headers.contains(name)
        });
        // What is kept is not compressed any more.
        headers.remove("content-encoding");
        let context = Context {
            authn_method: who.method.to_owned(),
            authn_verified: true,
            authn_key_id: Some(who.key_id),
            simulated_clock: self.simulated_clock,
            ..endpoint.context.clone()
        };
        let delivery = Delivery {
            received_at: Some(now),
            source: Some(endpoint.name.to_owned()),
            headers,
            body: std::mem::take(&mut held.bytes),
            reception: None,
            origin: String::new(),
        };
        if delivery.body.len() <= INLINE_BYTES_MAX {
            return Ok(submissions(delivery, &context));
        }
        let _turn = self.mappings.acquire().await.map_err(|_| Refusal::Busy)?;
        spawn_blocking(move || submissions(delivery, &context)).await.map_err(|_| Refusal::Busy)
    }

    fn note_lag(
        &self,
        source: &'static str,
        kept: &Kept,
        occurred: &HashMap<String, Timestamp>,
        now: Timestamp,
    ) {
        for outcome in kept.receipts.iter().flat_map(|receipt| &receipt.outcomes) {
            let Outcome::Accepted { event_id, .. } = outcome else { continue };
            if let Some(occurred) = occurred.get(event_id) {
                let lag_s = (now.micros() - occurred.micros()).max(0) / 1_000_000;
                self.metrics.lag(source, f64::from(u32::try_from(lag_s).unwrap_or(u32::MAX)));
            }
        }
    }

    /// The answer, with what it counts as.
    async fn told(
        &self,
        source: &'static str,
        kept: Kept,
    ) -> Result<(&'static str, Response), Refusal> {
        let dir = self.dir.clone();
        let told = if kept.checkpoint.is_some() {
            // Proofs are made from files.
            spawn_blocking(move || answer::of(&kept, &dir)).await.map_err(|_| Refusal::Busy)?
        } else {
            answer::of(&kept, &dir)
        };
        let (totals, value) = told.map_err(Refusal::Ledger)?;
        let counts = [
            ("accepted", totals.accepted),
            ("duplicate", totals.duplicate),
            ("amended", totals.amended),
            ("conflict", totals.conflict),
        ];
        for (outcome, count) in counts {
            self.metrics.events(source, outcome, count);
        }
        if totals.accepted > 0 {
            self.silences.heard(source);
        }
        if totals.quarantined > 0
            && let Some(others) = self.quarantined.one_more(self.elapsed_us())
        {
            let ids: Vec<_> =
                value["quarantine"].as_array().into_iter().flatten().take(IDS_LOGGED_MAX).collect();
            let (ids, elements) = (serde_json::json!(ids).to_string(), totals.quarantined);
            tracing::warn!(
                source,
                ids = ids.as_str(),
                elements,
                others,
                "a delivery is in quarantine"
            );
        }
        let outcome = match totals {
            t if t.quarantined > 0 => "quarantined",
            t if t.ignored == t.deliveries => "ignored",
            _ => "understood",
        };
        Ok((outcome, answer::json(answer::status(&totals), &value)))
    }

    /// Says whether somebody may send. *Source*: `CloudEvents`, HTTP 1.1 Web Hooks for Event Delivery 1.0.2, section 4.
    ///
    /// Nothing is called back: whoever names a `WebHook-Request-Callback` gets the answer here, or not at all.
    fn handshake(&self, source: &str, headers: &HeaderMap) -> Response {
        let allow = [(header::ALLOW, "POST, OPTIONS")];
        let asked = headers.get("webhook-request-origin");
        let granted = asked.filter(|origin| {
            let endpoint = self.endpoints.get(source);
            endpoint.is_some_and(|e| e.origins.iter().any(|o| o.as_bytes() == origin.as_bytes()))
        });
        let mut response = (StatusCode::NO_CONTENT, allow).into_response();
        if let (Some(origin), Some(endpoint)) = (granted, self.endpoints.get(source)) {
            let put = response.headers_mut();
            put.insert(HeaderName::from_static("webhook-allowed-origin"), origin.clone());
            // It is told in deliveries a minute.
            let rate = HeaderValue::from(u64::from(endpoint.rate_per_s) * 60);
            put.insert(HeaderName::from_static("webhook-allowed-rate"), rate);
        }
        response
    }
}

/// When each event occurred, by id.
fn occurred(submissions: &[Submission]) -> HashMap<String, Timestamp> {
    let drafts = submissions.iter().flat_map(|s| &s.mapped.drafts);
    let one = |draft: &Draft| {
        let id = draft.event.text("event_id")?.to_owned();
        Some((id, draft.event.timestamp("occurred_at")?))
    };
    drafts.filter_map(one).collect()
}

/// Whether the query is `ack=published`.
fn asks_for_proof(parts: &Parts) -> Result<bool, Refusal> {
    match parts.uri.query() {
        None | Some("" | "ack=durable") => Ok(false),
        Some("ack=published") => Ok(true),
        Some(_) => Err(Refusal::Malformed("the query is ack=durable or ack=published")),
    }
}

/// The headers as texts; a name that comes twice is one list.
fn texts(headers: &HeaderMap) -> Result<BTreeMap<String, String>, Refusal> {
    let mut texts: BTreeMap<String, String> = BTreeMap::new();
    for (name, value) in headers {
        let value = std::str::from_utf8(value.as_bytes())
            .map_err(|_| Refusal::Malformed("a header is not UTF-8"))?;
        match texts.get_mut(name.as_str()) {
            Some(list) => {
                list.push_str(", ");
                list.push_str(value);
            }
            None => drop(texts.insert(name.as_str().to_owned(), value.to_owned())),
        }
    }
    Ok(texts)
}

/// A header in lower case.
fn text(headers: &HeaderMap, name: HeaderName) -> Option<String> {
    let value = headers.get(name)?.to_str().ok()?;
    Some(value.trim().to_ascii_lowercase()).filter(|text| !text.is_empty())
}
