//! From a socket to requests: who gets a place, how long it is kept, and how all of them end.

use std::convert::Infallible;
use std::future::{pending, poll_fn};
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::body::Body;
use hyper::body::Incoming;
use hyper::server::conn::http1::Builder;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, watch};
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;

use super::http::{self, Shared};
use super::limits::{
    CONNECTION_LIFE_S, CONNECTIONS_MAX, CONNECTIONS_MIN, FILES_KEPT, HEADER_BYTES_MAX, HEADERS_MAX,
    HEADERS_PATIENCE_S, IDLE_PATIENCE_S, LINGER, LINGER_BYTES, LINGERING_MAX, STOP_PATIENCE_S,
};
use super::share::{Guest, Part, Share};
use super::tls::{self, Names};
use crate::exit::{CANNOT_WRITE, Failure};

/// Who sent a request.
pub(super) struct Visitor {
    /// The place of the connection.
    pub(super) place: Part,
    /// Who the client's certificate says it is.
    pub(super) names: Names,
}

/// How many connections there may be at once: each is an open file, of which the system allows the process so many.
pub(super) fn places() -> Result<usize, Failure> {
    let wanted = (CONNECTIONS_MAX + FILES_KEPT) as u64;
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE).map_err(Failure::bug)?;
    let allowed = soft.max(wanted.min(hard));
    if allowed > soft {
        setrlimit(Resource::RLIMIT_NOFILE, allowed, hard).map_err(Failure::bug)?;
    }
    let places = usize::try_from(allowed).unwrap_or(usize::MAX).saturating_sub(FILES_KEPT);
    if places < CONNECTIONS_MIN {
        let message = format_args!("only {allowed} files may be open at once");
        return Err(Failure::new(CANNOT_WRITE, message)
            .hint(format_args!("allow {wanted}: `ulimit -n`, or LimitNOFILE in the unit")));
    }
    Ok(places.min(CONNECTIONS_MAX))
}

/// Listens, with as many connections waiting in the kernel as there are places: one that finds no room even there is only
/// tried again by its client after a second.
pub(super) fn listener(listen: SocketAddr) -> io::Result<TcpListener> {
    let socket = if listen.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    // A restart need not wait for the connections of the last one.
    socket.set_reuseaddr(true)?;
    socket.bind(listen)?;
    socket.listen(CONNECTIONS_MAX as u32)
}

/// Accepts connections until all have ended that were there when the stop came. Later ones are told that it stops.
pub(super) async fn accept(
    listener: TcpListener,
    tls: Option<TlsAcceptor>,
    shared: Arc<Shared>,
    places: Arc<Share>,
    mut stop: watch::Receiver<()>,
) {
    // Each connection holds a sender: when there is none any more, the receiver says so.
    let (here, mut gone) = mpsc::channel::<Infallible>(1);
    let mut here = Some(here);
    let lingering = Arc::new(Semaphore::new(LINGERING_MAX));
    loop {
        let accepted = tokio::select! {
            _ = stop.changed(), if here.is_some() => {
                here = None;
                continue;
            }
            _ = gone.recv(), if here.is_none() => return,
            accepted = listener.accept() => accepted,
        };
        let Ok((stream, from)) = accepted else {
            // Too many open files, perhaps: the next moment may have one.
            shared.closed("files");
            sleep(Duration::from_millis(100)).await;
            continue;
        };
        let Some(place) = places.part(&Guest::at(from.ip()), 1).await else {
            // All others are authenticated: the sender tries again.
            shared.closed("full");
            continue;
        };
        let (shared, lingering) = (Arc::clone(&shared), Arc::clone(&lingering));
        let connection = Connection { shared, lingering, stop: stop.clone() };
        let (here, tls) = (here.clone(), tls.clone());
        tokio::spawn(async move {
            connection.last(stream, tls, place).await;
            drop(here);
        });
    }
}

struct Connection {
    shared: Arc<Shared>,
    lingering: Arc<Semaphore>,
    stop: watch::Receiver<()>,
}

impl Connection {
    async fn last(self, stream: TcpStream, tls: Option<TlsAcceptor>, place: Part) {
        let open = self.shared.intake.metrics.connections.clone();
        let (guest, shared) = (Arc::clone(place.guest()), Arc::clone(&self.shared));
        open.inc();
        tokio::select! {
            reason = guest.driven_out() => shared.closed(reason),
            () = self.wait(stream, tls, place) => {}
        }
        open.dec();
    }

    /// What a conversation needs is made when it begins, not for those who say nothing.
    async fn wait(self, stream: TcpStream, tls: Option<TlsAcceptor>, place: Part) {
        let mut stop = self.stop.clone();
        tokio::select! {
            _ = stream.readable() => {}
            _ = stop.changed() => return,
            () = sleep(Duration::from_secs(HEADERS_PATIENCE_S)) => {
                return self.shared.closed("silent");
            }
        }
        // A statement of its own, so that only the box is part of what waits.
        let conversation = Box::pin(self.greet(stream, tls, place));
        conversation.await;
    }

    /// With its handshake if there is TLS. What is wrong with it is its client's to see.
    async fn greet(self, stream: TcpStream, tls: Option<TlsAcceptor>, place: Part) {
        // An answer is one write, and a sender waits for it.
        let _ = stream.set_nodelay(true);
        let Some(tls) = tls else {
            return self.speak(stream, Visitor { place, names: Names::default() }).await;
        };
        let shaking = timeout(Duration::from_secs(HEADERS_PATIENCE_S), tls.accept(stream));
        if let Ok(Ok(stream)) = shaking.await {
            let names = tls::names(stream.get_ref().1);
            place.moved();
            self.speak(stream, Visitor { place, names }).await;
        }
    }

    async fn speak<S>(mut self, stream: S, visitor: Visitor)
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let (visitor, asked) = (Arc::new(visitor), AtomicBool::new(false));
        let service = service_fn(|request: hyper::Request<Incoming>| {
            asked.store(true, Ordering::Relaxed);
            visitor.place.moved();
            let (shared, visitor) = (Arc::clone(&self.shared), Arc::clone(&visitor));
            Box::pin(async move {
                let response = http::answer(&shared, &visitor, request.map(Body::new)).await;
                visitor.place.moved();
                Ok::<_, Infallible>(response)
            })
        });
        let mut connection = Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(Duration::from_secs(IDLE_PATIENCE_S))
            .max_headers(HEADERS_MAX)
            .max_buf_size(HEADER_BYTES_MAX)
            // What is written is the body itself, with its part of the memory, and no copy of it.
            .writev(true)
            .serve_connection(TokioIo::new(stream), service);
        let silent = async {
            sleep(Duration::from_secs(HEADERS_PATIENCE_S)).await;
            if asked.load(Ordering::Relaxed) {
                pending::<()>().await;
            }
        };
        tokio::select! {
            ended = poll_fn(|cx| connection.poll_without_shutdown(cx)) => {
                if let (Ok(()), Ok(turn)) = (ended, Arc::clone(&self.lingering).try_acquire_owned()) {
                    // Its place is for others.
                    tokio::spawn(linger(connection.into_parts().io.into_inner(), turn));
                }
                return;
            }
            () = silent => return self.shared.closed("silent"),
            _ = self.stop.changed() => {}
            () = sleep(Duration::from_secs(CONNECTION_LIFE_S)) => {}
        }
        // The request under way is answered, and no other one is read.
        Pin::new(&mut connection).graceful_shutdown();
        let _ = timeout(Duration::from_secs(STOP_PATIENCE_S), connection).await;
    }
}

/// Ends a connection whose client may still send a body that was refused: closed at once, the system would answer the rest
/// with a reset, which overtakes the answer. *Source*: RFC 9112, section 9.6.
async fn linger<S: AsyncRead + AsyncWrite + Unpin>(mut stream: S, _turn: OwnedSemaphorePermit) {
    let drained = async {
        stream.shutdown().await?;
        tokio::io::copy(&mut stream.take(LINGER_BYTES), &mut tokio::io::sink()).await
    };
    // A client that goes on sending has had its answer by now.
    let _ = timeout(LINGER, drained).await;
}
