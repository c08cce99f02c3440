//! Random damage to a ledger of two thousand events: `verify` sees it, or nothing that anybody reads has changed.

use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use backtrail_ledger::verify::{VerifyOptions, verify};
use backtrail_ledger::{Snapshot, sha256};

use crate::support::{Folder, copy, covered, rejected, submission, vkey};

/// `SplitMix64` (Steele, Lea and Flood 2014): the same damage for the same seed.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, end: usize) -> usize {
        (self.next() % end.max(1) as u64) as usize
    }
}

/// Two segments and a tail.
fn ledger() -> Folder {
    let folder = Folder::new();
    let mut ledger = folder.init();
    for from in (0..2000).step_by(100) {
        let some = (from..from + 98).map(submission).chain((from + 98..from + 100).map(rejected));
        ledger.append(some.collect()).unwrap();
        if from == 700 || from == 1400 {
            ledger.seal().unwrap();
        }
    }
    ledger.publish().unwrap();
    folder
}

/// Everything that a reader of the ledger is told.
fn meaning(dir: &Path) -> Option<String> {
    let snapshot = Snapshot::open(dir, None).ok()?;
    let mut told = Vec::new();
    for row in snapshot.leaves() {
        told.extend(row.ok()?.1);
    }
    for text in snapshot.texts().ok()? {
        told.extend(format!("{:?}", text.ok()?).into_bytes());
    }
    let quarantine: Vec<_> = snapshot.quarantine().ok()?.iter().map(|q| format!("{q:?}")).collect();
    told.extend(format!("{:?} {quarantine:?}", snapshot.people().ok()?).into_bytes());
    Some(format!("{} {}", snapshot.note(), sha256(&told)))
}

/// Damages one file, and says how; `None` if the damage left the bytes as they were.
fn damage(dir: &Path, files: &[String], random: &mut Random) -> Option<(String, Vec<u8>, String)> {
    let path = files[random.below(files.len())].clone();
    let before = fs::read(dir.join(&path)).unwrap();
    let (at, length) = (random.below(before.len()), 1 + random.below(64));
    let end = before.len().min(at + length);
    let mut after = before.clone();
    let kind = random.below(9);
    let what = match kind {
        0 => {
            after[at] ^= 1 << random.below(8);
            "a bit flipped"
        }
        1 => {
            after[at..end].fill_with(|| random.next().to_le_bytes()[0]);
            "bytes overwritten"
        }
        2 => {
            after[at..end].fill(0);
            "bytes zeroed"
        }
        3 => {
            after.drain(at..end);
            "bytes removed"
        }
        4 => {
            after.splice(at..at, before[at..end].iter().copied());
            "bytes doubled"
        }
        5 => {
            let from = random.below(before.len().saturating_sub(length));
            let length = length.min(before.len() - at).min(before.len() - from);
            after.copy_within(from..from + length, at);
            "bytes copied from elsewhere"
        }
        6 => {
            after.truncate(at);
            "cut"
        }
        7 => {
            after = fs::read(dir.join(&files[random.below(files.len())])).unwrap();
            "replaced by another file"
        }
        _ => {
            after.extend((0..length).map(|_| random.next().to_le_bytes()[0]));
            "bytes added"
        }
    };
    fs::write(dir.join(&path), &after).unwrap();
    (before != after).then(|| (path.clone(), before, format!("{path} at {at}, {length}: {what}")))
}

/// Damages a copy of `original` a number of times; how often that changed nothing that is read, and what was not seen.
fn try_all(
    original: &Path,
    dir: &Path,
    meant: &str,
    seeds: &AtomicUsize,
    end: usize,
) -> (usize, Vec<String>) {
    copy(original, dir);
    let files = covered(dir);
    let (mut harmless, mut unseen) = (0, Vec::new());
    loop {
        let seed = seeds.fetch_add(1, Ordering::Relaxed);
        if seed >= end {
            return (harmless, unseen);
        }
        let mut random = Random(seed as u64);
        let (path, before, what) = loop {
            if let Some(done) = damage(dir, &files, &mut random) {
                break done;
            }
        };
        let options = VerifyOptions { keys: vec![vkey()], ..VerifyOptions::default() };
        if verify(dir, &options).exit == 0 {
            if meaning(dir).as_deref() == Some(meant) {
                harmless += 1;
            } else {
                unseen.push(format!("seed {seed}: {what}"));
            }
        }
        fs::write(dir.join(path), before).unwrap();
    }
}

fn mutations(count: usize) {
    let folder = ledger();
    let original = folder.ledger();
    let meant = meaning(&original).unwrap();
    let seeds = AtomicUsize::new(0);
    let (harmless, unseen) = thread::scope(|scope| {
        let threads = thread::available_parallelism().map_or(1, usize::from);
        let copy = |number| folder.dir.path().join(format!("copy-{number}"));
        let running: Vec<_> = (0..threads)
            .map(|number| {
                let (original, meant, seeds) = (&original, &meant, &seeds);
                scope.spawn(move || try_all(original, &copy(number), meant, seeds, count))
            })
            .collect();
        let done = running.into_iter().map(|thread| thread.join().unwrap());
        done.fold((0, Vec::new()), |(n, mut all), (m, some)| {
            all.extend(some);
            (n + m, all)
        })
    });
    println!("{count} mutations: {harmless} changed nothing that is read, {} unseen", unseen.len());
    assert!(unseen.is_empty(), "{unseen:#?}");
    assert!(harmless * 20 < count, "most damage is damage");
}

#[test]
fn random_damage_is_seen() {
    mutations(300);
}

/// `cargo test --release -p backtrail-ledger --test log twenty_thousand -- --ignored --nocapture`
#[test]
#[ignore = "ten minutes in a release build; the shorter one runs every time"]
fn random_damage_is_seen_twenty_thousand_times() {
    mutations(20_000);
}
