//! The life of a log's keys: rotation with overlap, retirement, loss and theft; and what thieves may try.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use backtrail_ledger::key::{sign_checkpoint, sign_note};
use backtrail_ledger::verify::{Level, Report, VerifyOptions, verify};
use backtrail_ledger::{
    Action, Algorithm, Checkpoint, Clock, ExternalSigner, FileSigner, InitOptions, Kind, Ledger,
    Note, Signer, Snapshot, Statement, Vkey, leaf_hash,
};

use crate::forge::{leaves, rewrite_signed};
use crate::support::{Fixed, Folder, ORIGIN, at, clock, files, simulated, submission};

/// Key `n` of the log; 7 is that of genesis.
fn key(n: u8) -> FileSigner {
    FileSigner::from_seed(ORIGIN, &[n; 32]).unwrap()
}

fn vkey(n: u8) -> Vkey {
    key(n).vkey().clone()
}

const RECOVERY: u8 = 99;

fn signers(keys: &[u8]) -> Vec<Box<dyn Signer>> {
    keys.iter().map(|n| Box::new(key(*n)) as Box<dyn Signer>).collect()
}

fn open(folder: &Folder, keys: &[u8]) -> Ledger {
    Ledger::open(&folder.ledger(), signers(keys), clock()).unwrap()
}

/// A ledger with a recovery key and six rows of deployments.
fn begun() -> Folder {
    let folder = Folder::new();
    let options = InitOptions { recovery_key: Some(vkey(RECOVERY)), ..simulated() };
    let mut ledger = Ledger::init(&folder.ledger(), &options, signers(&[7]), clock()).unwrap();
    ledger.append((0..6).map(submission).collect()).unwrap();
    ledger.publish().unwrap();
    folder
}

fn check(dir: &Path, pinned: &[u8]) -> Report {
    let keys = pinned.iter().map(|n| vkey(*n)).collect();
    verify(dir, &VerifyOptions { keys, ..VerifyOptions::default() })
}

#[track_caller]
fn holds(dir: &Path, pinned: &[u8]) {
    let report = check(dir, pinned);
    assert_eq!(report.exit, 0, "{pinned:?}: {:#?}", report.findings);
}

#[track_caller]
fn refused(report: &Report, code: &str) {
    assert_eq!(report.exit, 12, "{:#?}", report.findings);
    let codes: Vec<_> = report.findings.iter().map(|f| f.code).collect();
    assert!(codes.contains(&code), "{code} is not among {codes:?}");
}

fn signed_by(dir: &Path) -> Vec<[u8; 4]> {
    let note: Note = fs::read_to_string(dir.join("checkpoint")).unwrap().parse().unwrap();
    note.signatures.iter().map(|line| line.key_id).collect()
}

fn head(dir: &Path) -> Checkpoint {
    let note: Note = fs::read_to_string(dir.join("checkpoint")).unwrap().parse().unwrap();
    note.text.parse().unwrap()
}

/// A statement of the published head by key `by`.
fn said(dir: &Path, action: Action, about: u8, by: u8) -> Note {
    said_of(&head(dir), action, about, by)
}

fn said_of(head: &Checkpoint, action: Action, about: u8, by: u8) -> Note {
    let Checkpoint { origin, size, root } = head.clone();
    let statement = Statement { origin, action, vkey: vkey(about), size, root };
    sign_note(statement.to_string(), &[&key(by)]).unwrap()
}

/// From key 7 to key 8 and on to key 9, with seals between.
fn rotated_twice() -> Folder {
    let folder = begun();
    let dir = folder.ledger();
    let mut ledger = open(&folder, &[7, 8, 9]);
    for (old, new, from) in [(7, 8, 10), (8, 9, 20)] {
        ledger.add_key(&vkey(new)).unwrap();
        assert_eq!(signed_by(&dir), [vkey(old).id(), vkey(new).id()]);
        ledger.append((from..from + 5).map(submission).collect()).unwrap();
        ledger.seal().unwrap();
        ledger.retire_key(&vkey(old)).unwrap();
        assert_eq!(signed_by(&dir), [vkey(new).id()]);
        ledger.append((from + 5..from + 8).map(submission).collect()).unwrap();
        ledger.seal().unwrap();
    }
    ledger.append((30..33).map(submission).collect()).unwrap();
    ledger.publish().unwrap();
    folder
}

#[test]
fn a_log_rotated_twice_holds_for_whoever_pins_any_of_its_keys() {
    let folder = rotated_twice();
    let dir = folder.ledger();
    for pinned in [&[7][..], &[8], &[9], &[9, 7]] {
        holds(&dir, pinned);
    }
    refused(&check(&dir, &[6]), "head");
    // Only the rows tell which keys followed.
    let at_head =
        |n| VerifyOptions { keys: vec![vkey(n)], level: Level::Head, ..Default::default() };
    assert_eq!(verify(&dir, &at_head(9)).exit, 0);
    assert_eq!(verify(&dir, &at_head(7)).exit, 12);

    let snapshot = Snapshot::open(&dir, None).unwrap();
    let ranges: Vec<_> = snapshot.keys().unwrap().ranges().to_vec();
    assert_eq!(ranges.iter().map(|r| r.vkey.clone()).collect::<Vec<_>>(), [7, 8, 9].map(vkey));
    assert_eq!(ranges[0].from, 1);
    assert!(ranges[1].from < ranges[0].until.unwrap());
    assert_eq!(ranges[2].until, None);
    let proof = snapshot.inclusion_proof(3).unwrap();
    let leaf = leaf_hash(&snapshot.leaf(3).unwrap());
    assert!(proof.verify(&leaf, &[vkey(9)]).is_ok());
    assert!(proof.verify(&leaf, &[vkey(7), vkey(8), vkey(9)]).is_ok());
    assert!(proof.verify(&leaf, &[vkey(7), vkey(8)]).is_err());

    // Older heads are still those of the keys of their time.
    let kept = fs::read_dir(dir.join("checkpoints")).unwrap();
    let mut kept: Vec<_> = kept.map(|entry| entry.unwrap().path()).collect();
    kept.sort();
    let since = Some(fs::read_to_string(&kept[0]).unwrap());
    let options = VerifyOptions { keys: vec![vkey(9)], since, ..Default::default() };
    let report = verify(&dir, &options);
    assert_eq!((report.exit, report.anchor), (0, "note"), "{:#?}", report.findings);
    let size: Checkpoint =
        fs::read_to_string(&kept[0]).unwrap().parse::<Note>().unwrap().text.parse().unwrap();
    assert!(Snapshot::open(&dir, Some(size.size)).is_ok());
}

/// The writer stops between any two steps, and goes on with whatever keys are at hand.
#[test]
fn a_rotation_may_be_interrupted_anywhere() {
    let folder = begun();
    let dir = folder.ledger();
    // A new key that is not in the log yet signs nothing.
    drop(open(&folder, &[7, 8]));
    assert_eq!(signed_by(&dir), [vkey(7).id()]);
    assert_eq!(Ledger::open(&dir, signers(&[8]), clock()).err().unwrap().kind(), Kind::Reject);
    open(&folder, &[7, 8]).add_key(&vkey(8)).unwrap();
    for keys in [&[7][..], &[8], &[7, 8]] {
        let mut ledger = open(&folder, keys);
        ledger.heartbeat().unwrap();
        drop(ledger);
        let ids: Vec<_> = keys.iter().map(|n| vkey(*n).id()).collect();
        assert_eq!(signed_by(&dir), ids);
        holds(&dir, &[7]);
        // Whoever pins a key that is current and did not sign follows the first key's word.
        assert_eq!(check(&dir, &[8]).exit, if keys.contains(&8) { 0 } else { 12 });
    }
    // Said twice, or of a key that is none, changes nothing; the last key stays.
    let mut ledger = open(&folder, &[7, 8]);
    let size = ledger.size();
    assert_eq!(ledger.add_key(&vkey(8)).unwrap_err().kind(), Kind::Reject);
    assert_eq!(ledger.retire_key(&vkey(9)).unwrap_err().kind(), Kind::Reject);
    let other = FileSigner::from_seed("another.example/log", &[8; 32]).unwrap();
    assert_eq!(ledger.add_key(other.vkey()).unwrap_err().kind(), Kind::Reject);
    ledger.retire_key(&vkey(7)).unwrap();
    assert_eq!(ledger.retire_key(&vkey(8)).unwrap_err().kind(), Kind::Reject);
    assert_eq!(ledger.add_key(&vkey(7)).unwrap_err().kind(), Kind::Reject);
    assert_eq!(ledger.size(), size + 1);
    drop(ledger);
    assert_eq!(Ledger::open(&dir, signers(&[7]), clock()).err().unwrap().kind(), Kind::Reject);
    drop(open(&folder, &[8]));
    holds(&dir, &[7]);
}

#[test]
fn heads_outside_the_range_of_their_key() {
    // A retired key signs a newer head.
    let folder = rotated_twice();
    let dir = folder.ledger();
    let newest = head(&dir);
    for (n, also) in [(7, None), (8, None), (6, None), (RECOVERY, None), (7, Some(8))] {
        let signers: Vec<FileSigner> = [Some(n), also].into_iter().flatten().map(key).collect();
        let signers: Vec<&dyn Signer> = signers.iter().map(|s| s as &dyn Signer).collect();
        let note = sign_note(newest.to_string(), &signers).unwrap().to_string();
        fs::write(dir.join("checkpoint"), &note).unwrap();
        for pinned in [7, 9] {
            refused(&check(&dir, &[pinned]), "head");
        }
        // What the auditor holds is judged alike.
        fs::write(dir.join("checkpoint"), sign_checkpoint(&newest, &key(9)).unwrap().to_string())
            .unwrap();
        let since = VerifyOptions { keys: vec![vkey(9)], since: Some(note), ..Default::default() };
        refused(&verify(&dir, &since), "since");
    }
    holds(&dir, &[7]);

    // A new key signs a head that is older than its addition.
    let kept = fs::read_dir(dir.join("checkpoints")).unwrap();
    let path = kept.map(|entry| entry.unwrap().path()).min().unwrap();
    let old: Note = fs::read_to_string(&path).unwrap().parse().unwrap();
    for n in [9, RECOVERY] {
        let note = sign_note(old.text.clone(), &[&key(n)]).unwrap();
        fs::write(&path, note.to_string()).unwrap();
        refused(&check(&dir, &[7]), "kept_note");
    }
    // A line that does not hold condemns the note, also if its key is retired.
    let mut note = sign_checkpoint(&newest, &key(9)).unwrap();
    let mut line = sign_checkpoint(&newest, &key(7)).unwrap().signatures.remove(0);
    line.signature[3] ^= 1;
    note.signatures.push(line);
    fs::write(&path, old.to_string()).unwrap();
    fs::write(dir.join("checkpoint"), note.to_string()).unwrap();
    refused(&check(&dir, &[9]), "head");
}

/// Whoever holds key `n` appends an entry to a copy and signs the head.
fn forged(action: Action, about: u8, statement: &Note, signer: u8) -> Folder {
    let folder = begun();
    let dir = folder.ledger();
    // An entry in the right form, made by the writer itself, with another statement in it.
    let scratch = begun();
    open(&scratch, &[7, 8]).add_key(&vkey(8)).unwrap();
    let mut rows = leaves(&dir);
    let entry = leaves(&scratch.ledger()).pop().unwrap();
    let at = entry.find("\"statement\":\"").unwrap() + 13;
    let end = at + entry[at..].find("\",\"").unwrap();
    let text = statement.to_string().replace('\n', "\\n");
    let mut entry = format!("{}{text}{}", &entry[..at], &entry[end..]);
    entry = entry.replace("\"key_added\"", &format!("\"{}\"", action.word()));
    entry = entry.replace(&format!("\"{}\"", vkey(8)), &format!("\"{}\"", vkey(about)));
    rows.push(entry);
    rewrite_signed(&dir, &rows, &key(signer));
    folder
}

#[test]
fn statements_that_do_not_hold() {
    let real = head(&begun().ledger());
    let of = |change: fn(&mut Checkpoint)| {
        let mut head = real.clone();
        change(&mut head);
        head
    };
    // That the forgery itself has the right form.
    let good = said_of(&real, Action::Added, 8, 7);
    holds(&forged(Action::Added, 8, &good, 8).ledger(), &[7]);
    holds(&forged(Action::Added, 8, &said_of(&real, Action::Added, 8, RECOVERY), 7).ledger(), &[7]);
    let cases: [(&str, Action, u8, Note); 9] = [
        ("by a stranger", Action::Added, 8, said_of(&real, Action::Added, 8, 6)),
        ("by itself", Action::Added, 8, said_of(&real, Action::Added, 8, 8)),
        ("of another log", Action::Added, 8, {
            said_of(&of(|head| head.origin = "another.example/log".into()), Action::Added, 8, 7)
        }),
        ("of another size", Action::Added, 8, {
            said_of(&of(|head| head.size -= 1), Action::Added, 8, 7)
        }),
        ("of a later size", Action::Added, 8, {
            said_of(&of(|head| head.size += 1), Action::Added, 8, 7)
        }),
        ("of another root", Action::Added, 8, {
            said_of(&of(|head| head.root.0[0] ^= 1), Action::Added, 8, 7)
        }),
        ("of another key", Action::Added, 8, said_of(&real, Action::Added, 9, 7)),
        ("of another action", Action::Retired, 8, said_of(&real, Action::Added, 8, 7)),
        ("not by the recovery key", Action::Compromised, 7, {
            said_of(&real, Action::Compromised, 7, 7)
        }),
    ];
    for (what, action, about, statement) in cases {
        let folder = forged(action, about, &statement, 7);
        let report = check(&folder.ledger(), &[7]);
        assert_eq!(report.exit, 12, "{what}: {:#?}", report.findings);
        assert!(report.findings.iter().any(|f| f.code == "key"), "{what}: {:#?}", report.findings);
        if !["of another size", "of another root"].contains(&what) {
            let opened = Ledger::open(&folder.ledger(), signers(&[7]), clock());
            assert_eq!(opened.err().unwrap().kind(), Kind::Tampered, "{what}");
        }
    }
}

/// Somebody without key 7 makes a log that names it: nothing that follows from its own entries helps.
#[test]
fn the_pinned_key_must_have_vouched() {
    // A recovery key of the forger's own in genesis, which adds a key of theirs.
    let folder = Folder::new();
    let options = InitOptions { recovery_key: Some(vkey(66)), ..simulated() };
    let dir = folder.ledger();
    drop(Ledger::init(&dir, &options, signers(&[7]), clock()).unwrap());
    let statements = [said(&dir, Action::Added, 6, 66), said(&dir, Action::Compromised, 7, 66)];
    drop(Ledger::open_with_statements(&dir, signers(&[6]), clock(), &statements).unwrap());
    // With the kept head that key 7 really signed it holds; the forger has none.
    holds(&dir, &[7]);
    let path = fs::read_dir(dir.join("checkpoints")).unwrap().next().unwrap().unwrap().path();
    let text = fs::read_to_string(&path).unwrap().parse::<Note>().unwrap().text;
    fs::write(&path, sign_note(text, &[&key(6)]).unwrap().to_string()).unwrap();
    refused(&check(&dir, &[7]), "head");
    fs::remove_file(&path).unwrap();
    refused(&check(&dir, &[7]), "head");

    // Whoever stole a retired key cannot speak for the one that followed it.
    let folder = begun();
    let mut ledger = open(&folder, &[7, 8]);
    ledger.add_key(&vkey(8)).unwrap();
    drop(ledger);
    let mut ledger = open(&folder, &[7, 6]);
    ledger.add_key(&vkey(6)).unwrap();
    ledger.retire_key(&vkey(7)).unwrap();
    drop(ledger);
    let mut ledger = open(&folder, &[6]);
    ledger.retire_key(&vkey(8)).unwrap();
    drop(ledger);
    holds(&folder.ledger(), &[7]);
    refused(&check(&folder.ledger(), &[8]), "head");
}

#[test]
fn a_stolen_key_ends_where_the_recovery_key_says() {
    for (sealed, unsigned) in [(false, false), (true, false), (false, true)] {
        let folder = begun();
        let dir = folder.ledger();
        let mut ledger = open(&folder, &[7]);
        if sealed {
            ledger.seal().unwrap();
        }
        if unsigned {
            ledger.append(vec![submission(50)]).unwrap();
        }
        drop(ledger);
        let stolen = head(&dir);
        let added = said(&dir, Action::Added, 8, RECOVERY);
        let compromised = said(&dir, Action::Compromised, 7, RECOVERY);
        let say = |keys: &[u8], statements: &[Note]| {
            Ledger::open_with_statements(&dir, signers(keys), clock(), statements)
        };
        // Not without the next key, not in the words of another key, not of another head.
        assert_eq!(
            say(&[8], std::slice::from_ref(&compromised)).err().unwrap().kind(),
            Kind::Reject
        );
        let words = said(&dir, Action::Added, 8, 8);
        assert_eq!(say(&[8], std::slice::from_ref(&words)).err().unwrap().kind(), Kind::Reject);
        let older = Checkpoint { size: stolen.size - 1, ..stolen.clone() };
        let words = said_of(&older, Action::Added, 8, RECOVERY);
        assert_eq!(say(&[8], std::slice::from_ref(&words)).err().unwrap().kind(), Kind::Reject);

        let statements = [added, compromised];
        drop(say(&[8], &statements).unwrap());
        let size = head(&dir).size;
        assert_eq!(signed_by(&dir), [vkey(8).id()]);
        // Said again, as after a crash: nothing changes.
        drop(say(&[8], &statements).unwrap());
        assert_eq!(head(&dir).size, size);
        assert!(Ledger::open(&dir, signers(&[7]), clock()).is_err());
        let mut ledger = open(&folder, &[8]);
        ledger.append((60..64).map(submission).collect()).unwrap();
        ledger.seal().unwrap();
        drop(ledger);
        for pinned in [&[7][..], &[8], &[RECOVERY]] {
            holds(&dir, pinned);
        }
        assert!(Snapshot::open(&dir, None).is_ok());
        assert!(Snapshot::open(&dir, Some(stolen.size)).is_ok());

        // A head that the thief signed beyond the statement, or of the same rows as ours.
        let newest = head(&dir);
        let note = sign_checkpoint(&newest, &key(7)).unwrap().to_string();
        let since = VerifyOptions { keys: vec![vkey(8)], since: Some(note), ..Default::default() };
        refused(&verify(&dir, &since), "since");
        // A head up to it holds.
        let note = sign_checkpoint(&stolen, &key(7)).unwrap().to_string();
        let since = VerifyOptions { keys: vec![vkey(8)], since: Some(note), ..Default::default() };
        assert_eq!(verify(&dir, &since).exit, 0);
        // The kept head must be there.
        fs::remove_file(dir.join(format!("checkpoints/{:020}.note", stolen.size))).unwrap();
        assert_ne!(check(&dir, &[8]).exit, 0);
    }
}

/// One of two current keys is stolen: the other one goes on.
#[test]
fn a_key_is_stolen_during_the_overlap() {
    let folder = begun();
    let dir = folder.ledger();
    let mut ledger = open(&folder, &[7, 8]);
    ledger.add_key(&vkey(8)).unwrap();
    let statement = said(&dir, Action::Compromised, 7, RECOVERY);
    ledger.heartbeat().unwrap();
    assert_eq!(ledger.compromise_key(&statement).unwrap_err().kind(), Kind::Reject, "older");
    let forged = said(&dir, Action::Compromised, 7, 8);
    assert_eq!(ledger.compromise_key(&forged).unwrap_err().kind(), Kind::Reject);
    let statement = said(&dir, Action::Compromised, 7, RECOVERY);
    let row = ledger.compromise_key(&statement).unwrap();
    assert_eq!(ledger.compromise_key(&statement).unwrap(), row);
    assert_eq!(signed_by(&dir), [vkey(8).id()]);
    for pinned in [7, 8] {
        holds(&dir, &[pinned]);
    }
    // The stolen key is no voucher any more.
    drop(ledger);
    assert!(Ledger::open(&dir, signers(&[7]), clock()).is_err());
}

/// The entry is durable and the head is not signed: as after a crash between the two, the next opening publishes it.
#[test]
fn a_signer_fails_between_an_entry_and_its_head() {
    let failing = |n: u8| -> Box<dyn Signer> {
        Box::new(ExternalSigner::new(vkey(n), vec!["false".to_owned()]).unwrap())
    };
    let folder = begun();
    let dir = folder.ledger();
    let size = head(&dir).size;
    let both: Vec<Box<dyn Signer>> = vec![Box::new(key(7)), failing(8)];
    let mut ledger = Ledger::open(&dir, both, clock()).unwrap();
    assert_eq!(ledger.add_key(&vkey(8)).unwrap_err().kind(), Kind::Retry);
    drop(ledger);
    assert_eq!(head(&dir).size, size);
    holds(&dir, &[7]);
    drop(open(&folder, &[7, 8]));
    assert_eq!(head(&dir).size, size + 1);
    holds(&dir, &[7]);

    let mut ledger = Ledger::open(&dir, vec![failing(8)], clock()).unwrap();
    assert_eq!(ledger.retire_key(&vkey(7)).unwrap_err().kind(), Kind::Retry, "nothing said");
    drop(ledger);
    let statements = [
        said(&dir, Action::Added, 9, RECOVERY),
        said(&dir, Action::Compromised, 7, RECOVERY),
        said(&dir, Action::Compromised, 8, RECOVERY),
    ];
    let say = |signer| Ledger::open_with_statements(&dir, signer, clock(), &statements);
    assert_eq!(say(vec![failing(9)]).err().unwrap().kind(), Kind::Retry);
    holds(&dir, &[8]);
    drop(say(signers(&[9])).unwrap());
    assert_eq!(signed_by(&dir), [vkey(9).id()]);
    assert_eq!(head(&dir).size, size + 4);
    for pinned in [7, 8, 9] {
        holds(&dir, &[pinned]);
    }
}

/// Days end while keys change; the note of each day's end is one by a key of its time.
#[test]
fn keys_change_over_midnight() {
    let day =
        |n: u8| -> Arc<dyn Clock> { Arc::new(Fixed(at(&format!("2026-10-{n:02}T12:00:00Z")))) };
    for (unsigned, stolen) in [(false, false), (false, true), (true, true)] {
        let folder = Folder::new();
        let dir = folder.ledger();
        let options = InitOptions { recovery_key: Some(vkey(RECOVERY)), ..InitOptions::default() };
        let mut ledger = Ledger::init(&dir, &options, signers(&[7]), day(1)).unwrap();
        ledger.append(vec![submission(1)]).unwrap();
        ledger.publish().unwrap();
        drop(ledger);
        let on = |n: u8, keys: &[u8]| Ledger::open(&dir, signers(keys), day(n)).unwrap();
        on(2, &[7, 8]).add_key(&vkey(8)).unwrap();
        on(3, &[7, 8]).retire_key(&vkey(7)).unwrap();
        let mut ledger = on(4, &[8]);
        ledger.append(vec![submission(2)]).unwrap();
        ledger.publish().unwrap();
        if unsigned {
            ledger.append(vec![submission(3)]).unwrap();
        }
        drop(ledger);
        // Key 8 is lost. That it was stolen may be said, or not.
        let mut statements = vec![said(&dir, Action::Added, 9, RECOVERY)];
        if stolen {
            statements.push(said(&dir, Action::Compromised, 8, RECOVERY));
        }
        drop(Ledger::open_with_statements(&dir, signers(&[9]), day(6), &statements).unwrap());
        on(7, &[9]).heartbeat().unwrap();
        for pinned in [7, 8, 9] {
            holds(&dir, &[pinned]);
        }
    }
}

/// Where the rows cannot be read to their end, keys that they would have named are no finding of their own.
#[test]
fn damage_is_told_from_wrong_keys() {
    let folder = rotated_twice();
    let dir = folder.ledger();
    let segments = files(&dir).into_iter().filter(|path| path.starts_with("segments/"));
    for path in segments.collect::<Vec<_>>() {
        let bytes = fs::read(dir.join(&path)).unwrap();
        let mut damaged = bytes.clone();
        damaged[100] ^= 1;
        fs::write(dir.join(&path), damaged).unwrap();
        let report = check(&dir, &[9]);
        assert_eq!(report.exit, 11, "{:#?}", report.findings);
        assert_eq!(check(&dir, &[6]).exit, 12);
        fs::write(dir.join(&path), bytes).unwrap();
    }
}

/// A witness's key signs no heads and makes no statements, whoever lets it in.
#[test]
fn the_key_of_a_witness_is_never_a_key_of_the_log() {
    let witness = |n: u8| FileSigner::with_seed(Algorithm::Cosignature, ORIGIN, &[n; 32]).unwrap();
    let folder = Folder::new();
    let dir = folder.ledger();
    assert!(Ledger::init(&dir, &simulated(), Box::new(witness(7)), clock()).is_err());
    let options = InitOptions { recovery_key: Some(witness(99).vkey().clone()), ..simulated() };
    assert!(Ledger::init(&dir, &options, signers(&[7]), clock()).is_err());
    assert!(sign_note("text\n".into(), &[&witness(7)]).is_err());

    let folder = begun();
    let mut ledger = open(&folder, &[7]);
    assert_eq!(ledger.add_key(witness(8).vkey()).unwrap_err().kind(), Kind::Reject);
    ledger.add_key(&vkey(8)).unwrap();
    holds(&folder.ledger(), &[7]);
}

/// A report may be of any head that a key of the log signed while it was current.
#[test]
fn checkpoints_are_kept_across_a_rotation() {
    let folder = begun();
    let dir = folder.ledger();
    let note = || fs::read_to_string(dir.join("checkpoint")).unwrap();
    let first = note();
    let mut ledger = open(&folder, &[7, 8]);
    ledger.add_key(&vkey(8)).unwrap();
    let second = note();
    ledger.retire_key(&vkey(7)).unwrap();
    for (n, note) in [first, second, note()].iter().enumerate() {
        let fields = [("manifest_sha256", "00"), ("report_id", &*n.to_string())];
        ledger.issue_report(note, &fields).unwrap();
    }
    // The same head with a line less, while it is the newest: what was published is kept.
    let mut stranger: Note = note().parse().unwrap();
    stranger.signatures.extend(sign_note(stranger.text.clone(), &[&key(42)]).unwrap().signatures);
    let (published, size) = (note(), head(&dir).size);
    ledger.issue_report(&stranger.to_string(), &[("report_id", "stranger")]).unwrap();
    let kept = dir.join(format!("checkpoints/{size:020}.note"));
    assert_eq!(fs::read_to_string(kept).unwrap(), published);
    // A retired key signs no later one.
    let late = sign_checkpoint(&head(&dir), &key(7)).unwrap().to_string();
    let refused = ledger.issue_report(&late, &[("report_id", "late")]).unwrap_err();
    assert_eq!(refused.kind(), Kind::Reject, "{refused}");
    assert_eq!(ledger.vkey(), &vkey(8));
    holds(&dir, &[7]);
    holds(&dir, &[8]);
}
