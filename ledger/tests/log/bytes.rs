//! No byte of a ledger can change without `verify` saying so.

use std::fs;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use backtrail_ledger::cosignature::cosign;
use backtrail_ledger::verify::{Level, Report, VerifyOptions, verify};
use backtrail_ledger::{Algorithm, FileSigner, Note, NoteSignature, Policy, Signer as _};

use crate::support::{Folder, copy, covered, rejected, submission, vkey};

/// How many bytes one thread flips before it asks for more work.
const STRIDE: usize = 512;

/// About twenty events, half of them sealed, with vault and quarantine on both sides of the seal.
fn ledger() -> Folder {
    let folder = Folder::new();
    let mut ledger = folder.init();
    let some = |from: u64| (from..from + 7).map(submission).chain([rejected(from + 7)]).collect();
    ledger.append(some(0)).unwrap();
    ledger.seal().unwrap();
    ledger.append(some(8)).unwrap();
    ledger.publish().unwrap();
    folder
}

fn check(dir: &Path) -> Report {
    verify(dir, &VerifyOptions { keys: vec![vkey()], ..VerifyOptions::default() })
}

/// Whether a writer may have been interrupted within this file: the tail's, the second of each kind.
fn is_appended_to(path: &str) -> bool {
    let tail = ["wal/", "vault/", "quarantine/"].iter().any(|store| path.starts_with(store));
    tail && !path.contains("/00000000000000000000.")
}

/// One piece of work: a range of bytes of a file to flip, or the file as a whole.
enum Piece {
    Bytes(String, std::ops::Range<usize>),
    Whole(String, String),
}

fn pieces(dir: &Path) -> Vec<Piece> {
    let files = covered(dir);
    let mut pieces = Vec::new();
    for (at, path) in files.iter().enumerate() {
        let length = usize::try_from(fs::metadata(dir.join(path)).unwrap().len()).unwrap();
        let starts = (0..length).step_by(STRIDE);
        let ranges = starts.map(|from| from..length.min(from + STRIDE));
        pieces.extend(ranges.map(|range| Piece::Bytes(path.clone(), range)));
        pieces.push(Piece::Whole(path.clone(), files[(at + 1) % files.len()].clone()));
    }
    pieces
}

/// Tries a piece on the ledger in `dir`; how many edits that were, and the ones that `verify` did not see.
fn attempt(dir: &Path, piece: &Piece) -> (usize, Vec<String>) {
    let mut tried = 0;
    let mut unseen = Vec::new();
    let mut refused = |what: String| {
        tried += 1;
        if check(dir).exit == 0 {
            unseen.push(what);
        }
    };
    match piece {
        Piece::Bytes(path, range) => {
            let bytes = fs::read(dir.join(path)).unwrap();
            let file = fs::OpenOptions::new().write(true).open(dir.join(path)).unwrap();
            for offset in range.clone() {
                file.write_all_at(&[bytes[offset] ^ (1 << (offset % 8))], offset as u64).unwrap();
                refused(format!("{path}: byte {offset} flipped"));
                file.write_all_at(&[bytes[offset]], offset as u64).unwrap();
            }
        }
        Piece::Whole(path, other) => {
            let bytes = fs::read(dir.join(path)).unwrap();
            let edits: [(&str, Vec<u8>); 6] = [
                ("emptied", Vec::new()),
                ("cut in half", bytes[..bytes.len() / 2].to_vec()),
                ("cut by a byte", bytes[..bytes.len() - 1].to_vec()),
                ("longer by a byte", [&bytes[..], b"\n"].concat()),
                ("doubled", bytes.repeat(2)),
                ("swapped", fs::read(dir.join(other)).unwrap()),
            ];
            for (edit, changed) in edits {
                fs::write(dir.join(path), changed).unwrap();
                // Behind the last batch lies what was never acknowledged: no reader looks at it.
                let uncommitted = edit == "longer by a byte" && is_appended_to(path);
                if uncommitted {
                    let report = check(dir);
                    assert!(
                        report.coverage.iter().any(|said| said.starts_with(path)),
                        "{report:?}"
                    );
                } else {
                    refused(format!("{path}: {edit}"));
                }
            }
            fs::remove_file(dir.join(path)).unwrap();
            refused(format!("{path}: deleted"));
            fs::write(dir.join(path), &bytes).unwrap();
        }
    }
    (tried, unseen)
}

/// A quorum of two witnesses, and what they say about `note`.
fn witnessed(note: &Note) -> (Policy, Vec<NoteSignature>) {
    let signers = [("w.example/1", 1u8), ("w.example/2", 2)];
    let signers = signers.map(|(name, seed)| {
        FileSigner::with_seed(Algorithm::Cosignature, name, &[seed; 32]).unwrap()
    });
    let policy = format!(
        "witness a {}\nwitness b {}\ngroup both all a b\nquorum both\n",
        signers[0].vkey(),
        signers[1].vkey()
    );
    let lines = signers.map(|signer| cosign(&note.text, 1_790_000_000, &signer).unwrap());
    (Policy::parse(policy.as_bytes()).unwrap(), lines.to_vec())
}

#[test]
fn every_edit_of_cosignatures_is_seen() {
    let folder = Folder::new();
    let mut ledger = folder.init();
    let dir = folder.ledger();
    let head = |dir: &Path| fs::read_to_string(dir.join("checkpoint")).unwrap().parse().unwrap();
    // An older head and the newest one, each with what the witnesses say.
    let (policy, lines) = witnessed(&head(&dir));
    assert!(ledger.add_cosignatures(1, &lines).unwrap());
    assert!(!ledger.add_cosignatures(2, &lines).unwrap(), "there is no such head");
    ledger.append(vec![submission(0)]).unwrap();
    assert!(!ledger.add_cosignatures(1, &lines).unwrap(), "the log went on");
    let size = ledger.publish().unwrap().size;
    let (_, newer) = witnessed(&head(&dir));
    assert!(ledger.add_cosignatures(size, &newer[..1]).unwrap());
    let require_anchor = true;
    let options = VerifyOptions {
        keys: vec![vkey()],
        policy: Some(policy.clone()),
        require_anchor,
        ..VerifyOptions::default()
    };
    let report = verify(&dir, &options);
    assert_eq!((report.exit, report.anchor), (40, "none"), "one of two: {:?}", report.findings);
    assert!(ledger.add_cosignatures(size, &newer).unwrap());
    assert!(ledger.add_cosignatures(size, &newer).unwrap(), "the same again");
    let report = verify(&dir, &options);
    assert_eq!((report.exit, report.anchor), (0, "witnessed"), "{:?}", report.findings);
    let unasked = VerifyOptions { policy: None, require_anchor: false, ..options.clone() };
    let report = verify(&dir, &unasked);
    assert_eq!((report.exit, report.anchor), (0, "none"), "{:?}", report.findings);
    assert!(report.coverage[0].starts_with("4 cosignatures"), "{:?}", report.coverage);
    let none = Policy::parse(b"quorum none\n").unwrap();
    let report = verify(&dir, &VerifyOptions { policy: Some(none), ..options.clone() });
    assert_eq!((report.exit, report.anchor), (40, "none"), "nobody was asked for");

    let name = |size: u64| format!("checkpoints/{size:020}.cosig");
    let exit = |path: &Path, bytes: &[u8]| {
        let before = fs::read(path).unwrap();
        fs::write(path, bytes).unwrap();
        // What the head's witnesses say is read at each level.
        let level = if path.ends_with(name(size)) { Level::Head } else { Level::Structure };
        let exit = verify(&dir, &VerifyOptions { level, ..options.clone() }).exit;
        fs::write(path, before).unwrap();
        exit
    };
    let [old, new] = [1, size].map(|size| dir.join(name(size)));
    for (path, bits) in [(&old, 1), (&new, 8)] {
        let bytes = fs::read(path).unwrap();
        for (at, bit) in
            (0..bytes.len()).flat_map(|at| (0..bits).map(move |bit| (at, (at + bit) % 8)))
        {
            let mut other = bytes.clone();
            other[at] ^= 1 << bit;
            assert_eq!(exit(path, &other), 12, "{}: bit {bit} of byte {at}", path.display());
        }
        for (what, other) in [
            ("emptied", Vec::new()),
            ("cut within a line", bytes[..bytes.len() / 3].to_vec()),
            ("cut by a byte", bytes[..bytes.len() - 1].to_vec()),
            ("longer by a byte", [&bytes[..], b"\n"].concat()),
            ("doubled", bytes.repeat(2)),
            ("swapped", fs::read(if *path == old { &new } else { &old }).unwrap()),
        ] {
            assert_eq!(exit(path, &other), 12, "{}: {what}", path.display());
        }
    }
    // Whole lines may be missing: that costs the quorum of the head.
    let half: Vec<u8> = newer[0].to_string().into_bytes();
    assert_eq!(exit(&new, &half), 40);
    // Cosignatures need the note that they are about.
    fs::remove_file(dir.join("checkpoints/00000000000000000001.note")).unwrap();
    assert_eq!(verify(&dir, &options).exit, 30);
}

#[test]
fn every_edit_of_any_file_is_seen() {
    let folder = ledger();
    let original = folder.ledger();
    let report = check(&original);
    assert_eq!(report.exit, 0, "{:?}", report.findings);
    let stores = ["segments/", "tile/", "vault/", "quarantine/", "wal/", "checkpoints/", "state/"];
    let names = covered(&original);
    assert!(stores.iter().all(|store| names.iter().any(|name| name.starts_with(store))));

    let pieces = pieces(&original);
    let next = AtomicUsize::new(0);
    let tried = AtomicUsize::new(0);
    let work = |number: usize| -> Vec<String> {
        let dir: PathBuf = folder.dir.path().join(format!("copy-{number}"));
        copy(&original, &dir);
        let mut unseen = Vec::new();
        while let Some(piece) = pieces.get(next.fetch_add(1, Ordering::Relaxed)) {
            let (edits, missed) = attempt(&dir, piece);
            tried.fetch_add(edits, Ordering::Relaxed);
            unseen.extend(missed);
        }
        assert_eq!(check(&dir).exit, 0, "every edit was taken back");
        unseen
    };
    let unseen: Vec<String> = thread::scope(|scope| {
        let threads = thread::available_parallelism().map_or(1, usize::from);
        let work = &work;
        let running: Vec<_> = (0..threads).map(|n| scope.spawn(move || work(n))).collect();
        running.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });
    println!("{} edits of {} files, {} unseen", tried.into_inner(), names.len(), unseen.len());
    assert!(unseen.is_empty(), "{unseen:#?}");
}
