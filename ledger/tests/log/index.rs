//! The index of event ids is made from the log: whatever happens to its files, no event is there twice, and none is refused.

use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use backtrail_ledger::{Clock, InitOptions, Kind, Ledger, Outcome, Snapshot, Submission};
use backtrail_schemas::{Event, Timestamp, leaf};

use crate::support::{Folder, clock, copy, draft, files, of, received, signer, submission};

/// Sealed in pieces of these sizes: the index has a run of all but the last, and one of that.
const PIECES: [u64; 4] = [3, 4, 20, 6];
const SEALED: u64 = 33;
const NEW: u64 = 100;
/// The event that a later delivery says more of.
const AMENDED: u64 = 1;

fn more_of(n: u64) -> Submission {
    let mut draft = draft(n);
    draft.event.put("region", "eu");
    of(draft, n)
}

fn sealed() -> Folder {
    let folder = Folder::new();
    let mut ledger = folder.init();
    let mut from = 0;
    for piece in PIECES {
        ledger.append((from..from + piece).map(submission).collect()).unwrap();
        from += piece;
        if from == SEALED {
            ledger.append(vec![more_of(AMENDED)]).unwrap();
        }
        ledger.seal().unwrap();
    }
    folder
}

fn runs(dir: &Path) -> Vec<PathBuf> {
    let runs = files(dir).into_iter().filter(|path| path.starts_with("state/index/"));
    runs.map(|path| dir.join(path)).collect()
}

/// What is said of events that come again.
fn again(ledger: &mut Ledger, events: Range<u64>) -> Vec<Outcome> {
    let receipts = ledger.append(events.map(submission).collect()).unwrap();
    receipts.into_iter().flat_map(|receipt| receipt.outcomes).collect()
}

/// Every sealed event is known, with its amendment, and one that was never there is not.
fn knows_each(ledger: &mut Ledger) {
    let said = again(ledger, 0..SEALED);
    assert!(said.iter().all(|one| matches!(one, Outcome::Duplicate { .. })), "{said:?}");
    let more = ledger.append(vec![more_of(AMENDED)]).unwrap();
    assert!(matches!(more[0].outcomes[..], [Outcome::Duplicate { .. }]), "{more:?}");
    let said = again(ledger, NEW..NEW + 1);
    assert!(matches!(said[..], [Outcome::Accepted { .. }]), "{said:?}");
}

/// What the log says was repaired.
fn repairs(dir: &Path) -> String {
    let snapshot = Snapshot::open(dir, None).unwrap();
    let events = snapshot.leaves().map(|row| leaf::decode(&row.unwrap().1).unwrap());
    let said = events.filter_map(|event: Event| event.attribute("repairs").map(str::to_owned));
    said.collect::<Vec<_>>().join("; ")
}

#[test]
fn runs_are_few_and_read_again() {
    let folder = sealed();
    let lengths: Vec<u64> = runs(&folder.ledger())
        .iter()
        .map(|path| {
            let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
            let (start, end) = name.split_once('-').unwrap();
            end.parse::<u64>().unwrap() - start.parse::<u64>().unwrap()
        })
        .collect();
    assert!(lengths.len() > 1 && lengths.is_sorted_by(|one, next| *one >= 2 * next), "{lengths:?}");
    let before: Vec<_> =
        runs(&folder.ledger()).iter().map(|path| fs::read(path).unwrap()).collect();
    let mut ledger = folder.open();
    knows_each(&mut ledger);
    let after: Vec<_> = runs(&folder.ledger()).iter().map(|path| fs::read(path).unwrap()).collect();
    assert_eq!(before, after);
    assert_eq!(repairs(&folder.ledger()), "");
}

#[test]
fn a_damaged_run_is_made_again() {
    let folder = sealed();
    let dir = folder.dir.path().join("copy");
    let original = runs(&folder.ledger());
    for (number, path) in original.iter().enumerate() {
        let bytes = fs::read(path).unwrap();
        let other = fs::read(&original[(number + 1) % original.len()]).unwrap();
        let mut edits: Vec<(String, Vec<u8>)> = (0..bytes.len())
            .step_by(29)
            .map(|at| {
                let mut edited = bytes.clone();
                edited[at] ^= 1 << (at % 8);
                (format!("byte {at} flipped"), edited)
            })
            .collect();
        edits.extend([
            ("emptied".into(), Vec::new()),
            ("cut in half".into(), bytes[..bytes.len() / 2].to_vec()),
            ("cut by a byte".into(), bytes[..bytes.len() - 1].to_vec()),
            ("without its last frame".into(), bytes[..bytes.len() - 21].to_vec()),
            ("longer by a byte".into(), [&bytes[..], b"\n"].concat()),
            ("doubled".into(), bytes.repeat(2)),
            ("swapped".into(), other),
        ]);
        for (what, edited) in edits {
            copy(&folder.ledger(), &dir);
            fs::write(&runs(&dir)[number], edited).unwrap();
            knows_each(&mut Ledger::open(&dir, signer(), clock()).unwrap());
            assert!(repairs(&dir).contains("state/index/"), "run {number} {what}");
        }
    }
}

#[test]
fn a_missing_run_is_made_again_and_a_foreign_one_goes() {
    let folder = sealed();
    for number in 0..runs(&folder.ledger()).len() {
        let dir = folder.dir.path().join("copy");
        copy(&folder.ledger(), &dir);
        fs::remove_file(&runs(&dir)[number]).unwrap();
        fs::write(dir.join("state/index/other"), b"something").unwrap();
        knows_each(&mut Ledger::open(&dir, signer(), clock()).unwrap());
        assert!(!dir.join("state/index/other").exists());
    }
    // A run of a log with the same name and other rows.
    let other = Folder::new();
    let mut ledger = other.init();
    let last = runs(&folder.ledger())[0].file_name().unwrap().to_owned();
    let end: u64 = last.to_str().unwrap()[21..41].parse().unwrap();
    // All by one person, so that each but the first is one row.
    for n in (0..).step_by(3).take_while(|n| *n < 3 * (end - 2)) {
        ledger.append(vec![submission(3000 + n)]).unwrap();
    }
    assert_eq!(ledger.size(), end);
    ledger.seal().unwrap();
    let foreign = runs(&other.ledger()).into_iter().find(|path| path.file_name() == Some(&last));
    fs::copy(foreign.unwrap(), &runs(&folder.ledger())[0]).unwrap();
    knows_each(&mut folder.open());
}

/// Damage under a writer that runs: the call is refused, the next one knows each event again.
#[test]
fn damage_under_a_writer_is_repaired() {
    let folder = sealed();
    let dir = folder.ledger();
    let mut ledger = folder.open();
    for edit in [zeroed, forged] {
        for path in runs(&dir) {
            let bytes = fs::read(&path).unwrap();
            fs::write(&path, edit(&bytes)).unwrap();
        }
        let refused = ledger.append((0..SEALED).map(submission).collect()).unwrap_err();
        assert_eq!(refused.kind(), Kind::Retry, "{refused}");
        let said = again(&mut ledger, 0..SEALED);
        assert!(said.iter().all(|one| matches!(one, Outcome::Duplicate { .. })), "{said:?}");
        ledger.publish().unwrap();
    }
    knows_each(&mut ledger);
    ledger.publish().unwrap();
    assert!(repairs(&dir).contains("state/index/"));
}

fn zeroed(bytes: &[u8]) -> Vec<u8> {
    vec![0; bytes.len()]
}

/// All checksums right, and the rows of the first two entries changed over.
fn forged(bytes: &[u8]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    let length = |bytes: &[u8], at: usize| {
        u32::from_be_bytes(bytes[at..at + 4].try_into().unwrap()) as usize
    };
    let block = 13 + length(&bytes, 0);
    let (payload, end) = (block + 9, block + 9 + length(&bytes, block));
    for at in 16..24 {
        bytes.swap(payload + at, payload + 24 + at);
    }
    let crc = crc32c::crc32c(&bytes[payload..end]).to_be_bytes();
    bytes[end..end + 4].copy_from_slice(&crc);
    bytes
}

/// A clock that says how many seconds went by since the first delivery was received.
struct Seconds(AtomicI64);

impl Clock for Seconds {
    fn now(&self) -> Timestamp {
        received(0).plus_seconds(self.0.load(Ordering::Relaxed)).unwrap()
    }
}

/// Each day's publication seals the day before and begins a run beside the appends; whatever is left of it, none is unknown.
#[test]
fn ids_are_known_while_their_run_is_written() {
    let folder = Folder::new();
    let dir = folder.ledger();
    let clock = Arc::new(Seconds(AtomicI64::new(0)));
    let mut ledger = Ledger::init(&dir, &InitOptions::default(), signer(), clock.clone()).unwrap();
    for day in 1..=12 {
        ledger.append((10 * day..10 * day + 10).map(submission).collect()).unwrap();
        clock.0.fetch_add(24 * 3600 + 1, Ordering::Relaxed);
        ledger.publish().unwrap();
        if day % 4 == 0 {
            drop(ledger);
            ledger = Ledger::open(&dir, signer(), clock.clone()).unwrap();
        }
        let said = again(&mut ledger, 10..10 * day + 10);
        assert!(said.iter().all(|one| matches!(one, Outcome::Duplicate { .. })), "{said:?}");
    }
    ledger.publish().unwrap();
    assert!((1..12).contains(&runs(&dir).len()), "{:?}", runs(&dir));
    assert_eq!(repairs(&dir), "");
}
