//! What can be done to a ledger, and what `verify` exits with.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::sync::{Arc, Mutex};

use backtrail_ledger::split::compare;
use backtrail_ledger::storage::Local;
use backtrail_ledger::tlog::tile;
use backtrail_ledger::verify::{Level, Report, VerifyOptions, verify};
use backtrail_ledger::{
    Checkpoint, Clock, DEMO_SEED, FileSigner, Hash, InitOptions, Ledger, Signer, SplitView, Vkey,
    frame, wal,
};
use backtrail_schemas::Timestamp;

use crate::forge::{Lying, leaves, rewrite, sign, wrong_statistics};
use crate::support::{
    Folder, ORIGIN, at, clock, copy, files, rejected, signer, simulated, submission, vkey,
};

fn options() -> VerifyOptions {
    VerifyOptions { keys: vec![vkey()], ..VerifyOptions::default() }
}

fn check(dir: &Path) -> Report {
    verify(dir, &options())
}

/// Twenty rows or so, one delivery in quarantine, nothing sealed.
fn unsealed() -> Folder {
    let folder = Folder::new();
    let mut ledger = folder.init();
    ledger.append((0..12).map(submission).chain([rejected(12)]).collect()).unwrap();
    ledger.publish().unwrap();
    folder
}

/// Two segments and a tail.
fn sealed() -> Folder {
    let folder = Folder::new();
    let mut ledger = folder.init();
    for from in [0, 8, 16] {
        ledger
            .append((from..from + 7).map(submission).chain([rejected(from + 7)]).collect())
            .unwrap();
        if from < 16 {
            ledger.seal().unwrap();
        }
    }
    ledger.publish().unwrap();
    folder
}

/// The path of the first file below `folder`.
fn first(dir: &Path, folder: &str) -> String {
    let found = files(dir).into_iter().find(|path| path.starts_with(folder));
    found.unwrap_or_else(|| panic!("no {folder}"))
}

fn edit(dir: &Path, path: &str, change: impl FnOnce(&mut Vec<u8>)) {
    let mut bytes = fs::read(dir.join(path)).unwrap();
    change(&mut bytes);
    fs::write(dir.join(path), bytes).unwrap();
}

#[track_caller]
fn refused(report: &Report, exit: u8, code: &str) {
    assert_eq!(report.exit, exit, "{:#?}", report.findings);
    let codes: Vec<_> = report.findings.iter().map(|f| f.code).collect();
    assert!(codes.contains(&code), "{code} is not among {codes:?}");
}

#[test]
fn an_untouched_ledger_holds_at_each_level() {
    for folder in [unsealed(), sealed()] {
        for level in [Level::Head, Level::Structure, Level::Content] {
            let report = verify(&folder.ledger(), &VerifyOptions { level, ..options() });
            assert_eq!(report.exit, 0, "{:#?}", report.findings);
            assert_eq!(report.coverage.is_empty(), level != Level::Head, "{:?}", report.coverage);
        }
    }
}

/// An operator without the key, or an accident: the root no longer fits.
#[test]
fn rows_that_were_not_signed() {
    type Edit = fn(&mut Vec<String>);
    let edits: [(&str, Edit); 5] = [
        ("edited", |rows| rows[7] = rows[7].replace("\"shop\"", "\"shap\"")),
        ("swapped", |rows| rows.swap(7, 8)),
        ("dropped", |rows| drop(rows.remove(7))),
        ("inserted", |rows| rows.insert(7, rows[7].replace("\"d", "\"e"))),
        ("doubled", |rows| rows.insert(7, rows[7].clone())),
    ];
    for (what, change) in edits {
        let folder = unsealed();
        let dir = folder.ledger();
        let head = fs::read(dir.join("checkpoint")).unwrap();
        let mut rows = leaves(&dir);
        change(&mut rows);
        rewrite(&dir, &rows);
        fs::write(dir.join("checkpoint"), head).unwrap();
        let exit = check(&dir).exit;
        assert!([11, 13].contains(&exit), "{what}: {exit}");
    }
}

/// An operator with the key signs rows that break the rules of the log.
#[test]
fn rows_that_were_signed_and_must_not_be() {
    type Edit = fn(&mut Vec<String>);
    let late = "\"recorded_at\":\"2026-10-02T00:00:05.000000Z\"";
    assert!(leaves(&unsealed().ledger()).iter().any(|row| row.contains(late)));
    let edits: [(u8, &str, Edit); 8] = [
        (10, "leaf", |rows| rows[5] = rows[5].replace("\":\"", "\": \"")),
        (10, "leaf", |rows| rows[5] = rows[5].replace("\"kind\"", "\"kind\":1.5,\"kinf\"")),
        (11, "event_id", |rows| rows.push(rows[5].clone())),
        (11, "genesis", |rows| rows.push(rows[0].replace("\"event_id\":\"", "\"event_id\":\"x"))),
        (12, "genesis", |rows| drop(rows.remove(0))),
        (12, "genesis", |rows| rows[0] = rows[0].replace("\"origin\":\"l", "\"origin\":\"m")),
        (14, "recorded_at", |rows| {
            for row in rows {
                *row = row.replace("02T00:00:05.0", "01T23:00:00.0");
            }
        }),
        (17, "vault", |rows| {
            let at = rows.iter().position(|row| row.contains("title_commitment")).unwrap();
            let zeros = format!("\"title_commitment\":\"hmac-sha256:{}\"", "0".repeat(64));
            let old = rows[at].find("\"title_commitment").unwrap();
            rows[at].replace_range(old..old + zeros.len(), &zeros);
        }),
    ];
    for (exit, code, change) in edits {
        let folder = unsealed();
        let mut rows = leaves(&folder.ledger());
        change(&mut rows);
        rewrite(&folder.ledger(), &rows);
        refused(&check(&folder.ledger()), exit, code);
    }
}

/// Statistics that are wrong before the file's hash is taken: every leaf and the whole chain hold.
#[test]
fn statistics_that_lie() {
    let folder = Folder::new();
    let dir = folder.ledger();
    fs::create_dir(&dir).unwrap();
    let store = Arc::new(Lying { store: Local::new(&dir), lie: wrong_statistics, fails: true });
    let mut ledger = Ledger::init_storage(store, &simulated(), signer(), clock()).unwrap();
    ledger.append((0..10).map(submission).collect()).unwrap();
    ledger.seal().unwrap_err();
    drop(ledger);
    drop(folder.open());
    refused(&check(&dir), 10, "statistics");
    let structure = VerifyOptions { level: Level::Structure, ..options() };
    assert_eq!(verify(&dir, &structure).exit, 0, "the chain itself holds");
}

#[test]
fn a_segment_that_the_disk_gives_back_otherwise_is_not_sealed() {
    let folder = Folder::new();
    let dir = folder.ledger();
    fs::create_dir(&dir).unwrap();
    let store = Arc::new(Lying { store: Local::new(&dir), lie: wrong_statistics, fails: false });
    let mut ledger = Ledger::init_storage(store, &simulated(), signer(), clock()).unwrap();
    ledger.append((0..10).map(submission).collect()).unwrap();
    let refused = ledger.seal().unwrap_err().to_string();
    assert!(refused.contains("of a new segment is not the row of the tail"), "{refused}");
}

#[test]
fn segments() {
    type Attack = fn(&Path);
    let edits: [(&str, u8, Attack); 5] = [
        ("deleted", 11, |dir| fs::remove_file(dir.join(first(dir, "segments/"))).unwrap()),
        ("edited", 11, |dir| edit(dir, &first(dir, "segments/"), |bytes| bytes[100] ^= 1)),
        ("cut", 11, |dir| edit(dir, &first(dir, "segments/"), |bytes| bytes.truncate(1000))),
        ("overlapping", 11, |dir| {
            let path = first(dir, "segments/");
            fs::copy(dir.join(&path), dir.join(path.replace(".0.", ".1."))).unwrap();
        }),
        ("dropped in", 11, |dir| {
            let name = "segments/00000000000000000000-00000000000000000002.0.parquet";
            fs::copy(dir.join(first(dir, "segments/")), dir.join(name)).unwrap();
        }),
    ];
    for (what, exit, attack) in edits {
        let folder = sealed();
        attack(&folder.ledger());
        let report = check(&folder.ledger());
        assert_eq!(report.exit, exit, "{what}: {:#?}", report.findings);
    }
}

#[test]
fn heads_that_go_back_or_sideways() {
    // The writer's memory stays, the rest is that of yesterday.
    let folder = sealed();
    let dir = folder.ledger();
    let older = folder.dir.path().join("older");
    copy(&dir, &older);
    let note = |dir: &Path| fs::read_to_string(dir.join("checkpoint")).unwrap();
    let mut ledger = folder.open();
    ledger.append(vec![submission(40)]).unwrap();
    ledger.publish().unwrap();
    drop(ledger);
    let held = note(&dir);
    fs::copy(older.join("checkpoint"), dir.join("checkpoint")).unwrap();
    // Rows beyond the head are no finding: they are durable and not yet signed. Whoever holds the newer head sees it.
    let since = |note: &str| VerifyOptions { since: Some(note.to_owned()), ..options() };
    refused(&verify(&dir, &since(&held)), 13, "rolled_back");

    // Everything is restored from yesterday's copy: nothing in it says so, the auditor's note does.
    assert_eq!(check(&older).exit, 0);
    refused(&verify(&older, &since(&held)), 13, "rolled_back");
    assert_eq!(verify(&older, &since(&note(&older))).exit, 0);
    assert_eq!(verify(&older, &since(&note(&older))).anchor, "note");

    // The head is that of the copy, the writer's memory of a smaller one.
    let copied: Checkpoint =
        note(&older).parse::<backtrail_ledger::Note>().unwrap().text.parse().unwrap();
    let smaller = Checkpoint { size: copied.size - 1, ..copied };
    sign(&older, &smaller, &*signer());
    fs::write(older.join("checkpoint"), note(&dir)).unwrap();
    refused(&check(&older), 13, "state");

    // History is written again and signed: it holds, except for whoever holds a head of the first one.
    let folder = unsealed();
    let held = note(&folder.ledger());
    let mut rows = leaves(&folder.ledger());
    rows.pop();
    rows.push(rows[3].replace("\"event_id\":\"", "\"event_id\":\"x"));
    rewrite(&folder.ledger(), &rows);
    refused(&verify(&folder.ledger(), &since(&held)), 13, "split_view");
}

/// Two auditors compare what they were shown, and hold a proof that convinces a third.
#[test]
fn a_split_view_is_proved() {
    let folder = unsealed();
    let dir = folder.ledger();
    let note = |dir: &Path| fs::read_to_string(dir.join("checkpoint")).unwrap();
    let mine = note(&dir);
    let forked = folder.dir.path().join("forked");
    copy(&dir, &forked);
    // The same size, another last row; and larger, the same row changed.
    let rows = leaves(&forked);
    let mut changed = rows.clone();
    let last = changed.pop().unwrap();
    changed.push(last.replace("\"event_id\":\"", "\"event_id\":\"x"));
    for extra in 0..6 {
        rewrite(&forked, &changed);
        let theirs = note(&forked);
        let keys = [vkey()];
        let split = compare(&mine, &theirs, &keys, &forked).unwrap().unwrap();
        assert!(compare(&theirs, &mine, &keys, &forked).unwrap().is_some());
        let proof = split.to_string();
        let read: SplitView = proof.parse().unwrap();
        assert_eq!(read.verify(&keys).unwrap().1.size, (changed.len()) as u64);
        let flipped = proof.replacen("root ", "root A", 1);
        assert!(flipped.parse::<SplitView>().is_err());
        let stranger = FileSigner::from_seed(ORIGIN, &[8; 32]).unwrap().vkey().clone();
        assert!(read.verify(&[stranger]).is_err());
        changed.push(rows[6].replace("\"event_id\":\"", &format!("\"event_id\":\"y{extra}")));
    }
    // The honest continuation proves nothing, and no proof can be bent to say so.
    let mut ledger = folder.open();
    ledger.append(vec![submission(77)]).unwrap();
    ledger.publish().unwrap();
    assert_eq!(compare(&mine, &note(&dir), &[vkey()], &dir).unwrap(), None);
    let bent = SplitView {
        smaller: mine.parse().unwrap(),
        larger: note(&dir).parse().unwrap(),
        root: Hash([1; 32]),
        hashes: Vec::new(),
    };
    assert!(bent.verify(&[vkey()]).is_err());
    assert!(compare(&mine, &note(&forked), &[vkey()], &dir).is_err(), "the tiles of another tree");
}

#[test]
fn signatures_and_keys() {
    let folder = sealed();
    let dir = folder.ledger();
    let keys = |keys: Vec<Vkey>| verify(&dir, &VerifyOptions { keys, ..VerifyOptions::default() });
    let other = |name: &str| FileSigner::from_seed(name, &[8; 32]).unwrap().vkey().clone();
    refused(&keys(vec![other(ORIGIN)]), 12, "head");
    refused(&keys(vec![other("another.example/log")]), 12, "head");
    // A key of low order, and one that is not in canonical form, are no keys.
    for bad in [[0; 32], [0xff; 32]] {
        assert!(Vkey::new(ORIGIN, &bad).is_err());
    }
    let demo = FileSigner::from_seed(ORIGIN, &DEMO_SEED).unwrap();
    refused(&keys(vec![vkey(), demo.vkey().clone()]), 40, "demo_key");
    let own = VerifyOptions { keys_from_ledger: true, ..options() };
    refused(&verify(&dir, &own), 40, "key_from_ledger");
    let anchored = VerifyOptions { require_anchor: true, ..options() };
    refused(&verify(&dir, &anchored), 40, "no_anchor");

    let head = fs::read_to_string(dir.join("checkpoint")).unwrap();
    let line = head.lines().last().unwrap();
    let (front, back) = line.split_at(line.len() - 20);
    let changed = if back.starts_with('A') { 'B' } else { 'A' };
    let other_line = format!("{front}{changed}{}\n", &back[1..]);
    let forged: [(&str, String); 6] = [
        ("size", head.replacen('\n', "\n0", 1)),
        ("CR", head.replace('\n', "\r\n")),
        ("no signature", head.split("\n\n").next().unwrap().to_owned() + "\n\n"),
        ("another text", head.replacen(ORIGIN, "ledger.example/tesu", 1)),
        ("text behind", format!("{head}x\n")),
        ("a bad line of a known key", format!("{head}{other_line}")),
    ];
    for (what, note) in forged {
        fs::write(dir.join("checkpoint"), note).unwrap();
        assert_eq!(check(&dir).exit, 12, "{what}");
    }
    // A line of a key that nobody knows says nothing.
    fs::write(dir.join("checkpoint"), &head).unwrap();
    assert_eq!(check(&dir).exit, 0);
    let stranger = Checkpoint { origin: ORIGIN.into(), size: 1, root: Hash([0; 32]) };
    sign(&dir, &stranger, &FileSigner::from_seed(ORIGIN, &[8; 32]).unwrap());
    assert_eq!(check(&dir).exit, 12);
}

#[test]
fn vault_and_quarantine() {
    for store in ["vault/0", "vault/identities", "quarantine/"] {
        let folder = sealed();
        let dir = folder.ledger();
        let path = first(&dir, store);
        let bytes = fs::read(dir.join(&path)).unwrap();
        // The checksums fit what was changed.
        let mut edited = Vec::new();
        for part in frame::Frames::new(&bytes) {
            let text = String::from_utf8(part.payload.to_vec()).unwrap();
            let text = text.replace("Grüße", "Gruesse").replace("Person 1", "Person 2");
            let text = text.replace(r#"{\"n\":7}"#, r#"{\"n\":8}"#);
            frame::push(&mut edited, part.kind, text.as_bytes());
        }
        assert_ne!(edited, bytes, "{store}");
        fs::write(dir.join(&path), edited).unwrap();
        let exit = check(&dir).exit;
        assert_eq!(exit, 17, "{store} edited");
        let withheld = VerifyOptions { without_vault: true, ..options() };
        let exit = verify(&dir, &withheld).exit;
        assert_eq!(exit, if store == "quarantine/" { 17 } else { 0 }, "{store} withheld");
        fs::write(dir.join(&path), &bytes).unwrap();
        assert_eq!(check(&dir).exit, 0);
        fs::remove_file(dir.join(&path)).unwrap();
        assert_eq!(check(&dir).exit, 17, "{store} deleted");
    }
}

#[test]
fn tiles() {
    type Edit = fn(&Path, &str);
    let edits: [(&str, u8, Edit); 4] = [
        ("deleted", 30, |dir, path| fs::remove_file(dir.join(path)).unwrap()),
        ("torn", 11, |dir, path| edit(dir, path, |bytes| bytes.truncate(40))),
        ("edited", 11, |dir, path| edit(dir, path, |bytes| bytes[3] ^= 1)),
        ("stale", 11, |dir, path| {
            let hashes = [Hash([1; 32]); 7];
            edit(dir, path, |bytes| bytes[..224].copy_from_slice(&tile::to_bytes(&hashes)));
        }),
    ];
    for (what, exit, attack) in edits {
        let folder = sealed();
        let dir = folder.ledger();
        let newest = files(&dir).into_iter().rfind(|path| path.starts_with("tile/0/")).unwrap();
        attack(&dir, &newest);
        assert_eq!(check(&dir).exit, exit, "{what}");
    }
}

#[test]
fn a_strangers_files_are_input() {
    // Links are not followed, wherever they lead.
    for path in ["checkpoint", "wal", "segments"] {
        let folder = sealed();
        let dir = folder.ledger();
        let elsewhere = folder.dir.path().join("elsewhere");
        fs::rename(dir.join(path), &elsewhere).unwrap();
        symlink(&elsewhere, dir.join(path)).unwrap();
        assert_ne!(check(&dir).exit, 0, "{path}");
    }
    // A footer that claims four gigabytes.
    let folder = sealed();
    let dir = folder.ledger();
    let path = first(&dir, "segments/");
    edit(&dir, &path, |bytes| {
        let at = bytes.len() - 8;
        bytes[at..at + 4].copy_from_slice(&u32::MAX.to_le_bytes());
    });
    assert_ne!(check(&dir).exit, 0);
    // A name beyond the largest tree.
    fs::write(dir.join("wal/18446744073709551615.wal"), b"x").unwrap();
    assert_ne!(check(&dir).exit, 0);
    // A file that nobody asked for.
    let folder = sealed();
    fs::write(folder.ledger().join("README"), b"x").unwrap();
    refused(&check(&folder.ledger()), 11, "foreign_file");
}

/// A clock that a test moves.
struct Moved(Mutex<Timestamp>);

impl Clock for Moved {
    fn now(&self) -> Timestamp {
        *self.0.lock().unwrap()
    }
}

#[test]
fn the_note_of_each_days_end_must_be_kept() {
    let folder = Folder::new();
    let dir = folder.ledger();
    let time = Arc::new(Moved(Mutex::new(at("2026-10-01T23:59:00Z"))));
    let mut ledger = Ledger::init(&dir, &InitOptions::default(), signer(), time.clone()).unwrap();
    ledger.append(vec![submission(1)]).unwrap();
    // The first row of the second day is the ledger's own, that of the third a delivery's.
    *time.0.lock().unwrap() = at("2026-10-02T00:01:00Z");
    ledger.heartbeat().unwrap();
    *time.0.lock().unwrap() = at("2026-10-03T00:01:00Z");
    ledger.append(vec![submission(2)]).unwrap();
    ledger.publish().unwrap();
    let kept: Vec<String> =
        files(&dir).into_iter().filter(|path| path.starts_with("checkpoints/")).collect();
    assert_eq!(kept.len(), 3, "two days and a seal: {kept:?}");
    assert_eq!(check(&dir).exit, 0, "{:?}", check(&dir).findings);
    for path in kept {
        let bytes = fs::read(dir.join(&path)).unwrap();
        fs::remove_file(dir.join(&path)).unwrap();
        refused(&check(&dir), 30, "missing_file");
        fs::write(dir.join(&path), bytes).unwrap();
    }
}

/// What an interrupted writer leaves holds, and is named.
#[test]
fn what_is_beyond_the_head_is_told() {
    let folder = sealed();
    let dir = folder.ledger();
    let tail = files(&dir).into_iter().rfind(|path| path.starts_with("wal/")).unwrap();
    let vault = files(&dir).into_iter().rfind(|path| path.starts_with("vault/0")).unwrap();
    let torn = [7u8; 40];
    for path in [&tail, &vault] {
        edit(&dir, path, |bytes| bytes.extend_from_slice(&torn));
    }
    let size = check(&dir).size;
    fs::write(dir.join(wal::path(size)), b"").unwrap();
    let report = check(&dir);
    assert_eq!(report.exit, 0, "{:#?}", report.findings);
    assert_eq!(report.coverage.len(), 3, "{:?}", report.coverage);
    // Opening repairs it.
    drop(folder.open());
    let report = check(&dir);
    assert_eq!((report.exit, report.coverage.len()), (0, 0), "{report:#?}");
}
