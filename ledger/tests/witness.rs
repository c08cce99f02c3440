//! Cosignatures, policies, and the witness: every status of the specification, and what must never be cosigned.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::any::Any;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};

use backtrail_ledger::checkpoint::Checkpoint;
use backtrail_ledger::cosignature::{cosign, time_of};
use backtrail_ledger::key::sign_checkpoint;
use backtrail_ledger::note::signature_lines;
use backtrail_ledger::storage::{Local, Storage};
use backtrail_ledger::tlog::{consistency_proof, hash::empty_root, root_of, verify_consistency};
use backtrail_ledger::witness::client::{Submission, Verdict};
use backtrail_ledger::witness::request::AddCheckpoint;
use backtrail_ledger::witness::{Answer, SIZE_TYPE, Witness, hash_of};
use backtrail_ledger::{
    Algorithm, Clock, Error, FileSigner, Hash, InitOptions, Kind, Ledger, Note, NoteSignature,
    Policy, Signer, Snapshot, Vkey, leaf_hash, sha256,
};
use backtrail_schemas::Timestamp;
use proptest::prelude::*;
use proptest::test_runner::RngSeed;

const ORIGIN: &str = "log.example/test";
const NAME: &str = "witness.example/w1";

/// A clock that is set by hand.
struct Hands(AtomicI64);

impl Clock for Hands {
    fn now(&self) -> Timestamp {
        Timestamp::from_micros(self.0.load(Ordering::Relaxed) * 1_000_000).unwrap()
    }
}

fn log_key() -> FileSigner {
    FileSigner::from_seed(ORIGIN, &[1; 32]).unwrap()
}

fn cosigner(seed: u8) -> FileSigner {
    FileSigner::with_seed(Algorithm::Cosignature, NAME, &[seed; 32]).unwrap()
}

/// The leaves of one history; another `branch` differs from row 3 on.
fn leaves(branch: u8, size: u64) -> Vec<Hash> {
    (0..size).map(|n| leaf_hash(&[if n < 3 { 0 } else { branch }, n as u8])).collect()
}

fn head(branch: u8, size: u64) -> Checkpoint {
    let root = root_of(size, &leaves(branch, size)).unwrap();
    Checkpoint { origin: ORIGIN.into(), size, root }
}

fn signed(branch: u8, size: u64) -> Note {
    sign_checkpoint(&head(branch, size), &log_key()).unwrap()
}

/// The honest request from `old` to `size`.
fn request(branch: u8, old: u64, size: u64) -> AddCheckpoint {
    let tree = leaves(branch, size);
    let proof =
        if old == 0 { Vec::new() } else { consistency_proof(old, size, &tree).unwrap_or_default() };
    AddCheckpoint { old, proof, note: signed(branch, size) }
}

struct Trial {
    dir: tempfile::TempDir,
    clock: Arc<Hands>,
    witness: Witness,
}

fn trial() -> Trial {
    let dir = tempfile::tempdir().unwrap();
    Witness::init(dir.path(), cosigner(2).vkey()).unwrap();
    Witness::add_log(dir.path(), ORIGIN, log_key().vkey()).unwrap();
    let clock = Arc::new(Hands(AtomicI64::new(1_000)));
    let witness = open(dir.path(), Arc::clone(&clock)).unwrap();
    Trial { dir, clock, witness }
}

fn open(dir: &Path, clock: Arc<Hands>) -> Result<Witness, Error> {
    Witness::open(dir, Box::new(cosigner(2)), clock)
}

impl Trial {
    fn send(&self, request: &AddCheckpoint) -> Answer {
        self.witness.add_checkpoint(request.to_string().as_bytes())
    }

    /// The size that the witness shows, whose note both signed.
    fn shown(&self) -> Option<Checkpoint> {
        let answer = self.witness.checkpoint(&hash_of(ORIGIN));
        if answer.status == 404 {
            return None;
        }
        assert_eq!(answer.status, 200);
        let note: Note = answer.body.parse().unwrap();
        for key in [log_key().vkey().clone(), cosigner(2).vkey().clone()] {
            assert!(note.open(&[key]).is_ok());
        }
        Some(note.text.parse().unwrap())
    }

    fn cosigns(&self, request: &AddCheckpoint) {
        let answer = self.send(request);
        assert_eq!(answer.status, 200, "{answer:?}");
        let lines = signature_lines(&answer.body).unwrap();
        let now = self.clock.0.load(Ordering::Relaxed).cast_unsigned();
        assert_eq!(time_of(&request.note.text, &lines[0], cosigner(2).vkey()), Some(now));
        assert_eq!(self.shown(), Some(request.note.text.parse().unwrap()));
    }

    fn refuses(&self, status: u16, request: &AddCheckpoint) {
        let before = self.shown();
        let answer = self.send(request);
        assert_eq!(answer.status, status, "{answer:?}");
        assert!(!answer.body.contains('—'), "no signature goes out: {answer:?}");
        assert_eq!(self.shown(), before);
    }

    fn conflicts(&self, size: u64, request: &AddCheckpoint) {
        self.refuses(409, request);
        let answer = self.send(request);
        assert_eq!((answer.content_type, answer.body), (SIZE_TYPE, format!("{size}\n")));
    }
}

#[test]
fn a_cosignature_is_what_the_specification_says() {
    let (key, text) = (cosigner(2), signed(0, 5).text);
    let line = cosign(&text, 1_679_315_147, &key).unwrap();
    let (time, signature) = line.signature.split_at(8);
    assert_eq!(time, 1_679_315_147u64.to_be_bytes());
    let message = format!("cosignature/v1\ntime 1679315147\n{text}");
    assert!(key.vkey().verify(message.as_bytes(), signature.try_into().unwrap()));
    let hashed = sha256(&[NAME.as_bytes(), b"\n\x04", key.vkey().public()].concat());
    assert_eq!(key.vkey().id(), hashed.0[..4]);
    assert_eq!(key.vkey().to_string().parse::<Vkey>().unwrap(), *key.vkey());

    assert_eq!(time_of(&text, &line, key.vkey()), Some(1_679_315_147));
    assert_eq!(time_of(&signed(0, 6).text, &line, key.vkey()), None);
    assert_eq!(time_of(&text, &line, cosigner(3).vkey()), None);
    for at in 0..line.signature.len() {
        let mut other = line.clone();
        other.signature[at] ^= 1;
        assert_eq!(time_of(&text, &other, key.vkey()), None, "byte {at}");
    }
    let cut = NoteSignature { signature: line.signature[..71].to_vec(), ..line.clone() };
    assert_eq!(time_of(&text, &cut, key.vkey()), None);
    // A key signs one kind of thing.
    let plain = FileSigner::from_seed(NAME, &[2; 32]).unwrap();
    assert!(cosign(&text, 1, &plain).is_err());
    assert!(sign_checkpoint(&head(0, 5), &key).is_err());
    assert_eq!(time_of(&text, &line, plain.vkey()), None);
    assert!(cosign(&text, 1 << 63, &key).is_err() && cosign(&text, 0, &key).is_err());
    // Keys of low order are refused whatever they sign.
    for weak in [[0; 32], {
        let mut one = [0; 32];
        one[0] = 1;
        one
    }] {
        assert!(Vkey::of(Algorithm::Cosignature, NAME, &weak).is_err());
    }
}

#[test]
fn a_witness_is_no_log() {
    let key = FileSigner::with_seed(Algorithm::Cosignature, ORIGIN, &[1; 32]).unwrap();
    let mut note = signed(0, 5);
    note.signatures = vec![cosign(&note.text, 7, &key).unwrap()];
    assert!(note.open(&[key.vkey().clone()]).is_ok());
    assert!(Checkpoint::open(&note.to_string(), &[key.vkey().clone()]).is_err());
}

#[test]
fn honest_heads_are_cosigned() {
    for (old, size) in (0..12u64).flat_map(|old| (old..12).map(move |size| (old, size))) {
        let t = trial();
        if old > 0 {
            t.cosigns(&request(0, 0, old));
        }
        t.cosigns(&request(0, old, size));
        assert_eq!(t.witness.checkpoint(&hash_of("another.example")).status, 404);
    }
}

#[test]
fn a_witness_remembers_after_a_restart() {
    let t = trial();
    t.cosigns(&request(0, 0, 5));
    let Trial { dir, clock, witness } = t;
    assert!(open(dir.path(), Arc::clone(&clock)).is_err(), "one process at a time");
    drop(witness);
    let witness = open(dir.path(), Arc::clone(&clock)).unwrap();
    let t = Trial { dir, clock, witness };
    t.conflicts(5, &request(1, 0, 9));
    t.cosigns(&request(0, 5, 9));
}

#[test]
fn every_refusal_has_its_status() {
    let t = trial();
    // 400: not a request, or of the wrong form.
    let good = request(0, 0, 5).to_string();
    let bad = [
        String::new(),
        "old 0\n".to_owned(),
        good.replacen("old 0", "old 00", 1),
        good.replacen("old 0", "old +0", 1),
        good.replacen("old 0", "old 9007199254740993", 1),
        good.replacen("old 0", "Old 0", 1),
        good.replacen("old 0\n", "old 0\n\n", 1),
        good.replacen("old 0\n", "old 0\nAAAA\n", 1),
        good.replacen(
            "old 0\n",
            &format!("old 0\n{}", format!("{}\n", empty_root()).repeat(64)),
            1,
        ),
        good.replace("\n5\n", "\n05\n"),
        good.trim_end().to_owned(),
        good.replace('\n', "\r\n"),
        format!("{good}{}", "x".repeat(200_000)),
    ];
    for body in bad {
        let answer = t.witness.add_checkpoint(body.as_bytes());
        assert_eq!(answer.status, 400, "{answer:?} for {body}");
    }
    assert_eq!(t.witness.add_checkpoint(&[0xff; 10]).status, 400);
    t.refuses(400, &AddCheckpoint { old: 6, ..request(0, 0, 5) });

    // 404: a log that nobody named; 403: nobody whom the witness trusts signed it.
    let stranger = FileSigner::from_seed("other.example", &[1; 32]).unwrap();
    let theirs = Checkpoint { origin: "other.example".into(), ..head(0, 5) };
    let note = sign_checkpoint(&theirs, &stranger).unwrap();
    t.refuses(404, &AddCheckpoint { note, ..request(0, 0, 5) });
    let forger = FileSigner::from_seed(ORIGIN, &[9; 32]).unwrap();
    let note = sign_checkpoint(&head(0, 5), &forger).unwrap();
    t.refuses(403, &AddCheckpoint { note, ..request(0, 0, 5) });
    let mut note = signed(0, 5);
    note.signatures[0].signature[9] ^= 1;
    t.refuses(403, &AddCheckpoint { note, ..request(0, 0, 5) });

    // 422: the first head takes no proof, and an empty tree has one root.
    t.refuses(422, &AddCheckpoint { proof: vec![empty_root()], ..request(0, 0, 5) });
    let hollow = Checkpoint { size: 0, ..head(0, 5) };
    let note = sign_checkpoint(&hollow, &log_key()).unwrap();
    t.refuses(422, &AddCheckpoint { note, ..request(0, 0, 0) });

    t.cosigns(&request(0, 0, 7));
    // 409: another size than the one that was cosigned last, with that.
    for old in [0, 1, 6, 8, 9] {
        t.conflicts(7, &AddCheckpoint { old, ..request(0, 0, 9) });
    }
    // A rollback: an older head, honestly proved or not.
    t.conflicts(7, &request(0, 5, 6));
    t.conflicts(7, &request(0, 0, 6));
    t.refuses(400, &AddCheckpoint { old: 7, ..request(0, 0, 6) });
    // A fork of the same size, and a larger one with every kind of proof.
    t.conflicts(7, &request(1, 7, 7));
    t.conflicts(7, &request(1, 0, 7));
    t.refuses(422, &request(1, 7, 9));
    t.refuses(422, &AddCheckpoint { proof: request(0, 7, 9).proof, ..request(1, 7, 9) });
    t.refuses(422, &AddCheckpoint { proof: Vec::new(), ..request(0, 7, 9) });
    let mut long = request(0, 7, 9);
    long.proof.push(empty_root());
    t.refuses(422, &long);
    // An honest successor goes through after all that.
    t.cosigns(&request(0, 7, 9));
}

#[test]
fn two_heads_of_one_size_are_kept_as_evidence() {
    let t = trial();
    t.cosigns(&request(0, 0, 7));
    for branch in 1..40 {
        t.conflicts(7, &request(branch, 0, 7));
    }
    let kept = Local::new(t.dir.path()).list("evidence").unwrap();
    assert_eq!(kept.len(), 16);
    for (path, _) in kept {
        let note = std::fs::read_to_string(t.dir.path().join(path)).unwrap();
        let (other, _) = Checkpoint::open(&note, &[log_key().vkey().clone()]).unwrap();
        assert!(other.size == 7 && other.root != head(0, 7).root);
    }
}

#[test]
fn only_lines_of_the_log_are_kept() {
    let t = trial();
    let mut submitted = request(0, 0, 5);
    let junk = NoteSignature { name: "x.example".into(), key_id: [1; 4], signature: vec![3; 500] };
    submitted.note.signatures.insert(0, junk);
    t.cosigns(&submitted);
    let shown = t.witness.checkpoint(&hash_of(ORIGIN)).body;
    assert!(!shown.contains("x.example"), "{shown}");
    for path in ["", "../../vkey", &hash_of(ORIGIN)[1..], &hash_of(ORIGIN).to_uppercase()] {
        assert_eq!(t.witness.checkpoint(path).status, 404, "{path}");
    }
}

#[test]
fn extension_lines_are_cosigned_as_they_are() {
    let t = trial();
    let text = format!("{}first\nsecond \n", head(0, 5));
    let signature = log_key().sign(text.as_bytes()).unwrap().to_vec();
    let key = log_key();
    let line = NoteSignature { name: ORIGIN.into(), key_id: key.vkey().id(), signature };
    let note = Note { text: text.clone(), signatures: vec![line] };
    let answer = t.send(&AddCheckpoint { old: 0, proof: Vec::new(), note });
    assert_eq!(answer.status, 200, "{answer:?}");
    let lines = signature_lines(&answer.body).unwrap();
    assert!(time_of(&text, &lines[0], cosigner(2).vkey()).is_some());
}

#[test]
fn time_never_goes_back() {
    let t = trial();
    t.cosigns(&request(0, 0, 5));
    t.cosigns(&request(0, 5, 5));
    t.clock.0.store(999, Ordering::Relaxed);
    t.refuses(503, &request(0, 5, 6));
    t.refuses(503, &request(0, 5, 5));
    t.clock.0.store(1_001, Ordering::Relaxed);
    t.cosigns(&request(0, 5, 5));
    t.cosigns(&request(0, 5, 6));
}

#[test]
fn of_two_successors_one_is_cosigned() {
    for _ in 0..20 {
        let t = trial();
        t.cosigns(&request(0, 0, 5));
        let requests: Vec<_> = (6..14).map(|size| request(0, 5, size)).collect();
        let answers: Vec<Answer> = std::thread::scope(|scope| {
            let running: Vec<_> = requests.iter().map(|r| scope.spawn(|| t.send(r))).collect();
            running.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        assert_eq!(answers.iter().filter(|a| a.status == 200).count(), 1, "{answers:?}");
        assert_eq!(answers.iter().filter(|a| a.status == 409).count(), answers.len() - 1);
    }
}

/// A disk on which nothing can be replaced once it is full.
struct Full(Local, Arc<AtomicBool>);

impl Storage for Full {
    fn lock(&self) -> Result<Box<dyn Any + Send + Sync>, Error> {
        self.0.lock()
    }
    fn create(&self, files: &[(String, Vec<u8>)]) -> Result<(), Error> {
        self.0.create(files)
    }
    fn append(&self, path: &str, bytes: &[u8]) -> Result<(), Error> {
        self.0.append(path, bytes)
    }
    fn sync(&self, paths: &[&str]) -> Result<(), Error> {
        self.0.sync(paths)
    }
    fn replace(&self, path: &str, bytes: &[u8]) -> Result<(), Error> {
        // Any error will do: there is no other way to make one from outside.
        if self.1.load(Ordering::Relaxed) {
            Err("".parse::<Vkey>().unwrap_err())
        } else {
            self.0.replace(path, bytes)
        }
    }
    fn list(&self, folder: &str) -> Result<Vec<(String, u64)>, Error> {
        self.0.list(folder)
    }
    fn len(&self, path: &str) -> Result<u64, Error> {
        self.0.len(path)
    }
    fn read(&self, path: &str, range: Range<u64>) -> Result<Vec<u8>, Error> {
        self.0.read(path, range)
    }
    fn remove(&self, path: &str) -> Result<(), Error> {
        self.0.remove(path)
    }
}

#[test]
fn nothing_is_signed_that_is_not_durable() {
    let Trial { dir, clock, witness } = trial();
    drop(witness);
    let full = Arc::new(AtomicBool::new(false));
    let store = Box::new(Full(Local::new(dir.path()), Arc::clone(&full)));
    let witness =
        Witness::open_storage(store, Box::new(cosigner(2)), Arc::<Hands>::clone(&clock)).unwrap();
    let t = Trial { dir, clock, witness };
    t.cosigns(&request(0, 0, 5));
    full.store(true, Ordering::Relaxed);
    t.refuses(500, &request(0, 5, 7));
    full.store(false, Ordering::Relaxed);
    t.cosigns(&request(0, 5, 7));
}

#[test]
fn a_damaged_memory_is_no_memory_of_nothing() {
    let t = trial();
    t.cosigns(&request(0, 0, 5));
    let path = t.dir.path().join(format!("heads/{}.note", hash_of(ORIGIN)));
    let good = std::fs::read(&path).unwrap();
    for damaged in
        [Vec::new(), good[..good.len() / 2].to_vec(), signed(0, 5).to_string().into_bytes()]
    {
        std::fs::write(&path, damaged).unwrap();
        assert_eq!(t.send(&request(1, 0, 9)).status, 500);
    }
    std::fs::write(&path, good).unwrap();
    t.conflicts(5, &request(1, 0, 9));
}

#[test]
fn a_witness_has_one_key_for_ever() {
    let dir = tempfile::tempdir().unwrap();
    let clock = || Arc::new(Hands(AtomicI64::new(1)));
    assert!(open(dir.path(), clock()).is_err(), "no folder of a witness");
    assert!(Witness::add_log(dir.path(), ORIGIN, log_key().vkey()).is_err());
    assert!(Witness::init(dir.path(), log_key().vkey()).is_err(), "a log's key");
    Witness::init(dir.path(), cosigner(3).vkey()).unwrap();
    assert!(Witness::init(dir.path(), cosigner(3).vkey()).is_err(), "made already");
    assert!(open(dir.path(), clock()).is_err(), "another key");
    assert!(Witness::add_log(dir.path(), ORIGIN, cosigner(3).vkey()).is_err());
}

// The log's side.

#[test]
fn every_answer_has_its_meaning() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("ledger");
    let clock = || Arc::new(Hands(AtomicI64::new(1_000)));
    let mut ledger =
        Ledger::init(&dir, &InitOptions::default(), Box::new(log_key()), clock()).unwrap();
    let size = (0..9).map(|_| ledger.heartbeat().unwrap().size).last().unwrap();
    let ours = Submission::read(&dir, ledger.vkey()).unwrap();
    let (key, text) = (cosigner(2), ours.note().text.clone());
    let line = cosign(&text, 7, &key).unwrap().to_string();
    let stale = cosign(&signed(0, 5).text, 7, &key).unwrap().to_string();
    let stranger = "— x.example/y QUJDREVG\n";
    let judge =
        |old, status, kind: &str, body: &str| ours.judge(key.vkey(), old, status, kind, body);

    for body in [line.clone(), format!("{stranger}{line}")] {
        assert!(matches!(judge(0, 200, "", &body), Verdict::Cosigned(l) if l.to_string() == line));
    }
    for body in ["", stranger, &stale, line.trim_end(), "<html>"] {
        assert!(matches!(judge(0, 200, "", body), Verdict::Unavailable(_)), "{body}");
    }
    assert_eq!(judge(0, 409, SIZE_TYPE, "5\n"), Verdict::From(5));
    assert_eq!(judge(5, 409, SIZE_TYPE, "6\n"), Verdict::From(6));
    for (old, body) in [(0, "11\n"), (5, "9007199254740991\n"), (size, "10\n")] {
        let verdict = judge(old, 409, SIZE_TYPE, body);
        assert!(matches!(verdict, Verdict::Contradiction(_)), "{old} {body}: {verdict:?}");
    }
    // A size that it was given, one below what it signed before, and what is no size.
    for (old, kind, body) in [
        (5, SIZE_TYPE, "5\n"),
        (5, SIZE_TYPE, "4\n"),
        (0, "text/plain", "5\n"),
        (0, SIZE_TYPE, "5"),
        (0, SIZE_TYPE, "05\n"),
        (0, SIZE_TYPE, "-1\n"),
    ] {
        assert!(matches!(judge(old, 409, kind, body), Verdict::Unavailable(_)), "{old} {body}");
    }
    assert!(matches!(judge(5, 422, "", "no"), Verdict::Contradiction(_)));
    for (old, status) in
        [(0, 422), (5, 400), (5, 403), (5, 404), (5, 413), (5, 429), (5, 500), (5, 301)]
    {
        let Verdict::Unavailable(said) = judge(old, status, "", "a\u{1b}[2Jb\nc") else { panic!() };
        assert!(said.ends_with(": a[2Jb") && said.contains(&status.to_string()), "{said}");
    }

    // What somebody else holds is ours, or it is not.
    let head = |size, root| Checkpoint { origin: ORIGIN.into(), size, root };
    for n in 0..=size {
        let root = match n {
            0 => empty_root(),
            _ => tree_root(&dir, n),
        };
        assert!(ours.confirm(&head(n, root), "x").is_ok(), "{n}");
        let other = ours.confirm(&head(n, leaf_hash(b"x")), "x").unwrap_err();
        assert_eq!(other.kind(), Kind::RolledBack);
    }
    let newer = ours.confirm(&head(size + 1, leaf_hash(b"x")), "x").unwrap_err();
    assert_eq!(newer.kind(), Kind::RolledBack);
    let another = Checkpoint { origin: "other.example".into(), ..ours.head().clone() };
    assert_eq!(ours.confirm(&another, "x").unwrap_err().kind(), Kind::Reject);

    // A request holds for the witness of any size, and is refused for one beyond ours.
    for old in 0..=size {
        let request = AddCheckpoint::parse(ours.request(old).unwrap().as_bytes()).unwrap();
        let root = if old == 0 { empty_root() } else { tree_root(&dir, old) };
        let whole = &ours.head().root;
        assert!(old == 0 || verify_consistency(old, &root, size, whole, &request.proof));
    }
    assert!(ours.request(size + 1).is_err());
}

/// The root of the first `size` rows, from the rows themselves.
fn tree_root(dir: &Path, size: u64) -> Hash {
    let snapshot = Snapshot::open(dir, None).unwrap();
    let leaves: Vec<Hash> = snapshot.leaves().map(|row| leaf_hash(&row.unwrap().1)).collect();
    root_of(size, &leaves[..size as usize].to_vec()).unwrap()
}

// Policies.

fn key(seed: u8) -> Vkey {
    FileSigner::with_seed(Algorithm::Cosignature, &format!("w.example/{seed}"), &[seed; 32])
        .unwrap()
        .vkey()
        .clone()
}

/// The example of the specification, with keys.
fn example() -> String {
    let mut text =
        format!("# whom we trust\n\n log\t{}  https://log.example/ \n", log_key().vkey());
    for (seed, name) in (10..).zip(["X1", "X2", "X3", "Y1", "Y2", "Y3"]) {
        text = format!("{text}witness {name} {}\n", key(seed));
    }
    text + "group X-witnesses 2 X1 X2 X3\ngroup Y-witnesses any Y1 Y2 Y3\n\
            group X-and-Y all X-witnesses Y-witnesses\nquorum X-and-Y\n"
}

#[test]
fn the_example_of_the_specification_counts() {
    let policy = Policy::parse(example().as_bytes()).unwrap();
    assert_eq!(policy.logs()[0].key, *log_key().vkey());
    assert_eq!(policy.logs()[0].url.as_deref(), Some("https://log.example/"));
    assert_eq!(policy.witnesses().len(), 6);
    let note = signed(0, 5);
    let lines: Vec<NoteSignature> = (0..6u8)
        .map(|at| {
            let name = format!("w.example/{}", at + 10);
            let signer =
                FileSigner::with_seed(Algorithm::Cosignature, &name, &[at + 10; 32]).unwrap();
            cosign(&note.text, 7, &signer).unwrap()
        })
        .collect();
    for subset in 0..64u8 {
        let chosen: Vec<_> =
            (0..6).filter(|at| subset >> at & 1 == 1).map(|at| lines[at].clone()).collect();
        let met = (subset & 7).count_ones() >= 2 && subset >> 3 != 0;
        assert_eq!(policy.is_met(&note.text, &chosen), met, "{subset:06b}");
        // The same witness twice is one, and a signature of another head is none.
        assert_eq!(policy.is_met(&note.text, &[&chosen[..], &chosen[..]].concat()), met);
        assert!(!policy.is_met(&signed(0, 6).text, &chosen));
    }
}

#[test]
fn what_is_no_policy_is_refused() {
    let log = log_key().vkey().to_string();
    let (a, b) = (key(10), key(11));
    let w = format!("witness a {a}\nwitness b {b}\n");
    let ml_dsa = "w.example+00000000+BgAA";
    let good = [
        "quorum none\n".to_owned(),
        format!("{w}quorum a\n"),
        format!("{w}quorum none\n"),
        format!("{w}group g 1 a\ngroup h any g b\nquorum h\n"),
        format!("\t # a comment\n\t {w} \t\nquorum\t a \n"),
        format!("witness K\u{e9} {a} http://127.0.0.1:1/x\nquorum K\u{e9}\n"),
        format!("witness all {a}\nwitness 2 {b}\ngroup any 2 all 2\nquorum any\n"),
        format!("log {log}\nquorum none"), // replaced below: every line ends
    ];
    let (unended, good) = good.split_last().unwrap();
    for text in good {
        assert!(Policy::parse(text.as_bytes()).is_ok(), "{text}");
    }
    let bad = [
        unended.clone(),
        String::new(),
        "quorum a\n".to_owned(),
        format!("{w}quorum a\nquorum b\n"),
        format!("{w}quorum\n"),
        format!("{w}quorum a b\n"),
        format!("quorum a\n{w}"),
        format!("witness none {a}\nquorum none\n"),
        format!("witness a {a}\nwitness a {b}\nquorum a\n"),
        format!("witness a {a}\nwitness b {a}\nquorum a\n"),
        format!("witness a {log}\nquorum a\n"),
        format!("witness a {ml_dsa}\nquorum a\n"),
        format!("log {a}\nquorum none\n"),
        format!("log {log}\nlog {log}\nquorum none\n"),
        format!("log {log} http://x y\nquorum none\n"),
        format!("{w}group g 0 a b\nquorum g\n"),
        format!("{w}group g 3 a b\nquorum g\n"),
        format!("{w}group g 01 a b\nquorum g\n"),
        format!("{w}group g +1 a b\nquorum g\n"),
        format!("{w}group g some a b\nquorum g\n"),
        format!("{w}group g any\nquorum g\n"),
        format!("{w}group g any a a\nquorum g\n"),
        format!("{w}group g any a\ngroup h any a\nquorum g\n"),
        format!("{w}group g any g\nquorum g\n"),
        format!("{w}group g any none\nquorum g\n"),
        format!("{w}group a any b\nquorum a\n"),
        format!("{w}group g any h\ngroup h any a\nquorum g\n"),
        format!("{w}Quorum a\n"),
        format!("{w}quorum a\r\n"),
        format!("{w}quorum a # why\n"),
        format!("{w}quorum\u{b}a\n"),
        "# only a comment\n".to_owned(),
        format!("quorum none\n{}", " \n".repeat(200_000)),
    ];
    for text in bad {
        let error = Policy::parse(text.as_bytes()).expect_err(&text);
        assert!(error.to_string().contains("policy"), "{error}");
    }
    // Names are any bytes.
    let odd = [b"witness \xff\xfe ", a.to_string().as_bytes(), b"\nquorum \xff\xfe\n"].concat();
    assert!(Policy::parse(&odd).is_ok());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, rng_seed: RngSeed::Fixed(4), failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn nothing_panics_on_any_bytes(bytes in prop::collection::vec(any::<u8>(), 0..300), at in 0usize..2000, to: u8) {
        let _ = Policy::parse(&bytes);
        let _ = AddCheckpoint::parse(&bytes);
        let mut policy = example().into_bytes();
        let end = policy.len();
        policy[at % end] = to;
        let _ = Policy::parse(&policy);
        let mut body = request(0, 3, 9).to_string().into_bytes();
        let end = body.len();
        body[at % end] = to;
        if let Ok(parsed) = AddCheckpoint::parse(&body) {
            prop_assert_eq!(parsed.to_string().into_bytes(), body, "one right form");
        }
    }
}
