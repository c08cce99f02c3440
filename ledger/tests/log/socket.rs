//! The writer's socket: what goes through it is what the writer would have done, and nothing else goes through.

use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::Arc;

use backtrail_ledger::limits::{MESSAGE_BYTES_MAX, SOCKET_CONNECTIONS_MAX};
use backtrail_ledger::socket::{Client, Server};
use backtrail_ledger::verify::{VerifyOptions, verify};
use backtrail_ledger::{Appender, Erase, Kind, NoteSignature, SharedLedger, Submission};

use crate::support::{Folder, draft, files, of, rejected, submission, vkey};

/// Deliveries of every kind: with people, texts, rejects, a body that is not UTF-8, doubled, amended, contradicted, and with an event
/// that has no canonical form.
fn story() -> Vec<Submission> {
    let mut all: Vec<Submission> = (0..20).map(submission).collect();
    all.push(rejected(21));
    all.push(submission(3));
    let mut bytes = submission(22);
    bytes.delivery.body = vec![0xff, 0, 0x80];
    let mut more = draft(4);
    more.event.put("environment", "production");
    let mut other = draft(5);
    other.event.put("service", "cart");
    let mut empty = draft(6);
    empty.event.put("event_id", "test:empty").put("commit_sha", "");
    all.extend([bytes, of(more, 23), of(other, 24), of(empty, 25)]);
    all.push(Submission::default());
    all
}

fn feed(appender: &mut dyn Appender, ledger: &Path) -> Vec<String> {
    let mut told = Vec::new();
    appender.append(vec![submission(100)]).unwrap();
    appender.publish().unwrap();
    for chunk in story().chunks(6) {
        told.extend(appender.append(chunk.to_vec()).unwrap().iter().map(|r| format!("{r:?}")));
    }
    let person = "person:aaaaaaaaaaaaaaaaaaaaaaaaaa";
    told.push(format!("{:?}", appender.link(person, "person:baaaaaaaaaaaaaaaaaaaaaaaaa")));
    // A report that was made before the log grew on: its own checkpoint is the one that stays.
    let note = std::fs::read_to_string(ledger.join("checkpoint")).unwrap();
    let made = appender.publish().unwrap();
    assert!(!note.contains(&format!("\n{}\n", made.size)));
    told.push(format!("{:?}", appender.issue_report(&note, &[("report_id", "r1")])));
    for (note, id) in
        [(note.as_str(), "r1"), (&note.replace("/test\n", "/test\n9"), "r2"), ("", "r3")]
    {
        let refused = appender.issue_report(note, &[("report_id", id)]).unwrap_err();
        assert_eq!(refused.kind(), Kind::Reject, "{refused}");
        told.push(refused.to_string());
    }
    let erase = |id: &str| Erase {
        events: vec![id.to_owned()],
        reason: "a secret".to_owned(),
        ticket: Some("T-1".to_owned()),
        ..Erase::default()
    };
    told.push(format!("{:?}", appender.erase(&erase("test:3"))));
    told.push(appender.erase(&erase("test:nobody")).unwrap_err().to_string());
    let size = appender.publish().unwrap().size;
    let line = NoteSignature { name: "w".into(), key_id: [1; 4], signature: vec![7; 72] };
    for (size, lines) in [(size, &[][..]), (size - 1, &[line.clone()]), (size, &[line])] {
        told.push(format!("{:?}", appender.add_cosignatures(size, lines)));
    }
    appender.confirm_clock().unwrap();
    appender.seal().unwrap();
    told.push(appender.publish().unwrap().to_string());
    told
}

#[test]
fn a_log_written_through_the_socket_has_the_same_bytes() {
    let (direct, through) = (Folder::new(), Folder::new());
    let mut ledger = direct.init();
    let told = feed(&mut ledger, &direct.ledger());
    drop(ledger);
    let ledger = Arc::new(SharedLedger::new(through.init()));
    let server = Server::start(&through.ledger(), Arc::clone(&ledger)).unwrap();
    let mut client = Client::connect(&through.ledger()).unwrap();
    assert_eq!((client.process(), client.simulated_clock()), (std::process::id(), true));
    assert_eq!(feed(&mut client, &through.ledger()), told);
    drop(server);
    drop(ledger);
    let options = VerifyOptions { keys: vec![vkey()], ..VerifyOptions::default() };
    let report = verify(&through.ledger(), &options);
    assert_eq!(report.exit, 0, "{:?}", report.findings);
    let (one, other) = (files(&direct.ledger()), files(&through.ledger()));
    assert_eq!(one, other);
    for file in one.iter().filter(|file| !file.starts_with("state/")) {
        let read = |folder: &Folder| std::fs::read(folder.ledger().join(file)).unwrap();
        assert!(read(&direct) == read(&through), "{file}");
    }
}

#[test]
fn the_socket_is_this_users_and_goes_away() {
    let folder = Folder::new();
    let ledger = Arc::new(SharedLedger::new(folder.init()));
    let socket = folder.ledger().join("state/writer.sock");
    // What a killed process left does not matter.
    std::fs::write(&socket, "").unwrap();
    assert_eq!(Client::connect(&folder.ledger()).unwrap_err().kind(), Kind::Missing);
    let server = Server::start(&folder.ledger(), ledger).unwrap();
    let mode = std::fs::symlink_metadata(&socket).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    Client::connect(&folder.ledger()).unwrap();
    drop(server);
    assert_eq!(Client::connect(&folder.ledger()).unwrap_err().kind(), Kind::Missing);
}

#[test]
fn a_ledger_deep_in_the_file_system_has_a_socket_too() {
    let folder = Folder::new();
    let deep = folder.dir.path().join("d".repeat(120));
    std::fs::create_dir(&deep).unwrap();
    drop(folder.init());
    std::fs::rename(folder.ledger(), deep.join("ledger")).unwrap();
    let dir = deep.join("ledger");
    let ledger =
        backtrail_ledger::Ledger::open(&dir, crate::support::signer(), crate::support::clock());
    let _server = Server::start(&dir, Arc::new(SharedLedger::new(ledger.unwrap()))).unwrap();
    let mut client = Client::connect(&dir).unwrap();
    assert_eq!(client.append(vec![submission(1)]).unwrap().len(), 1);
}

#[test]
fn nonsense_is_refused_and_appends_nothing() {
    let folder = Folder::new();
    let ledger = Arc::new(SharedLedger::new(folder.init()));
    let _server = Server::start(&folder.ledger(), Arc::clone(&ledger)).unwrap();
    let size = ledger.lock().size();
    let whole = |json: &str| [&(json.len() as u32).to_be_bytes()[..], json.as_bytes()].concat();
    let submission = |draft: &str| {
        whole(&format!(
            r#"{{"append":[{{"received_at":null,"source":null,"headers":{{}},"body":"","origin":"","drafts":[{draft}],"rejects":[],"ignored":null}}]}}"#
        ))
    };
    for (bytes, answered) in [
        (whole("\"hello\""), true),
        (whole("{}"), true),
        (whole("{\"erase\":{\"events\":[\"test:1\"]}}"), true),
        (whole("{\"hello\":1}"), true),
        (whole("\u{0}\u{1}"), true),
        (whole(&"[".repeat(100_000)), true),
        (whole("{\"append\":[{}]}"), true),
        (submission(r#"{"event":"{}","people":[],"texts":[]}"#), true),
        (submission(r#"{"event":"{\"a\": 1}","people":[],"texts":[]}"#), true),
        (
            submission(
                r#"{"event":"{\"kind\":\"x\"}","people":[["nobody",{"bot":"b"}]],"texts":[]}"#,
            ),
            true,
        ),
        (submission(r#"{"event":"{\"kind\":\"x\"}","people":[],"texts":[["payload","b"]]}"#), true),
        (whole("{\"link\":{\"pseudonym\":\"\",\"same_as\":\"\"}}"), true),
        ((MESSAGE_BYTES_MAX as u32 + 1).to_be_bytes().to_vec(), false),
        (b"\x00\x00\x10\x00short".to_vec(), false),
        (Vec::new(), false),
    ] {
        let mut stream = UnixStream::connect(folder.ledger().join("state/writer.sock")).unwrap();
        stream.write_all(&bytes).unwrap();
        stream.shutdown(std::net::Shutdown::Write).unwrap();
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        let shown = String::from_utf8_lossy(&bytes[..bytes.len().min(300)]).into_owned();
        assert_eq!(!answer.is_empty(), answered, "{shown}");
        let good = bytes == whole("\"hello\"");
        assert_eq!(answered && !good, answer.windows(9).any(|w| w == b"{\"error\":"), "{shown}");
    }
    let mut ledger = ledger.lock();
    assert_eq!(ledger.size(), size);
    ledger.append(vec![crate::support::submission(1)]).unwrap();
}

#[test]
fn too_many_connections_are_told_to_come_again() {
    let folder = Folder::new();
    let server = Server::start(&folder.ledger(), Arc::new(SharedLedger::new(folder.init())));
    let _server = server.unwrap();
    let path = folder.ledger().join("state/writer.sock");
    let held: Vec<UnixStream> =
        (0..SOCKET_CONNECTIONS_MAX).map(|_| UnixStream::connect(&path).unwrap()).collect();
    let busy = Client::connect(&folder.ledger()).unwrap_err();
    assert_eq!(busy.kind(), Kind::Locked, "{busy}");
    drop(held);
    // The places are free once the server has seen that they are.
    let free = (0..100).any(|_| {
        std::thread::sleep(std::time::Duration::from_millis(20));
        Client::connect(&folder.ledger()).is_ok()
    });
    assert!(free);
}
