//! What one place for all stands: more connections than it has, memory that strangers fill, and its end while it is asked.

use std::collections::VecDeque;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::Value;

use crate::intake::{SECRETS, bearer, configured, event, post, taking};
use crate::serving::{Serving, eventually, ledger, now, rows};
use crate::tool::run;

/// Open files that the small servers here have: of these, 256 are not for connections.
const FILES: usize = 456;
/// More than they have places.
const HELD: usize = 700;

/// Sends, or asks, and says how long the answer took.
fn asked(server: &Serving, request: &[u8]) -> Duration {
    let began = now();
    let (status, _, answer) = server.send(request);
    assert_eq!(status, 200, "{}", String::from_utf8_lossy(&answer));
    began.elapsed()
}

fn honest(server: &Serving, id: &str) -> Duration {
    let body = event(id, "1").to_string();
    asked(server, &post("native", &[bearer()], body.as_bytes()))
}

fn metrics(server: &Serving) -> String {
    String::from_utf8(server.ask("GET", "/metrics").2).unwrap()
}

/// The number behind `name`.
fn counted(metrics: &str, name: &str) -> usize {
    let line = metrics.lines().find_map(|line| line.strip_prefix(name));
    line.map_or(0, |count| count.trim().parse().unwrap())
}

/// Ends those who wait for it, whatever happens.
struct Ends<'a>(&'a AtomicBool);

impl Drop for Ends<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

#[test]
fn silent_connections_keep_nobody_out() {
    let dir = configured("");
    let server = Serving::start_with_files(dir.path(), FILES, &SECRETS);
    assert!(eventually(|| server.log().iter().any(|line| line.contains("200 connections"))));
    let held: Vec<_> = (0..HELD).map(|_| TcpStream::connect(&server.address).unwrap()).collect();
    let probe = b"GET /readyz HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
    let mut longest = Duration::ZERO;
    let (enough, began) = (AtomicBool::new(false), now());
    let address = server.address.as_str();
    std::thread::scope(|scope| {
        // Those who come again and again, with a part of a request and without.
        for first in [&b""[..], b"POST /v1/ingest/github HTTP/1.1\r\ncontent-length: 9\r\n\r\n1"] {
            let enough = &enough;
            scope.spawn(move || {
                let mut again = VecDeque::new();
                while !enough.load(Ordering::SeqCst) {
                    let Ok(mut stream) = TcpStream::connect(address) else { continue };
                    let _ = stream.write_all(first);
                    again.push_back(stream);
                    if again.len() > 150 {
                        again.pop_front();
                    }
                    // Places are few here: so many newcomers leave each a tenth of a second for a step.
                    std::thread::sleep(Duration::from_millis(1));
                }
            });
        }
        let _then = Ends(&enough);
        for n in 0..40 {
            longest = longest.max(honest(&server, &format!("h-{n}"))).max(asked(&server, probe));
        }
    });
    println!("80 answers in {:?}, the slowest after {longest:?}", began.elapsed());
    assert!(longest < Duration::from_secs(2), "{longest:?}");
    let text = metrics(&server);
    let closed = counted(&text, "backtrail_connections_closed_total{reason=\"places\"}");
    assert!(closed > HELD - 200, "{text}");
    assert!(counted(&text, "backtrail_connections ") <= 200, "{text}");
    let log = server.log();
    let told = log.iter().filter(|line| line.contains("a connection was closed")).count();
    assert!((1..=began.elapsed().as_secs() as usize + 2).contains(&told), "{log:?}");
    drop(held);
    let sent = || rows(dir.path()).iter().filter(|row| row["source"] == "native").count();
    // What is exported is what a checkpoint covers: there is one each second.
    assert!(eventually(|| sent() == 40), "{}", sent());
    drop(server);
}

#[test]
fn a_server_that_may_open_few_files_says_so() {
    let dir = ledger(3);
    let script = "ulimit -n 300 && exec \"$0\" serve --ledger ledger --listen 127.0.0.1:0";
    let tool = env!("CARGO_BIN_EXE_backtrail-under-test");
    let output = std::process::Command::new("sh")
        .args(["-c", script, tool])
        .current_dir(dir.path())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success() && said.contains("only 300 files"), "{said}");
    assert!(said.contains("hint: ") && said.contains("LimitNOFILE"), "{said}");
    // Without the limit it would start.
    assert_eq!(run(dir.path(), ["serve", "--check", "--ledger", "ledger"]).exit, 0);
}

#[test]
fn bodies_that_never_end_keep_no_delivery_out() {
    const BODY: usize = 25 << 20;
    let dir = configured("");
    let path = dir.path().join("backtrail.toml");
    let config = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, config.replace("= 100000", &format!("= {BODY}"))).unwrap();
    let server = Serving::start_with_files(dir.path(), FILES, &SECRETS);
    let announced = format!(
        "POST /v1/ingest/github HTTP/1.1\r\nhost: x\r\nx-hub-signature-256: sha256={}\r\ncontent-length: {BODY}\r\n\r\n",
        "0f".repeat(32)
    );
    // All but one byte of what all bodies may take, and then silence.
    let body = vec![b'x'; BODY - 1];
    let mut held = Vec::new();
    for _ in 0..4 {
        let mut stream = TcpStream::connect(&server.address).unwrap();
        stream.write_all(announced.as_bytes()).unwrap();
        stream.write_all(&body).unwrap();
        held.push(stream);
    }
    std::thread::sleep(Duration::from_millis(300));
    for n in 0..10 {
        assert!(honest(&server, &format!("h-{n}")) < Duration::from_secs(2));
    }
    let text = metrics(&server);
    assert!(counted(&text, "backtrail_connections_closed_total{reason=\"bodies\"}") >= 1, "{text}");
}

#[test]
fn a_server_that_stops_says_so_until_what_is_under_way_is_answered() {
    let (dir, mut server) = taking("");
    let body = event("under-way", "1").to_string();
    let request = post("native", &[bearer()], body.as_bytes());
    let (first, rest) = request.split_at(request.len() - 1);
    // Who says nothing is not waited for.
    let _silent = TcpStream::connect(&server.address).unwrap();
    let mut slow = TcpStream::connect(&server.address).unwrap();
    slow.write_all(first).unwrap();
    // A request that came later was answered: the first one is under way.
    assert_eq!(server.ask("GET", "/readyz").0, 200);
    let id = server.child.id().to_string();
    assert!(std::process::Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
    assert!(eventually(|| server.ask("GET", "/readyz").0 == 503));
    assert_eq!(server.ask("GET", "/healthz").0, 200);
    let other = event("too-late", "1").to_string();
    let (status, head, answer) = server.send(&post("native", &[bearer()], other.as_bytes()));
    let answer: Value = serde_json::from_slice(&answer).unwrap();
    assert_eq!((status, &answer["error"]), (503, &"stopping".into()));
    assert!(head.contains("retry-after: 5"), "{head}");
    slow.write_all(rest).unwrap();
    let (mut told, began) = (String::new(), now());
    slow.read_to_string(&mut told).unwrap();
    assert!(told.starts_with("HTTP/1.1 200"), "{told}");
    assert_eq!(server.child.wait().unwrap().code(), Some(0));
    assert!(began.elapsed() < Duration::from_secs(5), "it waits for nobody: {:?}", began.elapsed());
    let rows = rows(dir.path());
    let native: Vec<_> = rows.iter().filter(|row| row["source"] == "native").collect();
    assert_eq!(native.len(), 1, "{native:?}");
}
