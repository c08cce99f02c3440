//! From paths to rows.

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use backtrail_ingest::{Context, Error, Options, Retry, Totals, dry_run, run};
use backtrail_ledger::{
    Clock, InitOptions, Ledger, Outcome, QuarantineId, Submission, demo_signer,
};
use backtrail_schemas::{Delivery, Mapped, Reject, Timestamp};
use serde_json::json;

use crate::support::crate_folder;

struct Noon;

impl Clock for Noon {
    fn now(&self) -> Timestamp {
        Timestamp::parse_rfc3339("2026-05-01T12:00:00Z").unwrap()
    }
}

fn ledger(folder: &Path) -> Ledger {
    let signer = demo_signer("log.kiln.example").unwrap();
    Ledger::init(&folder.join("ledger"), &InitOptions::default(), Box::new(signer), Arc::new(Noon))
        .unwrap()
}

fn options(path: PathBuf) -> Options {
    Options { paths: vec![path], source: None, context: Context::file(), publish_first: false }
}

fn ran(ledger: &mut Ledger, options: &Options) -> Totals {
    run(ledger, options, &mut std::io::empty(), &mut |_, _| Ok::<(), Error>(())).unwrap()
}

fn check_sums(totals: &Totals) {
    assert_eq!(
        totals.events,
        totals.accepted + totals.duplicate + totals.amended + totals.conflict
    );
    assert!(totals.deliveries >= totals.quarantined + totals.ignored);
}

fn event(id: &str, version: &str) -> String {
    let body = json!({"event_id": id, "kind": "deployment", "phase": "live", "occurred_at": "2026-04-02T09:00:00Z", "version": version});
    format!("{body}\n")
}

#[test]
fn all_samples_become_rows_once() {
    let folder = tempfile::tempdir().unwrap();
    let mut ledger = ledger(folder.path());
    let options = options(crate_folder().join("tests/samples"));
    let dry = dry_run(&options, &mut std::io::empty(), &mut |_, _| Ok::<(), Error>(())).unwrap();
    let first = ran(&mut ledger, &options);
    check_sums(&first);
    assert_eq!((first.deliveries, first.events), (dry.deliveries, dry.events));
    assert_eq!(dry.checkpoint, None);
    assert_eq!(
        first.quarantined, dry.quarantined,
        "nothing that maps is refused by the ledger or contradicts itself"
    );
    assert_eq!(first.ignored, dry.ignored);
    let again = ran(&mut ledger, &options);
    check_sums(&again);
    assert_eq!((again.accepted, again.amended, again.conflict), (0, 0, 0));
    assert_eq!((again.duplicate, again.quarantined), (first.events, first.quarantined));
    assert_eq!(again.checkpoint, first.checkpoint, "the same deliveries add no row");
}

/// Retries deliveries, each with a name for its place in quarantine.
fn retry(ledger: &mut Ledger, deliveries: &[Delivery]) -> Totals {
    let how = Retry { context: &Context::file(), origin: "log.kiln.example", at: Noon.now() };
    let named = deliveries.iter().cloned().enumerate();
    let named = named.map(|(at, delivery)| (QuarantineId(format!("q{at}")), delivery));
    backtrail_ingest::retry(ledger, &how, named).unwrap()
}

/// What an earlier version did not understand becomes a row; what nobody understands adds nothing. What became of each is one
/// row more, unless it is what became of it before.
#[test]
fn quarantine_is_mapped_again() {
    let folder = tempfile::tempdir().unwrap();
    let mut ledger = ledger(folder.path());
    let delivery = |body: String| Delivery {
        source: Some("native".to_owned()),
        body: body.into_bytes(),
        ..Delivery::default()
    };
    let deliveries = [delivery(event("a", "1")), delivery("no event".to_owned())];
    let refused = |delivery: &Delivery| {
        let reject = Reject { reason: "not yet".to_owned(), code: "unknown_type".into() };
        let mapped = Mapped { rejects: vec![reject], ..Mapped::default() };
        Submission { delivery: delivery.clone(), mapped }
    };
    ledger.append(deliveries.iter().map(refused).collect()).unwrap();
    let before = ledger.publish().unwrap().size;
    let mut again = || retry(&mut ledger, &deliveries);
    let first = again();
    check_sums(&first);
    assert_eq!((first.deliveries, first.accepted, first.quarantined), (2, 1, 1));
    assert_eq!(first.checkpoint, Some(before + 3));
    let known = again();
    assert_eq!((known.accepted, known.duplicate, known.quarantined), (0, 1, 1));
    assert_eq!(known.checkpoint, Some(before + 4));
    assert_eq!(again(), known);
    let snapshot = backtrail_ledger::Snapshot::open(&folder.path().join("ledger"), None).unwrap();
    let leaf = |seq| String::from_utf8(snapshot.leaf(seq).unwrap()).unwrap();
    let labels = |at: u64| {
        let leaf: serde_json::Value = serde_json::from_str(&leaf(before + at)).unwrap();
        assert_eq!((&leaf["phase"], &leaf["source"]), (&json!("retried"), &json!("native")));
        leaf["attributes"].clone()
    };
    let rows = before.to_string();
    assert_eq!(
        [labels(1), labels(2), labels(3)],
        [
            json!({"quarantine": "q0", "outcome": "settled", "added": "1", "known": "0", "rows": rows}),
            json!({"quarantine": "q1", "outcome": "open", "added": "0", "known": "0"}),
            json!({"quarantine": "q0", "outcome": "settled", "added": "0", "known": "1", "known_rows": rows}),
        ]
    );
}

/// What was pushed and is understood later is recorded as what it was.
#[test]
fn quarantine_remembers_who_sent_it() {
    use backtrail_ledger::Snapshot;
    let folder = tempfile::tempdir().unwrap();
    let mut ledger = ledger(folder.path());
    let pushed = Context {
        mode: backtrail_ingest::Mode::Push,
        authn_method: "hmac-sha256".to_owned(),
        authn_verified: true,
        authn_key_id: Some("2026b".to_owned()),
        ..Context::file()
    };
    for (id, reception) in
        [("a", pushed.reception("native")), ("b", Context::file().reception("native"))]
    {
        let delivery = Delivery {
            source: Some("native".to_owned()),
            body: event(id, "1").into_bytes(),
            reception,
            ..Delivery::default()
        };
        let reject = Reject { reason: "not yet".to_owned(), code: "unknown_type".into() };
        let mapped = Mapped { rejects: vec![reject], ..Mapped::default() };
        ledger.append(vec![Submission { delivery, mapped }]).unwrap();
    }
    ledger.publish().unwrap();
    let kept = Snapshot::open(&folder.path().join("ledger"), None).unwrap().quarantine().unwrap();
    let deliveries: Vec<Delivery> = kept
        .iter()
        .map(|record| Delivery {
            source: Some(record.source.clone()),
            body: record.delivery.body.clone(),
            reception: record.reception.clone(),
            ..Delivery::default()
        })
        .collect();
    assert_eq!(deliveries[0].reception, pushed.reception("native"));
    assert_eq!(deliveries[1].reception, None, "what came from a file is as it was before");
    let totals = retry(&mut ledger, &deliveries);
    assert_eq!(totals.accepted, 2);
    let size = ledger.publish().unwrap().size;
    let snapshot = Snapshot::open(&folder.path().join("ledger"), None).unwrap();
    let leaf = |seq| String::from_utf8(snapshot.leaf(seq).unwrap()).unwrap();
    let leaves = [leaf(size - 4), leaf(size - 2)];
    for part in
        [r#""ingest_mode":"push""#, r#""authn_method":"hmac-sha256""#, r#""authn_key_id":"2026b""#]
    {
        assert!(leaves[0].contains(part), "{}", leaves[0]);
    }
    assert!(leaves[1].contains(r#""ingest_mode":"file""#), "{}", leaves[1]);
}

#[test]
fn each_delivery_counts_once() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("events.ndjson");
    let ping = r#"{"headers":{"x-github-event":"ping"},"body":"{}"}"#;
    let lines = [
        event("a", "1"),
        event("a", "1"),
        event("a", "2"),
        event("b", ""),
        event("b", "3"),
        "{broken\n".to_owned(),
        format!("{ping}\n"),
    ];
    std::fs::write(&path, lines.concat()).unwrap();
    let totals = ran(&mut ledger(folder.path()), &options(path));
    let want = Totals {
        deliveries: 7,
        events: 5,
        accepted: 2,
        duplicate: 1,
        amended: 1,
        conflict: 1,
        quarantined: 2,
        ignored: 1,
        checkpoint: totals.checkpoint,
    };
    assert_eq!(totals, want);
}

#[test]
fn receipts_come_in_the_order_of_the_file_across_batches() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("events.ndjson");
    let count = 2 * backtrail_ingest::limits::BATCH_DELIVERIES_MAX + 7;
    let mut text = String::new();
    for n in (0..count).rev() {
        let _ = write!(text, "{}", event(&format!("e{n}"), "1"));
    }
    std::fs::write(&path, text).unwrap();
    let (mut seen, mut rows) = (Vec::new(), Vec::new());
    let mut told = |submission: &backtrail_ledger::Submission,
                    receipt: &backtrail_ledger::Receipt| {
        seen.push(submission.delivery.origin.rsplit(':').next().unwrap().parse::<usize>().unwrap());
        for outcome in &receipt.outcomes {
            let Outcome::Accepted { seq, .. } = outcome else { panic!("{outcome:?}") };
            rows.push(*seq);
        }
        Ok::<(), Error>(())
    };
    run(&mut ledger(folder.path()), &options(path), &mut std::io::empty(), &mut told).unwrap();
    assert_eq!(seen, (1..=count).collect::<Vec<_>>());
    assert!(rows.is_sorted() && rows.len() == count);
}

#[test]
fn what_was_told_is_durable_when_a_later_file_cannot_be_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("events.ndjson");
    std::fs::write(&path, event("a", "1")).unwrap();
    let mut options = options(path);
    options.paths.push(folder.path().join("absent"));
    let mut ledger = ledger(folder.path());
    let failed = run(&mut ledger, &options, &mut std::io::empty(), &mut |_, _| Ok::<(), Error>(()));
    assert!(matches!(failed, Err(Error::Missing { .. })));
    options.paths.pop();
    let totals = ran(&mut ledger, &options);
    assert_eq!(totals.accepted + totals.duplicate, 1);
}
