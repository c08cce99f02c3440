//! `verify` with a note that the auditor holds reads what came after it, and no less.

use std::fs;
use std::path::Path;

use backtrail_ledger::verify::{Report, VerifyOptions, verify};
use backtrail_ledger::{Ledger, Note};

use crate::support::{Folder, copy, files, rejected, submission, vkey};

fn since(dir: &Path, note: &str) -> Report {
    let since = Some(note.to_owned());
    verify(dir, &VerifyOptions { keys: vec![vkey()], since, ..VerifyOptions::default() })
}

/// Four segments of ten deliveries and a tail, with the head after each batch of five.
fn ledger() -> (Folder, Vec<String>) {
    let folder = Folder::new();
    let mut ledger = folder.init();
    let mut heads = Vec::new();
    for from in (0..45).step_by(5) {
        add(&mut ledger, from);
        heads.push(fs::read_to_string(folder.ledger().join("checkpoint")).unwrap());
        if from % 10 == 5 {
            ledger.seal().unwrap();
        }
    }
    (folder, heads)
}

fn add(ledger: &mut Ledger, from: u64) {
    let some = (from..from + 4).map(submission).chain([rejected(from + 4)]);
    ledger.append(some.collect()).unwrap();
    ledger.publish().unwrap();
}

fn segments(dir: &Path) -> Vec<String> {
    files(dir).into_iter().filter(|path| path.starts_with("segments/")).collect()
}

fn flip(dir: &Path, path: &str, at: usize) {
    let mut bytes = fs::read(dir.join(path)).unwrap();
    bytes[at] ^= 4;
    fs::write(dir.join(path), bytes).unwrap();
}

#[test]
fn every_head_that_was_published_is_a_beginning() {
    let (folder, heads) = ledger();
    for note in heads {
        let report = since(&folder.ledger(), &note);
        assert_eq!((report.exit, report.anchor), (0, "note"), "{:#?}", report.findings);
    }
}

#[test]
fn what_the_note_vouches_for_is_not_read_and_the_report_says_so() {
    let (folder, heads) = ledger();
    let dir = folder.ledger();
    let old = segments(&dir)[1].clone();
    flip(&dir, &old, 100);
    let report = since(&dir, heads.last().unwrap());
    assert_eq!(report.exit, 0, "{:#?}", report.findings);
    assert!(report.coverage[0].contains("were not read"), "{:?}", report.coverage);
    // A note that is older than the damage does not vouch for it.
    assert_eq!(since(&dir, &heads[0]).exit, 11);

    fs::remove_file(dir.join(&old)).unwrap();
    assert_eq!(since(&dir, heads.last().unwrap()).exit, 11, "a gap is seen without reading");
}

#[test]
fn each_byte_that_came_after_the_note_is_seen() {
    let (folder, heads) = ledger();
    let dir = folder.ledger();
    let note: Note = heads[5].parse().unwrap();
    let size: u64 = note.text.lines().nth(1).unwrap().parse().unwrap();
    let begins = |path: &str| {
        let digits: String = path.chars().filter(char::is_ascii_digit).take(20).collect();
        digits.parse::<u64>().unwrap_or(u64::MAX)
    };
    // What begins behind the note, and the segment that it ends in; the first entry is proved anyhow.
    let from = segments(&dir).iter().map(|path| begins(path)).filter(|at| *at <= size).max();
    let new = |path: &String| match path.split_once('/') {
        Some(("segments" | "vault" | "quarantine" | "wal", name)) => begins(name) >= from.unwrap(),
        Some(("tile", _)) => false,
        Some(("state", name)) => name == "head",
        Some(("checkpoints", name)) => begins(name) >= size,
        _ => true,
    };
    let broken = folder.dir.path().join("broken");
    copy(&dir, &broken);
    let (mut edits, mut unseen) = (0, Vec::new());
    for path in files(&dir).iter().filter(|path| new(path)) {
        let bytes = fs::read(dir.join(path)).unwrap();
        for at in (0..bytes.len()).step_by(1 + bytes.len() / 8) {
            flip(&broken, path, at);
            edits += 1;
            if since(&broken, &heads[5]).exit == 0 {
                unseen.push(format!("{path} at {at}"));
            }
            fs::write(broken.join(path), &bytes).unwrap();
        }
    }
    assert!(edits > 60, "{edits}");
    assert_eq!(unseen, Vec::<String>::new());
}

#[test]
fn the_tree_before_the_note_must_be_the_one_that_it_signs() {
    let (folder, heads) = ledger();
    let dir = folder.ledger();
    let tail = files(&dir)
        .into_iter()
        .find_map(|path| path.strip_prefix("wal/")?.strip_suffix(".wal")?.parse::<u64>().ok());
    let (first, size) = (tail.unwrap(), heads.last().unwrap().lines().nth(1).unwrap());
    for width in [&first.to_string(), size] {
        let path = format!("tile/0/000.p/{width}");
        flip(&dir, &path, 40);
        assert_eq!(since(&dir, heads.last().unwrap()).exit, 11, "{path}");
        flip(&dir, &path, 40);
    }
    let (other, _) = ledger();
    let mut forked = other.open();
    add(&mut forked, 70);
    assert_eq!(
        since(&dir, &fs::read_to_string(other.ledger().join("checkpoint")).unwrap()).exit,
        13
    );
}
