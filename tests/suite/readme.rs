//! Every shell example of the README and of the pages for users runs, in order; what docs/rules.md shows is what is printed.

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

/// A page of the project, by its path from the top.
fn page(name: &str) -> String {
    let top = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    std::fs::read_to_string(top.join(name)).unwrap()
}

/// A folder with the tool in `bin`.
fn place() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let bin = dir.path().join("bin");
    std::fs::create_dir(&bin).unwrap();
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_backtrail-under-test"), bin.join("backtrail"))
        .unwrap();
    dir
}

/// Runs a script in `dir`; what it printed, stderr with stdout.
fn sh(dir: &Path, script: &str) -> String {
    let script = format!("PATH={}/bin:$PATH\nexec 2>&1\n{script}", dir.display());
    let output = Command::new("sh").args(["-euc", &script]).current_dir(dir).output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{script}\n{said}");
    said
}

#[test]
fn the_readmes_examples_run() {
    let dir = place();
    ok(dir.path(), ["demo"]);
    let deliveries = dir.path().join("deliveries");
    std::fs::create_dir(&deliveries).unwrap();
    for (name, bytes) in backtrail_samples::story() {
        std::fs::write(deliveries.join(name), bytes).unwrap();
    }
    let examples = examples(&page("README.md"));
    assert!(examples.len() >= 4);
    for example in examples {
        sh(dir.path(), &example);
    }
    // The same demo serves the page for the first ten minutes.
    let page = page("docs/getting-started.md");
    let blocks = shown(&page);
    assert_eq!((blocks.len(), blocks.iter().filter(|(_, text)| text.is_some()).count()), (14, 4));
    for (block, text) in blocks {
        let said =
            sh(dir.path(), &format!("export BACKTRAIL_LEDGER=backtrail-demo/ledger\n{block}"));
        if let Some(text) = text {
            assert_eq!(said, text, "{block}");
        }
    }
}

#[test]
fn the_readme_names_every_source() {
    let plain = |text: &str| -> String {
        text.to_lowercase().chars().filter(char::is_ascii_alphanumeric).collect()
    };
    let readme = page("README.md");
    let list = readme.split("`backtrail sources` lists what is read").nth(1).unwrap();
    let list = plain(list.split("\n\n").next().unwrap());
    for source in backtrail_ingest::sources() {
        assert!(list.contains(&plain(source.name)), "{} is not named", source.name);
    }
}

/// Each statement of the page is a row that is accepted, and what runs in a pipeline is YAML whose script runs.
#[test]
fn the_page_of_what_no_source_sends_runs() {
    let dir = place();
    let text = page("docs/emit.md");
    let stated = text.matches("\nbacktrail emit ").count();
    let said = sh(dir.path(), &examples(&text).join("\n"));
    assert_eq!(said.matches("accepted native:").count(), stated, "{said}");
    assert!(stated >= 25, "{said}");
    for answer in [
        "2026-q4-restore,completed,41,done",
        "restore-orders,r1,completed,1,3 replay the queue",
        "orders,checksum,true,true",
        "shop,3.9.2,false",
    ] {
        assert!(said.contains(answer), "{answer} is not in\n{said}");
    }
    let blocks: Vec<&str> =
        text.split("```yaml\n").skip(1).map(|rest| rest.split("```").next().unwrap()).collect();
    let yaml = |at: usize| serde_saphyr::from_str::<serde_json::Value>(blocks[at]).unwrap();
    let (step, job) = (&yaml(0)[0], &yaml(1)["record-smoke-test"]);
    for (script, setting, what) in [
        (
            &step["run"],
            "PHASE=passed DEPLOYMENT=7 GITHUB_SHA=ab12 GITHUB_RUN_ID=9",
            "github-9-1-smoke",
        ),
        (&job["script"][0], "SMOKE=1 CI_COMMIT_SHA=ab12 CI_PIPELINE_ID=31", "gitlab-31-smoke"),
    ] {
        let set = format!("export BACKTRAIL_LEDGER=ledger GITHUB_RUN_ATTEMPT=1 {setting}\n");
        let said = sh(dir.path(), &(set + script.as_str().unwrap()));
        assert!(said.contains(&format!("accepted native:default:{what}")), "{said}");
    }
    assert!(step["env"]["PHASE"].is_string() && job["when"] == "always");
    sh(dir.path(), "backtrail verify ledger --vkey ledger.vkey");
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
    let dir = place();
    let page = page("docs/rules.md");
    let blocks = shown(&page);
    assert_eq!((blocks.len(), blocks.iter().filter(|(_, text)| text.is_some()).count()), (4, 2));
    for (block, text) in blocks {
        let said = sh(dir.path(), block);
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
    let page = page("docs/rules.md");
    assert_eq!((ran.exit, ran.out.as_str()), (65, ""));
    assert!(page.contains(&format!("```text\n{}```", ran.err)), "{}", ran.err);
}
