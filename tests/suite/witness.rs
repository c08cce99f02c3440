//! What outsiders remember stops a writer that was rolled back, and what they say is what `verify` asks for.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use crate::tool::{Ran, backtrail, ok, run};

/// A witness that serves on loopback until it is dropped.
struct Served {
    child: Child,
    url: String,
}

impl Drop for Served {
    fn drop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

fn serve(dir: &Path, listen: &str) -> Served {
    let mut child = backtrail()
        .args(["witness", "serve", "witness", "--listen", listen])
        .current_dir(dir)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut url = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut url).unwrap();
    Served { child, url: url.trim().to_owned() }
}

fn text(dir: &Path, name: &str) -> String {
    std::fs::read_to_string(dir.join(name)).unwrap().trim().to_owned()
}

/// A folder with a ledger and a witness that trusts it.
fn trial() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path();
    ok(dir, ["init", "ledger", "--origin", "witness.example/log"]);
    ok(dir, ["witness", "init", "witness", "--name", "witness.example/w1"]);
    ok(dir, ["witness", "add-log", "witness", "ledger.vkey"]);
    for seed in ["1", "2", "3"] {
        let history = ok(dir, ["generate", "--seed", seed, "--events", "30"]);
        std::fs::write(dir.join(format!("history-{seed}")), history).unwrap();
    }
    folder
}

/// Writes the config of `ledger` with these lines in its section.
fn config(dir: &Path, ledger: &str, lines: &str) {
    let text = format!("[ledger]\npath = \"{ledger}\"\nkey = \"ledger.key\"\n{lines}");
    std::fs::write(dir.join(format!("{ledger}.toml")), text).unwrap();
}

fn policy(dir: &Path, url: &str) {
    let (log, witness) = (text(dir, "ledger.vkey"), text(dir, "witness.vkey"));
    let text = format!("log {log}\nwitness w {witness} {url}\nquorum w\n");
    std::fs::write(dir.join("policy"), text).unwrap();
}

fn copy(dir: &Path, from: &str, to: &str) {
    let copied = Command::new("cp").args(["-r", from, to]).current_dir(dir).status().unwrap();
    assert!(copied.success());
}

fn ingest(dir: &Path, ledger: &str, history: &str) -> Ran {
    run(dir, ["ingest", "--config", &format!("{ledger}.toml"), history])
}

fn check(ran: &Ran, exit: i32, says: &[&str]) {
    assert_eq!(ran.exit, exit, "{}{}", ran.out, ran.err);
    for part in says {
        assert!(ran.err.contains(part), "`{part}` is not in:\n{}", ran.err);
    }
}

fn verify(dir: &Path, exit: i32) {
    let ran = run(dir, ["verify", "ledger", "--policy", "policy", "--require-anchor"]);
    assert_eq!(ran.exit, exit, "{}{}", ran.out, ran.err);
    assert_eq!(ran.out.contains("anchor: witnessed"), exit == 0, "{}", ran.out);
}

#[test]
fn a_witness_stops_a_writer_that_was_rolled_back() {
    let folder = trial();
    let dir = folder.path();
    let served = serve(dir, "127.0.0.1:0");
    policy(dir, &served.url);
    config(dir, "ledger", "policy = \"policy\"\n");
    config(dir, "older", "policy = \"policy\"\n");
    verify(dir, 40);
    check(&ingest(dir, "ledger", "history-1"), 0, &[]);
    verify(dir, 0);
    copy(dir, "ledger", "older");
    check(&ingest(dir, "ledger", "history-2"), 0, &[]);
    verify(dir, 0);

    // Restored from a backup, and gone on from there without asking anybody.
    let state = text(dir, "older/state/head");
    check(&ingest(dir, "older", "history-3"), 13, &["witness.example/w1", "hint: "]);
    check(&run(dir, ["anchor", "--config", "older.toml"]), 13, &["witness.example/w1"]);
    assert_eq!(text(dir, "older/state/head"), state, "nothing was written");
    let history = ["history-3", "history-2", "history-1"];
    ok(dir, [&["ingest", "--ledger", "older", "--key", "ledger.key"][..], &history].concat());
    check(&run(dir, ["seal", "--config", "older.toml"]), 13, &["another head"]);

    // The true log goes on, also when the witness is away; then its head is not witnessed.
    check(&run(dir, ["seal", "--config", "ledger.toml"]), 0, &[]);
    verify(dir, 0);
    let address = served.url.strip_prefix("http://").unwrap().to_owned();
    drop(served);
    check(&ingest(dir, "ledger", "history-3"), 0, &["warning: ", "witness.example/w1"]);
    verify(dir, 40);
    check(&run(dir, ["anchor", "--config", "ledger.toml"]), 69, &["hint: "]);
    let _served = serve(dir, &address);
    check(&run(dir, ["anchor", "--config", "ledger.toml"]), 0, &[]);
    verify(dir, 0);
}

#[test]
fn anchors_stop_a_writer_that_was_rolled_back() {
    let folder = trial();
    let dir = folder.path();
    let git = |arguments: &[&str]| {
        let identity = ["-c", "user.name=x", "-c", "user.email=x@example.org"];
        let ran = Command::new("git").args(identity).args(arguments).current_dir(dir).output();
        assert!(ran.unwrap().status.success(), "git {arguments:?}");
    };
    git(&["init", "--quiet", "--bare", "heads.git"]);
    git(&["clone", "--quiet", "heads.git", "heads"]);
    for (key, value) in [("user.name", "x"), ("user.email", "x@example.org")] {
        git(&["-C", "heads", "config", key, value]);
    }
    std::fs::create_dir(dir.join("once")).unwrap();
    check(&run(dir, ["anchor", "--ledger", "ledger"]), 64, &["hint: "]);

    let anchors = "[[ledger.anchor]]\npath = \"heads\"\ngit = \"push\"\n";
    let once = "[[ledger.anchor]]\npath = \"once\"\n";
    config(dir, "ledger", &format!("{anchors}{once}"));
    check(&ingest(dir, "ledger", "history-1"), 0, &[]);
    copy(dir, "ledger", "older");
    check(&run(dir, ["anchor", "--config", "ledger.toml"]), 0, &[]);
    check(&ingest(dir, "ledger", "history-2"), 0, &[]);
    check(&run(dir, ["anchor", "--config", "ledger.toml"]), 0, &[]);
    check(&run(dir, ["anchor", "--config", "ledger.toml"]), 0, &[]);
    let mut names: Vec<_> =
        std::fs::read_dir(dir.join("once")).unwrap().map(|e| e.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names.len(), 2);
    git(&["clone", "--quiet", "heads.git", "elsewhere"]);
    for name in names {
        let at = |folder: &str| std::fs::read(dir.join(folder).join(&name)).unwrap();
        assert_eq!(at("elsewhere"), at("once"));
    }

    // Each alone notices, also a clone that is behind its origin.
    std::fs::remove_dir_all(dir.join("heads")).unwrap();
    git(&["clone", "--quiet", "heads.git", "heads"]);
    git(&["-C", "heads", "reset", "--quiet", "--hard", "HEAD~1"]);
    for (lines, says) in [(anchors, "heads"), (once, "once")] {
        config(dir, "older", lines);
        check(&ingest(dir, "older", "history-3"), 13, &["anchor", says, "hint: "]);
    }
    // Notes that nobody signed stop nobody, and a folder that is away is a warning.
    std::fs::write(dir.join("once/99999999999999999999.note"), "junk").unwrap();
    std::fs::write(dir.join("once/00000000000000999999.note"), "junk").unwrap();
    check(&ingest(dir, "older", "history-3"), 13, &["anchor"]);
    check(&ingest(dir, "ledger", "history-3"), 0, &["warning: ", "999999.note"]);
    config(dir, "ledger", "[[ledger.anchor]]\npath = \"nowhere\"\n");
    check(&ingest(dir, "ledger", "history-3"), 0, &["warning: ", "nowhere"]);
    check(&run(dir, ["anchor", "--config", "ledger.toml"]), 69, &["nowhere"]);
    assert!(!dir.join("nowhere").exists());
}

/// Serves, until the process ends, these answers to POSTs, in turn, and 404 to everything else: a witness that shows
/// nothing.
fn secretive(answers: &[&str]) -> String {
    let answers: Vec<String> = answers.iter().map(|answer| (*answer).to_owned()).collect();
    let mut answers = answers.into_iter().cycle().peekable();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut reader = BufReader::new(stream.unwrap());
            let (mut head, mut length) = (String::new(), 0);
            while !head.ends_with("\r\n\r\n") && reader.read_line(&mut head).unwrap() > 0 {
                let line = head.trim_end().rsplit('\n').next().unwrap_or_default().to_lowercase();
                length =
                    line.strip_prefix("content-length: ").map_or(length, |n| n.parse().unwrap());
            }
            reader.read_exact(&mut vec![0; length]).unwrap();
            let shown = answers.next_if(|_| head.starts_with("POST"));
            let shown = shown.unwrap_or_else(|| "404 Not Found\r\n\r\n".to_owned());
            // A client that does not want to read all of it may close the connection.
            let _ = write!(reader.get_mut(), "HTTP/1.1 {shown}");
        }
    });
    url
}

#[test]
fn a_witness_that_shows_nothing_is_asked_by_a_submission() {
    let folder = trial();
    let dir = folder.path();
    config(dir, "ledger", "policy = \"policy\"\n");
    let size = |body: &str| format!("409 Conflict\r\ncontent-type: text/x.tlog.size\r\n\r\n{body}");
    let before = text(dir, "ledger/state/head");
    let refused = "422 Unprocessable Content\r\n\r\nno\n";
    for answers in [&[&*size("2\n")][..], &[&size("9007199254740991\n")], &[&size("1\n"), refused]]
    {
        policy(dir, &secretive(answers));
        check(&ingest(dir, "ledger", "history-1"), 13, &["witness.example/w1", "hint: "]);
        assert_eq!(text(dir, "ledger/state/head"), before, "nothing was written");
    }
    for answer in [
        size("0\n"),
        size("two\n"),
        "409 Conflict\r\n\r\n2\n".to_owned(),
        "200 OK\r\n\r\nsigned\n".to_owned(),
        refused.to_owned(),
        "301 Moved\r\nlocation: http://127.0.0.1:1/\r\n\r\n".to_owned(),
        format!("200 OK\r\n\r\n{}", "x".repeat(2 << 20)),
        "nonsense".to_owned(),
    ] {
        policy(dir, &secretive(&[&answer]));
        let ran = ingest(dir, "ledger", "history-1");
        check(&ran, 0, &["warning: ", "witness.example/w1"]);
        assert!(!dir.join("ledger/checkpoints").exists(), "no cosignature, no file");
    }
    // One that names a size and then refuses it is broken.
    policy(dir, &secretive(&[&size("1\n")]));
    check(&ingest(dir, "ledger", "history-2"), 0, &["warning: ", "names"]);
}

/// Sends bytes to a witness, and its whole answer.
fn raw(url: &str, request: &str) -> String {
    let mut stream = TcpStream::connect(url.strip_prefix("http://").unwrap()).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = Vec::new();
    // A server that does not want to read all of it may reset the connection.
    let _ = stream.read_to_end(&mut answer);
    String::from_utf8_lossy(&answer).into_owned()
}

#[test]
fn a_witness_answers_whatever_comes() {
    let folder = trial();
    let dir = folder.path();
    let served = serve(dir, "127.0.0.1:0");
    let post = |body: &str| {
        let length = body.len();
        let head = "POST /add-checkpoint HTTP/1.1\r\nhost: x\r\nconnection: close\r\n";
        raw(&served.url, &format!("{head}content-length: {length}\r\n\r\n{body}"))
    };
    let note = std::fs::read_to_string(dir.join("ledger/checkpoint")).unwrap();
    for (body, status) in [
        (String::new(), "400"),
        ("x".repeat(1 << 20), "413"),
        (format!("old 2\n\n{note}"), "400"),
        (format!("old 0\n\n{}", note.replace("witness.example", "other.example")), "404"),
        (format!("old 1\n\n{note}"), "409"),
        (format!("old 0\n\n{note}"), "200"),
        (format!("old 0\n\n{note}"), "409"),
    ] {
        let answer = post(&body);
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{status}: {answer}");
        let sized = answer.contains("content-type: text/x.tlog.size\r\n");
        assert_eq!(sized, status == "409", "{answer}");
    }
    let get = |path: &str| {
        raw(&served.url, &format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n"))
    };
    for path in ["/", "/x/checkpoint", "/..%2f..%2fvkey/checkpoint", "/%00/checkpoint"] {
        let answer = get(path);
        assert!(answer.starts_with("HTTP/1.1 4"), "{path}: {answer}");
    }
    assert!(raw(&served.url, "\0\0\0\r\n\r\n").starts_with("HTTP/1.1 400 "));
    // A second process cannot serve the same memory, and no key gets a second memory.
    check(&run(dir, ["witness", "serve", "witness", "--listen", "127.0.0.1:0"]), 75, &["hint: "]);
    let again = ["witness", "init", "again", "--name", "x.example", "--key", "witness.key"];
    check(&run(dir, again), 73, &["hint: "]);
    check(&run(dir, ["verify", "ledger", "--vkey", "witness.vkey"]), 64, &["--policy"]);
}
