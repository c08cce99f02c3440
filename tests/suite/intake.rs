//! Deliveries over HTTP with the real binary: who may send, what is answered, and what is in the log then.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;

use backtrail_ledger::{TlogProof, Vkey, leaf_hash};
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::{Value, json};
use sha2::Sha256;

use crate::serving::{Serving, eventually, ledger, now, rows};
use crate::shapes;
use crate::tool::{ok, run};

/// The secret of `native`.
pub(crate) const TOKEN: &str = "quarry-heron-58-tin";
/// The secrets of `github`: in the environment and in a file.
pub(crate) const HOOKS: [&str; 2] = ["fjord-kettle-77-oak", "delta-ribbon-12-ash"];

const CONFIG: &str = r#"
[sources.native]
scheme = "bearer"
secrets = [{ id = "ci", env = "NATIVE_TOKEN" }]
origins = ["events.example"]

[sources.github]
secrets = [{ id = "2026a", env = "GITHUB_SECRET" }, { id = "2026b", file = "hook.secret" }]

[sources.cdevents]
scheme = "header"
header = "X-Our-Token"
secrets = [{ id = "only", env = "NATIVE_TOKEN" }]
rate_per_s = 3

[serve]
body_bytes_max = 100000
"#;

/// A ledger with the config above and a server of it.
pub(crate) fn taking(extra: &str) -> (tempfile::TempDir, Serving) {
    let dir = configured(extra);
    let server = start(dir.path());
    (dir, server)
}

/// A ledger with the config above.
pub(crate) fn configured(extra: &str) -> tempfile::TempDir {
    let dir = ledger(3);
    std::fs::write(dir.path().join("backtrail.toml"), format!("{CONFIG}{extra}")).unwrap();
    std::fs::write(dir.path().join("hook.secret"), format!("{}\n", HOOKS[1])).unwrap();
    dir
}

/// The variables that hold its secrets.
pub(crate) const SECRETS: [(&str, &str); 2] =
    [("NATIVE_TOKEN", TOKEN), ("GITHUB_SECRET", HOOKS[0])];

pub(crate) fn start(dir: &Path) -> Serving {
    Serving::start_with(dir, &[], &SECRETS)
}

/// An event of our own form.
pub(crate) fn event(id: &str, version: &str) -> Value {
    json!({"event_id": id, "kind": "deployment", "phase": "live", "occurred_at": "2026-04-02T09:00:00Z", "service": "mill", "version": version})
}

/// A POST as it goes over the wire.
pub(crate) fn post(source: &str, headers: &[(&str, &str)], body: &[u8]) -> Vec<u8> {
    let headers: Vec<String> = headers.iter().map(|(k, v)| format!("{k}: {v}\r\n")).collect();
    let headers = headers.concat();
    let mut request = format!(
        "POST /v1/ingest/{source} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: {}\r\n{headers}\r\n",
        body.len()
    )
    .into_bytes();
    request.extend_from_slice(body);
    request
}

pub(crate) fn bearer() -> (&'static str, &'static str) {
    ("authorization", "Bearer quarry-heron-58-tin")
}

fn native(server: &Serving, body: &Value) -> (u16, Value) {
    let (status, _, answer) =
        server.send(&post("native", &[bearer()], body.to_string().as_bytes()));
    (status, serde_json::from_slice(&answer).unwrap())
}

/// What `X-Hub-Signature-256` says of `body`.
pub(crate) fn signature(secret: &str, body: &[u8]) -> String {
    let mut mac = <Hmac<Sha256>>::new_from_slice(secret.as_bytes()).unwrap();
    mac.update(body);
    format!("sha256={}", data_encoding::HEXLOWER.encode(&mac.finalize().into_bytes()))
}

fn github(server: &Serving, secret: &str, body: &[u8]) -> (u16, Value) {
    let signature = signature(secret, body);
    let headers = [("x-github-event", "deployment"), ("x-hub-signature-256", signature.as_str())];
    let (status, _, answer) = server.send(&post("github", &headers, body));
    (status, serde_json::from_slice(&answer).unwrap())
}

fn deployment(id: u64) -> Vec<u8> {
    json!({
        "action": "created",
        "deployment": {"id": id, "sha": "c0ffee00c0ffee00c0ffee00c0ffee00c0ffee00", "ref": "main", "task": "deploy",
            "environment": "production", "payload": {}, "creator": {"id": 7, "login": "wren", "type": "User"},
            "created_at": "2026-04-02T09:00:00Z", "url": format!("https://api.github.com/repos/kiln/mill/deployments/{id}")},
        "repository": {"full_name": "kiln/mill", "name": "mill", "html_url": "https://github.com/kiln/mill"},
    })
    .to_string()
    .into_bytes()
}

/// Everything below a folder that holds these bytes.
fn holding(folder: &Path, needle: &str, found: &mut Vec<String>) {
    for path in std::fs::read_dir(folder).unwrap().map(|e| e.unwrap().path()) {
        if path.is_dir() {
            holding(&path, needle, found);
        } else if path.is_file() {
            let bytes = std::fs::read(&path).unwrap();
            if bytes.windows(needle.len()).any(|w| w == needle.as_bytes()) {
                found.push(path.display().to_string());
            }
        }
    }
}

#[test]
fn a_delivery_is_in_the_log_when_it_is_answered() {
    let (dir, mut server) = taking("");
    let dir = dir.path();
    let (status, answer) = native(&server, &event("a", "1"));
    assert_eq!((status, &answer["accepted"]), (200, &json!(1)), "{answer}");
    shapes::check("delivery", &answer.to_string());
    let seq = answer["receipts"][0]["seq"].as_u64().unwrap();
    // Both live secrets, each with its name in the log.
    for (id, secret) in [(1, HOOKS[0]), (2, HOOKS[1])] {
        let (status, answer) = github(&server, secret, &deployment(id));
        assert_eq!((status, &answer["accepted"]), (200, &json!(1)), "{answer}");
    }
    let (_, again) = github(&server, HOOKS[0], &deployment(1));
    assert_eq!((&again["accepted"], &again["duplicate"]), (&json!(0), &json!(1)));
    let mut log = server.log();
    assert_eq!(server.signal("-TERM"), 0);
    log.extend(server.log());
    ok(dir, ["verify", "ledger", "--vkey", "ledger.vkey"]);
    let rows = rows(dir);
    assert_eq!(rows[seq as usize]["event_id"], answer["receipts"][0]["event_id"]);
    let told = |row: &Value| {
        ["ingest_mode", "authn_method", "authn_verified", "authn_key_id"]
            .map(|name| row[name].to_string())
            .join(" ")
    };
    assert_eq!(told(&rows[seq as usize]), r#""push" "bearer" true "ci""#);
    let hooks: Vec<_> = rows.iter().filter(|row| row["source"] == "github").map(told).collect();
    let want = ["2026a", "2026b"].map(|id| format!(r#""push" "hmac-sha256" true "{id}""#));
    assert_eq!(hooks, want);
    // No secret is anywhere but where it was put.
    for secret in HOOKS.iter().chain(&[TOKEN]) {
        let mut found = Vec::new();
        holding(&dir.join("ledger"), secret, &mut found);
        assert!(found.is_empty(), "{found:?}");
        assert!(!log.iter().any(|line| line.contains(secret)), "{log:?}");
    }
    let mut found = Vec::new();
    holding(&dir.join("ledger"), "x-hub-signature-256", &mut found);
    assert!(!found.is_empty(), "signatures are kept with the delivery");
}

#[test]
fn headers_with_secrets_of_any_scheme_are_not_kept() {
    let (dir, server) = taking("");
    let body = br#"{"action": "unheard of"}"#;
    let (signature, theirs) = (signature(HOOKS[0], body), "gravel-otter-31-elm");
    let mut headers = vec![("x-github-event", "deployment"), ("x-hub-signature-256", &signature)];
    let secret = ["X-Gitlab-Token", "X-Our-Token", "Authorization", "Cookie", "X-Api-Key"];
    headers.extend(secret.map(|name| (name, theirs)));
    assert_eq!(server.send(&post("github", &headers, body)).0, 202);
    drop(server);
    let list = ok(dir.path(), ["quarantine", "list", "--ledger", "ledger", "--format", "json"]);
    let id = serde_json::from_str::<Value>(&list).unwrap()[0]["id"].as_str().unwrap().to_owned();
    let shown = ok(dir.path(), ["quarantine", "show", &id, "--ledger", "ledger"]);
    assert!(shown.contains("x-hub-signature-256"), "{shown}");
    let mut found = Vec::new();
    holding(&dir.path().join("ledger"), theirs, &mut found);
    assert!(found.is_empty() && !shown.contains(theirs), "{found:?} {shown}");
}

#[test]
fn strangers_are_all_answered_alike_and_leave_nothing() {
    let (dir, server) = taking("");
    let before = server.size();
    let body = event("a", "1").to_string();
    let mut answers = Vec::new();
    for (source, header) in [
        ("native", ("x-nothing", "1")),
        ("native", ("authorization", "Bearer quarry-heron-58-tim")),
        ("native", ("authorization", "Basic cXVhcnJ5LWhlcm9uLTU4LXRpbg==")),
        ("github", ("x-hub-signature-256", "sha256=00")),
        ("github", bearer()),
        ("cdevents", ("x-our-token", "quarry-heron-58-ti")),
        ("pagerduty", bearer()),
        ("auto", bearer()),
        ("nobody", bearer()),
        ("", bearer()),
    ] {
        let (status, head, answer) = server.send(&post(source, &[header], body.as_bytes()));
        let date = head.find("date: ").map_or(0, |at| at + "date: ".len());
        answers.push((status, head.replace(&head[date..date + 25], ""), answer));
    }
    assert!(answers.iter().all(|one| one == &answers[0] && one.0 == 401), "{answers:?}");
    let metrics = String::from_utf8(server.ask("GET", "/metrics").2).unwrap();
    for line in [
        r#"backtrail_deliveries_total{source="native",outcome="unauthenticated"} 3"#,
        r#"backtrail_deliveries_total{source="github",outcome="unauthenticated"} 2"#,
        r#"backtrail_deliveries_total{source="unknown",outcome="unauthenticated"} 4"#,
    ] {
        assert!(metrics.contains(line), "{line} is not in\n{metrics}");
    }
    drop(server);
    assert_eq!(rows(dir.path()).len() as u64, before);
    assert!(ok(dir.path(), ["quarantine", "list", "--ledger", "ledger"]).lines().count() <= 1);
}

#[test]
fn each_answer_has_its_status() {
    let (dir, server) = taking("");
    let status = |source: &str, headers: &[(&str, &str)], body: &[u8]| {
        let (status, head, answer) = server.send(&post(source, headers, body));
        let answer: Value = serde_json::from_slice(&answer).unwrap();
        (status, head, answer)
    };
    let one = event("a", "1").to_string();
    let token = bearer();
    assert_eq!(status("native", &[token], one.as_bytes()).0, 200);
    // Understood, and it contradicts the log; together with something new it is not the answer.
    let other = event("a", "2").to_string();
    let (code, _, answer) = status("native", &[token], other.as_bytes());
    assert_eq!((code, &answer["conflict"]), (409, &json!(1)), "{answer}");
    let both = json!([event("a", "2"), event("b", "1")]).to_string();
    assert_eq!(status("native", &[token], both.as_bytes()).0, 200);
    // A bad element does not hold up the good ones; nothing understood is kept all the same.
    let part = json!([event("c", "1"), {"kind": "deployment"}]).to_string();
    let (code, _, answer) = status("native", &[token], part.as_bytes());
    let counts = (&answer["accepted"], &answer["quarantined"]);
    assert_eq!((code, counts), (200, (&json!(1), &json!(1))), "{answer}");
    let (code, _, answer) = status("native", &[token], b"no event");
    assert_eq!((code, answer["quarantine"].as_array().unwrap().len()), (202, 1), "{answer}");
    // One delivery a line, each for itself.
    let lines = format!("{}\nbroken\n\n{}\n", event("d", "1"), event("e", "1"));
    let ndjson = ("content-type", "application/x-ndjson");
    let (code, _, answer) = status("native", &[token, ndjson], lines.as_bytes());
    assert_eq!((code, &answer["deliveries"], &answer["accepted"]), (200, &json!(3), &json!(2)));
    // Forms that are not read.
    let form = ("content-type", "application/x-www-form-urlencoded");
    assert_eq!(status("native", &[token, form], b"kind=deployment").0, 415);
    assert_eq!(status("native", &[token, ("content-encoding", "br")], one.as_bytes()).0, 415);
    assert_eq!(status("native", &[token], &vec![b' '; 100_001]).0, 413);
    let chunked = format!("{:x}\r\n{}\r\n0\r\n\r\n", 100_001, " ".repeat(100_001));
    let request = format!(
        "POST /v1/ingest/native HTTP/1.1\r\nhost: x\r\nconnection: close\r\n{}: {}\r\ntransfer-encoding: chunked\r\n\r\n{chunked}",
        token.0, token.1
    );
    assert_eq!(server.send(request.as_bytes()).0, 413);
    assert_eq!(server.ask("GET", "/v1/ingest/native").0, 405);
    assert_eq!(status("native?ack=later", &[token], one.as_bytes()).0, 400);
    // More than the source may send, and when it may again.
    let ours = ("x-our-token", TOKEN);
    let codes: Vec<_> = (0..6).map(|_| status("cdevents", &[ours], b"{}")).collect();
    let limited = codes.iter().filter(|(code, ..)| *code == 429);
    assert!(limited.clone().count() >= 1, "{codes:?}");
    assert!(limited.clone().all(|(_, head, _)| head.contains("retry-after: 1")));
    drop(server);
    ok(dir.path(), ["verify", "ledger", "--vkey", "ledger.vkey"]);
}

/// What GitHub sends unless it is told to send JSON. It signs the form.
#[test]
fn a_form_with_a_payload_is_read() {
    let (_dir, server) = taking("");
    let escaped: Vec<_> = deployment(5).iter().map(|byte| format!("%{byte:02X}")).collect();
    let form = format!("payload={}", escaped.concat());
    let signature = signature(HOOKS[0], form.as_bytes());
    let headers = [
        ("x-github-event", "deployment"),
        ("x-hub-signature-256", signature.as_str()),
        ("content-type", "application/x-www-form-urlencoded"),
    ];
    let (status, _, answer) = server.send(&post("github", &headers, form.as_bytes()));
    let answer: Value = serde_json::from_slice(&answer).unwrap();
    assert_eq!((status, &answer["accepted"]), (200, &json!(1)), "{answer}");
    let (status, answer) = github(&server, HOOKS[0], &deployment(5));
    assert_eq!((status, &answer["duplicate"]), (200, &json!(1)), "{answer}");
}

/// A sender that reads only when it has sent everything: closed at once, it would see a reset, and many then drop the answer.
#[test]
fn a_refused_body_may_be_sent_to_its_end() {
    let (_dir, server) = taking("");
    let mut stream = TcpStream::connect(&server.address).unwrap();
    stream.write_all(&post("native", &[bearer()], &vec![b' '; 20_000_000])).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    assert!(answer.starts_with(b"HTTP/1.1 413"), "{}", String::from_utf8_lossy(&answer));
}

#[test]
fn compressed_bodies_are_expanded_within_the_limit() {
    let (_dir, server) = taking("");
    let gzip = |bytes: &[u8]| {
        use std::io::Write as _;
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    };
    let send = |body: &[u8]| {
        server.send(&post("native", &[bearer(), ("content-encoding", "gzip")], body)).0
    };
    let small = gzip(event("z", "1").to_string().as_bytes());
    assert_eq!(send(&small), 200);
    let bomb = gzip(&vec![b' '; 50_000_000]);
    assert!(bomb.len() < 100_000);
    assert_eq!(send(&bomb), 413);
    assert_eq!(send(&small[..small.len() - 9]), 400);
    assert_eq!(send(b"plain"), 400);
}

#[test]
fn a_published_delivery_is_proved() {
    let (dir, mut server) = taking("");
    let body = json!([event("p", "1"), event("q", "1")]).to_string();
    let (status, _, answer) =
        server.send(&post("native?ack=published", &[bearer()], body.as_bytes()));
    let answer: Value = serde_json::from_slice(&answer).unwrap();
    assert_eq!(status, 200, "{answer}");
    shapes::check("delivery", &answer.to_string());
    server.signal("-KILL");
    let key: Vkey =
        std::fs::read_to_string(dir.path().join("ledger.vkey")).unwrap().trim().parse().unwrap();
    let leaves = ok(dir.path(), ["export", "events", "--ledger", "ledger"]);
    let leaves: Vec<&str> = leaves.lines().collect();
    let receipts = answer["receipts"].as_array().unwrap();
    assert_eq!(receipts.len(), 2);
    for receipt in receipts {
        let seq = receipt["seq"].as_u64().unwrap();
        let proof: TlogProof = receipt["proof"].as_str().unwrap().parse().unwrap();
        let leaf = leaf_hash(leaves[seq as usize].as_bytes());
        let head = proof.verify(&leaf, std::slice::from_ref(&key)).unwrap();
        assert!(head.size > seq && answer["checkpoint"] == head.size);
    }
}

#[test]
fn senders_of_cloudevents_may_ask_first() {
    let (_dir, server) = taking("");
    let ask = |source: &str, origin: &str| {
        let request = format!(
            "OPTIONS /v1/ingest/{source} HTTP/1.1\r\nhost: x\r\nconnection: close\r\nWebHook-Request-Origin: {origin}\r\nWebHook-Request-Rate: 60\r\n\r\n"
        );
        server.send(request.as_bytes())
    };
    let (status, head, _) = ask("native", "events.example");
    assert_eq!(status, 204);
    assert!(head.contains("webhook-allowed-origin: events.example"), "{head}");
    assert!(head.contains("webhook-allowed-rate: 30000"), "{head}");
    for (source, origin) in
        [("native", "elsewhere.example"), ("github", "events.example"), ("nobody", "x")]
    {
        let (status, head, _) = ask(source, origin);
        assert!(status == 204 && !head.contains("webhook-allowed"), "{head}");
    }
}

#[test]
fn the_config_of_sources_is_checked() {
    let dir = ledger(3);
    let dir = dir.path();
    std::fs::write(dir.join("short"), "short\n").unwrap();
    std::fs::write(dir.join("long"), TOKEN).unwrap();
    let secret = "secrets = [{ id = 'a', file = 'long' }]";
    for (config, exit, said) in [
        (format!("[sources.github]\n{secret}"), 0, "fine: "),
        (format!("[sources.githup]\n{secret}"), 65, "did you mean github?"),
        (format!("[sources.native]\n{secret}"), 65, "sources.native needs a `scheme`"),
        (format!("[sources.native]\nscheme = '{TOKEN}'\n{secret}"), 65, "sources.native.scheme"),
        (format!("[sources.native]\nscheme = 'header'\n{secret}"), 65, "needs `header`"),
        (format!("[sources.native]\nscheme = 'mtls'\n{secret}"), 65, "tls_client_ca"),
        (format!("[sources.github]\nrate_per_s = 0\n{secret}"), 65, "rate_per_s"),
        (format!("[sources.github]\nsilent_after_s = 9\n{secret}"), 65, "10 to 31622400 seconds"),
        ("[sources.github]".to_owned(), 65, "secrets = "),
        ("[sources.github]\nsecrets = [{ id = 'a' }]".to_owned(), 65, "where is it?"),
        (
            format!("[sources.github]\nsecrets = [{{ id = 'a', env = '{TOKEN}' }}]"),
            66,
            "sources.github.secrets[0].env names no",
        ),
        ("[sources.github]\nsecrets = [{ id = 'a', file = 'absent' }]".to_owned(), 66, "absent"),
        (
            "[sources.github]\nsecrets = [{ id = 'a', file = 'short' }]".to_owned(),
            65,
            "less than 16",
        ),
        (
            format!("[sources.github]\nsecrets = ['{TOKEN}']"),
            65,
            "backtrail.toml:2: invalid type: a string, expected a table such as",
        ),
        (
            format!("[sources.github]\nsecrets = [{{ id = 'a', secret = '{TOKEN}' }}]"),
            65,
            "unknown field `secret`",
        ),
        ("[serve]\nbody_bytes_max = 1".to_owned(), 65, "body_bytes_max"),
        ("[serve]\ntls_key = 'long'".to_owned(), 65, "go together"),
        ("[serve]\ntls_key = 'long'\ntls_certificate = 'long'".to_owned(), 65, "PEM"),
        ("[serve]\nlog = 'xml'".to_owned(), 65, "xml"),
        ("[report]\ntimezone = 'Mars/Olympus'".to_owned(), 65, "report.timezone: `Mars/Olympus`"),
        ("[report]\noverlay = 'absent'".to_owned(), 66, "absent"),
        ("[[ledger.anchor]]\npath = 'absent'".to_owned(), 66, "absent is no folder"),
        ("[sources.helm.poll]\nof = ['a']".to_owned(), 65, "`helm` has no API"),
        ("[sources.github.poll]\ntoken_file = 'long'".to_owned(), 65, "`of` is missing"),
        ("[sources.github.poll]\nof = ['a/b', '../x/y']".to_owned(), 65, "`of` has \"../x/y\""),
        (
            "[sources.github.poll]\nof = ['a/b']\nuser = 'u'".to_owned(),
            65,
            "`user` is not for this",
        ),
        (
            "[sources.gitlab.poll]\nof = ['a/b']\nhooks = { 'a/b' = 1 }".to_owned(),
            65,
            "`hooks` is not",
        ),
        ("[sources.pagerduty.poll]\napplication_key_env = 'A'".to_owned(), 65, "`application_key_"),
        (format!("[sources.github.poll]\napi = 'https://x:{TOKEN}@h'"), 65, "`api` is not a plain"),
        (
            format!("[sources.github.poll]\nof = ['a/b']\ntoken_env = '{TOKEN}'"),
            66,
            "sources.github.poll.token_env names no",
        ),
    ] {
        std::fs::write(dir.join("backtrail.toml"), &config).unwrap();
        let ran = run(dir, ["serve", "--check", "--ledger", "ledger"]);
        assert_eq!(ran.exit, exit, "{config}: {}{}", ran.out, ran.err);
        assert!(format!("{}{}", ran.out, ran.err).contains(said), "{config}: {}", ran.err);
        assert_eq!(exit == 0, !ran.err.contains("hint: "), "{}", ran.err);
        assert!(!ran.err.contains(TOKEN), "{}", ran.err);
    }
}

#[test]
fn the_log_can_be_json_and_the_metrics_tell_the_state() {
    let (dir, mut server) = taking("log = \"json\"\n");
    // A lag is that of an event that is new in the log.
    assert!((0..2).all(|_| native(&server, &event("a", "1")).0 == 200));
    assert_eq!(native(&server, &event("a", "2")).0, 409);
    assert_eq!(native(&server, &json!("no event")).0, 202);
    let metrics = || String::from_utf8(server.ask("GET", "/metrics").2).unwrap();
    // The state is looked at once a second, and published then.
    let counted = || format!("backtrail_checkpoint_rows {}\n", rows(dir.path()).len());
    assert!(eventually(|| rows(dir.path()).len() > 2 && metrics().contains(&counted())));
    assert!(eventually(|| metrics().contains("backtrail_quarantine_deliveries 2\n")));
    let text = metrics();
    for part in [
        "backtrail_deliveries_total{source=\"native\",outcome=\"understood\"} 2\n",
        "backtrail_deliveries_total{source=\"native\",outcome=\"quarantined\"} 2\n",
        "backtrail_events_total{source=\"native\",outcome=\"accepted\"} 1\n",
        "backtrail_delivery_duration_seconds_count{source=\"native\"} 4\n",
        "backtrail_event_lag_seconds_bucket{le=\"+Inf\",source=\"native\"} 1\n",
        "backtrail_checkpoint_age_seconds ",
        "backtrail_writer_healthy 1\n",
        "backtrail_log_rows ",
        "# EOF\n",
    ] {
        assert!(text.contains(part), "{part} is not in\n{text}");
    }
    assert_eq!(server.ask("GET", "/readyz").0, 200);
    server.signal("-TERM");
    let log = server.log();
    let lines: Vec<Value> = log.iter().map(|line| serde_json::from_str(line).unwrap()).collect();
    let told: Vec<&Value> =
        lines.iter().filter(|line| line["message"] == "a delivery is in quarantine").collect();
    assert_eq!((&told[0]["source"], &told[0]["level"]), (&json!("native"), &json!("warn")));
    assert!(told[0]["ids"][0].is_string() && told[0]["others"] == 0, "{}", told[0]);
}

#[test]
fn deliveries_in_quarantine_are_told_now_and_then() {
    let (_dir, mut server) = taking("");
    let began = now();
    assert!((0..20).all(|n| native(&server, &json!(format!("no event {n}"))).0 == 202));
    // One a second, and the first one at once.
    let most = 1 + began.elapsed().as_secs() as usize;
    server.signal("-TERM");
    let log = server.log();
    let told = log.iter().filter(|line| line.contains("a delivery is in quarantine")).count();
    assert!((1..=most).contains(&told), "{told} of {most}");
}
