//! `witness`: the HTTP of C2SP tlog-witness around [`Witness`], which decides everything.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use std::{future::Future, io};

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, Path as UrlPath, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::serve::Listener;
use backtrail_ledger::limits::ADD_CHECKPOINT_BYTES_MAX;
use backtrail_ledger::witness::{Answer, Witness};
use backtrail_ledger::{Algorithm, FileSigner, Signer};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Sleep, sleep};

use crate::clock::SystemClock;
use crate::config::beside;
use crate::exit::{CANNOT_WRITE, Failure, UNAVAILABLE, unwritable};
use crate::output::{Out, say};
use crate::{args, session, vkeys};

/// How many connections are served at once; the next ones wait. A witness has a few logs, each with one connection.
const CONNECTIONS_MAX: usize = 128;

/// How long a connection may last: neither a slow sender nor an idle one holds its place longer.
const CONNECTION_MAX: Duration = Duration::from_mins(1);

/// `witness …`
pub(crate) fn witness(what: &args::Witness) -> Result<(), Failure> {
    match what {
        args::Witness::Init { dir, name, key } => init(dir, name, key.as_ref()),
        args::Witness::AddLog { dir, vkey, origin } => add_log(dir, vkey, origin.as_deref()),
        args::Witness::Serve { dir, listen, key } => serve(dir, *listen, key.as_ref()),
    }
}

fn init(dir: &Path, name: &str, key: Option<&PathBuf>) -> Result<(), Failure> {
    let key_path = key.cloned().unwrap_or_else(|| beside(dir, "key"));
    if dir.exists() || key_path.exists() || key_path.starts_with(dir) {
        return Err(Failure::new(
            CANNOT_WRITE,
            format_args!("{} or {} exists already", dir.display(), key_path.display()),
        )
        .hint("a witness that lost its folder must not begin again with the same key: make a new one under a new name"));
    }
    let signer = FileSigner::generate_for(Algorithm::Cosignature, name)?;
    let vkey = signer.vkey().to_string();
    signer.save(&key_path)?;
    let vkey_path = beside(dir, "vkey");
    std::fs::write(&vkey_path, format!("{vkey}\n")).map_err(|e| unwritable(&vkey_path, &e))?;
    Witness::init(dir, signer.vkey())?;
    say("publish this key; logs and auditors name it in their policies:");
    let mut out = Out::new();
    out.line(vkey)?;
    out.finish()
}

fn add_log(dir: &Path, vkey: &str, origin: Option<&str>) -> Result<(), Failure> {
    for key in vkeys::read(vkey)? {
        let origin = origin.unwrap_or(key.name());
        Witness::add_log(dir, origin, &key)?;
        say(format_args!("trusts {key} for {origin}"));
    }
    Ok(())
}

fn serve(dir: &Path, listen: SocketAddr, key: Option<&PathBuf>) -> Result<(), Failure> {
    let key_path = key.cloned().unwrap_or_else(|| beside(dir, "key"));
    let signer = FileSigner::load(&key_path)?;
    let witness = Witness::open(dir, Box::new(signer), Arc::new(SystemClock::default()))?;
    let router = router(Arc::new(witness));
    session::runtime()?.block_on(async {
        let bound = TcpListener::bind(listen).await;
        let (listener, address) = bound
            .and_then(|listener| listener.local_addr().map(|address| (listener, address)))
            .map_err(|e| {
                Failure::new(UNAVAILABLE, format_args!("cannot listen on {listen}: {e}"))
                    .hint("name another address with --listen")
            })?;
        let mut out = Out::new();
        out.line(format_args!("http://{address}"))?;
        out.finish()?;
        let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
        axum::serve(Bounded { listener, places }, router).await.map_err(Failure::bug)
    })
}

fn router(witness: Arc<Witness>) -> Router {
    Router::new()
        .route("/add-checkpoint", post(add_checkpoint))
        .route("/{hash}/checkpoint", get(checkpoint))
        .layer(DefaultBodyLimit::max(ADD_CHECKPOINT_BYTES_MAX))
        .with_state(witness)
}

async fn add_checkpoint(State(witness): State<Arc<Witness>>, body: Bytes) -> Response {
    blocking(move || witness.add_checkpoint(&body)).await
}

async fn checkpoint(
    State(witness): State<Arc<Witness>>,
    UrlPath(hash): UrlPath<String>,
) -> Response {
    blocking(move || witness.checkpoint(&hash)).await
}

/// Signatures and syncs of the disk are no work for the threads that serve connections.
async fn blocking(answer: impl FnOnce() -> Answer + Send + 'static) -> Response {
    match tokio::task::spawn_blocking(answer).await {
        Ok(Answer { status, content_type, body }) => {
            let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
            (status, [(header::CONTENT_TYPE, content_type)], body).into_response()
        }
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

/// A listener with a bounded number of connections, each of bounded length.
struct Bounded {
    listener: TcpListener,
    places: Arc<Semaphore>,
}

impl Listener for Bounded {
    type Io = Connection;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Connection, SocketAddr) {
        let place = Arc::clone(&self.places).acquire_owned().await;
        let place = place.expect("nobody closes the semaphore");
        let (stream, from) = Listener::accept(&mut self.listener).await;
        (Connection { stream, end: Box::pin(sleep(CONNECTION_MAX)), _place: place }, from)
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

/// A connection that ends at its time, whatever the other side does.
struct Connection {
    stream: TcpStream,
    end: Pin<Box<Sleep>>,
    _place: OwnedSemaphorePermit,
}

impl Connection {
    fn in_time<T>(
        &mut self,
        context: &mut Context<'_>,
        step: impl FnOnce(Pin<&mut TcpStream>, &mut Context<'_>) -> Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if self.end.as_mut().poll(context).is_ready() {
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        step(Pin::new(&mut self.stream), context)
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.in_time(context, |stream, context| stream.poll_read(context, into))
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.in_time(context, |stream, context| stream.poll_write(context, bytes))
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.in_time(context, AsyncWrite::poll_flush)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.in_time(context, AsyncWrite::poll_shutdown)
    }
}
