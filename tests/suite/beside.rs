//! Every command beside a running server: those that append go through it, those that read see what was just appended, and
//! the others say why not.

use std::path::Path;

use serde_json::Value;

use crate::serving::Serving;
use crate::tool::{Ran, check, ok, run};

fn on(dir: &Path, line: &str) -> Ran {
    run(dir, line.split(' '))
}

fn counts(dir: &Path, line: &str) -> Value {
    let ran = on(dir, line);
    assert_eq!(ran.exit, 0, "{line}: {}", ran.err);
    serde_json::from_str(&ran.out).unwrap()
}

#[test]
fn every_command_works_beside_a_server_or_says_why_not() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    ok(dir, ["init", "ledger", "--origin", "beside.example/test"]);
    std::fs::create_dir(dir.join("heads")).unwrap();
    let config = "[ledger]\npath = 'ledger'\n[[ledger.anchor]]\npath = 'heads'\n";
    std::fs::write(dir.join("backtrail.toml"), config).unwrap();
    let history = ok(dir, ["generate", "--seed", "11", "--events", "300"]);
    std::fs::write(dir.join("history.ndjson"), history).unwrap();
    std::fs::write(dir.join("unknown.json"), r#"{"nothing": "that is known"}"#).unwrap();
    let mut server = Serving::start(dir, &[]);

    assert_eq!(on(dir, "ingest history.ndjson unknown.json").exit, 0);
    let said = on(
        dir,
        "emit incident detected --field incident_id=INC-7 --field service=shop --field severity=2 --field actor=mei --text title=checkout --event-id i7",
    );
    assert!(said.out.starts_with("accepted native:default:i7 "), "{}{}", said.out, said.err);
    for line in ["resolved --field actor=mei.ito", "closed --field actor=jonas"] {
        let ran = on(dir, &format!("emit incident {line} --field incident_id=INC-7"));
        assert_eq!(ran.exit, 0, "{}", ran.err);
    }
    assert!(!dir.join("ledger/segments").join("00000000000000000000.parquet").exists());
    let seen = ok(
        dir,
        ["sql", "--format", "csv", "select title from incidents where incident_id = 'INC-7'"],
    );
    assert_eq!(seen, "title\r\ncheckout\r\n");
    let timeline = on(dir, "timeline INC-7");
    assert!(timeline.exit == 0 && timeline.out.contains("closed"), "{}", timeline.err);
    assert_eq!(on(dir, "metrics --period 2026").exit, 0);
    assert_eq!(on(dir, "people link mei mei.ito").exit, 0);
    let linked = "select count(*) as n from events where phase = 'identity' and attributes['action'] = 'linked'";
    assert_eq!(ok(dir, ["sql", "--format", "csv", linked]), "n\r\n1\r\n");
    let retried = counts(dir, "quarantine retry --format json");
    assert_eq!(
        (&retried["deliveries"], &retried["quarantined"]),
        (&2.into(), &2.into()),
        "{retried}"
    );
    let report = on(dir, "report incident INC-7 --out incident --format md");
    assert_eq!(report.exit, 0, "{}", report.err);

    let mut erase = ["erase", "--event", "native:default:i7", "--reason", "a name"].to_vec();
    let erased = ok(dir, &erase);
    assert!(erased.starts_with("erased 1 events"), "{erased}");
    let texts = "select coalesce(title, '-') as title from incidents where incident_id = 'INC-7'";
    assert!(!ok(dir, ["sql", "--format", "csv", texts]).contains("checkout"));
    check(&run(dir, &erase), 65, &["native:default:i7"]);
    erase[2] = "native:default:nobody";
    check(&run(dir, &erase), 65, &["native:default:nobody"]);

    let anchored = on(dir, "anchor");
    assert_eq!(anchored.exit, 0, "{}", anchored.err);
    let heads = std::fs::read_dir(dir.join("heads")).unwrap().map(|e| e.unwrap().path());
    let note = heads.max().expect("a head");
    for line in ["compact", "retain --policy", "keys add", "keys retire 00000000"] {
        check(&on(dir, line), 75, &["stop the server"]);
    }
    assert_eq!(server.signal("-TERM"), 0);
    let since = note.to_str().unwrap();
    ok(dir, ["verify", "ledger", "--vkey", "ledger.vkey", "--since", since]);
    ok(dir, ["verify", "ledger", "--vkey", "ledger.vkey"]);
}
