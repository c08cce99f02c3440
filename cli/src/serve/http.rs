//! What is served: the log over HTTP, deliveries, health and metrics. *Source*: C2SP tlog-tiles, "APIs".

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::Request;
use axum::http::{Method, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use backtrail_ledger::{Error, ResourcePath, Resources, Snapshot};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;

use super::complaints::Complaints;
use super::connections::{self, Visitor};
use super::intake::Intake;
use super::limits::{ANSWERS_BYTES_MAX, READS_MAX, RETRY_BUSY_S, STOP_PATIENCE_S};
use super::share::{Part, Share};
use crate::exit::{CANNOT_WRITE, Failure};

/// What the handlers share.
pub(super) struct Shared {
    pub(super) intake: Intake,
    resources: Mutex<Arc<Resources>>,
    reads: Semaphore,
    answers: Arc<Share>,
    healthy: AtomicBool,
    complaints: Complaints,
}

impl Shared {
    /// Counts a connection that the server ended, and says so now and then.
    pub(super) fn closed(&self, reason: &'static str) {
        self.intake.metrics.closed(reason);
        // Who connects and says nothing is no trouble: balancers do.
        if reason != "silent"
            && let Some(others) = self.complaints.one_more(self.intake.elapsed_us())
        {
            tracing::warn!(reason, others, "a connection was closed");
        }
    }

    /// A body that is counted as long as it is in memory.
    async fn held(&self, visitor: &Visitor, bytes: Vec<u8>) -> Option<Body> {
        let part = self.answers.part(visitor.place.guest(), bytes.len()).await?;
        Some(Body::from(Bytes::from_owner(Answer { bytes, _part: part })))
    }
}

/// A server that listens.
pub(super) struct Server {
    shared: Arc<Shared>,
    address: SocketAddr,
    stop: watch::Sender<()>,
    accepting: JoinHandle<()>,
}

impl Server {
    /// Serves the ledger of `intake` on `listen` to so many connections, with TLS if there is an acceptor. It is called within
    /// a runtime.
    pub(super) fn start(
        intake: Intake,
        listen: SocketAddr,
        places: usize,
        tls: Option<TlsAcceptor>,
    ) -> Result<Self, Failure> {
        let resources = Resources::new(Snapshot::open(&intake.dir, None)?)?;
        let shared = Arc::new(Shared {
            intake,
            resources: Mutex::new(Arc::new(resources)),
            reads: Semaphore::new(READS_MAX),
            answers: Share::new("answers", ANSWERS_BYTES_MAX),
            healthy: AtomicBool::new(true),
            complaints: Complaints::default(),
        });
        let unbound = |e: std::io::Error| {
            Failure::new(CANNOT_WRITE, format_args!("cannot listen on {listen}: {e}"))
                .hint("name a free address with --listen or `[serve] listen`")
        };
        let listener = connections::listener(listen).map_err(unbound)?;
        let address = listener.local_addr().map_err(unbound)?;
        let (stop, stopped) = watch::channel(());
        let places = Share::new("places", places);
        let accepting = connections::accept(listener, tls, Arc::clone(&shared), places, stopped);
        let accepting = tokio::spawn(accepting);
        Ok(Self { shared, address, stop, accepting })
    }

    /// Where it listens.
    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Whether the writer is well, for `/readyz`.
    pub(super) fn set_healthy(&self, healthy: bool) {
        self.shared.healthy.store(healthy, Ordering::Relaxed);
    }

    /// Takes no more deliveries and waits for the answers under way. Until then probes and senders are told.
    pub(super) async fn stop(self) {
        self.shared.intake.stopping.store(true, Ordering::Relaxed);
        // Whoever does not listen has ended already.
        let _ = self.stop.send(());
        let _ = timeout(Duration::from_secs(STOP_PATIENCE_S), self.accepting).await;
    }
}

/// Answers one request.
pub(super) async fn answer(shared: &Arc<Shared>, visitor: &Visitor, request: Request) -> Response {
    if let Some(source) = request.uri().path().strip_prefix("/v1/ingest/") {
        let source = source.to_owned();
        return shared.intake.answer(&source, visitor, request).await;
    }
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        let allow = [(header::ALLOW, "GET, HEAD")];
        return (StatusCode::METHOD_NOT_ALLOWED, allow, "only GET and HEAD\n").into_response();
    }
    let path = request.uri().path();
    match path {
        "/healthz" => return short(StatusCode::OK, "ok\n"),
        "/readyz" => return ready(shared),
        "/metrics" => return metrics(shared, visitor).await,
        _ => {}
    }
    let Some(path) = path.strip_prefix('/').and_then(|p| p.parse::<ResourcePath>().ok()) else {
        return short(StatusCode::NOT_FOUND, "not found\n");
    };
    let Ok(_turn) = shared.reads.acquire().await else {
        return short(StatusCode::SERVICE_UNAVAILABLE, "stopping\n");
    };
    let inside = Arc::clone(shared);
    // Files are read on threads that may wait.
    let read = tokio::task::spawn_blocking(move || read(&inside, &path)).await;
    match read {
        Ok(Ok(Some(bytes))) => found(shared, visitor, &path, bytes).await,
        Ok(Ok(None)) => short(StatusCode::NOT_FOUND, "not found\n"),
        Ok(Err(e)) => {
            let (path, error) = (path.to_string(), e.to_string());
            tracing::error!(path, error, "cannot be served");
            short(StatusCode::INTERNAL_SERVER_ERROR, "the log cannot be read\n")
        }
        Err(_) => short(StatusCode::INTERNAL_SERVER_ERROR, "the log cannot be read\n"),
    }
}

/// What a path has at the newest head that it needs.
fn read(shared: &Shared, path: &ResourcePath) -> Result<Option<Vec<u8>>, Error> {
    let now = Arc::clone(&shared.resources.lock().unwrap_or_else(PoisonError::into_inner));
    if path.is_immutable()
        && let Some(bytes) = now.get(path)?
    {
        return Ok(Some(bytes));
    }
    drop(now);
    // One reader looks for a newer head at a time; the others then find it.
    let mut resources = shared.resources.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(newer) = resources.newer()? {
        *resources = Arc::new(newer);
    }
    let now = Arc::clone(&resources);
    drop(resources);
    now.get(path)
}

/// Whether deliveries are taken.
fn ready(shared: &Shared) -> Response {
    if shared.intake.stopping.load(Ordering::Relaxed) {
        short(StatusCode::SERVICE_UNAVAILABLE, "stopping\n")
    } else if shared.healthy.load(Ordering::Relaxed) {
        short(StatusCode::OK, "ready\n")
    } else {
        short(StatusCode::SERVICE_UNAVAILABLE, "the writer cannot write\n")
    }
}

async fn metrics(shared: &Shared, visitor: &Visitor) -> Response {
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    let headers = [(header::CONTENT_TYPE, kind), (header::CACHE_CONTROL, "no-cache")];
    match shared.held(visitor, shared.intake.metrics.text().into_bytes()).await {
        Some(body) => (headers, body).into_response(),
        None => busy(),
    }
}

fn short(status: StatusCode, text: &'static str) -> Response {
    let headers =
        [(header::CONTENT_TYPE, "text/plain; charset=utf-8"), (header::CACHE_CONTROL, "no-cache")];
    (status, headers, text).into_response()
}

fn busy() -> Response {
    let again = [(header::RETRY_AFTER, RETRY_BUSY_S)];
    (again, short(StatusCode::SERVICE_UNAVAILABLE, "busy\n")).into_response()
}

async fn found(
    shared: &Shared,
    visitor: &Visitor,
    path: &ResourcePath,
    bytes: Vec<u8>,
) -> Response {
    let (kind, caching) = match path {
        ResourcePath::Checkpoint => ("text/plain; charset=utf-8", "no-cache"),
        ResourcePath::Tile(_) | ResourcePath::Entries(_) => {
            ("application/octet-stream", "public, max-age=31536000, immutable")
        }
    };
    let headers = [
        (header::CONTENT_TYPE, kind),
        (header::CACHE_CONTROL, caching),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    match shared.held(visitor, bytes).await {
        Some(body) => (headers, body).into_response(),
        None => busy(),
    }
}

/// The bytes of an answer, with their part of the memory, until the client has read them.
struct Answer {
    bytes: Vec<u8>,
    _part: Part,
}

impl AsRef<[u8]> for Answer {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}
