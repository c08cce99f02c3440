//! What is appended is there, once, in order, and can be proved.

use backtrail_ledger::verify::{VerifyOptions, verify};
use backtrail_ledger::{Kind, Ledger, Outcome, SharedLedger, Snapshot, leaf_hash};
use backtrail_schemas::{Draft, Timestamp, leaf};

use crate::support::{Folder, at, clock, draft, files, of, rejected, signer, submission, vkey};

/// What a second delivery says differently.
type Change = fn(&mut Draft);

#[test]
fn rows_are_read_back_sealed_or_not() {
    let folder = Folder::new();
    let mut ledger = folder.init();
    ledger.append((0..10).map(submission).collect()).unwrap();
    ledger.seal().unwrap();
    ledger.append((10..15).map(submission).collect()).unwrap();
    ledger.seal().unwrap();
    ledger.append((15..20).map(submission).collect()).unwrap();
    let head = ledger.publish().unwrap();
    // Genesis, three people, twenty deployments, two seals.
    assert_eq!(head.size, 26);

    let snapshot = Snapshot::open(&folder.ledger(), None).unwrap();
    assert_eq!(snapshot.checkpoint(), &head);
    assert_eq!(snapshot.segments().len(), 2);
    let leaves: Vec<(u64, Vec<u8>)> = snapshot.leaves().collect::<Result<_, _>>().unwrap();
    assert_eq!(leaves.len(), 26);
    for (seq, leaf) in &leaves {
        assert_eq!(snapshot.leaf(*seq).unwrap(), *leaf);
        let proof = snapshot.inclusion_proof(*seq).unwrap().to_string();
        let proof: backtrail_ledger::TlogProof = proof.parse().unwrap();
        assert_eq!(proof.verify(&leaf_hash(leaf), &[vkey()]).unwrap(), head);
        assert!(proof.verify(&leaf_hash(b"{}"), &[vkey()]).is_err());
        let id = leaf::decode(leaf).unwrap().text("event_id").unwrap().to_owned();
        assert_eq!(snapshot.find(&id).unwrap(), Some(*seq));
    }
    assert_eq!(snapshot.people().unwrap().len(), 3);
    assert_eq!(snapshot.texts().unwrap().count(), 20);
    assert_eq!(snapshot.tail().unwrap().num_rows(), 6);
    for size in [14, 20] {
        let older = Snapshot::open(&folder.ledger(), Some(size)).unwrap();
        let before: Vec<_> = older.leaves().collect::<Result<Vec<_>, _>>().unwrap();
        assert_eq!(before, leaves[..size as usize], "at {size}");
    }
}

#[test]
fn what_is_sent_twice_is_there_once() {
    let folder = Folder::new();
    let mut ledger = folder.init();
    let first = ledger.append(vec![submission(1)]).unwrap();
    let Outcome::Accepted { seq, .. } = first[0].outcomes[0] else { panic!("{first:?}") };
    for round in 0..3 {
        let mut again = draft(1);
        again.event.put("ingest_mode", "poll");
        let outcomes = &ledger.append(vec![of(again, 9)]).unwrap()[0].outcomes;
        assert!(
            matches!(outcomes[..], [Outcome::Duplicate { seq: s, .. }] if s == seq),
            "{round}: {outcomes:?}"
        );
        // Across a seal and a restart, and in the same batch.
        if round == 0 {
            ledger.seal().unwrap();
        }
        drop(ledger);
        ledger = folder.open();
    }
    let size = ledger.size();
    let both = ledger.append(vec![submission(2), submission(2)]).unwrap();
    assert!(
        matches!(both[0].outcomes[0], Outcome::Accepted { .. })
            && matches!(both[1].outcomes[0], Outcome::Duplicate { .. })
    );
    assert_eq!(ledger.size(), size + 2, "a deployment and the person who did it");
}

#[test]
fn additions_amend_and_contradictions_are_kept_apart() {
    let folder = Folder::new();
    let mut ledger = folder.init();
    let mut scant = draft(1);
    scant.texts.clear();
    ledger.append(vec![of(scant, 1)]).unwrap();
    ledger.seal().unwrap();
    let mut more = draft(1);
    more.event.put("region", "eu").put_attribute("tier", "gold").unwrap();
    let amended = ledger.append(vec![of(more.clone(), 2)]).unwrap();
    let Outcome::Amended { seq, .. } = amended[0].outcomes[0] else { panic!("{amended:?}") };
    let again = ledger.append(vec![of(more.clone(), 3)]).unwrap();
    assert!(matches!(again[0].outcomes[0], Outcome::Duplicate { .. }), "{again:?}");

    let changes: [(&str, Change); 4] = [
        ("column", |d| {
            d.event.put("region", "us");
        }),
        ("attribute", |d| {
            d.event.remove("attributes");
            d.event.put_attribute("team", "red").unwrap();
        }),
        ("text", |d| d.texts[0].1.push('!')),
        ("person", |d| d.people[0].1 = crate::support::person(77)),
    ];
    for (what, change) in changes {
        let mut other = more.clone();
        change(&mut other);
        for round in 0..2 {
            let before = ledger.size();
            let receipt = &ledger.append(vec![of(other.clone(), 4)]).unwrap()[0];
            assert!(matches!(receipt.outcomes[0], Outcome::Conflict { .. }), "{what}: {receipt:?}");
            assert!(receipt.quarantined.is_some());
            assert_eq!(ledger.size() - before, 1 - round, "{what}: one entry, once");
        }
    }
    ledger.publish().unwrap();
    let snapshot = Snapshot::open(&folder.ledger(), None).unwrap();
    let row = leaf::decode(&snapshot.leaf(seq).unwrap()).unwrap();
    assert_eq!((row.text("region"), row.text("service")), (Some("eu"), None));
    assert_eq!((row.attribute("tier"), row.attribute("team")), (Some("gold"), None));
    assert!(row.text("title_commitment").is_some());
}

#[test]
fn what_only_the_ledger_may_say_is_refused() {
    let folder = Folder::new();
    let mut ledger = folder.init();
    let cases: [(&str, Change); 6] = [
        ("kind", |d| {
            d.event.put("kind", "ledger").put("phase", "genesis");
        }),
        ("source", |d| {
            d.event.put("source", "ledger");
        }),
        ("person", |d| {
            d.event.put("actor", "bot:x");
        }),
        ("commitment", |d| {
            d.event.put("title_commitment", format!("hmac-sha256:{}", "0".repeat(64)));
        }),
        ("rule", |d| {
            d.event.put("inference_rule", "ledger.fills_unknown");
        }),
        ("too long", |d| {
            d.event.put("service", "x".repeat(70_000));
        }),
    ];
    for (n, (what, change)) in cases.into_iter().enumerate() {
        let mut bad = draft(n as u64);
        change(&mut bad);
        let before = ledger.size();
        let receipt = &ledger.append(vec![of(bad.clone(), n as u64)]).unwrap()[0];
        assert!(
            receipt.outcomes.is_empty() && receipt.quarantined.is_some(),
            "{what}: {receipt:?}"
        );
        assert_eq!(ledger.size(), before + 1, "{what}");
        assert_eq!(
            ledger.append(vec![of(bad, n as u64)]).unwrap()[0].quarantined,
            receipt.quarantined
        );
        assert_eq!(ledger.size(), before + 1, "{what}: once");
    }
    assert!(ledger.append(vec![rejected(50)]).unwrap()[0].quarantined.is_some());
}

#[test]
fn a_simulated_ledger_does_not_depend_on_batches() {
    let submissions: Vec<_> = (0..30).map(|n| submission(n % 20)).collect();
    let heads = [1usize, 7, 30].map(|batch| {
        let folder = Folder::new();
        let mut ledger = folder.init();
        for chunk in submissions.chunks(batch) {
            ledger.append(chunk.to_vec()).unwrap();
        }
        ledger.publish().unwrap()
    });
    assert!(heads.iter().all(|head| *head == heads[0]), "{heads:?}");
}

#[test]
fn recorded_at_never_goes_back() {
    let folder = Folder::new();
    let mut ledger = folder.init();
    ledger.append(vec![submission(9), submission(3), submission(12)]).unwrap();
    ledger.publish().unwrap();
    let snapshot = Snapshot::open(&folder.ledger(), None).unwrap();
    let times: Vec<Timestamp> = snapshot
        .leaves()
        .map(|row| leaf::decode(&row.unwrap().1).unwrap().timestamp("recorded_at").unwrap())
        .collect();
    assert!(times.is_sorted(), "{times:?}");
    assert_eq!(*times.last().unwrap(), at("2026-10-02T00:00:12Z"));
}

#[test]
fn only_one_writes() {
    let folder = Folder::new();
    let ledger = folder.init();
    let second = Ledger::open(&folder.ledger(), signer(), clock());
    let e = second.err().unwrap();
    assert_eq!(e.kind(), Kind::Locked);
    assert!(e.to_string().contains(&std::process::id().to_string()), "{e}");
    drop(ledger);
    folder.open();
}

#[test]
fn seals_leave_only_what_the_format_names() {
    let folder = Folder::new();
    let mut ledger = folder.init();
    ledger.append((0..3).map(submission).collect()).unwrap();
    ledger.seal().unwrap();
    ledger.seal().unwrap();
    let found = files(&folder.ledger());
    assert_eq!(found.iter().filter(|f| f.starts_with("segments/")).count(), 1, "{found:?}");
    assert_eq!(found.iter().filter(|f| f.starts_with("wal/")).count(), 1, "{found:?}");
    assert_eq!(
        found.iter().filter(|f| f.starts_with("tile/")).count(),
        2,
        "sizes 7 and 8: {found:?}"
    );
}

#[test]
fn what_several_threads_append_at_once_is_answered_each_to_its_own() {
    let folder = Folder::new();
    let ledger = SharedLedger::new(folder.init());
    std::thread::scope(|scope| {
        for thread in 0..8u64 {
            let ledger = &ledger;
            scope.spawn(move || {
                for round in 0..5 {
                    let n = thread * 100 + round * 2;
                    let mut bad = draft(n);
                    bad.event.put("kind", "ledger");
                    let batch = vec![submission(n), of(bad, n), submission(n + 1)];
                    let receipts = ledger.append(batch).unwrap();
                    assert_eq!(receipts.len(), 3);
                    for (receipt, n) in [(&receipts[0], n), (&receipts[2], n + 1)] {
                        let [Outcome::Accepted { event_id, .. }] = &receipt.outcomes[..] else {
                            panic!("{receipt:?}")
                        };
                        assert_eq!(Some(event_id.as_str()), draft(n).event.text("event_id"));
                    }
                    assert!(receipts[1].quarantined.is_some());
                }
            });
        }
    });
    ledger.lock().publish().unwrap();
    assert_eq!(Snapshot::open(&folder.ledger(), None).unwrap().quarantine().unwrap().len(), 40);
}

/// Long deliveries fill a tail before rows do; their records are found again, and what they say is compared.
#[test]
fn a_tail_of_long_deliveries_is_sealed_early() {
    let folder = Folder::new();
    let mut ledger = folder.init();
    let long = |n: u64| {
        let mut long = submission(n);
        long.delivery.body = vec![b'x'; 24 << 20];
        long
    };
    let sealed = |folder: &Folder| Snapshot::open(&folder.ledger(), None).unwrap().segments().len();
    for n in 0..3 {
        ledger.append(vec![long(n), submission(10 + n)]).unwrap();
    }
    ledger.publish().unwrap();
    assert_eq!(sealed(&folder), 0);
    ledger.append(vec![long(3), submission(13)]).unwrap();
    ledger.publish().unwrap();
    assert_eq!(sealed(&folder), 1);
    drop(ledger);
    let mut ledger = folder.open();
    for n in [0, 10, 3, 13] {
        let mut other = draft(n);
        other.texts[0].1 = "Another title".into();
        let receipts = ledger.append(vec![submission(n), of(other, 20 + n)]).unwrap();
        let outcomes: Vec<_> = receipts.into_iter().flat_map(|receipt| receipt.outcomes).collect();
        assert!(
            matches!(outcomes[..], [Outcome::Duplicate { .. }, Outcome::Conflict { .. }]),
            "{n}: {outcomes:?}"
        );
    }
}

/// Whole row groups are encoded while the tail grows, also after a restart, and before a later row has a new column.
#[test]
fn a_tail_of_several_row_groups_is_sealed() {
    let folder = Folder::new();
    let mut ledger = folder.init();
    let add = |ledger: &mut Ledger, rows: std::ops::Range<u64>, region: Option<&str>| {
        for from in rows.clone().step_by(1000) {
            let some = (from..rows.end.min(from + 1000)).map(|n| {
                let mut draft = draft(n);
                draft.texts.clear();
                if let Some(region) = region {
                    draft.event.put("region", region);
                }
                of(draft, n)
            });
            ledger.append(some.collect()).unwrap();
        }
    };
    add(&mut ledger, 0..9_000, None);
    add(&mut ledger, 9_000..17_000, Some("eu"));
    ledger.seal().unwrap();
    add(&mut ledger, 17_000..26_000, Some("us"));
    drop(ledger);
    let mut ledger = folder.open();
    add(&mut ledger, 26_000..27_000, None);
    ledger.seal().unwrap();
    let options = VerifyOptions { keys: vec![vkey()], ..VerifyOptions::default() };
    let report = verify(&folder.ledger(), &options);
    assert_eq!((report.exit, report.coverage), (0, vec![]), "{:#?}", report.findings);
    let snapshot = Snapshot::open(&folder.ledger(), None).unwrap();
    assert_eq!(snapshot.segments().len(), 2);
    let regions = |leaf: &[u8]| leaf.windows(11).filter(|w| *w == b"\"region\":\"e").count();
    assert_eq!(snapshot.leaves().map(|row| regions(&row.unwrap().1)).sum::<usize>(), 8_000);
}
