//! The writer's end.

use std::fs::{self, DirBuilder, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use super::wire::{self, Answer, Request};
use super::{PATH, address, receive, send};
use crate::error::{Error, Kind};
use crate::intake::Submission;
use crate::limits::{SOCKET_CONNECTIONS_MAX, SOCKET_PATIENCE_S, STOP_PATIENCE_S};
use crate::note::signature_lines;
use crate::shared::SharedLedger;

/// The socket of a ledger whose writer is in this process. It goes away when this is dropped.
pub struct Server {
    shared: Arc<Shared>,
    folder: PathBuf,
    accepting: Option<JoinHandle<()>>,
}

struct Shared {
    ledger: Arc<SharedLedger>,
    stopping: AtomicBool,
    connections: AtomicUsize,
}

impl Server {
    /// Serves `ledger`, which lies in `dir`, to other processes. Whoever holds the ledger's lock owns the name: a socket that
    /// a killed process left is replaced.
    ///
    /// # Errors
    /// The socket cannot be made.
    pub fn start(dir: &Path, ledger: Arc<SharedLedger>) -> Result<Self, Error> {
        let folder = dir.join("state");
        let listener = listen(&folder).map_err(|e| Error::io(format!("listen on `{PATH}`"), e))?;
        let shared = Arc::new(Shared {
            ledger,
            stopping: AtomicBool::new(false),
            connections: AtomicUsize::new(0),
        });
        let inside = Arc::clone(&shared);
        let accepting = std::thread::spawn(move || accept(&inside, &listener));
        Ok(Self { shared, folder, accepting: Some(accepting) })
    }
}

impl Drop for Server {
    /// Answers what was asked before it, for as long as a client may take, then lets go of the ledger.
    fn drop(&mut self) {
        self.shared.stopping.store(true, Ordering::SeqCst);
        // A connection of our own wakes the thread that waits for one.
        let _ = address(&self.folder, "writer.sock").and_then(|(_, at)| UnixStream::connect(at));
        // Nobody else owns the name while the ledger is locked.
        let _ = fs::remove_file(self.folder.join("writer.sock"));
        // If somebody put another socket there, the thread waits for ever and ends with the process.
        let accepting = self.accepting.take();
        let ended = || accepting.as_ref().is_none_or(JoinHandle::is_finished);
        wait(STOP_PATIENCE_S, ended);
        wait(SOCKET_PATIENCE_S, || self.shared.connections.load(Ordering::SeqCst) == 0);
    }
}

/// Waits until `done`, at most so long.
fn wait(seconds: u64, done: impl Fn() -> bool) {
    for _ in 0..seconds * 50 {
        if done() {
            return;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Binds in a folder that only this user enters, so that the socket is never there with a wider mode.
fn listen(state: &Path) -> io::Result<UnixListener> {
    let private = state.join("socket");
    let _ = fs::remove_dir_all(&private);
    DirBuilder::new().mode(0o700).create(&private)?;
    let (_folder, at) = address(&private, "writer.sock")?;
    let listener = UnixListener::bind(at)?;
    let made = private.join("writer.sock");
    fs::set_permissions(&made, Permissions::from_mode(0o600))?;
    fs::rename(&made, state.join("writer.sock"))?;
    fs::remove_dir(&private)?;
    Ok(listener)
}

fn accept(shared: &Arc<Shared>, listener: &UnixListener) {
    for stream in listener.incoming() {
        if shared.stopping.load(Ordering::SeqCst) {
            return;
        }
        let Ok(mut stream) = stream else {
            // Too many open files, perhaps: the next moment may have one.
            std::thread::sleep(Duration::from_millis(100));
            continue;
        };
        let patience = Some(Duration::from_secs(SOCKET_PATIENCE_S));
        if stream.set_read_timeout(patience).and(stream.set_write_timeout(patience)).is_err() {
            continue;
        }
        if shared.connections.fetch_add(1, Ordering::SeqCst) >= SOCKET_CONNECTIONS_MAX {
            shared.connections.fetch_sub(1, Ordering::SeqCst);
            let busy = Error::new(Kind::Locked, "too many processes append at once");
            reply(&mut stream, &wire::failed(&busy));
            continue;
        }
        let shared = Arc::clone(shared);
        std::thread::spawn(move || {
            let _open = Connection(&shared.connections);
            serve(&shared, &mut stream);
        });
    }
}

/// Counts a connection as long as it lives, whatever ends it.
struct Connection<'a>(&'a AtomicUsize);

impl Drop for Connection<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

fn serve(shared: &Shared, stream: &mut UnixStream) {
    let Ok(message) = receive(stream) else { return };
    let answer = match serde_json::from_slice(&message) {
        Ok(request) => carry_out(&shared.ledger, request).unwrap_or_else(|e| wire::failed(&e)),
        Err(e) => wire::failed(&Error::reject(format!("not a request: {e}"))),
    };
    reply(stream, &answer);
}

fn carry_out(ledger: &SharedLedger, request: Request) -> Result<Answer, Error> {
    Ok(match request {
        Request::Hello => {
            let simulated_clock = ledger.lock().simulated_clock();
            Answer::Hello { process: std::process::id(), simulated_clock }
        }
        Request::Append(wire) => {
            let submissions = wire.into_iter().map(Submission::try_from);
            let receipts = ledger.append(submissions.collect::<Result<_, _>>()?)?;
            Answer::Receipts(receipts.into_iter().map(Into::into).collect())
        }
        Request::Publish => Answer::Checkpoint(ledger.lock().publish()?.to_string()),
        Request::Seal => {
            ledger.lock().seal()?;
            Answer::Done
        }
        Request::ConfirmClock => {
            ledger.lock().confirm_clock()?;
            Answer::Done
        }
        Request::IssueReport { checkpoint, fields } => {
            let fields: Vec<(&str, &str)> =
                fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
            Answer::Row(ledger.lock().issue_report(&checkpoint, &fields)?)
        }
        Request::Cosign { size, lines } => {
            let lines = signature_lines(&lines).map_err(|e| Error::reject(e.to_string()))?;
            Answer::Stored(ledger.lock().add_cosignatures(size, &lines)?)
        }
        Request::Erase(request) => Answer::Erased(ledger.lock().erase(&request)?),
        Request::Link { pseudonym, same_as } => {
            Answer::Row(ledger.lock().link(&pseudonym, &same_as)?)
        }
    })
}

/// Answers; a client that went away asks again.
fn reply(stream: &mut UnixStream, answer: &Answer) {
    let bytes = serde_json::to_vec(answer).expect("an answer is texts and numbers");
    let _ = send(stream, &bytes);
}
