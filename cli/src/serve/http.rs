//! The log over HTTP. *Source*: C2SP tlog-tiles, "APIs".

use std::net::SocketAddr;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{Method, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use backtrail_ledger::{Error, ResourcePath, Resources, Snapshot};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::limits::{
    CONNECTION_LIFE_S, CONNECTIONS_MAX, HEADER_BYTES_MAX, HEADERS_MAX, HEADERS_PATIENCE_S,
    READS_MAX, STOP_PATIENCE_S,
};
use crate::exit::{CANNOT_WRITE, Failure};
use crate::output::say;

/// What the handlers share.
struct Shared {
    resources: Mutex<Arc<Resources>>,
    reads: Semaphore,
    healthy: AtomicBool,
}

/// A server that listens.
pub(super) struct Server {
    shared: Arc<Shared>,
    address: SocketAddr,
    stop: watch::Sender<()>,
    accepting: JoinHandle<()>,
}

impl Server {
    /// Serves the ledger in `dir` on `listen`.
    pub(super) async fn start(dir: &Path, listen: SocketAddr) -> Result<Self, Failure> {
        let resources = Resources::new(Snapshot::open(dir, None)?)?;
        let shared = Arc::new(Shared {
            resources: Mutex::new(Arc::new(resources)),
            reads: Semaphore::new(READS_MAX),
            healthy: AtomicBool::new(true),
        });
        let unbound = |e: std::io::Error| {
            Failure::new(CANNOT_WRITE, format_args!("cannot listen on {listen}: {e}"))
                .hint("name a free address with --listen or `[serve] listen`")
        };
        let listener = TcpListener::bind(listen).await.map_err(unbound)?;
        let address = listener.local_addr().map_err(unbound)?;
        let (stop, stopped) = watch::channel(());
        let accepting = tokio::spawn(accept(listener, router(Arc::clone(&shared)), stopped));
        Ok(Self { shared, address, stop, accepting })
    }

    /// Where it listens.
    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Whether the writer is well, for `/healthz`.
    pub(super) fn set_healthy(&self, healthy: bool) {
        self.shared.healthy.store(healthy, Ordering::Relaxed);
    }

    /// Accepts nothing more and waits for the answers under way.
    pub(super) async fn stop(self) {
        // Whoever does not listen has ended already.
        let _ = self.stop.send(());
        let _ = timeout(Duration::from_secs(STOP_PATIENCE_S), self.accepting).await;
    }
}

fn router(shared: Arc<Shared>) -> Router {
    // One handler for all paths: those of tiles are a grammar, not a list.
    Router::new().fallback(answer).with_state(shared)
}

async fn accept(listener: TcpListener, router: Router, mut stop: watch::Receiver<()>) {
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
        let (router, stop) = (router.clone(), stop.clone());
        tokio::spawn(async move {
            let _ =
                timeout(Duration::from_secs(CONNECTION_LIFE_S), speak(stream, router, stop)).await;
            drop(place);
        });
    }
    drop(listener);
    // All places free: all connections have ended.
    let _ = open.acquire_many(CONNECTIONS_MAX as u32).await;
}

/// One connection. What is wrong with it is its client's to see.
async fn speak(stream: TcpStream, router: Router, mut stop: watch::Receiver<()>) {
    let connection = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(Duration::from_secs(HEADERS_PATIENCE_S))
        .max_headers(HEADERS_MAX)
        .max_buf_size(HEADER_BYTES_MAX)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router));
    let mut connection = std::pin::pin!(connection);
    tokio::select! {
        _ = connection.as_mut() => {}
        _ = stop.changed() => {
            connection.as_mut().graceful_shutdown();
            let _ = connection.await;
        }
    }
}

async fn answer(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        let allow = [(header::ALLOW, "GET, HEAD")];
        return (StatusCode::METHOD_NOT_ALLOWED, allow, "only GET and HEAD\n").into_response();
    }
    let path = request.uri().path();
    if path == "/healthz" {
        return health(shared.healthy.load(Ordering::Relaxed));
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
            say(format_args!("warning: {path} cannot be served: {e}"));
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

fn health(healthy: bool) -> Response {
    if healthy {
        short(StatusCode::OK, "ok\n")
    } else {
        short(StatusCode::SERVICE_UNAVAILABLE, "the writer cannot write\n")
    }
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
