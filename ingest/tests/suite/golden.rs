//! Every sample against its snapshot, and the generated page against its table.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::path::{Path, PathBuf};

use backtrail_ingest::{Context, Rule, docs, mappers, rules, sources};

use crate::support::{
    SOURCES, as_json, crate_folder, folders, found, mapped, sample_files, samples,
};

/// The snapshot of one sample file: one result per delivery in it.
fn snapshot(file: &Path) -> (PathBuf, String) {
    let folder = crate_folder().join("tests");
    let relative = file.strip_prefix(folder.join("samples")).unwrap();
    let source = relative.parent().unwrap().display();
    let mut text = String::new();
    for one in found(file) {
        let delivery = one.delivery;
        let result = as_json(&mapped(&delivery));
        let _ = writeln!(
            text,
            "{source}/{}\n{}",
            delivery.origin,
            serde_json::to_string_pretty(&result).unwrap()
        );
    }
    let name = format!("{}.snapshot", relative.display());
    (folder.join("expected").join(name), text)
}

fn all_files() -> Vec<PathBuf> {
    folders().into_iter().flat_map(sample_files).collect()
}

#[test]
fn every_sample_gives_what_its_snapshot_says() {
    let mut expected = BTreeSet::new();
    for file in all_files() {
        let (path, text) = snapshot(&file);
        let on_disk = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(
            on_disk == text,
            "{} is stale, or mapping changed; it is now\n{text}",
            path.display()
        );
        expected.insert(path);
    }
    let folder = crate_folder().join("tests/expected");
    for source in folders() {
        for entry in std::fs::read_dir(folder.join(source)).unwrap() {
            let path = entry.unwrap().path();
            assert!(expected.contains(&path), "{} belongs to no sample", path.display());
        }
    }
}

/// Writes the snapshots and the page: `cargo test -p backtrail-ingest --test suite -- --ignored regenerate`.
#[test]
#[ignore = "writes files; their difference is to be read before it is committed"]
fn regenerate() {
    let expected = crate_folder().join("tests/expected");
    if expected.exists() {
        std::fs::remove_dir_all(&expected).unwrap();
    }
    for file in all_files() {
        let (path, text) = snapshot(&file);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    let (path, errors) = crate::rules::errors();
    std::fs::write(path, errors).unwrap();
    for (path, content) in docs::generated_files(&crate_folder().join("tests/samples")).unwrap() {
        std::fs::write(crate_folder().parent().unwrap().join(path), content).unwrap();
    }
}

#[test]
fn the_page_of_sources_is_current() {
    for (path, content) in docs::generated_files(&crate_folder().join("tests/samples")).unwrap() {
        let on_disk = std::fs::read_to_string(crate_folder().parent().unwrap().join(path))
            .unwrap_or_default();
        assert!(on_disk == content, "{path} is stale: run `just generate`");
    }
}

#[test]
fn the_table_lists_the_mappers_and_the_bundled_rules() {
    let listed: Vec<&str> = sources().iter().map(|s| s.name).collect();
    let mapped: Vec<&str> = mappers().iter().map(|m| m.name).collect();
    let ruled: Vec<&str> = rules::bundled().iter().map(Rule::name).collect();
    assert_eq!(mapped, SOURCES);
    assert_eq!(listed, [mapped, ruled].concat());
}

#[test]
fn samples_are_recognised_as_what_they_are() {
    for (name, delivery) in samples() {
        let folder = name.split('/').next().unwrap();
        let named =
            backtrail_schemas::Delivery { source: Some(folder.to_owned()), ..delivery.clone() };
        let (by_itself, by_name) = (mapped(&delivery), mapped(&named));
        if by_itself.rejects.iter().any(|r| r.code == "unknown_source") {
            assert!(by_itself.drafts.is_empty(), "{name}");
            assert!(by_name.drafts.is_empty(), "{name} gives events only when its source is named");
        } else {
            assert_eq!(by_itself, by_name, "{name}");
        }
    }
}

#[test]
fn every_kind_of_time_and_mode_is_stated() {
    for (name, delivery) in samples() {
        for draft in backtrail_ingest::map(&delivery, &Context::file()).drafts {
            assert_eq!(draft.event.text("ingest_mode"), Some("file"), "{name}");
            assert_eq!(draft.event.text("authn_method"), Some("file"), "{name}");
            assert!(draft.event.get("authn_verified").is_some(), "{name}");
        }
    }
}
