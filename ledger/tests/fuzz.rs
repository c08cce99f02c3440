//! Nothing panics on input from strangers: arbitrary bytes, and valid input with a few bytes changed.
//!
//! `cargo test` tries each target for a second with random input; `cargo bolero test -p backtrail-ledger NAME` looks for
//! new paths as long as one likes.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use backtrail_ledger::segment::read::Segment;
use backtrail_ledger::segment::write::{Heading, Writer};
use backtrail_ledger::state::State;
use backtrail_ledger::wal::{self, Commit};
use backtrail_ledger::{
    Checkpoint, FileSigner, Frontier, Hash, Note, Signer, Tile, TlogProof, Vkey, frame, leaf_hash,
};
use backtrail_schemas::rows::{Rows, to_batch};
use backtrail_schemas::{Event, Timestamp, leaf};
use bolero::check;

const ORIGIN: &str = "ledger.example/fuzz";

fn signer() -> FileSigner {
    FileSigner::from_seed(ORIGIN, &[7; 32]).unwrap()
}

fn vkey() -> Vkey {
    signer().vkey().clone()
}

fn event() -> Event {
    let at = Timestamp::from_micros(1_790_000_000_000_000).unwrap();
    let mut event = Event::new("deployment", "started");
    event.put("event_id", "native:1").put("source", "native").put("time_basis", "receipt");
    event.put("occurred_at", at).put("recorded_at", at).put("service", "shop");
    event.put("schema", "event/1").put_attribute("team", "blue").unwrap();
    event
}

fn signed() -> String {
    let leaf = leaf::encode(&event()).unwrap();
    let head = Checkpoint { origin: ORIGIN.into(), size: 1, root: leaf_hash(&leaf) };
    backtrail_ledger::key::sign_checkpoint(&head, &signer()).unwrap().to_string()
}

/// Runs `target` on arbitrary bytes, and on `valid` with some bytes replaced, removed or doubled.
macro_rules! fuzz {
    ($valid:expr, $target:expr) => {{
        let (valid, target) = ($valid, $target);
        let valid: &[u8] = valid.as_ref();
        target(valid);
        check!().for_each(|input: &[u8]| target(input));
        check!().with_type::<(Vec<(u16, u8)>, u16, u16, bool)>().for_each(
            |(edits, from, to, doubled)| {
                let mut input = valid.to_vec();
                for (at, byte) in edits.iter().take(8) {
                    let at = usize::from(*at) % input.len();
                    input[at] = *byte;
                }
                let (from, to) = (usize::from(*from), usize::from(*to));
                if from < to && to < input.len() {
                    let part: Vec<u8> = input.drain(from..to).collect();
                    if *doubled {
                        input.splice(from..from, [&part[..], &part[..]].concat());
                    }
                }
                target(&input);
            },
        );
    }};
}

fn text(input: &[u8]) -> &str {
    std::str::from_utf8(input).unwrap_or_default()
}

#[test]
fn notes() {
    fuzz!(signed(), |input: &[u8]| {
        if let Ok(note) = text(input).parse::<Note>() {
            assert_eq!(note.to_string().parse::<Note>().unwrap(), note);
        }
        if let Ok((head, _)) = Checkpoint::open(text(input), &[vkey()]) {
            assert_eq!((head.size, head.origin.as_str()), (1, ORIGIN), "only this one was signed");
        }
    });
}

#[test]
fn checkpoints() {
    fuzz!(format!("{ORIGIN}\n12\n{}\n", Hash([3; 32])), |input: &[u8]| {
        if let Ok(head) = text(input).parse::<Checkpoint>() {
            assert_eq!(head.to_string().as_bytes(), input, "one right form");
        }
    });
}

#[test]
fn proofs() {
    let proof = format!("c2sp.org/tlog-proof@v1\nindex 0\n\n{}", signed());
    let leaf = leaf_hash(&leaf::encode(&event()).unwrap());
    fuzz!(proof, |input: &[u8]| {
        if let Ok(proof) = text(input).parse::<TlogProof>() {
            assert_eq!(proof.to_string().parse::<TlogProof>().unwrap(), proof);
            if proof.verify(&leaf, &[vkey()]).is_ok() {
                assert_eq!((proof.index, proof.hashes.len()), (0, 0), "the only true proof");
            }
        }
    });
}

#[test]
fn tile_paths() {
    fuzz!("tile/1/x001/x234/067.p/12", |input: &[u8]| {
        if let Ok(tile) = text(input).parse::<Tile>() {
            assert_eq!(tile.path().as_bytes(), input, "one right form");
        }
    });
}

#[test]
fn keys() {
    fuzz!(vkey().to_string(), |input: &[u8]| {
        if let Ok(key) = text(input).parse::<Vkey>() {
            assert_eq!(key.to_string().as_bytes(), input, "one right form");
        }
    });
}

#[test]
fn states() {
    let head = Checkpoint { origin: ORIGIN.into(), size: 7, root: Hash([3; 32]) };
    fuzz!(State { head, epoch: 3 }.to_text(), |input: &[u8]| {
        if let Ok(state) = State::parse(input) {
            assert_eq!(state.to_text().as_bytes(), input, "one right form");
        }
    });
}

#[test]
fn write_ahead_logs() {
    let bytes = leaf::encode(&event()).unwrap();
    let mut file = frame::header(wal::FORMAT, ORIGIN, 0);
    for size in 1..4 {
        frame::push(&mut file, wal::LEAF, &bytes);
        let commit = Commit {
            first: size - 1,
            end: size,
            root: Hash([3; 32]),
            vault_bytes: 0,
            identities_bytes: 0,
            quarantine_bytes: 0,
        };
        frame::push(&mut file, wal::COMMIT, &commit.to_bytes());
    }
    fuzz!(file, |input: &[u8]| {
        if let Ok(mut contents) = wal::read(input, ORIGIN, 0) {
            assert!(contents.committed <= input.len());
            assert_eq!(contents.commits.len(), contents.ends.len());
            contents.drop_interrupted(1, [0, 0, 0]);
        }
    });
}

#[test]
fn leaves() {
    fuzz!(leaf::encode(&event()).unwrap(), |input: &[u8]| {
        if let Ok(event) = leaf::decode(input) {
            assert_eq!(leaf::encode(&event).unwrap(), input, "one right form");
        }
    });
}

#[test]
fn segments() {
    let columns = event().iter().map(|(name, _)| name.to_owned()).collect();
    let frontier = Frontier::default();
    let heading =
        Heading { origin: ORIGIN, rows: 0..1, frontier: &frontier, checkpoint: &signed() };
    let mut writer = Writer::new(&columns).unwrap();
    writer.push(&to_batch(0, &[event()]).unwrap()).unwrap();
    // The footer's length stays, so that what is tried is the footer.
    fuzz!(writer.finish(&heading).unwrap(), |input: &[u8]| {
        let Ok(segment) = Segment::open(input.to_vec().into()) else { return };
        let Ok(batches) = segment.batches() else { return };
        for batch in batches.map_while(Result::ok) {
            let Ok(rows) = Rows::new(&batch) else { return };
            rows.lacks();
            for at in 0..rows.len() {
                if let Ok(bytes) = rows.leaf(at) {
                    assert_eq!(leaf::encode(&leaf::decode(&bytes).unwrap()).unwrap(), bytes);
                }
            }
        }
    });
}
