//! Rule files as a person uses them: named on the command line and in the config, into a ledger.

use std::path::Path;

use crate::tool::{check, ok, run};

/// A folder with a ledger, the example rule file under another name, and one delivery for it.
fn folder() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let example = ok(dir.path(), ["sources", "show", "own-cd"]);
    write(dir.path(), "my-cd.toml", &example.replace("name = \"own-cd\"", "name = \"my-cd\""));
    std::fs::create_dir(dir.path().join("in")).unwrap();
    let body = r#"{"id": "d-7", "action": "deploy", "state": "ok", "at": "2026-04-03T10:00:00Z", "app": "basket", "env": "prod"}"#;
    write(dir.path(), "in/d-7.json", body);
    ok(dir.path(), ["init", "l", "--origin", "reef.example/l", "--simulated-clock"]);
    dir
}

fn write(dir: &Path, name: &str, text: &str) {
    std::fs::write(dir.join(name), text).unwrap();
}

#[test]
fn a_source_of_ones_own_reaches_the_log() {
    let dir = folder();
    let ingest = ["ingest", "--ledger", "l", "--rules", "my-cd.toml", "in"];
    assert!(ok(dir.path(), ingest).contains("1 events = 1 accepted"));
    let sql =
        "select source, service, environment_tier, phase from events where kind = 'deployment'";
    let rows = ok(dir.path(), ["sql", "--ledger", "l", sql]);
    assert_eq!(
        rows,
        "source,service,environment_tier,phase\r\nmy-cd,basket,production,succeeded\r\n"
    );
    assert!(ok(dir.path(), ingest).contains("1 duplicate"));
}

#[test]
fn what_lay_in_quarantine_is_read_once_the_config_names_the_rules() {
    let dir = folder();
    assert!(ok(dir.path(), ["ingest", "--ledger", "l", "in"]).contains("1 quarantined"));
    write(
        dir.path(),
        "backtrail.toml",
        "[ledger]\npath = \"l\"\n[sources.my-cd]\nrules = \"my-cd.toml\"\n",
    );
    assert!(ok(dir.path(), ["quarantine", "retry"]).contains("1 events = 1 accepted"));
    let listed = ok(dir.path(), ["sources", "--format", "csv"]);
    assert!(listed.contains("\nmy-cd,my-cd.toml,"), "{listed}");
    assert!(
        listed.contains("\njenkins,built-in rule file,") && listed.contains("\ngithub,built in,")
    );
}

#[test]
fn a_mistake_in_naming_a_rule_file_says_what_to_do() {
    let dir = folder();
    let dry = |rules: &str| run(dir.path(), ["ingest", "--dry-run", "--rules", rules, "in"]);
    check(&dry("missing.toml"), 66, &["missing.toml"]);
    write(dir.path(), "taken.toml", &ok(dir.path(), ["sources", "show", "rootly"]));
    check(&dry("taken.toml"), 65, &["taken.toml:4: name: `rootly` is a source that is built in"]);
    write(dir.path(), "backtrail.toml", "[sources.other]\nrules = \"my-cd.toml\"\n");
    check(&run(dir.path(), ["sources"]), 65, &["my-cd.toml: describes `my-cd`, not `other`"]);
    write(dir.path(), "backtrail.toml", "[sources.my-cd]\nrule = \"my-cd.toml\"\n");
    check(&run(dir.path(), ["sources"]), 65, &["backtrail.toml", "rule"]);
    write(dir.path(), "backtrail.toml", "");
    check(
        &run(dir.path(), ["sources", "show", "github"]),
        64,
        &["is built in without a rule file"],
    );
    check(
        &run(dir.path(), ["sources", "show", "jenkin"]),
        64,
        &["`jenkin` is not a source", "jenkins"],
    );
    check(
        &run(dir.path(), ["ingest", "--dry-run", "--source", "my-cd", "in"]),
        64,
        &["`my-cd` is not a source"],
    );
}
