//! The walls of ARCHITECTURE.md, checked from cargo's own view of the workspace.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

use serde_json::Value;

fn top() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

fn read(path: &str) -> String {
    std::fs::read_to_string(top().join(path)).unwrap()
}

/// Every workspace package with its dependencies; `normal` leaves development dependencies out.
fn dependencies(normal: bool) -> BTreeMap<String, BTreeSet<String>> {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--no-deps", "--offline", "--locked", "--format-version", "1"])
        .current_dir(top())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    let names = |package: &Value| {
        let wanted = |d: &&Value| !normal || d["kind"].is_null();
        package["dependencies"]
            .as_array()
            .unwrap()
            .iter()
            .filter(wanted)
            .map(|d| text(&d["name"]))
            .collect()
    };
    metadata["packages"].as_array().unwrap().iter().map(|p| (text(&p["name"]), names(p))).collect()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}

#[test]
fn crates_depend_only_in_the_allowed_directions() {
    let allowed: BTreeMap<&str, &[&str]> = BTreeMap::from([
        ("backtrail-schemas", [].as_slice()),
        ("backtrail-ledger", &["backtrail-schemas"]),
        ("backtrail-ingest", &["backtrail-schemas", "backtrail-ledger"]),
        ("backtrail-query", &["backtrail-schemas", "backtrail-ledger"]),
        ("backtrail-reports", &["backtrail-schemas", "backtrail-ledger", "backtrail-query"]),
        ("backtrail-samples", &["backtrail-schemas"]),
    ]);
    for (package, dependencies) in dependencies(true) {
        let Some(allowed) = allowed.get(package.as_str()) else {
            assert!(
                ["backtrail", "backtrail-tests"].contains(&package.as_str()),
                "{package} has no place here"
            );
            continue;
        };
        for d in dependencies.iter().filter(|d| d.starts_with("backtrail")) {
            assert!(allowed.contains(&d.as_str()), "{package} must not know {d}");
        }
    }
}

#[test]
fn third_party_crates_stay_behind_their_walls() {
    let walls: &[(&str, &[&str])] = &[
        ("clap", &["backtrail"]),
        ("axum", &["backtrail"]),
        ("ureq", &["backtrail"]),
        ("anyhow", &["backtrail"]),
        ("datafusion", &["backtrail-query"]),
        ("minijinja", &["backtrail-reports"]),
        ("typst", &["backtrail-reports"]),
        ("ed25519-dalek", &["backtrail-ledger"]),
        ("hmac", &["backtrail-ledger", "backtrail-ingest"]),
        ("sha2", &["backtrail-schemas", "backtrail-ledger", "backtrail-ingest"]),
    ];
    for (package, dependencies) in dependencies(true) {
        for (library, inside) in walls {
            let crosses = dependencies.contains(*library) && !inside.contains(&package.as_str());
            assert!(!crosses, "{package} must not depend on {library}");
        }
    }
}

#[test]
fn every_dependency_has_its_reason() {
    let page = read("ARCHITECTURE.md");
    for d in dependencies(false).values().flatten().filter(|d| !d.starts_with("backtrail")) {
        assert!(page.contains(&format!("| `{d}` |")), "ARCHITECTURE.md has no line for {d}");
    }
}

#[test]
fn there_is_one_version_of_each_engine_crate() {
    let lock = read("Cargo.lock");
    for name in ["arrow", "parquet", "datafusion", "object_store"] {
        assert_eq!(lock.matches(&format!("name = \"{name}\"\n")).count(), 1, "{name}");
    }
}

#[test]
fn the_justfile_stays_small() {
    let recipes =
        read("Justfile").lines().filter(|l| l.ends_with(':') && !l.starts_with([' ', '#'])).count();
    assert!((1..=12).contains(&recipes), "{recipes} recipes");
}

#[test]
fn the_image_is_built_from_every_package_with_the_rust_of_the_tests() {
    let manifest = read("Cargo.toml");
    let value = |key: &str| -> Value {
        let line = manifest.lines().find_map(|l| l.strip_prefix(key)?.strip_prefix(" = "));
        serde_json::from_str(line.unwrap()).unwrap()
    };
    let rust = text(&value("rust-version"));
    assert!(read("docs/deploy/Dockerfile").contains(&format!("\nFROM rust:{rust}-")), "{rust}");
    let mut needed = vec!["Cargo.lock".to_owned(), "Cargo.toml".to_owned()];
    needed.extend(value("members").as_array().unwrap().iter().map(text));
    let ignore = read(".dockerignore");
    let context: Vec<&str> = ignore.lines().filter_map(|l| l.strip_prefix('!')).collect();
    assert_eq!(context, needed);
}
