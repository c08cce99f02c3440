//! `serve`: the writer of a ledger that stays, and what it shows to others.
//!
//! ```text
//! processes of this host ── state/writer.sock ──┐
//!                                               ├─ the ledger, locked by this process
//! every second: publish · seal when due · heartbeat when idle · tell which source fell silent
//! sources ── HTTP ── who is it? ── what does it say? ── queue ── the ledger ── receipt
//! anybody ── HTTP ── tiles, entries, checkpoint: read from the files, like any other reader
//! ```
//!
//! Nothing that comes over HTTP reaches the ledger unless a configured source vouches for it (invariant I2).

mod answer;
mod body;
mod check;
mod complaints;
mod connections;
mod http;
mod intake;
pub(crate) mod limits;
pub(crate) mod logs;
mod metrics;
mod quarantine;
mod queue;
mod rate;
mod refusal;
mod share;
mod silences;
pub(crate) mod sources;
mod tls;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::Duration;

use backtrail_ledger::socket::Server;
use backtrail_ledger::{Clock as _, Kind, SharedLedger};
use signal_hook::consts::{SIGINT, SIGTERM};

use crate::args::{Global, Serve};
use crate::clock::SystemClock;
use crate::commands::keys;
use crate::config::Config;
use crate::exit::Failure;
use crate::outside::Outside;
use crate::session;
use intake::Intake;
use limits::{CONNECTIONS_MAX, STOP_PATIENCE_S, TICK_MS, WITNESS_INTERVAL};
use metrics::Metrics;
use queue::Queue;
use silences::Silences;

/// `serve`
pub(crate) fn serve(global: &Global, args: &Serve) -> Result<(), Failure> {
    let config = Config::read(global)?;
    let dir = config.ledger(global)?;
    let listen = config.serve.listen(args.listen.as_deref())?;
    let heartbeat = config.serve.heartbeat()?;
    let body_bytes_max = config.serve.body_bytes_max()?;
    let tls = config.tls()?;
    let acceptor = tls
        .as_ref()
        .map(|(certificate, key, client_ca)| tls::acceptor(certificate, key, client_ca.as_deref()));
    let acceptor = acceptor.transpose()?;
    let client_ca = tls.is_some_and(|(_, _, client_ca)| client_ca.is_some());
    let endpoints = sources::endpoints(&config, client_ca)?;
    let outside = Outside::read(&config)?;
    if args.check {
        return check::check(&config, &dir, args, listen);
    }
    logs::start(config.serve.log);
    // Before anything is opened: from here on a signal ends the loop below and nothing else.
    let stop = stop_signal()?;
    let places = connections::places()?;
    let ledger = keys::open(&config, &dir, args.key.key.as_ref())?;
    let origin = ledger.checkpoint().origin.clone();
    let ledger = Arc::new(SharedLedger::new(ledger));
    let contradiction = witnessed(outside, dir.clone(), Arc::clone(&ledger));
    let socket = Server::start(&dir, Arc::clone(&ledger))?;
    let runtime = session::runtime()?;
    let metrics = Arc::new(Metrics::new());
    quarantine::watch(&dir, Arc::clone(&metrics));
    let (queue, appending) = Queue::start(Arc::clone(&ledger));
    let simulated = ledger.lock().simulated_clock();
    let silences = Arc::new(Silences::of(&endpoints));
    let secret_headers = sources::secret_headers(&config);
    Arc::clone(&silences).watch(config, dir.clone(), Arc::clone(&ledger), Arc::clone(&metrics));
    let intake = Intake::new(
        endpoints,
        queue,
        Arc::clone(&metrics),
        silences,
        dir.clone(),
        body_bytes_max,
        simulated,
    );
    let intake = intake.without_headers(secret_headers);
    let scheme = if acceptor.is_some() { "https" } else { "http" };
    let server =
        runtime.block_on(async { http::Server::start(intake, listen, places, acceptor) })?;
    tracing::info!("serving {origin} on {scheme}://{}", server.address());
    if scheme == "http" && !server.address().ip().to_canonical().is_loopback() {
        tracing::warn!(
            "secrets and deliveries that come from other hosts can be read on their way: set `[serve] tls_certificate`, or have a proxy with TLS before it"
        );
    }
    if places < CONNECTIONS_MAX {
        tracing::warn!("the limit of open files leaves {places} connections of {CONNECTIONS_MAX}");
    }
    let ended = keep(&ledger, &server, &metrics, heartbeat, &stop, &contradiction);
    // No new requests; those under way are answered. Then what they appended is published.
    runtime.block_on(server.stop());
    drop(socket);
    // Whatever still holds the queue goes with the runtime; what is in it is appended.
    runtime.shutdown_timeout(Duration::from_secs(STOP_PATIENCE_S));
    let _ = appending.join();
    let published = ledger.lock().publish();
    ended?;
    let head = published?;
    tracing::info!("stopped at size {}", head.size);
    Ok(())
}

/// Gets a message at SIGTERM or SIGINT; a second one of them ends the process at once.
fn stop_signal() -> Result<mpsc::Receiver<()>, Failure> {
    let mut signals =
        signal_hook::iterator::Signals::new([SIGTERM, SIGINT]).map_err(Failure::bug)?;
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        for signal in signals.forever() {
            if sender.send(()).is_err() {
                // Nobody listens any more: do what the signal does without us.
                let _ = signal_hook::low_level::emulate_default_handler(signal);
            }
        }
    });
    Ok(receiver)
}

/// Has new heads cosigned from time to time, beside everything else, and tells when a witness knows more than the log.
fn witnessed(outside: Outside, dir: PathBuf, ledger: Arc<SharedLedger>) -> mpsc::Receiver<Failure> {
    let (sender, receiver) = mpsc::channel();
    // They stay: keys change only while no server holds the ledger.
    let keys = keys::current(&ledger.lock());
    std::thread::spawn(move || {
        let mut cosigned = 0;
        while outside.len() > 0 {
            std::thread::sleep(WITNESS_INTERVAL);
            let size = ledger.lock().checkpoint().size;
            if size == cosigned {
                continue;
            }
            let add = |size, lines: &[_]| ledger.lock().add_cosignatures(size, lines);
            match outside.submit(&dir, &keys, add) {
                Ok(0) => cosigned = size,
                // Those that were away are asked again.
                Ok(_) => {}
                Err(known) => return drop(sender.send(known)),
            }
        }
    });
    receiver
}

/// Publishes, seals and shows that the log is alive, until a signal comes or the ledger cannot go on.
fn keep(
    ledger: &SharedLedger,
    server: &http::Server,
    metrics: &Metrics,
    heartbeat: Duration,
    stop: &mpsc::Receiver<()>,
    contradiction: &mpsc::Receiver<Failure>,
) -> Result<(), Failure> {
    let clock = SystemClock::default();
    let now_us = || clock.elapsed_us().unwrap_or_default();
    let (mut seen, mut since_us) = (ledger.lock().size(), now_us());
    let (mut published_us, mut told) = (since_us, String::new());
    loop {
        match stop.recv_timeout(Duration::from_millis(TICK_MS)) {
            Err(RecvTimeoutError::Timeout) => {}
            Ok(()) | Err(RecvTimeoutError::Disconnected) => return Ok(()),
        }
        if let Ok(known) = contradiction.try_recv() {
            return Err(known);
        }
        let mut ledger = ledger.lock();
        let idle = Duration::from_micros((now_us() - since_us).unsigned_abs());
        // A simulated clock has no time that passes.
        let due = idle >= heartbeat && ledger.size() == seen && !ledger.simulated_clock();
        let done = if due { ledger.heartbeat() } else { ledger.publish() };
        if ledger.size() != seen || due {
            (seen, since_us) = (ledger.size(), now_us());
        }
        metrics.rows.set(ledger.size());
        let head = ledger.checkpoint().size;
        drop(ledger);
        if head != metrics.published.set(head) {
            published_us = now_us();
        }
        metrics.checkpoint_age.set((now_us() - published_us) / 1_000_000);
        metrics.healthy.set(u64::from(done.is_ok()));
        server.set_healthy(done.is_ok());
        match done {
            Ok(_) => told.clear(),
            // What a person can mend while this runs: space, the clock.
            Err(e) if matches!(e.kind(), Kind::Retry | Kind::Clock) => {
                let text = e.to_string();
                if text != told {
                    tracing::warn!("{text}");
                    told = text;
                }
            }
            Err(e) => return Err(e.into()),
        }
    }
}
