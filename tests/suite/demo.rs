//! The README's first command.

use std::collections::BTreeMap;
use std::path::Path;

use crate::tool::{ok, run};

/// Every file below `dir`, with its bytes.
fn files(dir: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut folders = vec![dir.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let name = path.strip_prefix(dir).unwrap().to_str().unwrap().to_owned();
                found.insert(name, std::fs::read(&path).unwrap());
            }
        }
    }
    found
}

/// What the README says that the demo prints; a line may end with an ellipsis.
fn quoted() -> Vec<String> {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join("README.md");
    let page = std::fs::read_to_string(page).unwrap();
    let block = page.split("$ cargo run -- demo\n").nth(1).unwrap().split("```").next().unwrap();
    block.lines().map(|line| line.trim_end_matches('…').to_owned()).collect()
}

#[test]
fn the_demo_leaves_what_it_says_and_the_same_bytes_twice() {
    let dir = tempfile::tempdir().unwrap();
    let said = ok(dir.path(), ["demo", "trial"]);
    let as_quoted = said.replace("trial/", "backtrail-demo/").replace('\u{a0}', " ");
    for line in quoted() {
        assert!(as_quoted.contains(&line), "{line} is not in\n{said}");
    }
    let first = files(&dir.path().join("trial"));
    for report in ["soc2", "hipaa", "monthly", "incident"] {
        for file in ["report.json", "report.html", "report.md", "manifest.json", "checkpoint.note"]
        {
            assert!(first.contains_key(&format!("reports/{report}/{file}")), "{report}/{file}");
        }
        let out = format!("trial/reports/{report}");
        ok(dir.path(), ["report", "verify", &out, "--vkey", "trial/vkey"]);
        assert!(said.contains(&out), "{said}");
    }
    // Some days of one source were counted, and two days have exceptions.
    let report: serde_json::Value =
        serde_json::from_slice(&first["reports/soc2/report.json"]).unwrap();
    let controls = report["controls"].as_array().unwrap();
    let counts = &controls.iter().find(|control| control["id"] == "LOG-01").unwrap()["counts"];
    assert_eq!((&counts["pass"], &counts["fail"]), (&9.into(), &2.into()), "{counts}");
    assert_eq!(run(dir.path(), ["verify", "trial/ledger", "--vkey", "trial/vkey"]).exit, 40);
    ok(dir.path(), ["verify", "trial/ledger", "--vkey", "trial/vkey", "--demo"]);
    assert_eq!(ok(dir.path(), ["demo", "trial"]), said);
    let second = files(&dir.path().join("trial"));
    assert_eq!(first.keys().collect::<Vec<_>>(), second.keys().collect::<Vec<_>>());
    for (name, bytes) in &first {
        assert!(second[name] == *bytes, "{name} differs");
    }
}

#[test]
fn a_flipped_byte_in_a_report_folder_is_found() {
    let dir = tempfile::tempdir().unwrap();
    ok(dir.path(), ["demo", "trial"]);
    let report = dir.path().join("trial/reports/incident");
    for (name, bytes) in files(&report) {
        let mut changed = bytes.clone();
        match changed.len() {
            0 => changed.push(b'x'),
            length => changed[length / 2] ^= 1,
        }
        std::fs::write(report.join(&name), &changed).unwrap();
        let ran =
            run(dir.path(), ["report", "verify", "trial/reports/incident", "--vkey", "trial/vkey"]);
        assert_ne!(ran.exit, 0, "{name}");
        std::fs::write(report.join(&name), &bytes).unwrap();
    }
    ok(dir.path(), ["report", "verify", "trial/reports/incident", "--vkey", "trial/vkey"]);
}
