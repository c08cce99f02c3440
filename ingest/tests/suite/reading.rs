//! From files, folders, archives and standard input to deliveries.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use backtrail_ingest::read::{self, Found};
use backtrail_ingest::{Context, Error, Mode};
use flate2::Compression;
use flate2::write::GzEncoder;

const LINE: &str = r#"{"kind":"deployment","phase":"live","occurred_at":"2026-04-02T09:00:00Z"}"#;

fn all(paths: &[&Path], source: Option<&str>, stdin: &str) -> Result<Vec<Found>, Error> {
    let paths: Vec<PathBuf> = paths.iter().map(|p| p.to_path_buf()).collect();
    let mut found = Vec::new();
    read::deliveries(&paths, source, &mut stdin.as_bytes(), &mut |one| {
        found.push(one);
        Ok::<(), Error>(())
    })?;
    Ok(found)
}

fn origins(found: &[Found]) -> Vec<&str> {
    found.iter().map(|f| f.delivery.origin.as_str()).collect()
}

fn codes(found: &[Found]) -> Vec<String> {
    let outline = |f: &Found| {
        let mapped = f.clone().mapped(&Context::file()).1;
        mapped
            .rejects
            .first()
            .map_or(format!("{} events", mapped.drafts.len()), |r| r.code.to_string())
    };
    found.iter().map(outline).collect()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn tar(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (name, bytes) in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        header.set_cksum();
        builder.append_data(&mut header, name, *bytes).unwrap();
    }
    builder.into_inner().unwrap()
}

#[test]
fn folders_are_read_in_byte_order_and_files_as_they_lie() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["b.json", "a/z.json", "a.json", "B.json", "a/é.json"] {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, LINE).unwrap();
    }
    fs::write(folder.path().join("c.ndjson"), format!("{LINE}\n\n{{\"z\":1}}\n{LINE}")).unwrap();
    let found = all(&[folder.path()], None, "").unwrap();
    let want = [
        "B.json:1",
        "a.json:1",
        "a/z.json:1",
        "a/é.json:1",
        "b.json:1",
        "c.ndjson:1",
        "c.ndjson:3",
        "c.ndjson:4",
    ];
    assert_eq!(origins(&found), want);
}

#[test]
fn a_broken_line_is_a_delivery_and_does_not_stop_the_others() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("events.ndjson");
    fs::write(&path, format!("{LINE}\nnot json: [\n{LINE}\n\u{0}\n{{\"kind\":1}}\n{LINE}"))
        .unwrap();
    let found = all(&[&path], Some("native"), "").unwrap();
    assert_eq!(
        codes(&found),
        ["1 events", "bad_yaml", "1 events", "bad_yaml", "wrong_type", "1 events"]
    );
    let reason = found[1].clone().mapped(&Context::file()).1.rejects[0].reason.clone();
    assert!(reason.starts_with("events.ndjson:2: "), "{reason}");
}

#[test]
fn lines_are_told_from_a_document() {
    let pretty = "{\n  \"kind\": \"deployment\",\n  \"phase\": \"live\",\n  \"occurred_at\": \"2026-04-02T09:00:00Z\"\n}\n";
    for (stdin, want) in [
        (LINE.to_owned(), 1),
        (format!("{LINE}\n{LINE}\n"), 2),
        (format!("{{broken\n{LINE}\n{LINE}\n"), 3),
        (pretty.to_owned(), 1),
        (format!("[\n{LINE}\n]\n"), 1),
        (format!("[{LINE},{LINE}]"), 1),
        (String::new(), 1),
    ] {
        let found = all(&[Path::new("-")], Some("auto"), &stdin).unwrap();
        assert_eq!(found.len(), want, "{stdin}");
    }
    assert_eq!(codes(&all(&[Path::new("-")], None, pretty).unwrap()), ["1 events"]);
    assert_eq!(
        codes(&all(&[Path::new("-")], None, &format!("[\n{LINE},\n{LINE}]\n")).unwrap()),
        ["2 events"]
    );
}

#[test]
fn recorded_deliveries_keep_what_a_bare_body_loses() {
    let ping = |more: &str| format!(r#"{{"headers":{{"X-GitHub-Event":"ping"}}{more}}}"#);
    let found = |line: &str| {
        all(&[Path::new("-")], Some("native"), &format!("{line}\n")).unwrap().remove(0)
    };
    let one = found(&ping(
        r#","body":"{}","received_at":"2026-04-02T09:00:00Z","source":"github","mode":"push""#,
    ));
    assert_eq!(one.delivery.header("x-github-EVENT"), Some("ping"));
    assert_eq!((one.delivery.source.as_deref(), one.mode), (Some("github"), Some(Mode::Push)));
    assert_eq!(one.delivery.received_at.unwrap().to_string(), "2026-04-02T09:00:00.000000Z");
    assert_eq!(one.delivery.body, b"{}");
    assert_eq!(found(&ping(r#","body_base64":"AP8=""#)).delivery.body, [0, 255]);
    assert_eq!(found(&ping(r#","body":"""#)).delivery.source.as_deref(), Some("native"));
    for bad in [
        r#","body":"","body_base64":"""#,
        r#","body_base64":"?""#,
        r#","body":{}"#,
        r#","body":"x","mode":"carrier pigeon""#,
        r#","body":"x","received_at":"noon""#,
    ] {
        let one = found(&ping(bad));
        assert!(one.refused.is_some() && one.delivery.body == ping(bad).as_bytes(), "{bad}");
    }
    let twice = found(r#"{"headers":{"A":"1","a":"2"},"body":"x"}"#);
    assert!(twice.refused.unwrap().reason.contains("twice"));
    assert!(found(r#"{"body":"x","colour":"red"}"#).refused.is_none(), "a body of its own");
}

#[test]
fn a_recorded_mode_is_believed_under_a_simulated_clock_only() {
    let body = serde_json::to_string(LINE).unwrap();
    let line = format!("{{\"body\":{body},\"mode\":\"push\"}}\n");
    let found = all(&[Path::new("-")], None, &line).unwrap();
    let simulated = Context { simulated_clock: true, ..Context::file() };
    for (context, want) in [(Context::file(), "file"), (simulated, "push")] {
        assert_eq!(
            found[0].clone().mapped(&context).1.drafts[0].event.text("ingest_mode"),
            Some(want)
        );
    }
}

#[test]
fn a_recognised_delivery_carries_its_source() {
    for (line, want) in [(LINE, Some("native")), ("{\"event\":1}", None)] {
        let one = all(&[Path::new("-")], None, line).unwrap().remove(0);
        assert_eq!(one.mapped(&Context::file()).0.source.as_deref(), want, "{line}");
    }
}

#[test]
fn archives_hold_deliveries() {
    let folder = tempfile::tempdir().unwrap();
    let inner = tar(&[
        ("z/one.json", LINE.as_bytes()),
        ("a/lines.ndjson", format!("{LINE}\n{LINE}\n").as_bytes()),
        ("more.ndjson.gz", &gzip(format!("{LINE}\n").as_bytes())),
        ("inner.tar", &tar(&[("x.json", b"{}")])),
    ]);
    fs::write(folder.path().join("1.tar"), &inner).unwrap();
    fs::write(folder.path().join("2.tar.gz"), gzip(&inner)).unwrap();
    fs::write(folder.path().join("3.tgz"), gzip(&inner)).unwrap();
    fs::write(folder.path().join("4.ndjson.gz"), gzip(format!("{LINE}\n").as_bytes())).unwrap();
    let found = all(&[folder.path()], None, "").unwrap();
    let names = origins(&found);
    assert_eq!(
        names[..5],
        [
            "1.tar/z/one.json:1",
            "1.tar/a/lines.ndjson:1",
            "1.tar/a/lines.ndjson:2",
            "1.tar/more.ndjson:1",
            "1.tar/inner.tar"
        ]
    );
    assert_eq!(*names.last().unwrap(), "4.ndjson:1");
    assert_eq!(found.len(), 3 * 5 + 1);
    assert_eq!(
        codes(&found[..5]),
        ["1 events", "1 events", "1 events", "1 events", "nested_archive"]
    );
}

#[test]
fn what_cannot_be_read_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, bytes: &[u8]| fs::write(folder.path().join(name), bytes).unwrap();
    let whole = gzip(&tar(&[("a.json", &vec![b'7'; 100_000])]));
    fs::create_dir(folder.path().join("sub")).unwrap();
    write("cut.tgz", &whole[..whole.len() / 2]);
    write("noise.tar.gz", b"this is no archive");
    write("sub/noise.gz", b"this is not compressed");
    write("sub/one.json", LINE.as_bytes());
    // A socket has no end that a reader could wait for.
    let _socket = std::os::unix::net::UnixListener::bind(folder.path().join("socket")).unwrap();
    let found = all(&[folder.path()], None, "").unwrap();
    assert_eq!(
        origins(&found),
        ["cut.tgz", "noise.tar.gz", "socket", "sub/noise.gz", "sub/one.json:1"]
    );
    assert_eq!(codes(&found), ["unreadable", "unreadable", "unreadable", "unreadable", "1 events"]);
    let path = folder.path().join("absent.json");
    let error = all(&[&path], None, "").unwrap_err();
    assert!(matches!(error, Error::Missing { .. }) && error.to_string().contains("absent.json"));
}

#[test]
fn an_archive_that_expands_without_bound_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("bomb.ndjson.gz");
    let mut line = vec![b' '; 1 << 20];
    line.push(b'\n');
    fs::write(&path, gzip(&line.repeat(90))).unwrap();
    let found = all(&[&path], None, "").unwrap();
    let last = found.last().unwrap();
    assert_eq!((last.delivery.origin.as_str(), found.len()), ("bomb.ndjson.gz", 1));
    assert!(last.refused.as_ref().unwrap().reason.starts_with("expands more than"));
}

#[test]
fn headers_beside_a_body_belong_to_it() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
    write("a.json", "{}");
    write("a.headers.json", r#"{"X-GitHub-Event": "ping"}"#);
    write("b.json", "{}");
    write("b.headers.json", r#"["no"]"#);
    write("c.headers.json", "{}");
    let found = all(&[folder.path()], None, "").unwrap();
    assert_eq!(origins(&found), ["a.json", "b.json", "c.headers.json:1"]);
    assert_eq!(found[0].delivery.header("x-github-event"), Some("ping"));
    assert_eq!(found[1].refused.as_ref().unwrap().code, "bad_record");
    let direct = all(&[&folder.path().join("a.json")], None, "").unwrap();
    assert_eq!(direct[0].clone().mapped(&Context::file()).1.ignored.as_deref(), Some("a ping"));
}

#[test]
fn an_oversized_body_is_refused_with_its_beginning() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("large.json");
    let body = format!("{{\"a\":\n\"{}\"}}", "x".repeat(backtrail_ingest::limits::BODY_BYTES_MAX));
    fs::write(&path, &body).unwrap();
    let found = all(&[&path], None, "").unwrap();
    assert_eq!(codes(&found), ["too_large"]);
    assert_eq!(found[0].delivery.body.len(), backtrail_ingest::limits::REFUSED_BYTES_MAX);
}
