//! Keys on the command line: a rotation, a signer that is a command, and a key that was lost.

use std::path::Path;

use crate::tool::{ok, run, run_with};

fn begun(dir: &Path) {
    let args = ["init", "ledger", "--origin", "ledger.example/keys"];
    ok(dir, args.into_iter().chain(["--recovery-key-out", "recovery.key"]));
    std::fs::copy(dir.join("ledger.vkey"), dir.join("first.vkey")).unwrap();
}

fn ingest(dir: &Path, seed: &str) {
    let events = ok(dir, ["generate", "--seed", seed, "--events", "5"]);
    let ran = run_with(dir, events.as_bytes(), ["ingest", "--ledger", "ledger", "-"]);
    assert_eq!(ran.exit, 0, "{}", ran.err);
    ok(dir, ["seal", "--ledger", "ledger"]);
}

fn id(vkey: &str) -> String {
    vkey.trim().split('+').nth(1).unwrap().to_owned()
}

fn read(dir: &Path, path: &str) -> String {
    std::fs::read_to_string(dir.join(path)).unwrap()
}

#[test]
fn a_rotation() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path();
    begun(dir);
    ingest(dir, "1");
    let second = ok(dir, ["keys", "add", "--ledger", "ledger"]);
    assert_eq!(read(dir, "ledger.vkey").lines().count(), 2);
    assert_eq!(read(dir, "ledger.key").lines().count(), 2);
    ingest(dir, "2");
    let first = read(dir, "first.vkey");
    ok(dir, ["keys", "retire", &id(&first), "--ledger", "ledger"]);
    assert_eq!(read(dir, "ledger.vkey"), second);
    assert_eq!(read(dir, "ledger.key").lines().count(), 1);
    ingest(dir, "3");
    for vkey in ["first.vkey", "ledger.vkey"] {
        ok(dir, ["verify", "ledger", "--vkey", vkey]);
    }
    let head = ["verify", "ledger", "--level", "head", "--vkey"];
    assert_eq!(run(dir, head.into_iter().chain(["first.vkey"])).exit, 12);
    let list = ok(dir, ["keys", "list", "--ledger", "ledger", "--format", "csv"]);
    let states: Vec<&str> = list.lines().map(|line| line.split(',').next().unwrap()).collect();
    assert_eq!(states, ["state", "retired", "current", "recovery"]);

    ok(dir, ["prove", "3", "--ledger", "ledger", "--leaf", "leaf"]);
    std::fs::write(dir.join("proof"), ok(dir, ["prove", "3", "--ledger", "ledger"])).unwrap();
    let proof = ["verify-proof", "proof", "--leaf", "leaf", "--vkey"];
    ok(dir, proof.into_iter().chain(["ledger.vkey"]));
    assert_eq!(run(dir, proof.into_iter().chain(["first.vkey"])).exit, 1);
    // The only key stays.
    let ran = run(dir, ["keys", "retire", "ledger.vkey", "--ledger", "ledger"]);
    assert_eq!(ran.exit, 65, "{}", ran.err);
}

/// The key moves to a signer elsewhere, which here is the tool itself.
#[test]
fn a_signer_that_is_a_command() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path();
    begun(dir);
    let vkey = ok(dir, ["keys", "new", "elsewhere.key", "--ledger", "ledger"]);
    std::fs::write(dir.join("next.vkey"), &vkey).unwrap();
    ok(dir, ["keys", "add", "next.vkey", "--ledger", "ledger"]);
    let tool = env!("CARGO_BIN_EXE_backtrail-under-test");
    let config = |key: &str| {
        format!(
            "[ledger]\nsigner = [{tool:?}, \"keys\", \"sign\", \"--key\", {key:?}]\nsigner_vkey = {:?}\n",
            vkey.trim()
        )
    };
    std::fs::write(dir.join("backtrail.toml"), config("elsewhere.key")).unwrap();
    ingest(dir, "1");
    assert!(read(dir, "ledger/checkpoint").matches('—').count() == 2);
    ok(dir, ["keys", "retire", "first.vkey", "--ledger", "ledger"]);
    std::fs::remove_file(dir.join("ledger.key")).unwrap();
    ingest(dir, "2");
    for pinned in ["first.vkey", "next.vkey"] {
        ok(dir, ["verify", "ledger", "--vkey", pinned]);
    }
    // A signer that signs with another key, or not at all, publishes nothing.
    let head = read(dir, "ledger/checkpoint");
    for key in ["recovery.key", "nowhere.key"] {
        std::fs::write(dir.join("backtrail.toml"), config(key)).unwrap();
        let events = ok(dir, ["generate", "--seed", "3", "--events", "5"]);
        let ran = run_with(dir, events.as_bytes(), ["ingest", "--ledger", "ledger", "-"]);
        assert_eq!(ran.exit, 73, "{}", ran.err);
        assert!(ran.err.contains("signer"), "{}", ran.err);
        assert_eq!(read(dir, "ledger/checkpoint"), head);
    }
    std::fs::write(dir.join("backtrail.toml"), config("elsewhere.key")).unwrap();
    ingest(dir, "3");
    ok(dir, ["verify", "ledger", "--vkey", "next.vkey"]);
    std::fs::write(dir.join("backtrail.toml"), "[ledger]\nsigner = ['x']\n").unwrap();
    assert_eq!(run(dir, ["seal", "--ledger", "ledger"]).exit, 65);
}

#[test]
fn a_lost_key() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path();
    begun(dir);
    ingest(dir, "1");
    std::fs::remove_file(dir.join("ledger.key")).unwrap();
    let vkey = ok(dir, ["keys", "new", "next.key", "--ledger", "ledger"]);
    let lost = id(&read(dir, "first.vkey"));
    for (action, which, note) in
        [("added", vkey.trim(), "1.note"), ("compromised", &lost, "2.note")]
    {
        let text = ok(dir, ["keys", "statement", action, which, "--ledger", "ledger"]);
        let sign = ["keys", "sign", "--statement", "--key", "recovery.key"];
        let ran = run_with(dir, text.as_bytes(), sign);
        assert_eq!(ran.exit, 0, "{}", ran.err);
        std::fs::write(dir.join(note), ran.out).unwrap();
        // Nothing else is signed by mistake.
        assert_eq!(run_with(dir, b"ledger.example/keys\n1\nAAAA\n", sign).exit, 65);
    }
    let say = ["keys", "compromise", "--ledger", "ledger", "--key", "next.key"];
    ok(dir, say.into_iter().chain(["1.note", "2.note"]));
    std::fs::rename(dir.join("next.key"), dir.join("ledger.key")).unwrap();
    ingest(dir, "2");
    for pinned in ["first.vkey", "ledger.vkey"] {
        ok(dir, ["verify", "ledger", "--vkey", pinned]);
    }
    let listed = ok(dir, ["keys", "list", "--ledger", "ledger", "--format", "csv"]);
    assert!(listed.contains("\ncompromised,1,"), "{listed}");
}
