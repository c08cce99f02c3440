//! What intake stands: a killed server, one that is stopped, TLS, and strangers who want its memory.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::Value;
use ureq::tls::{Certificate, ClientCert, PrivateKey, RootCerts, TlsConfig};

use crate::intake::{TOKEN, bearer, event, post, signature, start, taking};
use crate::serving::{Serving, ledger, now, rows, send};
use crate::tool::{backtrail, check, ok, ran};

/// Senders at once.
const SENDERS: usize = 8;

/// Sends until the server is gone; the ids that were answered with 200.
fn send_until(address: &str, from: usize, end: impl FnOnce(&AtomicUsize)) -> Vec<String> {
    let (next, gone) = (AtomicUsize::new(from), AtomicBool::new(false));
    let kept = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..SENDERS {
            scope.spawn(|| {
                while !gone.load(Ordering::SeqCst) {
                    let id = format!("load-{}", next.fetch_add(1, Ordering::SeqCst));
                    let body = event(&id, "1").to_string();
                    let Ok(mut stream) = TcpStream::connect(address) else { return };
                    let _ = stream.write_all(&post("native", &[bearer()], body.as_bytes()));
                    let mut answer = Vec::new();
                    let _ = stream.read_to_end(&mut answer);
                    if answer.starts_with(b"HTTP/1.1 200") {
                        kept.lock().unwrap().push(id);
                    }
                }
            });
        }
        end(&next);
        gone.store(true, Ordering::SeqCst);
    });
    kept.into_inner().unwrap()
}

#[test]
fn what_was_answered_survives_kill_and_stop() {
    const ROUNDS: usize = 6;
    let (dir, mut server) = taking("");
    let dir = dir.path();
    let mut kept = Vec::new();
    for round in 0..ROUNDS {
        let from = round * 100_000;
        let child = server.child.id().to_string();
        let signal = if round % 2 == 0 { "-KILL" } else { "-TERM" };
        let wanted = 40 + round * 37;
        let some = send_until(&server.address, from, |next| {
            while next.load(Ordering::SeqCst) < from + wanted {
                std::thread::sleep(Duration::from_millis(2));
            }
            let killed = std::process::Command::new("kill").args([signal, &child]).status();
            assert!(killed.unwrap().success());
            std::thread::sleep(Duration::from_millis(300));
        });
        let exit = server.child.wait().unwrap().code();
        assert_eq!(exit, if signal == "-TERM" { Some(0) } else { None });
        assert!(some.len() >= wanted / 2, "{} of {wanted}", some.len());
        kept.extend(some);
        server = start(dir);
    }
    server.signal("-TERM");
    ok(dir, ["verify", "ledger", "--vkey", "ledger.vkey"]);
    let mut ids: Vec<String> = rows(dir).iter().map(|r| r["event_id"].to_string()).collect();
    ids.sort();
    let count = ids.len();
    ids.dedup();
    assert_eq!(ids.len(), count, "an event is there once");
    for id in &kept {
        let row = format!("\"native:default:{id}\"");
        assert!(ids.binary_search(&row).is_ok(), "{id} was answered and is not there");
    }
    println!("{} answers over {ROUNDS} ends, all in the log", kept.len());
}

/// The most memory that the server had, in MiB.
fn peak_mib(server: &Serving) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", server.child.id())).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() / 1024
}

/// A flood of well-formed wrong signatures, and somebody honest in the middle of it: how long that one waited at most.
fn flooded(server: &Serving) -> Duration {
    let body = vec![b'x'; 20_000];
    let wrong = signature(TOKEN, &body);
    let bad = post("github", &[("x-hub-signature-256", &wrong)], &body);
    let waits = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        let address = server.address.as_str();
        let flood = || (0..250).for_each(|_| assert_eq!(send(address, &bad).0, 401));
        let senders: Vec<_> = (0..4).map(|_| scope.spawn(flood)).collect();
        for n in 0..10 {
            let one = event(&format!("honest-{n}"), "1").to_string();
            let began = now();
            assert_eq!(server.send(&post("native", &[bearer()], one.as_bytes())).0, 200);
            waits.fetch_max(began.elapsed().as_millis() as usize, Ordering::SeqCst);
        }
        assert!(senders.iter().any(|sender| !sender.is_finished()), "the flood was not concurrent");
    });
    Duration::from_millis(waits.into_inner() as u64)
}

/// The bounds of `just bench intake`, on a smaller scale.
#[test]
fn strangers_take_no_memory_and_no_time() {
    let (dir, server) = taking("");
    let before = server.size();
    // One that sends its body slowly.
    let mut slow = TcpStream::connect(&server.address).unwrap();
    let head = "POST /v1/ingest/github HTTP/1.1\r\nhost: x\r\ncontent-length: 50000\r\n\r\n{";
    slow.write_all(head.as_bytes()).unwrap();
    // Those that say nothing.
    let idle: Vec<_> = (0..200).map(|_| TcpStream::connect(&server.address).unwrap()).collect();
    // A body without an end, to a source that must read it to know who sends.
    let mut endless = TcpStream::connect(&server.address).unwrap();
    let head = "POST /v1/ingest/github HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n";
    endless.write_all(head.as_bytes()).unwrap();
    let chunk = format!("{:x}\r\n{}\r\n", 1 << 16, "x".repeat(1 << 16));
    let mut sent = 0;
    while sent < 64 << 20 && endless.write_all(chunk.as_bytes()).is_ok() {
        sent += chunk.len();
    }
    assert!(sent < 64 << 20, "the server reads on");
    // One that announces more than it may.
    let head = "POST /v1/ingest/github HTTP/1.1\r\nhost: x\r\ncontent-length: 10000000000\r\n\r\n";
    assert_eq!(server.send(head.as_bytes()).0, 413);
    let waited = flooded(&server);
    println!("somebody honest waited at most {waited:?} for an answer");
    assert!(waited < Duration::from_secs(2), "{waited:?}");
    assert!(server.log().len() < 100, "a flood does not fill the log");
    drop(idle);
    let peak = peak_mib(&server);
    println!("at most {peak} MiB");
    assert!(peak < 300, "{peak} MiB");
    // The slow one is cut off after 30 s.
    slow.set_read_timeout(Some(Duration::from_mins(1))).unwrap();
    let mut answer = Vec::new();
    let _ = slow.read_to_end(&mut answer);
    assert!(answer.starts_with(b"HTTP/1.1 408"), "{}", String::from_utf8_lossy(&answer));
    drop(server);
    // Only the honest ones are there; heartbeats may be.
    let rows = rows(dir.path());
    let honest = rows.iter().filter(|row| row["source"] == "native").count();
    assert!(rows.len() as u64 >= before && honest == 10, "{honest}");
}

/// A certificate authority and what it signs, as PEM.
struct Authority(rcgen::CertifiedIssuer<'static, rcgen::KeyPair>);

impl Authority {
    fn new() -> Self {
        let mut params = rcgen::CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        let key = rcgen::KeyPair::generate().unwrap();
        Self(rcgen::CertifiedIssuer::self_signed(params, key).unwrap())
    }

    /// Certificate and key for a name.
    fn sign(&self, name: &str) -> (String, String) {
        let params = rcgen::CertificateParams::new(vec![name.to_owned()]).unwrap();
        let key = rcgen::KeyPair::generate().unwrap();
        (params.signed_by(&key, &self.0).unwrap().pem(), key.serialize_pem())
    }
}

#[test]
fn clients_may_show_a_certificate() {
    let dir = ledger(3);
    let dir = dir.path();
    let (ours, theirs) = (Authority::new(), Authority::new());
    let (certificate, key) = ours.sign("localhost");
    for (name, text) in
        [("server.pem", &certificate), ("server.key", &key), ("ca.pem", &ours.0.pem())]
    {
        std::fs::write(dir.join(name), text).unwrap();
    }
    let config = "[serve]\ntls_certificate = 'server.pem'\ntls_key = 'server.key'\ntls_client_ca = 'ca.pem'\n[sources.native]\nscheme = 'mtls'\nclients = ['ci.example']\n";
    std::fs::write(dir.join("backtrail.toml"), config).unwrap();
    let mut server = Serving::start(dir, &[]);
    let port = server.address.rsplit(':').next().unwrap().to_owned();
    let ask = |client: Option<(String, String)>| {
        let client = client.map(|(certificate, key)| {
            let chain = vec![Certificate::from_pem(certificate.as_bytes()).unwrap()];
            ClientCert::new_with_certs(&chain, PrivateKey::from_pem(key.as_bytes()).unwrap())
        });
        let roots = vec![Certificate::from_pem(ours.0.pem().as_bytes()).unwrap()];
        let tls = TlsConfig::builder()
            .root_certs(RootCerts::new_with_certs(&roots))
            .client_cert(client)
            .build();
        let agent: ureq::Agent = ureq::Agent::config_builder()
            .tls_config(tls)
            .http_status_as_error(false)
            .build()
            .into();
        let url = format!("https://localhost:{port}/v1/ingest/native");
        let answer = agent.post(&url).send(event("tls", "1").to_string());
        answer.map(|answer| answer.status().as_u16())
    };
    assert_eq!(ask(Some(ours.sign("ci.example"))).unwrap(), 200);
    assert_eq!(ask(Some(ours.sign("other.example"))).unwrap(), 401);
    assert_eq!(ask(None).unwrap(), 401);
    let stranger = ask(Some(theirs.sign("ci.example")));
    assert!(stranger.is_err(), "somebody else's signature ends the handshake: {stranger:?}");
    assert_eq!(server.signal("-TERM"), 0);
    let rows: Vec<Value> = rows(dir).into_iter().filter(|row| row["source"] == "native").collect();
    assert_eq!(rows.len(), 1);
    assert_eq!(
        (&rows[0]["authn_method"], &rows[0]["authn_key_id"]),
        (&"mtls".into(), &"ci.example".into())
    );
}

/// Whom `SSL_CERT_FILE` names is trusted by everything that calls others; else it is said what to do.
#[test]
fn a_private_authority_is_trusted_when_it_is_named() {
    let dir = ledger(3);
    let dir = dir.path();
    let authority = Authority::new();
    let (certificate, key) = authority.sign("127.0.0.1");
    for (name, text) in [
        ("server.pem", certificate.as_str()),
        ("server.key", &key),
        ("ca.pem", &authority.0.pem()),
        ("none.pem", "no certificate"),
        ("damaged.pem", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"),
    ] {
        std::fs::write(dir.join(name), text).unwrap();
    }
    let config = "[serve]\ntls_certificate = 'server.pem'\ntls_key = 'server.key'\n[sources.native]\nscheme = 'bearer'\nsecrets = [{ id = 'ci', env = 'TOKEN' }]\n";
    std::fs::write(dir.join("backtrail.toml"), config).unwrap();
    let variables = ("TOKEN", "a-token-of-more-than-16-bytes");
    let server = Serving::start_with(dir, &[], &[variables]);
    let url = format!("https://{}", server.address);
    // Another ledger, whose witness and API are at the same address.
    ok(dir, ["init", "other", "--origin", "serve.example/other"]);
    ok(dir, ["witness", "init", "witness", "--name", "witness.example/w"]);
    let vkey = |name: &str| std::fs::read_to_string(dir.join(name)).unwrap();
    let (log, witness) = (vkey("other.vkey"), vkey("witness.vkey"));
    let policy = format!("log {log}\nwitness w {} {url}\nquorum w\n", witness.trim());
    std::fs::write(dir.join("policy"), policy).unwrap();
    let other = format!(
        "[ledger]\npath = 'other'\npolicy = 'policy'\n[sources.github.poll]\napi = '{url}'\ntoken_env = 'TOKEN'\nof = ['shop/cart']\n"
    );
    std::fs::write(dir.join("other.toml"), other).unwrap();
    let run = |roots: &str, args: &[&str]| {
        let mut command = backtrail();
        command.args(args).envs([variables, ("SSL_CERT_FILE", roots)]).current_dir(dir);
        ran(&command.output().unwrap())
    };
    let emit = ["emit", "drill", "started", "--server", &url, "--token-env", "TOKEN"];
    let poll = ["poll", "github", "--since", "2025-05-01", "--dry-run", "--config", "other.toml"];
    let anchor = ["anchor", "--config", "other.toml"];
    let unknown = ["UnknownIssuer", "SSL_CERT_FILE"];
    let reached = |args: &[&str]| run("ca.pem", args);
    for args in [&emit[..], &poll, &anchor] {
        check(&run("", args), 69, &unknown);
        check(&run("none.pem", args), 65, &["SSL_CERT_FILE: none.pem"]);
        check(&run("damaged.pem", args), 65, &["SSL_CERT_FILE: damaged.pem"]);
        check(&run("absent.pem", args), 66, &["SSL_CERT_FILE: cannot read absent.pem"]);
    }
    // It is the server's own answer: it takes the event, and is neither GitHub nor a witness.
    let taken = reached(&emit);
    assert!(taken.exit == 0 && taken.out.starts_with("accepted "), "{}", taken.err);
    check(&reached(&poll), 65, &["/repos/shop/cart/deployments answered 404"]);
    let asked = reached(&anchor);
    check(&asked, 69, &["it answered 405"]);
    assert!(!asked.err.contains("certificate"), "{}", asked.err);
    // Who calls nobody needs no roots.
    assert_eq!(run("absent.pem", &["seal", "--ledger", "other"]).exit, 0);
}
