//! The server with the real binary: other commands append through it, and what it shows is C2SP tlog-tiles.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use backtrail_ledger::{TlogProof, Vkey, leaf_hash};
use serde_json::Value;

use crate::serving::{Serving, eventually, ledger, rows};
use crate::tool::{backtrail, ok, run, run_with};

#[test]
fn commands_that_append_go_through_a_running_server() {
    let dir = ledger(400);
    let dir = dir.path();
    let mut server = Serving::start(dir, &[]);
    let verify = || ok(dir, ["verify", "ledger", "--vkey", "ledger.vkey"]);
    ok(dir, ["ingest", "--ledger", "ledger", "history.ndjson"]);
    verify();
    ok(dir, ["seal", "--ledger", "ledger"]);
    ok(dir, ["report", "monthly", "--ledger", "ledger", "--out", "monthly", "--format", "md"]);
    let counted = ok(dir, ["sql", "--ledger", "ledger", "select count(*) > 300 from events"]);
    assert!(counted.contains("true"), "{counted}");
    // Whoever appends through the server needs no key.
    std::fs::rename(dir.join("ledger.key"), dir.join("away")).unwrap();
    let again = ok(dir, ["ingest", "--ledger", "ledger", "--format", "json", "history.ndjson"]);
    let totals: Value = serde_json::from_str(&again).unwrap();
    assert_eq!(totals["accepted"], 0, "{again}");
    std::fs::rename(dir.join("away"), dir.join("ledger.key")).unwrap();
    verify();
    // A second server is told which process holds the ledger.
    let second = run(dir, ["serve", "--ledger", "ledger", "--listen", "127.0.0.1:0"]);
    assert_eq!(second.exit, 75, "{}", second.err);
    assert!(second.err.contains(&format!("process {}", server.child.id())), "{}", second.err);
    assert_eq!(server.signal("-TERM"), 0);
    assert!(!dir.join("ledger/state/writer.sock").exists());
    verify();
    assert!(ok(dir, ["export", "events", "--ledger", "ledger"]).contains("report_issued"));
}

#[test]
fn a_server_that_does_not_answer_is_named() {
    let dir = ledger(3);
    let dir = dir.path();
    let mut server = Serving::start(dir, &[]);
    // A listener that only hangs up, in the place of the server's.
    let socket = dir.join("ledger/state/writer.sock");
    std::fs::remove_file(&socket).unwrap();
    let listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
    std::thread::spawn(move || listener.incoming().for_each(drop));
    let refused = run(dir, ["ingest", "--ledger", "ledger", "history.ndjson"]);
    assert_eq!(refused.exit, 75, "{}", refused.err);
    assert!(refused.err.contains(&format!("process {}", server.child.id())), "{}", refused.err);
    assert!(refused.err.contains("hint: "), "{}", refused.err);
    assert_eq!(server.signal("-INT"), 0);
}

/// Kills of the server while another process ingests through it.
const KILLS: usize = 10;

#[test]
fn a_killed_server_loses_no_receipt() {
    let dir = ledger(2_000);
    let dir = dir.path();
    let mut partial = 0;
    for n in 0..KILLS {
        let mut server = Serving::start(dir, &[]);
        let draw = (n as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let history = std::fs::read_to_string(dir.join("history.ndjson")).unwrap();
        // Other events each time.
        let history = history.replace("\"event_id\":\"", &format!("\"event_id\":\"n{n}"));
        std::fs::write(dir.join("now.ndjson"), history).unwrap();
        let mut child = backtrail()
            .args(["ingest", "--ledger", "ledger", "--format", "ndjson", "now.ndjson"])
            .current_dir(dir)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let wanted = 1 + (draw >> 40) as usize % 1_500;
        let mut receipts: Vec<String> = lines.by_ref().take(wanted).map(Result::unwrap).collect();
        std::thread::sleep(Duration::from_micros((draw >> 20) % 8_000));
        server.signal("-KILL");
        receipts.extend(lines.map_while(Result::ok));
        let ended = child.wait().unwrap().code().unwrap();
        let whole = receipts.len() >= 1_900;
        assert!(ended == 75 || (ended == 0 && whole), "exit {ended}, {} receipts", receipts.len());
        partial += usize::from(ended == 75);
        check(dir, &receipts);
    }
    println!("{KILLS} kills, {partial} during an ingest");
    assert!(partial >= KILLS / 2, "only {partial} of {KILLS} kills fell into an ingest");
}

fn check(dir: &Path, receipts: &[String]) {
    ok(dir, ["ingest", "--ledger", "ledger", "--source", "native", "/dev/null"]);
    ok(dir, ["verify", "ledger", "--vkey", "ledger.vkey"]);
    let rows = rows(dir);
    for receipt in receipts {
        let receipt: Value = serde_json::from_str(receipt).unwrap();
        let row = &rows[receipt["seq"].as_u64().unwrap() as usize];
        // An amendment is a row about the event that it amends.
        let column = if receipt["outcome"] == "amended" { "amends_event_id" } else { "event_id" };
        assert_eq!(row[column], receipt["event_id"], "{receipt}");
    }
    let mut ids = BTreeSet::new();
    for row in &rows {
        assert!(ids.insert(row["event_id"].to_string()), "{row}");
    }
}

#[test]
fn receipts_of_published_events_are_proofs() {
    let dir = ledger(300);
    let dir = dir.path();
    let key: Vkey =
        std::fs::read_to_string(dir.join("ledger.vkey")).unwrap().trim().parse().unwrap();
    let args = [
        "ingest",
        "--ledger",
        "ledger",
        "--ack",
        "published",
        "--format",
        "ndjson",
        "history.ndjson",
    ];
    let direct = ok(dir, args);
    let mut server = Serving::start(dir, &[]);
    let through = ok(dir, args);
    assert_eq!(server.signal("-TERM"), 0);
    let leaves = ok(dir, ["export", "events", "--ledger", "ledger"]);
    let leaves: Vec<&str> = leaves.lines().collect();
    for line in direct.lines().chain(through.lines()) {
        let receipt: Value = serde_json::from_str(line).unwrap();
        let seq = receipt["seq"].as_u64().unwrap();
        let proof: TlogProof = receipt["proof"].as_str().unwrap().parse().unwrap();
        let checkpoint =
            proof.verify(&leaf_hash(leaves[seq as usize].as_bytes()), std::slice::from_ref(&key));
        assert!(proof.index == seq && checkpoint.unwrap().size > seq, "{line}");
    }
    assert!(direct.lines().count() >= 290 && through.lines().count() >= 290);
    let without =
        run(dir, ["ingest", "--ledger", "ledger", "--ack", "published", "history.ndjson"]);
    assert_eq!(without.exit, 64, "{}", without.err);
}

#[test]
fn what_is_served_is_what_is_exported_and_nothing_else() {
    let dir = ledger(600);
    let dir = dir.path();
    ok(dir, ["ingest", "--ledger", "ledger", "history.ndjson"]);
    let server = Serving::start(dir, &[]);
    let size = server.size();
    ok(dir, ["export", "tiles", "out", "--ledger", "ledger"]);
    let mut folders = vec![dir.join("out")];
    let mut files = 0;
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap().map(|e| e.unwrap().path()) {
            if entry.is_dir() {
                folders.push(entry);
                continue;
            }
            let path = entry.strip_prefix(dir.join("out")).unwrap().display().to_string();
            let (status, head, body) = server.ask("GET", &format!("/{path}"));
            assert_eq!((status, &body), (200, &std::fs::read(&entry).unwrap()), "{path}");
            let tile = path != "checkpoint";
            let kind = if tile { "application/octet-stream" } else { "text/plain; charset=utf-8" };
            assert!(head.contains(&format!("content-type: {kind}")), "{head}");
            let caching = if tile { "public, max-age=31536000, immutable" } else { "no-cache" };
            assert!(head.contains(&format!("cache-control: {caching}\r")), "{head}");
            let (status, head, none) = server.ask("HEAD", &format!("/{path}"));
            assert_eq!((status, none.len()), (200, 0), "{path}");
            assert!(head.contains(&format!("content-length: {}", body.len())), "{head}");
            files += 1;
        }
    }
    assert!(files >= 8, "{files}");
    let (last, width) = (size / 256, size % 256);
    for path in [
        format!("/tile/0/{last:03}"),
        format!("/tile/0/{last:03}.p/{}", width + 1),
        format!("/tile/entries/{last:03}.p/{}", width + 1),
        format!("/tile/0/{:03}", last + 1),
        "/tile/3/000".into(),
        "/tile/0/000.p/256".into(),
        "/tile/0/0".into(),
        "/".into(),
        "/state/head".into(),
        "/../ledger.key".into(),
        "/tile/../state/head".into(),
        "/tile/0/%30%30%30".into(),
        "/tile/entries/x999/x999/x999/x999/x999/x999/999".into(),
    ] {
        let (status, head, _) = server.ask("GET", &path);
        assert_eq!(status, 404, "{path}");
        assert!(head.contains("cache-control: no-cache"), "{head}");
    }
    for path in ["/healthz", "/readyz"] {
        assert_eq!(server.ask("GET", path).0, 200, "{path}");
    }
    for method in ["POST", "PUT", "DELETE", "OPTIONS"] {
        assert_eq!(server.ask(method, "/checkpoint").0, 405, "{method}");
    }
}

#[test]
fn strangers_are_bounded() {
    let dir = ledger(3);
    let server = Serving::start(dir.path(), &[]);
    let header = |n: usize| format!("x-{n}: {}\r\n", "a".repeat(50));
    let many = |n: usize| (0..n).map(header).collect::<String>();
    for (headers, status) in [(many(20), 200), (many(100), 431), (many(2_000), 431)] {
        let request = format!("GET /checkpoint HTTP/1.1\r\nconnection: close\r\n{headers}\r\n");
        assert_eq!(server.send(request.as_bytes()).0, status, "{}", headers.len());
    }
    assert_eq!(server.send(b"\x16\x03\x01\x02\x00\x01\r\n\r\n").0, 400);
    // Silence is not waited for: 10 s for the headers.
    let mut silent = TcpStream::connect(&server.address).unwrap();
    silent.write_all(b"GET /checkpoint HT").unwrap();
    silent.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    assert!(silent.read_to_end(&mut Vec::new()).is_ok(), "the server still waits");
}

#[test]
fn an_idle_log_shows_that_it_is_alive() {
    let dir = ledger(3);
    let dir = dir.path();
    std::fs::write(dir.join("backtrail.toml"), "[serve]\nheartbeat_s = 10\n").unwrap();
    let server = Serving::start(dir, &[]);
    let before = server.size();
    assert!(eventually(|| server.size() == before + 1));
    assert_eq!(rows(dir).last().unwrap()["phase"], "heartbeat");
    // What other processes append is published within a second or so, without their asking.
    let history = std::fs::read(dir.join("history.ndjson")).unwrap();
    let receipts = run_with(
        dir,
        &history,
        ["ingest", "--ledger", "ledger", "--source", "native", "--format", "ndjson", "-"],
    );
    assert_eq!(receipts.exit, 0, "{}", receipts.err);
    assert!(server.size() > before + 1);
}

#[test]
fn the_config_of_the_server_is_checked() {
    let dir = ledger(3);
    let dir = dir.path();
    for (config, exit, said) in [
        ("[serve]\nlisten = '127.0.0.1:0'\n", 0, "fine: serve.example/test"),
        ("[serve]\nlisten = 'here'\n", 65, "`here` is not an address"),
        ("[serve]\nheartbeat_s = 1\n", 65, "serve.heartbeat_s"),
        ("[serve]\nlisen = 'x'\n", 65, "unknown field `lisen`"),
        ("[ledger]\nkey = 'absent'\n", 66, "absent"),
    ] {
        std::fs::write(dir.join("backtrail.toml"), config).unwrap();
        let ran = run(dir, ["serve", "--check", "--ledger", "ledger"]);
        assert_eq!(ran.exit, exit, "{config}: {}{}", ran.out, ran.err);
        assert!(format!("{}{}", ran.out, ran.err).contains(said), "{config}: {}", ran.err);
        assert_eq!(exit == 0, !ran.err.contains("hint: "), "{}", ran.err);
    }
}

#[test]
fn an_address_for_others_without_tls_is_warned_of() {
    let dir = ledger(3);
    for (address, warned) in [("0.0.0.0:0", true), ("127.0.0.1:0", false)] {
        let mut server = Serving::start(dir.path(), &["--listen", address]);
        assert_eq!(server.ask("GET", "/healthz").0, 200);
        assert_eq!(server.signal("-TERM"), 0);
        let log = server.log();
        let found = log.iter().filter(|line| line.contains("serve] tls_certificate")).count();
        assert_eq!(found, usize::from(warned), "{address}: {log:?}");
    }
}
