//! Every shell example of the README runs, in order, beside a fresh demo.

use std::path::Path;
use std::process::Command;

use crate::tool::ok;

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
