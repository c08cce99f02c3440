//! The other processes' end.

use std::io;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::wire::{self, Answer, Request};
use super::{address, receive, send};
use crate::appender::Appender;
use crate::checkpoint::Checkpoint;
use crate::erasure::{Erase, Erased};
use crate::error::{Error, Kind};
use crate::intake::{Receipt, Submission};
use crate::limits::{ANSWER_PATIENCE_S, MESSAGE_BYTES_MAX, SOCKET_PATIENCE_S};
use crate::note::NoteSignature;

/// Bytes that a request has beyond its submissions.
const FRAMING_BYTES: usize = 64;

/// Appends through the process that writes a ledger.
#[derive(Debug)]
pub struct Client {
    folder: PathBuf,
    process: u32,
    simulated_clock: bool,
}

impl Client {
    /// Finds the process that writes the ledger in `dir` and answers on its socket.
    ///
    /// # Errors
    /// `Missing` if nobody listens; `Locked` if somebody does and does not answer.
    pub fn connect(dir: &Path) -> Result<Self, Error> {
        let mut client = Self { folder: dir.join("state"), process: 0, simulated_clock: false };
        match client.ask(&serialise(&Request::Hello))? {
            Answer::Hello { process, simulated_clock } => {
                client.process = process;
                client.simulated_clock = simulated_clock;
                Ok(client)
            }
            other => Err(client.unexpected(&other)),
        }
    }

    /// The process that writes.
    pub fn process(&self) -> u32 {
        self.process
    }

    fn ask(&self, request: &[u8]) -> Result<Answer, Error> {
        let connected =
            address(&self.folder, "writer.sock").and_then(|(_open, at)| UnixStream::connect(at));
        let mut stream = connected.map_err(|e| {
            // One that answered before and is gone now has not told us what it did: that is for later.
            let nobody = [io::ErrorKind::NotFound, io::ErrorKind::ConnectionRefused];
            let never = self.process == 0 && nobody.contains(&e.kind());
            let kind = if never { Kind::Missing } else { Kind::Locked };
            Error::new(kind, format!("{}: {e}", self.named()))
        })?;
        let answer = (|| {
            stream.set_write_timeout(Some(Duration::from_secs(SOCKET_PATIENCE_S)))?;
            stream.set_read_timeout(Some(Duration::from_secs(ANSWER_PATIENCE_S)))?;
            // One that refuses at once may close before it has read everything: what it said still counts.
            let sent = send(&mut stream, request);
            receive(&mut stream).or_else(|e| sent.and(Err(e)))
        })();
        let answer = answer.map_err(|e: io::Error| {
            Error::new(Kind::Locked, format!("{} does not answer: {e}", self.named()))
        })?;
        match serde_json::from_slice(&answer) {
            Ok(Answer::Error { kind, message }) => Err(wire::error(&kind, &message)),
            Ok(answer) => Ok(answer),
            Err(e) => Err(Error::new(
                Kind::Locked,
                format!("{} answers what this version does not know: {e}", self.named()),
            )),
        }
    }

    fn named(&self) -> String {
        match self.process {
            0 => "the process that writes this ledger".to_owned(),
            process => format!("process {process}, which writes this ledger,"),
        }
    }

    fn unexpected(&self, _: &Answer) -> Error {
        Error::new(Kind::Locked, format!("{} answers something else", self.named()))
    }

    fn append_some(&self, submissions: &[Vec<u8>]) -> Result<Vec<Receipt>, Error> {
        let mut request = b"{\"append\":[".to_vec();
        request.extend_from_slice(&submissions.join(&b','));
        request.extend_from_slice(b"]}");
        match self.ask(&request)? {
            Answer::Receipts(receipts) if receipts.len() == submissions.len() => {
                Ok(receipts.into_iter().map(Into::into).collect())
            }
            other => Err(self.unexpected(&other)),
        }
    }

    fn row(&self, request: &Request) -> Result<u64, Error> {
        match self.ask(&serialise(request))? {
            Answer::Row(row) => Ok(row),
            other => Err(self.unexpected(&other)),
        }
    }

    fn done(&self, request: &Request) -> Result<(), Error> {
        match self.ask(&serialise(request))? {
            Answer::Done => Ok(()),
            other => Err(self.unexpected(&other)),
        }
    }
}

fn serialise<T: serde::Serialize>(message: &T) -> Vec<u8> {
    serde_json::to_vec(message).expect("a message is texts and numbers")
}

impl Appender for Client {
    /// As many messages as are needed; each is durable when the next is sent.
    fn append(&mut self, submissions: Vec<Submission>) -> Result<Vec<Receipt>, Error> {
        let mut receipts = Vec::with_capacity(submissions.len());
        let (mut waiting, mut bytes) = (Vec::new(), FRAMING_BYTES);
        for submission in &submissions {
            let message = serialise(&wire::Submission::from(submission));
            if message.len() > MESSAGE_BYTES_MAX - FRAMING_BYTES {
                return Err(Error::reject(format!(
                    "a delivery that is {} bytes long with its events; at most {MESSAGE_BYTES_MAX} go through `{}`",
                    message.len(),
                    super::PATH
                )));
            }
            if bytes + message.len() + 1 > MESSAGE_BYTES_MAX {
                receipts.extend(self.append_some(&std::mem::take(&mut waiting))?);
                bytes = FRAMING_BYTES;
            }
            bytes += message.len() + 1;
            waiting.push(message);
        }
        if !waiting.is_empty() {
            receipts.extend(self.append_some(&waiting)?);
        }
        Ok(receipts)
    }

    fn publish(&mut self) -> Result<Checkpoint, Error> {
        match self.ask(&serialise(&Request::Publish))? {
            Answer::Checkpoint(text) => text.parse(),
            other => Err(self.unexpected(&other)),
        }
    }

    fn seal(&mut self) -> Result<(), Error> {
        self.done(&Request::Seal)
    }

    fn issue_report(&mut self, note: &str, fields: &[(&str, &str)]) -> Result<u64, Error> {
        let owned = fields.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let checkpoint = note.to_owned();
        self.row(&Request::IssueReport { checkpoint, fields: owned.collect() })
    }

    fn link(&mut self, pseudonym: &str, same_as: &str) -> Result<u64, Error> {
        self.row(&Request::Link { pseudonym: pseudonym.to_owned(), same_as: same_as.to_owned() })
    }

    fn add_cosignatures(&mut self, size: u64, lines: &[NoteSignature]) -> Result<bool, Error> {
        if lines.is_empty() {
            return Ok(false);
        }
        let lines = lines.iter().map(NoteSignature::to_string).collect();
        match self.ask(&serialise(&Request::Cosign { size, lines }))? {
            Answer::Stored(stored) => Ok(stored),
            other => Err(self.unexpected(&other)),
        }
    }

    fn erase(&mut self, request: &Erase) -> Result<Erased, Error> {
        match self.ask(&serialise(&Request::Erase(request.clone())))? {
            Answer::Erased(erased) => Ok(erased),
            other => Err(self.unexpected(&other)),
        }
    }

    fn confirm_clock(&mut self) -> Result<(), Error> {
        self.done(&Request::ConfirmClock)
    }

    fn simulated_clock(&self) -> bool {
        self.simulated_clock
    }
}
