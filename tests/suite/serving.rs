//! A running server, and what the tests ask of it.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::tool::{backtrail, ok};

/// A server of `dir/ledger` that ends with the test.
pub(crate) struct Serving {
    pub(crate) child: Child,
    pub(crate) address: String,
    log: Receiver<String>,
}

impl Serving {
    pub(crate) fn start(dir: &Path, extra: &[&str]) -> Self {
        Self::start_with(dir, extra, &[])
    }

    /// Starts it with these variables in its environment.
    pub(crate) fn start_with(dir: &Path, extra: &[&str], variables: &[(&str, &str)]) -> Self {
        Self::start_as(backtrail(), dir, extra, variables)
    }

    /// Starts it where only so many files may be open.
    pub(crate) fn start_with_files(dir: &Path, files: usize, variables: &[(&str, &str)]) -> Self {
        let tool = backtrail();
        let mut command = Command::new("sh");
        command.args(["-c", "ulimit -n \"$0\" && exec \"$@\"", &files.to_string()]);
        command.arg(tool.get_program());
        for (name, _) in tool.get_envs() {
            command.env_remove(name);
        }
        Self::start_as(command, dir, &[], variables)
    }

    fn start_as(
        mut command: Command,
        dir: &Path,
        extra: &[&str],
        variables: &[(&str, &str)],
    ) -> Self {
        let listen =
            if extra.contains(&"--listen") { &[][..] } else { &["--listen", "127.0.0.1:0"] };
        let mut child = command
            .envs(variables.iter().copied())
            .args(["serve", "--ledger", "ledger"])
            .args(listen)
            .args(extra)
            .current_dir(dir)
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let line = lines.next().expect("the server says where it listens").unwrap();
        // The rest is read on, so that the server never waits for a reader.
        let (said, log) = channel();
        std::thread::spawn(move || lines.map_while(Result::ok).try_for_each(|l| said.send(l).ok()));
        let address = line.split_once("://").unwrap_or_else(|| panic!("{line}")).1;
        let address = address.split('"').next().unwrap().to_owned();
        Self { child, address, log }
    }

    pub(crate) fn signal(&mut self, name: &str) -> i32 {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args([name, &id]).status().unwrap().success());
        self.child.wait().unwrap().code().unwrap_or(-1)
    }

    /// One request on a connection of its own: status, headers in lower case, body.
    pub(crate) fn ask(&self, method: &str, path: &str) -> (u16, String, Vec<u8>) {
        self.send(
            format!("{method} {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").as_bytes(),
        )
    }

    pub(crate) fn send(&self, request: &[u8]) -> (u16, String, Vec<u8>) {
        send(&self.address, request)
    }

    /// What it logged so far.
    pub(crate) fn log(&self) -> Vec<String> {
        self.log.try_iter().collect()
    }

    pub(crate) fn size(&self) -> u64 {
        let (status, _, body) = self.ask("GET", "/checkpoint");
        assert_eq!(status, 200);
        String::from_utf8(body).unwrap().lines().nth(1).unwrap().parse().unwrap()
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// One request on a connection of its own: status, headers in lower case, body.
pub(crate) fn send(address: &str, request: &[u8]) -> (u16, String, Vec<u8>) {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    // A server that refuses early may not read everything.
    let _ = stream.write_all(request);
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    let end = answer.windows(4).position(|w| w == b"\r\n\r\n").unwrap_or(answer.len());
    let head = String::from_utf8_lossy(&answer[..end]).to_lowercase();
    let status = head.split(' ').nth(1).and_then(|s| s.parse().ok()).unwrap_or(0);
    (status, head, answer.get(end + 4..).unwrap_or_default().to_vec())
}

pub(crate) fn ledger(events: usize) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    ok(dir.path(), ["init", "ledger", "--origin", "serve.example/test"]);
    let history = ok(dir.path(), ["generate", "--seed", "7", "--events", &events.to_string()]);
    std::fs::write(dir.path().join("history.ndjson"), history).unwrap();
    dir
}

pub(crate) fn rows(dir: &Path) -> Vec<Value> {
    let leaves = ok(dir, ["export", "events", "--ledger", "ledger"]);
    leaves.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// When something begins whose answer must not take long.
#[expect(clippy::disallowed_methods, reason = "how long an answer takes is what is tested")]
pub(crate) fn now() -> Instant {
    Instant::now()
}

/// Waits for what a loaded machine may take a while to do.
pub(crate) fn eventually(holds: impl Fn() -> bool) -> bool {
    (0..150).any(|_| {
        let done = holds();
        if !done {
            std::thread::sleep(Duration::from_millis(100));
        }
        done
    })
}
