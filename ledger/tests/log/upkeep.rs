//! Upkeep: what is erased, copied, rewritten or pruned leaves a log that verifies, also when the writer dies in between.

use std::any::Any;
use std::fs;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use arrow::record_batch::RecordBatch;
use backtrail_ledger::backup;
use backtrail_ledger::erasure::Erasure;
use backtrail_ledger::frame;
use backtrail_ledger::storage::{Local, Storage};
use backtrail_ledger::verify::{Report, VerifyOptions, verify};
use backtrail_ledger::{
    Erase, Error, InitOptions, Kind, Ledger, NoteSignature, Outcome, Resources, Snapshot, export,
    leaf_hash,
};
use backtrail_schemas::{Draft, leaf};

use crate::support::{Folder, clock, copy, draft, files, of, rejected, signer, submission, vkey};

fn checked(dir: &Path) -> Report {
    verify(dir, &VerifyOptions { keys: vec![vkey()], ..VerifyOptions::default() })
}

/// It holds, and so does what came after each head that was kept.
fn verified(dir: &Path) -> Report {
    let report = checked(dir);
    assert_eq!(report.exit, 0, "{:#?}", report.findings);
    let notes =
        files(dir).into_iter().filter(|path| Path::new(path).extension() == Some("note".as_ref()));
    for path in notes {
        let since = Some(fs::read_to_string(dir.join(&path)).unwrap());
        let options = VerifyOptions { keys: vec![vkey()], since, ..VerifyOptions::default() };
        let report = verify(dir, &options);
        assert_eq!(report.exit, 0, "since {path}: {:#?}", report.findings);
    }
    report
}

/// Everything of a copy holds, except that it is one.
fn copied_well(dir: &Path) {
    let report = checked(dir);
    let other = report.findings.iter().find(|f| f.file.as_deref() != Some("state/head"));
    assert_eq!((report.exit, other), (30, None));
}

/// A disk that dies at the operation that writes number `at`, counted from 0.
struct Dying {
    store: Local,
    left: AtomicUsize,
}

impl Dying {
    fn step<T>(&self, run: impl FnOnce() -> Result<T, Error>) -> Result<T, Error> {
        let left = self.left.load(Ordering::SeqCst);
        if left == 0 {
            return Err(Error::io("write", std::io::Error::other("the power is gone")));
        }
        self.left.store(left - 1, Ordering::SeqCst);
        run()
    }
}

impl Storage for Dying {
    fn lock(&self) -> Result<Box<dyn Any + Send + Sync>, Error> {
        self.store.lock()
    }
    fn create(&self, files: &[(String, Vec<u8>)]) -> Result<(), Error> {
        self.step(|| self.store.create(files))
    }
    fn append(&self, path: &str, bytes: &[u8]) -> Result<(), Error> {
        self.step(|| self.store.append(path, bytes))
    }
    fn sync(&self, paths: &[&str]) -> Result<(), Error> {
        self.step(|| self.store.sync(paths))
    }
    fn replace(&self, path: &str, bytes: &[u8]) -> Result<(), Error> {
        self.step(|| self.store.replace(path, bytes))
    }
    fn list(&self, folder: &str) -> Result<Vec<(String, u64)>, Error> {
        self.store.list(folder)
    }
    fn len(&self, path: &str) -> Result<u64, Error> {
        self.store.len(path)
    }
    fn read(&self, path: &str, range: Range<u64>) -> Result<Vec<u8>, Error> {
        self.store.read(path, range)
    }
    fn remove(&self, path: &str) -> Result<(), Error> {
        self.step(|| self.store.remove(path))
    }
}

/// Runs `step` on copies of the ledger, dying at each operation that writes in turn; what is left must verify, must verify
/// again once it was opened, and `done` must hold at the end of each.
fn dies_everywhere(folder: &Folder, step: fn(&mut Ledger) -> Result<(), Error>, done: fn(&Path)) {
    let dir = folder.dir.path().join("copy");
    for at in 0.. {
        copy(&folder.ledger(), &dir);
        drop(Ledger::open(&dir, signer(), clock()).unwrap());
        let disk = Arc::new(Dying { store: Local::new(&dir), left: AtomicUsize::new(usize::MAX) });
        let mut ledger = Ledger::open_storage(disk.clone(), signer(), clock()).unwrap();
        disk.left.store(at, Ordering::SeqCst);
        let result = step(&mut ledger);
        drop(ledger);
        let left = checked(&dir);
        assert_eq!(left.exit, 0, "after {at} operations: {:#?}", left.findings);
        Snapshot::open(&dir, None).unwrap();
        let mut ledger = Ledger::open(&dir, signer(), clock()).unwrap();
        if result.is_ok() {
            done(&dir);
            assert!(at > 3, "the step writes");
            return;
        }
        // Asked again, it is done or was done.
        let _ = step(&mut ledger);
        drop(ledger);
        verified(&dir);
        done(&dir);
    }
}

fn id(n: u64) -> String {
    draft(n).event.text("event_id").unwrap().to_owned()
}

fn erase(events: &[u64]) -> Erase {
    let events = events.iter().map(|n| id(*n)).collect();
    Erase { events, reason: "request of a person".into(), ..Erase::default() }
}

fn contains(dir: &Path, text: &str) -> bool {
    files(dir).iter().any(|path| {
        let bytes = fs::read(dir.join(path)).unwrap();
        bytes.windows(text.len()).any(|at| at == text.as_bytes())
    })
}

/// Twelve deliveries, the last of two events, over two segments and a tail; one refused, one that contradicts.
fn filled() -> (Folder, Ledger) {
    let folder = Folder::new();
    let mut ledger = folder.init();
    ledger.append((0..4).map(submission).collect()).unwrap();
    ledger.append(vec![rejected(100)]).unwrap();
    ledger.seal().unwrap();
    ledger.append((4..8).map(submission).collect()).unwrap();
    ledger.seal().unwrap();
    let mut two = submission(8);
    two.mapped.drafts.push(draft(9));
    ledger.append(vec![two, submission(10)]).unwrap();
    let mut other: Draft = draft(1);
    other.texts[0].1 = "Another title of one".into();
    ledger.append(vec![of(other, 11)]).unwrap();
    ledger.publish().unwrap();
    (folder, ledger)
}

#[test]
fn what_is_erased_is_gone_and_the_log_verifies() {
    let (folder, mut ledger) = filled();
    let dir = folder.ledger();
    let before: Vec<_> =
        Snapshot::open(&dir, None).unwrap().leaves().collect::<Result<_, _>>().unwrap();
    for text in ["no. 1: ", r#"\"n\":1}"#, "no. 8: ", r#"\"n\":8}"#, r#"\"n\":11}"#] {
        assert!(contains(&dir, text), "{text}");
    }
    let done = ledger.erase(&erase(&[1, 8])).unwrap();
    assert_eq!(done.entries.len(), 1);
    assert_eq!(done.shared, [id(9)].into());
    assert_eq!(done.events.len(), 3, "two events and the conflict: {done:?}");
    for text in ["no. 1: ", r#"\"n\":1}"#, "no. 8: ", r#"\"n\":8}"#, r#"\"n\":11}"#] {
        assert!(!contains(&dir, text), "{text}");
    }
    assert!(contains(&dir, "no. 9: "), "what shares the delivery keeps its own text");
    let report = verified(&dir);
    assert!(report.coverage.iter().any(|c| c.contains("4 events")), "{:?}", report.coverage);
    let snapshot = Snapshot::open(&dir, None).unwrap();
    let after: Vec<_> = snapshot.leaves().collect::<Result<_, _>>().unwrap();
    assert_eq!(after[..before.len()], before, "rows stay");
    let texts: Vec<_> = snapshot.texts().unwrap().collect::<Result<_, _>>().unwrap();
    let erased = texts.iter().filter(|(_, field, text)| field == "title" && text == "(erased)");
    assert_eq!((texts.len(), erased.count()), (11, 2));
    assert_eq!(snapshot.quarantine().unwrap().len(), 1);
    // Sent again, it is a duplicate: nothing of it comes back.
    let again = ledger.append(vec![submission(1), submission(8)]).unwrap();
    assert!(
        again.iter().all(|r| matches!(r.outcomes[..], [Outcome::Duplicate { .. }])),
        "{again:?}"
    );
    assert_eq!(ledger.erase(&erase(&[1])).err().unwrap().kind(), Kind::Reject, "nothing is left");
    assert_eq!(ledger.erase(&erase(&[77])).err().unwrap().kind(), Kind::Reject, "nobody knows it");
    drop(ledger);
    let mut ledger = folder.open();
    ledger.append((20..23).map(submission).collect()).unwrap();
    ledger.seal().unwrap();
    verified(&dir);
}

#[test]
fn a_person_is_erased_and_comes_back_as_another() {
    let (folder, mut ledger) = filled();
    let dir = folder.ledger();
    let people = Snapshot::open(&dir, None).unwrap().people().unwrap();
    let (pseudonym, name) = people[0].clone();
    let request =
        Erase { person: Some(pseudonym.clone()), reason: "left".into(), ..Erase::default() };
    ledger.erase(&request).unwrap();
    assert!(!contains(&dir, &name), "{name}");
    verified(&dir);
    let left = Snapshot::open(&dir, None).unwrap().people().unwrap();
    assert_eq!(left, people[1..]);
    assert!(ledger.erase(&request).is_err(), "nobody is left");
    // The same events again contradict nothing, and bring nobody back.
    let again = ledger.append((0..8).map(submission).collect()).unwrap();
    assert!(
        again.iter().all(|r| matches!(r.outcomes[..], [Outcome::Duplicate { .. }])),
        "{again:?}"
    );
    ledger.append((30..33).map(submission).collect()).unwrap();
    ledger.publish().unwrap();
    let now = Snapshot::open(&dir, None).unwrap().people().unwrap();
    assert_eq!(now.len(), 3);
    assert!(!now.iter().any(|(p, _)| *p == pseudonym), "{now:?}");
    drop(ledger);
    drop(folder.open());
    verified(&dir);
}

#[test]
fn values_after_their_erasure_and_missing_ones_are_found() {
    let (folder, mut ledger) = filled();
    let dir = folder.ledger();
    let old = folder.dir.path().join("old");
    copy(&dir, &old);
    let person = Snapshot::open(&dir, None).unwrap().people().unwrap()[1].0.clone();
    ledger.erase(&erase(&[1, 8])).unwrap();
    ledger
        .erase(&Erase { person: Some(person), reason: "left".into(), ..Erase::default() })
        .unwrap();
    drop(ledger);
    let new = folder.dir.path().join("new");
    copy(&dir, &new);
    verified(&dir);
    let mut stores = 0;
    for path in
        files(&old).iter().filter(|p| p.starts_with("vault/") || p.starts_with("quarantine/"))
    {
        if fs::read(old.join(path)).unwrap() == fs::read(new.join(path)).unwrap() {
            continue;
        }
        stores += 1;
        // Brought back.
        fs::copy(old.join(path), dir.join(path)).unwrap();
        let report = checked(&dir);
        assert_eq!(report.exit, 17, "{path}");
        assert!(
            report.findings.iter().any(|f| f.code == "erased"),
            "{path}: {:?}",
            report.findings
        );
        fs::copy(new.join(path), dir.join(path)).unwrap();
        // Missing without an entry.
        let kept = fs::read(old.join("checkpoint")).unwrap();
        assert_ne!(kept, fs::read(dir.join("checkpoint")).unwrap());
        fs::copy(new.join(path), old.join(path)).unwrap();
        assert_eq!(checked(&old).exit, 17, "{path}");
        copy(&new, &dir);
    }
    assert_eq!(stores, 4, "two vault files, one quarantine file, the identities");
}

#[test]
fn a_delivery_of_many_events_is_erased_in_several_entries() {
    let folder = Folder::new();
    let mut ledger = folder.init();
    let mut many = submission(0);
    many.mapped.drafts.extend((1..1500).map(draft));
    ledger.append(vec![many]).unwrap();
    let all = Erase { events: (0..1500).map(id).collect(), ..erase(&[]) };
    let done = ledger.erase(&erase(&[3])).unwrap();
    assert!(done.entries.len() > 1 && done.shared.len() == 1499, "{:?}", done.entries);
    verified(&folder.ledger());
    assert!(contains(&folder.ledger(), "no. 4: "));
    assert_eq!(ledger.erase(&all).err().unwrap().kind(), Kind::Reject, "one is gone already");
    let rest = Erase { events: (4..1500).map(id).collect(), ..erase(&[]) };
    ledger.erase(&rest).unwrap();
    assert!(!contains(&folder.ledger(), "no. 4: ") && contains(&folder.ledger(), "no. 2: "));
    drop(ledger);
    drop(folder.open());
    verified(&folder.ledger());
    dies_everywhere(
        &folder,
        |ledger| ledger.erase(&erase(&[0, 1, 2])).map(|_| ()),
        |dir| assert!(!contains(dir, "no. 2: ")),
    );
}

/// What an interrupted erasure did is not done again: least of all to the delivery before one that is gone.
#[test]
fn an_erasure_that_is_done_changes_nothing() {
    let folder = Folder::new();
    let mut ledger = folder.init();
    let mut two = submission(1);
    two.mapped.drafts.push(draft(2));
    ledger.append(vec![submission(0), two]).unwrap();
    let vault = folder.ledger().join("vault/00000000000000000000.vault");
    let before = fs::read(&vault).unwrap();
    let done = ledger.erase(&erase(&[1])).unwrap();
    assert_eq!(done.shared.len(), 1);
    let after = fs::read(&vault).unwrap();
    let snapshot = Snapshot::open(&folder.ledger(), None).unwrap();
    let entry = leaf::decode(&snapshot.leaf(done.entries[0]).unwrap()).unwrap();
    let erasure = Erasure::parse(&entry).unwrap();
    assert_eq!(erasure.apply(before).unwrap().as_ref(), Some(&after));
    assert_eq!(erasure.apply(after).unwrap(), None);
}

#[test]
fn a_copy_is_consistent_while_a_writer_goes_on() {
    let (folder, mut ledger) = filled();
    let dir = folder.ledger();
    let writer = std::thread::spawn(move || {
        for n in 200..260u64 {
            ledger.append(vec![submission(n)]).unwrap();
            ledger.publish().unwrap();
            match n % 20 {
                5 => ledger.seal().unwrap(),
                10 => drop(ledger.erase(&erase(&[n - 1])).unwrap()),
                15 => drop(ledger.compact().unwrap()),
                _ => {}
            }
        }
    });
    let to = folder.dir.path().join("backup");
    let mut copies = 0;
    while !writer.is_finished() {
        match backup::copy(&dir, &to) {
            Ok(_) => copied_well(&to),
            Err(e) => assert_eq!(e.kind(), Kind::Retry, "{e}"),
        }
        copies += 1;
    }
    writer.join().unwrap();
    assert!(copies > 2, "{copies}");
    backup::copy(&dir, &to).unwrap();
    copied_well(&to);
    assert!(!contains(&to, "no. 249: "));
}

#[test]
fn an_erased_record_more_or_less_is_found() {
    for erased in [false, true] {
        let (folder, mut ledger) = filled();
        let dir = folder.ledger();
        if erased {
            let person = Snapshot::open(&dir, None).unwrap().people().unwrap()[0].0.clone();
            ledger.erase(&Erase { person: Some(person), ..erase(&[1, 2]) }).unwrap();
        }
        ledger.seal().unwrap();
        drop(ledger);
        verified(&dir);
        let (vault, refused) =
            ("vault/00000000000000000000.vault", "quarantine/00000000000000000000.quarantine");
        for (path, kind) in [(vault, b'd'), (vault, b'e'), (refused, b'q')] {
            let path = dir.join(path);
            let whole = fs::read(&path).unwrap();
            for times in [1, 3] {
                let mut more = whole.clone();
                for _ in 0..times {
                    frame::push(&mut more, kind, &[0; 40]);
                }
                fs::write(&path, more).unwrap();
                assert!(times == 1 && erased || checked(&dir).exit == 17, "{erased} {times}");
            }
            // Whether two deliveries were erased, or one of two events, nothing says but their frames.
            let less = frame::Frames::new(&whole).find(|f| f.kind == kind && kind != b'd');
            if let Some(frame) = less {
                let less = [&whole[..frame.offset], &whole[frame.end()..]].concat();
                fs::write(&path, less).unwrap();
                assert_eq!(checked(&dir).exit, 17, "{}", char::from(kind));
            }
            fs::write(&path, whole).unwrap();
        }
        verified(&dir);
    }
}

#[test]
fn an_erasure_that_dies_is_resumed() {
    let (folder, ledger) = filled();
    drop(ledger);
    dies_everywhere(
        &folder,
        |ledger| ledger.erase(&erase(&[1, 8])).map(|_| ()),
        |dir| {
            for text in ["no. 1: ", r#"\"n\":1}"#, "no. 8: ", r#"\"n\":8}"#, r#"\"n\":11}"#] {
                assert!(!contains(dir, text), "{text}");
            }
            let snapshot = Snapshot::open(dir, None).unwrap();
            let leaves = snapshot.leaves().map(|row| leaf::decode(&row.unwrap().1).unwrap());
            let entries = leaves.filter(|e| e.text("phase") == Some("erasure")).count();
            assert_eq!(entries, 2, "one entry, and one that it is done");
        },
    );
}

#[test]
fn a_copy_is_the_ledger_at_its_head_and_grows_with_it() {
    let (folder, mut ledger) = filled();
    let dir = folder.ledger();
    let to = folder.dir.path().join("backup");
    let first = backup::copy(&dir, &to).unwrap();
    assert_eq!(first.checkpoint, *ledger.checkpoint());
    assert!(files(&to).iter().all(|path| !path.starts_with("state/")), "{:?}", files(&to));
    let again = backup::copy(&dir, &to).unwrap();
    assert_eq!((again.written, again.removed), (0, 0));
    for round in 0u64..4 {
        ledger.append((40 + round * 3..43 + round * 3).map(submission).collect()).unwrap();
        if round % 2 == 1 {
            ledger.seal().unwrap();
        }
        // Rows that are durable and not signed yet are no part of a copy.
        let copied = backup::copy(&dir, &to).unwrap();
        assert_eq!(copied.checkpoint, *ledger.checkpoint());
        copied_well(&to);
    }
    let line = NoteSignature { name: "w.example".into(), key_id: [7; 4], signature: vec![0; 72] };
    assert!(ledger.add_cosignatures(ledger.size(), &[line]).unwrap());
    assert_eq!(backup::copy(&dir, &to).unwrap().checkpoint, *ledger.checkpoint());
    let cosignatures = format!("checkpoints/{:020}.cosig", ledger.size());
    assert_eq!(
        fs::read(to.join(&cosignatures)).unwrap(),
        fs::read(dir.join(&cosignatures)).unwrap()
    );
    ledger.erase(&erase(&[1, 8, 41])).unwrap();
    backup::copy(&dir, &to).unwrap();
    assert!(!contains(&to, "no. 41: ") && contains(&to, "no. 42: "), "it forgets, too");
    // A ledger that was rolled back does not overwrite a newer copy.
    let old = folder.dir.path().join("old");
    backup::copy(&dir, &old).unwrap();
    ledger.append(vec![submission(60)]).unwrap();
    ledger.publish().unwrap();
    backup::copy(&dir, &to).unwrap();
    assert_eq!(backup::copy(&old, &to).err().unwrap().kind(), Kind::RolledBack);
    let other = Folder::new();
    drop(other.init());
    assert!(backup::copy(&other.ledger(), &to).is_err(), "another log");
    assert_eq!(backup::copy(&dir, &dir.join("inside")).err().unwrap().kind(), Kind::Reject);
}

#[test]
fn an_interrupted_copy_is_completed() {
    let (folder, ledger) = filled();
    let whole = folder.dir.path().join("whole");
    backup::copy(&folder.ledger(), &whole).unwrap();
    let part = folder.dir.path().join("part");
    for path in
        files(&whole).iter().filter(|p| p.starts_with("segments/") || p.starts_with("vault/"))
    {
        let target = part.join(path);
        fs::create_dir_all(target.parent().unwrap()).unwrap();
        fs::write(target, b"torn").unwrap();
    }
    backup::copy(&folder.ledger(), &part).unwrap();
    assert_eq!(files(&part), files(&whole));
    copied_well(&part);
    let strange = folder.dir.path().join("strange");
    fs::create_dir_all(&strange).unwrap();
    fs::write(strange.join("letter.txt"), b"dear").unwrap();
    assert_eq!(backup::copy(&folder.ledger(), &strange).err().unwrap().kind(), Kind::Reject);
    drop(ledger);
}

#[test]
fn a_restored_ledger_signs_once_its_head_is_confirmed() {
    let (folder, mut ledger) = filled();
    let dir = folder.ledger();
    let to = folder.dir.path().join("backup");
    let note = || fs::read_to_string(dir.join("checkpoint")).unwrap();
    let older = note();
    ledger.append(vec![submission(40)]).unwrap();
    ledger.publish().unwrap();
    backup::copy(&dir, &to).unwrap();
    let same = note();
    ledger.append(vec![submission(41)]).unwrap();
    ledger.publish().unwrap();
    let newer = note();

    let restored = folder.dir.path().join("restored");
    backup::copy(&to, &restored).unwrap();
    assert!(Snapshot::open(&restored, None).is_ok(), "it can be read");
    let refused = Ledger::open(&restored, signer(), clock()).err().unwrap();
    assert_eq!(refused.kind(), Kind::Missing, "{refused}");
    let confirm = |note: &str| Ledger::confirm(&restored, note, signer(), clock());
    let missing = confirm(&newer).err().unwrap();
    assert_eq!(missing.kind(), Kind::RolledBack);
    assert!(missing.to_string().contains("1 rows are missing"), "{missing}");
    assert_eq!(confirm(&older).err().unwrap().kind(), Kind::Reject);
    // Another history of the same size.
    let fork = Folder::new();
    let mut other = fork.init();
    let size: u64 = same.lines().nth(1).unwrap().parse().unwrap();
    while other.checkpoint().size < size {
        other.heartbeat().unwrap();
    }
    let split = fs::read_to_string(fork.ledger().join("checkpoint")).unwrap();
    assert_eq!(confirm(&split).err().unwrap().kind(), Kind::RolledBack);
    assert!(Ledger::open(&restored, signer(), clock()).is_err(), "still");

    let mut ledger = confirm(&same).unwrap();
    ledger.append(vec![submission(50)]).unwrap();
    ledger.publish().unwrap();
    drop(ledger);
    verified(&restored);
    assert_eq!(confirm(&same).err().unwrap().kind(), Kind::Reject, "once");
    let rows = Snapshot::open(&restored, None).unwrap();
    let said =
        rows.leaves().any(|row| String::from_utf8(row.unwrap().1).unwrap().contains("restored;"));
    assert!(said, "the log says that it was restored");
}

fn sealed() -> (Folder, Ledger) {
    let (folder, mut ledger) = filled();
    ledger.seal().unwrap();
    ledger.append((40..43).map(submission).collect()).unwrap();
    ledger.publish().unwrap();
    (folder, ledger)
}

fn segments(dir: &Path) -> Vec<String> {
    files(dir).into_iter().filter(|path| path.starts_with("segments/")).collect()
}

#[test]
fn a_rewritten_segment_has_the_same_rows() {
    let (folder, mut ledger) = sealed();
    let dir = folder.ledger();
    let older: Vec<u64> = (1..=ledger.checkpoint().size)
        .filter(|size| dir.join(format!("checkpoints/{size:020}.note")).exists())
        .collect();
    assert_eq!(older.len(), 3);
    let before: Vec<_> =
        Snapshot::open(&dir, None).unwrap().leaves().collect::<Result<_, _>>().unwrap();
    assert_eq!(segments(&dir).len(), 3);
    let made = ledger.compact().unwrap();
    assert_eq!(made.len(), 1);
    assert_eq!(segments(&dir), [made[0].file.clone()]);
    assert!(made[0].file.ends_with(".1.parquet"), "{}", made[0].file);
    assert!(ledger.compact().unwrap().is_empty(), "nothing is left to do");
    verified(&dir);
    for at in older.iter().copied().map(Some).chain([None]) {
        let snapshot = Snapshot::open(&dir, at).unwrap();
        let rows: Vec<_> = snapshot.leaves().collect::<Result<_, _>>().unwrap();
        let same = rows.len().min(before.len());
        assert_eq!(rows[..same], before[..same], "at {at:?}");
        for (seq, bytes) in &rows {
            assert_eq!(snapshot.leaf(*seq).unwrap(), *bytes);
            snapshot.inclusion_proof(*seq).unwrap();
        }
        assert_eq!(snapshot.texts().unwrap().count(), 14);
    }
    // The vault keeps its files, duplicates are found, and values can be erased.
    let again = ledger.append((0..8).map(submission).collect()).unwrap();
    assert!(
        again.iter().all(|r| matches!(r.outcomes[..], [Outcome::Duplicate { .. }])),
        "{again:?}"
    );
    ledger.erase(&erase(&[1, 5])).unwrap();
    assert!(!contains(&dir, "no. 5: "));
    drop(ledger);
    let mut ledger = folder.open();
    let again = ledger.append((0..8).map(submission).collect()).unwrap();
    assert!(
        again.iter().all(|r| matches!(r.outcomes[..], [Outcome::Duplicate { .. }])),
        "{again:?}"
    );
    verified(&dir);
    // A second rewrite takes the first one's file.
    ledger.seal().unwrap();
    let made = ledger.compact().unwrap();
    assert!(made[0].file.ends_with(".2.parquet") && made[0].rows.start == 0, "{made:?}");
    assert_eq!(segments(&dir), [made[0].file.clone()]);
    ledger.append(vec![submission(50)]).unwrap();
    ledger.publish().unwrap();
    verified(&dir);
    let to = folder.dir.path().join("backup");
    backup::copy(&dir, &to).unwrap();
    copied_well(&to);
}

#[test]
fn a_rewrite_that_dies_leaves_the_old_or_the_new_file() {
    let (folder, ledger) = sealed();
    drop(ledger);
    dies_everywhere(
        &folder,
        |ledger| ledger.compact().map(|_| ()),
        |dir| assert_eq!(segments(dir).len(), 1),
    );
}

#[test]
fn replaced_segments_are_not_read_and_must_not_be_others() {
    let (folder, mut ledger) = sealed();
    let dir = folder.ledger();
    let old = segments(&dir);
    let kept: Vec<Vec<u8>> = old.iter().map(|path| fs::read(dir.join(path)).unwrap()).collect();
    let made = ledger.compact().unwrap();
    drop(ledger);
    let new = fs::read(dir.join(&made[0].file)).unwrap();
    for (path, bytes) in old.iter().zip(&kept) {
        fs::write(dir.join(path), bytes).unwrap();
        let report = verified(&dir);
        assert!(
            report.coverage.iter().any(|c| c.starts_with(path.as_str())),
            "{:?}",
            report.coverage
        );
        let mut other = bytes.clone();
        other[200] ^= 1;
        fs::write(dir.join(path), other).unwrap();
        assert_eq!(checked(&dir).exit, 11, "{path}");
        fs::remove_file(dir.join(path)).unwrap();
    }
    let mut other = new.clone();
    other[200] ^= 1;
    fs::write(dir.join(&made[0].file), other).unwrap();
    assert_eq!(checked(&dir).exit, 11);
    fs::remove_file(dir.join(&made[0].file)).unwrap();
    assert_eq!(checked(&dir).exit, 11);
    assert!(Snapshot::open(&dir, None).is_err());
    fs::write(dir.join(&made[0].file), new).unwrap();
    verified(&dir);
    fs::write(dir.join("segments/00000000000000000001-00000000000000000003.7.parquet"), b"x")
        .unwrap();
    assert_eq!(checked(&dir).exit, 11, "a file that nobody names");
}

/// As [`sealed`], with a policy of seven days and rows of twenty days later.
fn aged() -> (Folder, Ledger) {
    let folder = Folder::new();
    let options = InitOptions { retention: "P7D".into(), ..crate::support::simulated() };
    let mut ledger = Ledger::init(&folder.ledger(), &options, signer(), clock()).unwrap();
    ledger.append((0..4).map(submission).collect()).unwrap();
    ledger.append(vec![rejected(100)]).unwrap();
    ledger.seal().unwrap();
    ledger.append((4..300).map(submission).collect()).unwrap();
    ledger.erase(&Erase { events: vec![id(5)], ..erase(&[]) }).unwrap();
    ledger.seal().unwrap();
    let day = 24 * 3600;
    ledger.append((20 * day..20 * day + 5).map(submission).collect()).unwrap();
    ledger.seal().unwrap();
    ledger.append((21 * day..21 * day + 5).map(submission).collect()).unwrap();
    ledger.publish().unwrap();
    (folder, ledger)
}

/// A reader that goes on from what it read before sees what a new one does.
fn goes_on(before: &Snapshot, dir: &Path) {
    let (newer, new) = (before.newer().unwrap().unwrap(), Snapshot::open(dir, None).unwrap());
    let rows = |of: &Snapshot| of.leaves().collect::<Result<Vec<_>, _>>().unwrap();
    assert_eq!(newer.note(), new.note());
    assert_eq!((newer.start(), newer.segments()), (new.start(), new.segments()));
    assert_eq!(rows(&newer), rows(&new));
    assert_eq!(newer.erased(), new.erased());
    assert!(newer.newer().unwrap().is_none());
}

/// Other people's tools are given every tile, and the entries of whole bundles that are there.
fn exported_without(start: u64, folder: &Folder) {
    let resources = Resources::new(Snapshot::open(&folder.ledger(), None).unwrap()).unwrap();
    let to = folder.dir.path().join("tiles");
    export::tiles(&resources, &to).unwrap();
    let size = resources.snapshot().checkpoint().size;
    for index in 0..size / 256 {
        let (hashes, entries) = (format!("tile/0/{index:03}"), format!("tile/entries/{index:03}"));
        assert!(to.join(&hashes).is_file(), "{hashes}");
        assert_eq!(to.join(&entries).is_file(), index * 256 >= start, "{entries}");
        let there = resources.get(&entries.parse().unwrap()).unwrap();
        assert_eq!(there.is_some(), index * 256 >= start, "{entries}");
    }
    assert_eq!(export::tiles(&resources, &to).unwrap().written, 0);
}

#[test]
fn what_is_pruned_can_still_be_proved() {
    let (folder, mut ledger) = aged();
    let dir = folder.ledger();
    let before = Snapshot::open(&dir, None).unwrap();
    let rows: Vec<_> = before.leaves().collect::<Result<_, _>>().unwrap();
    let old = rows.len() as u64;
    let refused = ledger.retain(Some(crate::support::received(19 * 24 * 3600))).err().unwrap();
    assert_eq!(refused.kind(), Kind::Reject, "{refused}");
    assert!(refused.to_string().contains("P7D"), "{refused}");
    let long_ago = Some(crate::support::at("2026-01-01T00:00:00Z"));
    assert_eq!(ledger.retain(long_ago).unwrap(), None);
    assert_eq!(ledger.size(), old, "nothing was written");

    let start = ledger.retain(None).unwrap().unwrap();
    assert!(start > 300 && start < old);
    assert_eq!(ledger.retain(None).unwrap(), None);
    assert_eq!(segments(&dir).len(), 1);
    assert!(!contains(&dir, "no. 7: "), "texts go with their rows");
    let report = verified(&dir);
    assert!(report.coverage.iter().any(|c| c.contains(&format!("{start} rows were pruned"))));
    let snapshot = Snapshot::open(&dir, None).unwrap();
    assert_eq!(snapshot.start(), start);
    goes_on(&before, &dir);
    exported_without(start, &folder);
    for (seq, leaf) in &rows {
        let proof = snapshot.inclusion_proof(*seq).unwrap();
        proof.verify(&leaf_hash(leaf), &[vkey()]).unwrap();
        let event = leaf::decode(leaf).unwrap();
        assert_eq!(snapshot.find(event.text("event_id").unwrap()).unwrap(), Some(*seq));
        let there = snapshot.leaf(*seq);
        if *seq >= start || event.text("kind") == Some("ledger") {
            assert_eq!(there.unwrap(), *leaf);
        } else {
            assert_eq!(there.err().unwrap().kind(), Kind::Missing);
        }
    }
    let kept = snapshot.kept().unwrap();
    let kept: usize = kept.iter().map(RecordBatch::num_rows).sum();
    assert_eq!(
        kept,
        rows.iter()
            .filter(
                |(seq, leaf)| *seq < start && leaf.windows(15).any(|w| w == br#""kind":"ledger""#)
            )
            .count()
    );
    let older = files(&dir).into_iter().filter(|path| path.starts_with("checkpoints/")).count();
    assert_eq!(older, 3, "notes stay");
    let gone = Snapshot::open(&dir, Some(8)).err().unwrap();
    assert_eq!(gone.kind(), Kind::Missing, "{gone}");

    drop(ledger);
    let mut ledger = folder.open();
    let again = ledger.append((0..8).map(submission).collect()).unwrap();
    assert!(
        again.iter().all(|r| matches!(r.outcomes[..], [Outcome::Duplicate { .. }])),
        "{again:?}"
    );
    assert_eq!(ledger.erase(&erase(&[1])).err().unwrap().kind(), Kind::Reject);
    let day = 24 * 3600;
    ledger.append((60 * day..60 * day + 5).map(submission).collect()).unwrap();
    ledger.seal().unwrap();
    ledger.append((90 * day..90 * day + 5).map(submission).collect()).unwrap();
    ledger.erase(&erase(&[60 * day])).unwrap();
    ledger.compact().unwrap();
    verified(&dir);
    goes_on(&before, &dir);
    goes_on(&snapshot, &dir);
    let snapshot = Snapshot::open(&dir, None).unwrap();
    let to = folder.dir.path().join("backup");
    backup::copy(&dir, &to).unwrap();
    copied_well(&to);
    // All segments go; the file of what stays is replaced by one of more rows.
    let later = ledger.retain(None).unwrap().unwrap();
    assert!(later > start);
    goes_on(&snapshot, &dir);
    assert!(segments(&dir).is_empty());
    assert_eq!(files(&dir).iter().filter(|path| path.starts_with("pruned/")).count(), 1);
    verified(&dir);
    drop(ledger);
    let mut ledger = folder.open();
    ledger.append(vec![submission(91 * day), submission(3)]).unwrap();
    ledger.seal().unwrap();
    verified(&dir);
    backup::copy(&dir, &to).unwrap();
    copied_well(&to);
    assert_eq!(segments(&to), segments(&dir));
}

#[test]
fn a_pruning_that_dies_is_done_or_not() {
    let (folder, ledger) = aged();
    drop(ledger);
    dies_everywhere(
        &folder,
        |ledger| ledger.retain(None).map(|_| ()),
        |dir| {
            assert_eq!(segments(dir).len(), 1);
            assert_eq!(files(dir).iter().filter(|path| path.starts_with("vault/")).count(), 3);
        },
    );
}

#[test]
fn what_stays_of_pruned_rows_is_checked() {
    let (folder, mut ledger) = aged();
    let dir = folder.ledger();
    let start = ledger.retain(None).unwrap().unwrap();
    drop(ledger);
    let path = dir.join(format!("pruned/{start:020}.pruned"));
    let whole = fs::read(&path).unwrap();
    for at in (0..whole.len()).step_by(whole.len() / 40) {
        let mut other = whole.clone();
        other[at] ^= 4;
        fs::write(&path, other).unwrap();
        assert_ne!(checked(&dir).exit, 0, "byte {at}");
        assert!(Snapshot::open(&dir, None).is_err(), "byte {at}");
    }
    fs::remove_file(&path).unwrap();
    assert_ne!(checked(&dir).exit, 0);
    fs::write(&path, &whole).unwrap();
    let tile = dir.join("tile/0/000");
    let hashes = fs::read(&tile).unwrap();
    let mut other = hashes.clone();
    other[40] ^= 1;
    fs::write(&tile, other).unwrap();
    assert_eq!(checked(&dir).exit, 13, "the kept notes are of other rows");
    fs::write(&tile, hashes).unwrap();
    verified(&dir);
}
