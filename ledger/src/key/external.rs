//! A key that lives elsewhere: in a token, behind ssh, with a key service.

use std::io::{Read as _, Write as _};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use data_encoding::BASE64;

use super::{Signer, Vkey};
use crate::error::{Error, Kind};
use crate::limits::{SIGNER_OUTPUT_BYTES_MAX, SIGNER_TIMEOUT_MS};

/// How often to look whether the command has ended, in milliseconds.
const POLL_MS: u64 = 5;

/// A command that signs: it gets the exact bytes on stdin and prints the 64 bytes of the signature in base64, perhaps
/// with a newline, and exits with 0. What it says on stderr goes to ours, so that it may ask for a touch or a password.
pub struct ExternalSigner {
    vkey: Vkey,
    command: Vec<String>,
    timeout_ms: u64,
}

impl ExternalSigner {
    /// The signer that runs `command`, a program and its arguments, for the key `vkey`.
    ///
    /// # Errors
    /// There is no program.
    pub fn new(vkey: Vkey, command: Vec<String>) -> Result<Self, Error> {
        if command.first().is_none_or(String::is_empty) {
            return Err(Error::reject("the signer's command is empty"));
        }
        Ok(Self { vkey, command, timeout_ms: SIGNER_TIMEOUT_MS })
    }

    /// The same with another limit of time, in milliseconds.
    #[must_use]
    pub fn timeout_ms(mut self, timeout_ms: u64) -> Self {
        self.timeout_ms = timeout_ms;
        self
    }

    fn failed(&self, what: impl std::fmt::Display) -> Error {
        Error::new(Kind::Retry, format!("the signer `{}` {what}", self.command[0]))
    }

    /// What the command prints, at most a byte more than it may.
    fn run(&self, child: &mut Child, message: &[u8]) -> Result<Vec<u8>, Error> {
        let (stdin, stdout) = (child.stdin.take(), child.stdout.take());
        let (Some(mut stdin), Some(stdout)) = (stdin, stdout) else {
            return Err(self.failed("has no pipes"));
        };
        let message = message.to_vec();
        // A command may print before it has read everything, or never read: neither may stop us.
        thread::spawn(move || stdin.write_all(&message));
        let (send, receive) = mpsc::channel();
        thread::spawn(move || {
            let mut printed = Vec::new();
            let read = stdout.take(SIGNER_OUTPUT_BYTES_MAX as u64 + 1).read_to_end(&mut printed);
            send.send(read.map(|_| printed))
        });
        let late = || self.failed(format_args!("did not answer within {} ms", self.timeout_ms));
        let printed = receive.recv_timeout(Duration::from_millis(self.timeout_ms));
        let printed = printed.map_err(|_| late())?.map_err(|e| self.failed(e))?;
        for _ in 0..=self.timeout_ms / POLL_MS {
            match child.try_wait().map_err(|e| self.failed(e))? {
                Some(status) if status.success() => return Ok(printed),
                Some(status) => return Err(self.failed(format_args!("failed: {status}"))),
                None => thread::sleep(Duration::from_millis(POLL_MS)),
            }
        }
        Err(late())
    }
}

impl Signer for ExternalSigner {
    fn vkey(&self) -> &Vkey {
        &self.vkey
    }

    fn sign(&self, message: &[u8]) -> Result<[u8; 64], Error> {
        let mut command = Command::new(&self.command[0]);
        command.args(&self.command[1..]).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child =
            command.spawn().map_err(|e| self.failed(format_args!("cannot be run: {e}")))?;
        let printed = self.run(&mut child, message);
        if printed.is_err() {
            // It may have ended already; a child that is not waited for would stay as a zombie.
            let _ = child.kill();
            let _ = child.wait();
        }
        let printed = printed?;
        let base64 = printed.strip_suffix(b"\n").unwrap_or(&printed);
        let signature = BASE64.decode(base64).ok().and_then(|bytes| bytes.try_into().ok());
        let signature =
            signature.ok_or_else(|| self.failed("did not print a signature in base64"))?;
        if self.vkey.verify(message, &signature) {
            Ok(signature)
        } else {
            Err(self.failed("made a signature that is not by the configured key"))
        }
    }
}
