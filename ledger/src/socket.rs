//! `state/writer.sock`: how other processes of the same user append through the one that writes.
//!
//! A Unix socket of mode 0600, there while a server holds the lock; who may connect may also read the signing key's
//! folder, so nobody is asked who they are. A connection carries one request and one answer, each a `u32` big-endian
//! length, at most [`crate::limits::MESSAGE_BYTES_MAX`], and so many bytes of JSON. The request is one of
//!
//! ```text
//! "hello"                                       → {"hello": {"process": 17, "simulated_clock": false}}
//! {"append": [submission, …]}                   → {"receipts": [receipt, …]}, all durable
//! "publish"                                     → {"checkpoint": "<the three lines>"}
//! "seal" · "confirm_clock"                      → "done"
//! {"issue_report": {"checkpoint": note, "fields": [["name", "value"], …]}} → {"row": 5}
//! {"cosign": {"size": 5, "lines": "— w …"}}     → {"stored": true}
//! {"erase": {"events": ["id", …], "person": …, "reason": …, "ticket": …}} → {"erased": {"entries": [5], "events": …, "shared": …}}
//! {"link": {"pseudonym": …, "same_as": …}}      → {"row": 5}
//! anything that failed                          → {"error": {"kind": "retry", "message": "…"}}
//! ```
//!
//! A *submission* has `received_at`, `source`, `headers`, `body` (base64), `origin` and `reception` of the delivery, its `drafts` (`event`
//! as `leaf/1` text, `people` and `texts` as pairs), `rejects` (`reason`, `code`) and `ignored`. A *receipt* has `outcomes`
//! (`what`, `seq`, `event_id`), `quarantined` and `ignored`. Both ends are of one version; there is no other client.
//!
//! An answer that never came says nothing: what was sent may be in the log. Sent again, it is a duplicate.

mod client;
mod server;
mod wire;

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::AsRawFd as _;
use std::path::{Path, PathBuf};

pub use client::Client;
pub use server::Server;

use crate::limits::MESSAGE_BYTES_MAX;

/// The path in the ledger.
pub const PATH: &str = "state/writer.sock";

/// An address of a socket in `folder` that fits the 108 bytes that the system has for it, however deep the folder lies. It
/// holds as long as the file that comes with it is open.
fn address(folder: &Path, name: &str) -> io::Result<(File, PathBuf)> {
    let open = File::open(folder)?;
    let direct = folder.join(name);
    let short = PathBuf::from(format!("/proc/self/fd/{}/{name}", open.as_raw_fd()));
    let fits = direct.as_os_str().len() < 100;
    Ok((open, if fits { direct } else { short }))
}

/// Writes one message.
fn send(stream: &mut impl Write, message: &[u8]) -> io::Result<()> {
    if message.len() > MESSAGE_BYTES_MAX {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "a message that is too long"));
    }
    stream.write_all(&(message.len() as u32).to_be_bytes())?;
    stream.write_all(message)?;
    stream.flush()
}

/// Reads one message. Memory grows with what comes, not with what is announced.
fn receive(stream: &mut impl Read) -> io::Result<Vec<u8>> {
    let mut length = [0; 4];
    stream.read_exact(&mut length)?;
    let length = u32::from_be_bytes(length) as usize;
    if length > MESSAGE_BYTES_MAX {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "a message that is too long"));
    }
    let mut message = Vec::new();
    stream.take(length as u64).read_to_end(&mut message)?;
    if message.len() == length { Ok(message) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
}
