//! A witness of any log: cosigns heads that continue what it saw. *Source*: C2SP tlog-witness.
//!
//! [`request`] is what both sides send, [`client`] what a log makes of the answers; this module is the witness itself,
//! without HTTP. Its folder has, for each log, `logs/<hash>.vkeys`, the keys that are trusted, one a line below the origin;
//! `heads/<hash>.note`, the newest head with the log's signatures and the witness's; and `evidence/<hash>/`, signed heads
//! that contradict a cosigned one. `<hash>` is the hex of SHA-256 of the origin.

pub mod client;
pub mod request;

use std::any::Any;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use data_encoding::HEXLOWER;

use crate::checkpoint::Checkpoint;
use crate::clock::Clock;
use crate::cosignature::{cosign, time_of};
use crate::error::{Error, Kind};
use crate::key::{Algorithm, Signer, Vkey};
use crate::limits::EVIDENCE_MAX;
use crate::note::Note;
use crate::storage::{Local, Storage};
use crate::tlog::hash::{empty_root, sha256};
use crate::tlog::verify_consistency;
use request::AddCheckpoint;

/// The witness's own public key: with it a folder is one, and it never becomes another's.
const IDENTITY: &str = "vkey";

/// What a witness answers, for whoever speaks HTTP.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The `Content-Type`.
    pub content_type: &'static str,
    /// The body.
    pub body: String,
}

/// The content type of a size (C2SP tlog-witness).
pub const SIZE_TYPE: &str = "text/x.tlog.size";

const TEXT_TYPE: &str = "text/plain; charset=utf-8";

impl Answer {
    fn refusal(status: u16, why: impl Into<String>) -> Self {
        Self { status, content_type: TEXT_TYPE, body: why.into() + "\n" }
    }

    fn text(body: String) -> Self {
        Self { status: 200, content_type: TEXT_TYPE, body }
    }

    /// The size to go on from.
    fn conflict(size: u64) -> Self {
        Self { status: 409, content_type: SIZE_TYPE, body: format!("{size}\n") }
    }
}

/// A running witness: the only one over its folder.
pub struct Witness {
    store: Box<dyn Storage>,
    signer: Box<dyn Signer>,
    clock: Arc<dyn Clock>,
    /// Held from the look at a head until its successor is durable.
    heads: Mutex<()>,
    /// Held as long as this witness lives.
    _lock: Box<dyn Any + Send + Sync>,
}

impl Witness {
    /// Makes the folder of a witness that never signed anything.
    ///
    /// # Errors
    /// `Reject` if it is one already.
    pub fn init(dir: &Path, key: &Vkey) -> Result<(), Error> {
        std::fs::create_dir_all(dir)
            .map_err(|e| Error::io(format!("make the witness `{}`", dir.display()), e))?;
        Self::init_storage(&Local::new(dir), key)
    }

    /// As [`Witness::init`], in any storage.
    pub fn init_storage(store: &dyn Storage, key: &Vkey) -> Result<(), Error> {
        check_cosigner(key)?;
        store.create(&[(IDENTITY.to_owned(), format!("{key}\n").into_bytes())])
    }

    /// Trusts `key` to sign for the log `origin`, from now on, besides those trusted before. A running witness needs no
    /// restart.
    ///
    /// # Errors
    /// `Reject` if the key is not a log's or the origin cannot stand in a line; `Missing` if the folder is no witness.
    pub fn add_log(dir: &Path, origin: &str, key: &Vkey) -> Result<(), Error> {
        Self::add_log_to(&Local::new(dir), origin, key)
    }

    /// As [`Witness::add_log`], in any storage.
    pub fn add_log_to(store: &dyn Storage, origin: &str, key: &Vkey) -> Result<(), Error> {
        store.len(IDENTITY)?;
        if key.algorithm() != Algorithm::Ed25519 || origin.is_empty() || origin.contains('\n') {
            return Err(Error::reject(format!("`{}` is not the key of a log", key.name())));
        }
        let mut keys = trusted(store, origin)?;
        if !keys.contains(key) {
            keys.push(key.clone());
        }
        let lines: Vec<String> = keys.iter().map(ToString::to_string).collect();
        let text = format!("{origin}\n{}\n", lines.join("\n"));
        store.replace(&keys_path(&hash_of(origin)), text.as_bytes())
    }

    /// Opens the folder that [`Witness::init`] made.
    ///
    /// # Errors
    /// `Locked` if another process serves it; `Missing` if it is none: a witness that lost its folder must not begin again
    /// with the same key, since it could sign what contradicts what it signed before; `Reject` if it is another key's.
    pub fn open(dir: &Path, signer: Box<dyn Signer>, clock: Arc<dyn Clock>) -> Result<Self, Error> {
        Self::open_storage(Box::new(Local::new(dir)), signer, clock)
    }

    /// As [`Witness::open`], in any storage.
    pub fn open_storage(
        store: Box<dyn Storage>,
        signer: Box<dyn Signer>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, Error> {
        check_cosigner(signer.vkey())?;
        if store.read_all(IDENTITY)? != format!("{}\n", signer.vkey()).into_bytes() {
            return Err(Error::reject("the folder is that of a witness with another key"));
        }
        let lock = store.lock()?;
        Ok(Self { store, signer, clock, heads: Mutex::new(()), _lock: lock })
    }

    /// Answers `POST add-checkpoint`. A head is durable before its cosignature is given away, and no other request is
    /// looked at between the check and that.
    pub fn add_checkpoint(&self, body: &[u8]) -> Answer {
        self.judge(body).unwrap_or_else(|refusal| refusal)
    }

    /// Answers `GET <hash>/checkpoint`: the newest head, with the log's signatures and the witness's.
    pub fn checkpoint(&self, hash: &str) -> Answer {
        let well_formed =
            hash.len() == 64 && hash.bytes().all(|b| b"0123456789abcdef".contains(&b));
        let read =
            || self.store.read_if_any(&head_path(hash)).map(|note| note.map(String::from_utf8));
        match well_formed.then(read) {
            Some(Ok(Some(Ok(note)))) => Answer::text(note),
            Some(Err(_) | Ok(Some(Err(_)))) => Answer::refusal(500, "the head cannot be read"),
            Some(Ok(None)) | None => Answer::refusal(404, "no head of this log was cosigned"),
        }
    }

    /// The checks of the specification, in its order.
    fn judge(&self, body: &[u8]) -> Result<Answer, Answer> {
        let request =
            AddCheckpoint::parse(body).map_err(|e| Answer::refusal(400, e.to_string()))?;
        let note = &request.note;
        let head =
            Checkpoint::parse_any(&note.text).map_err(|e| Answer::refusal(400, e.to_string()))?;
        let hash = hash_of(&head.origin);
        let keys = trusted(&*self.store, &head.origin).map_err(|e| unavailable(&e))?;
        if keys.is_empty() {
            return Err(Answer::refusal(404, "this log is unknown here"));
        }
        note.open(&keys).map_err(|e| Answer::refusal(403, e.to_string()))?;
        if request.old > head.size {
            return Err(Answer::refusal(400, "the old size is larger than the checkpoint's"));
        }
        // From here on one request at a time: what is compared with the newest head must also replace it.
        let _alone = self.heads.lock().unwrap_or_else(PoisonError::into_inner);
        let known = self.known(&hash).map_err(|e| unavailable(&e))?;
        let (size, root) = known.as_ref().map_or((0, empty_root()), |k| (k.head.size, k.head.root));
        if known.is_some() && head.size == size && head.root != root {
            self.keep_evidence(&hash, note).map_err(|e| unavailable(&e))?;
            return Err(Answer::conflict(size));
        }
        if request.old != size {
            return Err(Answer::conflict(size));
        }
        if !continues(&request, &head, size, &root) {
            return Err(Answer::refusal(422, "the consistency proof does not hold"));
        }
        self.cosign(&hash, note, &keys, known.as_ref()).map_err(|e| unavailable(&e))
    }

    /// Signs a head that was checked, makes it durable, and only then gives the line away.
    fn cosign(
        &self,
        hash: &str,
        note: &Note,
        keys: &[Vkey],
        known: Option<&Known>,
    ) -> Result<Answer, Error> {
        let now = u64::try_from(self.clock.now().micros() / 1_000_000).unwrap_or(0);
        let line = cosign(&note.text, now, &*self.signer)?;
        let mut kept = note.clone();
        // Lines of keys that nobody here knows are anybody's: they are neither stored nor served.
        kept.signatures.retain(|line| keys.iter().any(|key| line.claims(key)));
        kept.signatures.push(line.clone());
        match known.map(|known| known.time_s) {
            Some(before) if before > now => {
                return Err(Error::new(
                    Kind::Retry,
                    format!("the clock is behind the last cosignature, of {before}"),
                ));
            }
            // The same head within the same second: the same line, and nothing to write.
            Some(before) if before == now && known.is_some_and(|k| k.note == kept) => {}
            _ => self.store.replace(&head_path(hash), kept.to_string().as_bytes())?,
        }
        Ok(Answer::text(line.to_string()))
    }

    /// The newest head that was cosigned. Whatever is there must be our own work.
    fn known(&self, hash: &str) -> Result<Option<Known>, Error> {
        let path = head_path(hash);
        let Some(bytes) = self.store.read_if_any(&path)? else { return Ok(None) };
        let damaged = || Error::tampered(format!("`{path}` is damaged"));
        let text = String::from_utf8(bytes).map_err(|_| damaged())?;
        let note: Note = text.parse().map_err(|_| damaged())?;
        let ours = |line| time_of(&note.text, line, self.signer.vkey());
        let time_s = note.signatures.iter().find_map(ours).ok_or_else(damaged)?;
        let head = Checkpoint::parse_any(&note.text).map_err(|_| damaged())?;
        if hash_of(&head.origin) != hash {
            return Err(damaged());
        }
        Ok(Some(Known { head, note, time_s }))
    }

    /// Keeps a head that the log signed besides the one of the same size that was cosigned: with that it proves, to
    /// anybody, that the log shows two histories.
    fn keep_evidence(&self, hash: &str, note: &Note) -> Result<(), Error> {
        let folder = format!("evidence/{hash}");
        let name = HEXLOWER.encode(&sha256(note.text.as_bytes()).0);
        let path = format!("{folder}/{name}.note");
        let kept = self.store.list(&folder)?;
        if kept.len() >= EVIDENCE_MAX || kept.iter().any(|(kept, _)| *kept == path) {
            return Ok(());
        }
        self.store.replace(&path, note.to_string().as_bytes())
    }
}

/// A head that was cosigned.
struct Known {
    head: Checkpoint,
    note: Note,
    time_s: u64,
}

/// Whether the request shows that `head` continues the tree of `size` leaves with this root.
fn continues(request: &AddCheckpoint, head: &Checkpoint, size: u64, root: &crate::Hash) -> bool {
    if head.size == 0 && head.root != empty_root() {
        return false;
    }
    match size {
        0 => request.proof.is_empty(),
        _ => verify_consistency(size, root, head.size, &head.root, &request.proof),
    }
}

fn unavailable(error: &Error) -> Answer {
    let status = if error.kind() == Kind::Retry { 503 } else { 500 };
    Answer::refusal(status, error.to_string())
}

fn check_cosigner(key: &Vkey) -> Result<(), Error> {
    if key.algorithm() == Algorithm::Cosignature {
        return Ok(());
    }
    Err(Error::reject(format!("the key of `{}` is a log's, not a witness's", key.name())))
}

/// The hex of SHA-256 of an origin, by which a witness's monitoring endpoint names a log.
pub fn hash_of(origin: &str) -> String {
    HEXLOWER.encode(&sha256(origin.as_bytes()).0)
}

fn keys_path(hash: &str) -> String {
    format!("logs/{hash}.vkeys")
}

fn head_path(hash: &str) -> String {
    format!("heads/{hash}.note")
}

/// The keys that may sign for `origin`; none if the log is unknown.
fn trusted(store: &dyn Storage, origin: &str) -> Result<Vec<Vkey>, Error> {
    let path = keys_path(&hash_of(origin));
    let Some(bytes) = store.read_if_any(&path)? else { return Ok(Vec::new()) };
    let damaged = || Error::tampered(format!("`{path}` is damaged"));
    let text = String::from_utf8(bytes).map_err(|_| damaged())?;
    let mut lines = text.lines();
    if lines.next() != Some(origin) {
        return Err(damaged());
    }
    lines.map(str::parse).collect()
}
