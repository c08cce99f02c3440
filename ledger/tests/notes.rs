//! Signed notes, keys, checkpoints and proofs as text: a published example, what must be refused, and any bytes at all.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use backtrail_ledger::checkpoint::{Checkpoint, TlogProof};
use backtrail_ledger::frame::{self, Frames};
use backtrail_ledger::key::sign_checkpoint;
use backtrail_ledger::state::State;
use backtrail_ledger::tlog::{hash::empty_root, inclusion_proof};
use backtrail_ledger::vault::{
    DeliveryRecord, EventRecord, IdentityRecord, KeyRecord, QuarantineRecord,
};
use backtrail_ledger::{
    Action, FileSigner, Frontier, Hash, Note, Signer as _, Statement, Tile, Vkey, leaf_hash, wal,
};
use data_encoding::BASE64;
use proptest::prelude::*;
use proptest::test_runner::RngSeed;

// The example in the documentation of Go's package `golang.org/x/mod/sumdb/note`.

const NEUMANN_SECRET: &str =
    "PRIVATE+KEY+PeterNeumann+c74f20a3+AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz\n";
const NEUMANN: &str = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
const NEUMANN_NOTE: &str = "If you think cryptography is the answer to your problem,\n\
    then you don't know what your problem is.\n\n\
    — PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n";

fn neumann() -> Vkey {
    NEUMANN.parse().unwrap()
}

#[test]
fn the_example_of_go_is_made_and_read_alike() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("key");
    let secret =
        BASE64.decode(NEUMANN_SECRET.trim().rsplit_once("a3+").unwrap().1.as_bytes()).unwrap();
    let signer = FileSigner::from_seed("PeterNeumann", secret[1..].try_into().unwrap()).unwrap();
    signer.save(&path).unwrap();
    assert_eq!(std::fs::read_to_string(&path).unwrap(), NEUMANN_SECRET);
    let signer = FileSigner::load(&path).unwrap();
    assert_eq!(signer.vkey().to_string(), NEUMANN);
    assert_eq!(*signer.vkey(), neumann());

    let note: Note = NEUMANN_NOTE.parse().unwrap();
    assert_eq!(note.open(&[neumann()]).unwrap(), NEUMANN_NOTE.split_once("\n—").unwrap().0);
    assert_eq!(note.to_string(), NEUMANN_NOTE);
    assert_eq!(signer.sign(note.text.as_bytes()).unwrap()[..], note.signatures[0].signature);
}

#[test]
fn a_key_that_others_may_read_is_not_used() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("key");
    std::fs::write(&path, NEUMANN_SECRET).unwrap();
    for (mode, good) in [(0o600, true), (0o400, true), (0o640, false), (0o604, false)] {
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        assert_eq!(FileSigner::load(&path).is_ok(), good, "{mode:o}");
    }
}

#[test]
fn lines_of_unknown_keys_are_ignored_and_those_of_known_ones_are_not() {
    let line = NEUMANN_NOTE.rsplit_once("\n\n").unwrap().1;
    let other = FileSigner::from_seed("PeterNeumann", &[7; 32]).unwrap();
    let note: Note = NEUMANN_NOTE.parse().unwrap();
    assert!(note.open(&[]).is_err());
    assert!(note.open(&[other.vkey().clone()]).is_err());
    // Another key of the same name signs other bytes: its id is not ours, so its line says nothing to us.
    let text = BASE64.encode(&[&other.vkey().id()[..], &[9; 64]].concat());
    let both: Note =
        format!("{NEUMANN_NOTE}— PeterNeumann {text}\n— x.example/y QUJDREVG\n").parse().unwrap();
    assert!(both.open(&[neumann()]).is_ok());
    assert!(both.open(&[neumann(), other.vkey().clone()]).is_err());
    // One good signature does not excuse a bad one by the same key.
    let bad = line.replace("ZJku", "ZJkv");
    for lines in [format!("{line}{bad}"), format!("{bad}{line}")] {
        let note: Note = NEUMANN_NOTE.replace(line, &lines).parse().unwrap();
        assert!(note.open(&[neumann()]).is_err(), "{lines}");
    }
}

#[test]
fn malformed_notes_are_refused() {
    let line = NEUMANN_NOTE.rsplit_once("\n\n").unwrap().1;
    let with = |other: &str| NEUMANN_NOTE.replace(line, other);
    let malformed = [
        ("nothing", String::new()),
        ("only a blank line", "\n\n".into()),
        ("no signature", with("")),
        ("no blank line", NEUMANN_NOTE.replace("\n\n", "\n")),
        ("no newline at the end", NEUMANN_NOTE.trim_end().into()),
        ("a blank line at the end", format!("{NEUMANN_NOTE}\n")),
        ("text below the signatures", format!("{NEUMANN_NOTE}and so on\n")),
        ("a carriage return", NEUMANN_NOTE.replace('\n', "\r\n")),
        ("a control character", NEUMANN_NOTE.replace("you think", "you\tthink")),
        ("a delete character", NEUMANN_NOTE.replace("you think", "you\u{7f}think")),
        ("a hyphen", with(&line.replace('—', "-"))),
        ("an en dash", with(&line.replace('—', "–"))),
        ("no space behind the dash", with(&line.replace("— ", "—"))),
        ("no name", with(&line.replace("PeterNeumann ", ""))),
        ("an empty name", with(&line.replace("PeterNeumann", ""))),
        ("a plus in the name", with(&line.replace("Peter", "Peter+"))),
        ("a wide space in the name", with(&line.replace("Peter", "Peter\u{2003}"))),
        ("two spaces", with(&line.replace("Neumann ", "Neumann  "))),
        ("a space at the end", with(&line.replace("=\n", "= \n"))),
        ("no signature bytes", with("— PeterNeumann x08gow==\n")),
        ("three bytes", with("— PeterNeumann x08g\n")),
        ("base64 without padding", with(&line.replace("M=\n", "M\n"))),
        ("base64 with bits to spare", with(&line.replace("M=\n", "N=\n"))),
        ("base64url", with(&line.replace('/', "_"))),
        ("too many signatures", with(&line.repeat(101))),
    ];
    for (what, note) in malformed {
        assert_ne!(note, NEUMANN_NOTE, "{what}");
        assert!(note.parse::<Note>().is_err(), "{what}");
    }
    let other = [
        ("another text", NEUMANN_NOTE.replace("you think", "you Think")),
        // The text goes on to the last blank line.
        ("a blank line between signatures", format!("{NEUMANN_NOTE}\n{line}")),
        ("a longer text", NEUMANN_NOTE.replace("is.\n", "is.\n\n")),
        ("another name", with(&line.replace("Peter", "Paul"))),
        ("another key id", with(&line.replace("x08go", "y08go"))),
        ("another signature", with(&line.replace("ZJku", "ZJkv"))),
        ("a short signature", with("— PeterNeumann x08go/ZJkuBS\n")),
    ];
    for (what, note) in other {
        assert_ne!(note, NEUMANN_NOTE, "{what}");
        let note: Note = note.parse().unwrap_or_else(|e| panic!("{what}: {e}"));
        assert!(note.open(&[neumann()]).is_err(), "{what}");
    }
}

#[test]
fn a_signature_has_one_form() {
    // The group's order, little-endian: s + L is the same number to a verifier that does not look.
    const ORDER: [u8; 32] = [
        0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde,
        0x14, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
    ];
    let signer = FileSigner::from_seed("log.example", &[3; 32]).unwrap();
    let mut signature = signer.sign(b"text\n").unwrap();
    assert!(signer.vkey().verify(b"text\n", &signature));
    assert!(!signer.vkey().verify(b"text", &signature));
    let mut carry = 0;
    for (byte, add) in signature[32..].iter_mut().zip(ORDER) {
        let sum = u16::from(*byte) + u16::from(add) + carry;
        [*byte, _] = sum.to_le_bytes();
        carry = sum >> 8;
    }
    assert!(!signer.vkey().verify(b"text\n", &signature));
}

/// The point whose y is `y` as a number of 255 bits, and the sign of x.
fn point(y: [u8; 32], sign: bool) -> [u8; 32] {
    let mut point = y;
    point[31] |= u8::from(sign) << 7;
    point
}

#[test]
fn weak_and_unusual_keys_are_refused() {
    // y of the points of order 1, 2, 4, and twice 8.
    let field = |last: u8| {
        let mut y = [0xff; 32];
        (y[0], y[31]) = (last, 0x7f);
        y
    };
    let small = |first: u8| {
        let mut y = [0; 32];
        y[0] = first;
        y
    };
    let hex =
        |text: &str| data_encoding::HEXLOWER.decode(text.as_bytes()).unwrap().try_into().unwrap();
    let eighth = hex("26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05");
    let other_eighth = hex("c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a");
    for y in [small(1), field(0xec), small(0), eighth, other_eighth] {
        for sign in [false, true] {
            assert!(Vkey::new("log.example", &point(y, sign)).is_err(), "{y:?}, {sign}");
        }
    }
    // y and y + p are one number: only the smaller form names the key.
    let mut usable = 0;
    for k in 0..19 {
        for sign in [false, true] {
            assert!(Vkey::new("log.example", &point(field(0xed + k), sign)).is_err(), "{k}");
            usable += usize::from(Vkey::new("log.example", &point(small(k), sign)).is_ok());
        }
    }
    assert!(usable > 4, "of the smaller forms, {usable} are keys");
    // No point has this y.
    assert!(Vkey::new("log.example", &small(2)).is_err());
}

#[test]
fn malformed_vkeys_are_refused() {
    assert_eq!(neumann().to_string(), NEUMANN);
    for bad in [
        String::new(),
        "PeterNeumann".to_owned(),
        NEUMANN.replace("+c74f20a3", ""),
        NEUMANN.replace("c74f20a3", "C74F20A3"),
        NEUMANN.replace("c74f20a3", "c74f20a4"),
        NEUMANN.replace("c74f20a3", "c74f20a"),
        NEUMANN.replace("Peter", "Paul"),
        NEUMANN.replace("Peter", "Peter "),
        NEUMANN.replace("PeterNeumann", ""),
        NEUMANN.replace("ARpc", "AhpC"),
        NEUMANN.replace("ARpc", "BRpc"),
        NEUMANN.replace("10TW", "10T"),
        NEUMANN.replace("10TW", "10TWAA=="),
        format!("{NEUMANN}\n"),
        format!(" {NEUMANN}"),
    ] {
        assert!(bad.parse::<Vkey>().is_err(), "{bad}");
    }
}

/// A signed log of seven leaves: its key, its head and the proof of leaf 5.
fn small_log() -> (Vkey, Note, TlogProof) {
    let signer = FileSigner::from_seed("log.example/a", &[5; 32]).unwrap();
    let leaves: Vec<Hash> = (0..7u8).map(|n| leaf_hash(&[n])).collect();
    let mut frontier = Frontier::default();
    for leaf in &leaves {
        frontier.push(*leaf);
    }
    let origin = "log.example/a".to_owned();
    let head = Checkpoint { origin, size: 7, root: frontier.root() };
    let note = sign_checkpoint(&head, &signer).unwrap();
    let hashes = inclusion_proof(5, 7, &leaves).unwrap();
    let proof = TlogProof { index: 5, extra: None, hashes, checkpoint: note.clone() };
    (signer.vkey().clone(), note, proof)
}

#[test]
fn malformed_checkpoints_are_refused() {
    let root = empty_root();
    let good = format!("log.example\n7\n{root}\n");
    assert_eq!(good.parse::<Checkpoint>().unwrap().to_string(), good);
    for bad in [
        String::new(),
        good.replace("7\n", "07\n"),
        good.replace("7\n", "+7\n"),
        good.replace("7\n", "-7\n"),
        good.replace("7\n", " 7\n"),
        good.replace("7\n", "7.0\n"),
        good.replace("7\n", "9007199254740992\n"),
        good.replace("7\n", "18446744073709551616\n"),
        good.replace("log.example", ""),
        good.trim_end().to_owned(),
        format!("{good}\n"),
        format!("{good}extension\n"),
        good.replace('=', ""),
        good.replace('=', "A"),
    ] {
        assert!(bad.parse::<Checkpoint>().is_err(), "{bad}");
    }
    // Under the right key, but of another log.
    let signer = FileSigner::from_seed("log.example/a", &[5; 32]).unwrap();
    let other = Checkpoint { origin: "log.example/b".into(), size: 7, root };
    let note = sign_checkpoint(&other, &signer).unwrap().to_string();
    assert!(Checkpoint::open(&note, &[signer.vkey().clone()]).is_err());
}

#[test]
fn a_proof_holds_for_its_leaf_alone() {
    let (vkey, note, proof) = small_log();
    let text = proof.to_string();
    assert_eq!(text.parse::<TlogProof>().unwrap(), proof);
    let keys = [vkey];
    let head = Checkpoint::open(&note.to_string(), &keys).unwrap().0;
    assert_eq!(proof.verify(&leaf_hash(&[5]), &keys).unwrap(), head);
    assert!(proof.verify(&leaf_hash(&[4]), &keys).is_err());
    assert!(proof.verify(&leaf_hash(&[5]), &[neumann()]).is_err());
    for (what, bad) in [
        ("index", text.replace("index 5", "index 4")),
        ("size", text.replace("\n7\n", "\n8\n")),
        ("hash", text.replacen(&proof.hashes[1].to_string(), &empty_root().to_string(), 1)),
        ("root", text.replacen(&head.root.to_string(), &empty_root().to_string(), 1)),
    ] {
        assert_ne!(bad, text, "{what}");
        let bad: TlogProof = bad.parse().unwrap();
        assert!(bad.verify(&leaf_hash(&[5]), &keys).is_err(), "{what}");
    }
    for (what, bad) in [
        ("version", text.replace("@v1", "@v2")),
        ("leading zero", text.replace("index 5", "index 05")),
        ("no index", text.replace("index 5\n", "")),
        ("extra that is no base64", text.replace("index 5", "extra ?\nindex 5")),
        ("no blank line", text.replacen("\n\n", "\n", 1)),
        (
            "too many hashes",
            text.replacen(
                "\n\n",
                &format!("\n{}\n\n", [empty_root().to_string().as_str(); 65].join("\n")),
                1,
            ),
        ),
    ] {
        assert_ne!(bad, text, "{what}");
        assert!(bad.parse::<TlogProof>().is_err(), "{what}");
    }
    let extra = TlogProof { extra: Some(b"seq 5".to_vec()), ..proof };
    assert_eq!(extra.to_string().parse::<TlogProof>().unwrap(), extra);
}

/// What every parser makes of `bytes`. What one accepts, it prints as it was.
fn read_as_everything(bytes: &[u8]) {
    for frame in Frames::new(bytes) {
        assert!(frame.end() <= bytes.len());
    }
    let _ = wal::read(bytes, "log.example/a", 0);
    let _ = wal::Commit::from_bytes(bytes);
    let _ = backtrail_schemas::leaf::decode(bytes);
    let _ = (DeliveryRecord::parse(bytes), EventRecord::parse(bytes), IdentityRecord::parse(bytes));
    let _ = (KeyRecord::parse(bytes), QuarantineRecord::parse(bytes));
    if let Ok(state) = State::parse(bytes) {
        assert_eq!(state.to_text().as_bytes(), bytes);
    }
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let same = |shown: Option<String>| assert!(shown.is_none_or(|shown| shown == text), "{text}");
    same(text.parse::<Note>().ok().map(|x| x.to_string()));
    same(text.parse::<Checkpoint>().ok().map(|x| x.to_string()));
    same(text.parse::<TlogProof>().ok().map(|x| x.to_string()));
    same(text.parse::<Vkey>().ok().map(|x| x.to_string()));
    same(text.parse::<Statement>().ok().map(|x| x.to_string()));
    same(text.parse::<Tile>().ok().map(|x| x.to_string()));
    same(Hash::from_base64(text).ok().map(|x| x.to_string()));
}

/// Good inputs of the parsers, to be damaged.
fn samples() -> Vec<Vec<u8>> {
    let (vkey, note, proof) = small_log();
    let head: Checkpoint = note.text.parse().unwrap();
    let mut log = frame::header(wal::FORMAT, "log.example/a", 0);
    frame::push(&mut log, wal::LEAF, b"{}");
    let root = leaf_hash(b"{}");
    let commit = wal::Commit {
        first: 0,
        end: 1,
        root,
        vault_bytes: 0,
        identities_bytes: 0,
        quarantine_bytes: 0,
    };
    frame::push(&mut log, wal::COMMIT, &commit.to_bytes());
    assert_eq!(wal::read(&log, "log.example/a", 0).unwrap().leaves.len(), 1);
    let statement = Statement {
        origin: "log.example/a".to_owned(),
        action: Action::Added,
        vkey: vkey.clone(),
        size: 7,
        root,
    };
    let record = KeyRecord { key: "00".repeat(32), salt: "11".repeat(32) };
    vec![
        note.to_string().into(),
        head.to_string().into(),
        proof.to_string().into(),
        vkey.to_string().into(),
        statement.to_string().into(),
        b"tile/1/x001/234.p/17".to_vec(),
        State { head, epoch: 3 }.to_text().into(),
        record.to_bytes(),
        log,
    ]
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 2000, failure_persistence: None, rng_seed: RngSeed::Fixed(2), ..ProptestConfig::default()
    })]

    #[test]
    fn no_bytes_make_the_parsers_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        read_as_everything(&bytes);
    }

    #[test]
    fn no_damage_makes_the_parsers_panic(
        sample in prop::sample::select(samples()),
        at in any::<prop::sample::Index>(),
        removed in 0usize..8,
        inserted in prop_oneof![
            prop::collection::vec(any::<u8>(), 0..8),
            "[\n +—0-9a-fx./=]{0,6}".prop_map(String::into_bytes),
        ],
    ) {
        let mut bytes = sample;
        let at = at.index(bytes.len() + 1);
        let end = bytes.len().min(at + removed);
        bytes.splice(at..end, inserted);
        read_as_everything(&bytes);
    }
}
