//! Servers that behave like the APIs that are polled, and a ledger beside them.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use crate::tool::{Ran, backtrail, ok};

/// What was asked.
pub(crate) struct Asked {
    pub(crate) path: String,
    pub(crate) query: BTreeMap<String, String>,
    pub(crate) headers: BTreeMap<String, String>,
    /// How often this path and query were asked before.
    pub(crate) before: usize,
    pub(crate) address: String,
}

impl Asked {
    pub(crate) fn number(&self, name: &str) -> usize {
        self.query.get(name).map_or(0, |text| text.parse().unwrap())
    }
}

/// What is answered.
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: String,
}

impl Reply {
    pub(crate) fn json(body: &Value) -> Self {
        Self { status: 200, headers: Vec::new(), body: body.to_string() }
    }

    pub(crate) fn status(status: u16) -> Self {
        Self { status, ..Self::json(&json!({"message": "no"})) }
    }

    pub(crate) fn with(mut self, name: &'static str, value: impl Into<Value>) -> Self {
        let text = match value.into() {
            Value::String(text) => text,
            number => number.to_string(),
        };
        self.headers.push((name, text));
        self
    }

    /// The elements of page `page` (from 1) of `list`, `size` each, with a link to the next one.
    pub(crate) fn linked(asked: &Asked, list: &[Value], size: usize) -> Self {
        let page = asked.number("page").max(1);
        let elements: Vec<_> = list.iter().skip((page - 1) * size).take(size).collect();
        let reply = Self::json(&json!(elements));
        if page * size >= list.len() {
            return reply;
        }
        let link = format!("<{}{}?page={}>; rel=\"next\"", asked.address, asked.path, page + 1);
        reply.with("link", link)
    }
}

/// A server on this host, for as long as the process lives.
pub(crate) struct Api {
    pub(crate) address: String,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Api {
    pub(crate) fn start(answer: impl Fn(&Asked) -> Reply + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (log, own) = (Arc::clone(&asked), address.clone());
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                // A client that hangs up is its own test's matter.
                let _ = serve(&stream, &own, &log, &answer);
            }
        });
        Self { address, asked }
    }

    /// Every path and query that was asked, in order.
    pub(crate) fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

fn serve(
    stream: &TcpStream,
    address: &str,
    log: &Mutex<Vec<String>>,
    answer: &impl Fn(&Asked) -> Reply,
) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut line = String::new();
    reader.read_line(&mut line)?;
    let target = line.split(' ').nth(1).unwrap_or_default().to_owned();
    let mut headers = BTreeMap::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        let Some((name, value)) = line.trim_end().split_once(": ") else { break };
        headers.insert(name.to_lowercase(), value.to_owned());
    }
    let (path, query) = target.split_once('?').unwrap_or((&target, ""));
    let query = query.split('&').filter_map(|pair| pair.split_once('='));
    let query = query.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    let before = {
        let mut log = log.lock().unwrap();
        let before = log.iter().filter(|one| **one == target).count();
        log.push(target.clone());
        before
    };
    let asked =
        Asked { path: path.to_owned(), query, headers, before, address: address.to_owned() };
    let reply = answer(&asked);
    let mut head = format!(
        "HTTP/1.1 {} X\r\nconnection: close\r\ncontent-length: {}\r\n",
        reply.status,
        reply.body.len()
    );
    for (name, value) in &reply.headers {
        head.extend([name, ": ", value, "\r\n"]);
    }
    head.push_str("\r\n");
    let mut stream = stream;
    stream.write_all((head + &reply.body).as_bytes())
}

/// A folder with a ledger whose clock is simulated, and a config that polls `source` at `api`.
pub(crate) fn world(source: &str, api: &Api, keys: &str) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let origin = "poll.example/test";
    ok(dir.path(), ["init", "ledger", "--origin", origin, "--simulated-clock"]);
    configure(dir.path(), source, api, keys);
    dir
}

pub(crate) const TOKEN: &str = "s3cret-of-the-poll";

pub(crate) fn configure(dir: &Path, source: &str, api: &Api, keys: &str) {
    let config = format!(
        "[ledger]\npath = 'ledger'\n[sources.{source}.poll]\napi = '{}'\ntoken_env = 'TOKEN'\n{keys}\n",
        api.address
    );
    std::fs::write(dir.join("backtrail.toml"), config).unwrap();
}

/// Runs `poll` with a token in the environment.
pub(crate) fn poll(dir: &Path, args: &[&str]) -> Ran {
    let mut command = backtrail();
    command.arg("poll").args(args).current_dir(dir);
    command.envs([("TOKEN", TOKEN), ("SECOND", "second")]);
    crate::tool::ran(&command.output().unwrap())
}

/// Runs `poll` and gives what it prints as JSON.
pub(crate) fn polled(dir: &Path, args: &[&str]) -> Value {
    let ran = poll(dir, &[args, &["--format", "json"]].concat());
    assert_eq!(ran.exit, 0, "{}{}", ran.out, ran.err);
    assert!(!ran.out.contains(TOKEN) && !ran.err.contains(TOKEN), "{}{}", ran.out, ran.err);
    serde_json::from_str(&ran.out).unwrap()
}

/// Ingests deliveries as pushed when they say, which a simulated clock believes.
pub(crate) fn push(dir: &Path, deliveries: &[Value]) {
    let lines: Vec<String> = deliveries.iter().map(Value::to_string).collect();
    std::fs::write(dir.join("pushed.ndjson"), lines.join("\n")).unwrap();
    let ran = ok(dir, ["ingest", "pushed.ndjson"]);
    assert!(ran.contains("+ 0 quarantined + 0 ignored"), "{ran}");
}

/// A delivery of `source` that was pushed at `at`.
pub(crate) fn pushed(source: &str, at: &str, headers: &Value, body: &Value) -> Value {
    json!({"received_at": at, "source": source, "mode": "push", "headers": headers, "body": body.to_string()})
}

/// The answer to a question in SQL, as CSV without its heading.
pub(crate) fn sql(dir: &Path, question: &str) -> Vec<String> {
    let answer = ok(dir, ["sql", "--period", "2025-05", "--format", "csv", question]);
    answer.lines().skip(1).map(str::to_owned).collect()
}
