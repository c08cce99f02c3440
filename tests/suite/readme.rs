//! Every shell example of the README and of docs/rules.md runs, in order; what the latter shows is what is printed.

use std::path::Path;
use std::process::Command;

use crate::tool::{ok, run};

/// The `sh` blocks of a page, without the two commands that build and without those that need Python.
fn examples(page: &str) -> Vec<String> {
    let blocks = page.split("```sh\n").skip(1).map(|rest| rest.split("```").next().unwrap());
    let ours = |line: &&str| line.starts_with("backtrail ") || line.starts_with("export ");
    blocks
        .map(|block| block.lines().filter(ours).collect::<Vec<_>>().join("\n"))
        .filter(|block| !block.is_empty())
        .collect()
}

#[test]
fn the_readmes_examples_run() {
    let dir = tempfile::tempdir().unwrap();
    let bin = dir.path().join("bin");
    std::fs::create_dir(&bin).unwrap();
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_backtrail-under-test"), bin.join("backtrail"))
        .unwrap();
    ok(dir.path(), ["demo"]);
    let deliveries = dir.path().join("deliveries");
    std::fs::create_dir(&deliveries).unwrap();
    for (name, bytes) in backtrail_samples::story() {
        std::fs::write(deliveries.join(name), bytes).unwrap();
    }
    let top = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let examples = examples(&std::fs::read_to_string(top.join("README.md")).unwrap());
    assert!(examples.len() >= 4);
    for example in examples {
        let output = Command::new("sh")
            .args(["-euc", &format!("PATH={}:$PATH\n{example}", bin.display())])
            .current_dir(dir.path())
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{example}\n{said}");
    }
}

/// The `sh` blocks of a page, each with the `text` block that follows it at once.
fn shown(page: &str) -> Vec<(&str, Option<&str>)> {
    let blocks = page.split("```sh\n").skip(1).map(|rest| {
        let (block, after) = rest.split_once("```").unwrap();
        let text = after.trim_start().strip_prefix("```text\n");
        (block, text.map(|text| text.split("```").next().unwrap()))
    });
    blocks.collect()
}

#[test]
fn what_the_page_of_rule_files_shows_is_what_is_printed() {
    let dir = tempfile::tempdir().unwrap();
    let bin = dir.path().join("bin");
    std::fs::create_dir(&bin).unwrap();
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_backtrail-under-test"), bin.join("backtrail"))
        .unwrap();
    let top = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let page = std::fs::read_to_string(top.join("docs/rules.md")).unwrap();
    let blocks = shown(&page);
    assert_eq!((blocks.len(), blocks.iter().filter(|(_, text)| text.is_some()).count()), (4, 2));
    for (block, text) in blocks {
        let script = format!("PATH={}:$PATH\nexec 2>&1\n{block}", bin.display());
        let output = Command::new("sh").args(["-euc", &script]).current_dir(dir.path()).output();
        let output = output.unwrap();
        let said = String::from_utf8(output.stdout).unwrap();
        assert!(output.status.success(), "{block}\n{said}");
        if let Some(text) = text {
            assert_eq!(said, text, "{block}");
        }
    }
}

/// The error that the page shows is the one of the file that it makes.
#[test]
fn a_mistake_in_a_rule_file_is_told_as_the_page_shows() {
    let dir = tempfile::tempdir().unwrap();
    let example = ok(dir.path(), ["sources", "show", "own-cd"]);
    std::fs::write(
        dir.path().join("my-cd.toml"),
        example.replace("service = \"/app\"", "servise = \"/app\""),
    )
    .unwrap();
    let ran = run(dir.path(), ["ingest", "--rules", "my-cd.toml", "--dry-run", "."]);
    let top = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let page = std::fs::read_to_string(top.join("docs/rules.md")).unwrap();
    assert_eq!((ran.exit, ran.out.as_str()), (65, ""));
    assert!(page.contains(&format!("```text\n{}```", ran.err)), "{}", ran.err);
}
