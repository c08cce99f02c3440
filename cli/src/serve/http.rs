//! What listens: the log over HTTP, deliveries, health and metrics. *Source*: C2SP tlog-tiles, "APIs".

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Extension;
use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{Method, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use backtrail_ledger::{Error, ResourcePath, Resources, Snapshot};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;

use super::intake::Intake;
use super::limits::{
    CONNECTION_LIFE_S, CONNECTIONS_MAX, HEADER_BYTES_MAX, HEADERS_MAX, HEADERS_PATIENCE_S,
    READS_MAX, STOP_PATIENCE_S,
};
use super::tls;
use crate::exit::{CANNOT_WRITE, Failure};

/// What the handlers share.
struct Shared {
    resources: Mutex<Arc<Resources>>,
    reads: Semaphore,
    intake: Intake,
    healthy: AtomicBool,
    stopping: AtomicBool,
}

/// A server that listens.
pub(super) struct Server {
    shared: Arc<Shared>,
    address: SocketAddr,
    stop: watch::Sender<()>,
    accepting: JoinHandle<()>,
}

impl Server {
    /// Serves the ledger of `intake` on `listen`, with TLS if there is an acceptor.
    pub(super) async fn start(
        intake: Intake,
        listen: SocketAddr,
        tls: Option<TlsAcceptor>,
    ) -> Result<Self, Failure> {
        let resources = Resources::new(Snapshot::open(&intake.dir, None)?)?;
        let shared = Arc::new(Shared {
            resources: Mutex::new(Arc::new(resources)),
            reads: Semaphore::new(READS_MAX),
            intake,
            healthy: AtomicBool::new(true),
            stopping: AtomicBool::new(false),
        });
        let unbound = |e: std::io::Error| {
            Failure::new(CANNOT_WRITE, format_args!("cannot listen on {listen}: {e}"))
                .hint("name a free address with --listen or `[serve] listen`")
        };
        let listener = TcpListener::bind(listen).await.map_err(unbound)?;
        let address = listener.local_addr().map_err(unbound)?;
        let (stop, stopped) = watch::channel(());
        let accepting = tokio::spawn(accept(listener, tls, Arc::clone(&shared), stopped));
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

    /// Accepts nothing more and waits for the answers under way.
    pub(super) async fn stop(self) {
        self.shared.stopping.store(true, Ordering::Relaxed);
        // Whoever does not listen has ended already.
        let _ = self.stop.send(());
        let _ = timeout(Duration::from_secs(STOP_PATIENCE_S), self.accepting).await;
    }
}

fn router(shared: Arc<Shared>) -> Router {
    // One handler for all paths: those of tiles are a grammar, not a list.
    Router::new().fallback(answer).with_state(shared)
}

async fn accept(
    listener: TcpListener,
    tls: Option<TlsAcceptor>,
    shared: Arc<Shared>,
    mut stop: watch::Receiver<()>,
) {
    let router = router(Arc::clone(&shared));
    let open = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    loop {
        let accepted = tokio::select! {
            _ = stop.changed() => break,
            accepted = listener.accept() => accepted,
        };
        let Ok((stream, _)) = accepted else {
            // Too many open files, perhaps: the next moment may have one.
            tokio::time::sleep(Duration::from_millis(100)).await;
            continue;
        };
        // A full house closes the door: the client tries again, and nothing waits in memory.
        let Ok(place) = Arc::clone(&open).try_acquire_owned() else { continue };
        let (router, stop, tls) = (router.clone(), stop.clone(), tls.clone());
        let open = shared.intake.metrics.connections.clone();
        open.inc();
        tokio::spawn(async move {
            greet(stream, tls, router, stop).await;
            open.dec();
            drop(place);
        });
    }
    drop(listener);
    // All places free: all connections have ended.
    let _ = open.acquire_many(CONNECTIONS_MAX as u32).await;
}

/// One connection, with its handshake if there is TLS. What is wrong with it is its client's to see.
async fn greet(
    stream: TcpStream,
    tls: Option<TlsAcceptor>,
    router: Router,
    stop: watch::Receiver<()>,
) {
    // An answer is one write, and a sender waits for it.
    let _ = stream.set_nodelay(true);
    let Some(tls) = tls else { return speak(stream, router, stop).await };
    let shaking = timeout(Duration::from_secs(HEADERS_PATIENCE_S), tls.accept(stream));
    if let Ok(Ok(stream)) = shaking.await {
        let names = tls::names(stream.get_ref().1);
        speak(stream, router.layer(Extension(names)), stop).await;
    }
}

async fn speak<S: AsyncRead + AsyncWrite + Unpin>(
    stream: S,
    router: Router,
    mut stop: watch::Receiver<()>,
) {
    let connection = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(Duration::from_secs(HEADERS_PATIENCE_S))
        .max_headers(HEADERS_MAX)
        .max_buf_size(HEADER_BYTES_MAX)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router));
    let mut connection = std::pin::pin!(connection);
    tokio::select! {
        _ = connection.as_mut() => return,
        _ = stop.changed() => {}
        () = sleep(Duration::from_secs(CONNECTION_LIFE_S)) => {}
    }
    // The request under way is answered, and no other one is read.
    connection.as_mut().graceful_shutdown();
    let _ = timeout(Duration::from_secs(STOP_PATIENCE_S), connection).await;
}

async fn answer(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    if let Some(source) = request.uri().path().strip_prefix("/v1/ingest/") {
        let source = source.to_owned();
        return shared.intake.answer(&source, request).await;
    }
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        let allow = [(header::ALLOW, "GET, HEAD")];
        return (StatusCode::METHOD_NOT_ALLOWED, allow, "only GET and HEAD\n").into_response();
    }
    let path = request.uri().path();
    match path {
        "/healthz" => return short(StatusCode::OK, "ok\n"),
        "/readyz" => return ready(&shared),
        "/metrics" => return metrics(&shared),
        _ => {}
    }
    let Some(path) = path.strip_prefix('/').and_then(|p| p.parse::<ResourcePath>().ok()) else {
        return short(StatusCode::NOT_FOUND, "not found\n");
    };
    let Ok(_turn) = shared.reads.acquire().await else {
        return short(StatusCode::SERVICE_UNAVAILABLE, "stopping\n");
    };
    let inside = Arc::clone(&shared);
    // Files are read on threads that may wait.
    let read = tokio::task::spawn_blocking(move || read(&inside, &path)).await;
    match read {
        Ok(Ok(Some(bytes))) => found(&path, bytes),
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
    if shared.stopping.load(Ordering::Relaxed) {
        short(StatusCode::SERVICE_UNAVAILABLE, "stopping\n")
    } else if shared.healthy.load(Ordering::Relaxed) {
        short(StatusCode::OK, "ready\n")
    } else {
        short(StatusCode::SERVICE_UNAVAILABLE, "the writer cannot write\n")
    }
}

fn metrics(shared: &Shared) -> Response {
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    let headers = [(header::CONTENT_TYPE, kind), (header::CACHE_CONTROL, "no-cache")];
    (headers, shared.intake.metrics.text()).into_response()
}

fn short(status: StatusCode, text: &'static str) -> Response {
    let headers =
        [(header::CONTENT_TYPE, "text/plain; charset=utf-8"), (header::CACHE_CONTROL, "no-cache")];
    (status, headers, text).into_response()
}

fn found(path: &ResourcePath, bytes: Vec<u8>) -> Response {
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
    (headers, Body::from(bytes)).into_response()
}
