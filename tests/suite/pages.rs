//! Completions and man pages are those of the arguments.

use std::process::Command;

use crate::tool::{check, ok, run};

/// The commands that the help lists, two spaces in.
fn commands(help: &str) -> Vec<String> {
    let block = help.split("Commands:\n").nth(1).unwrap().split("\n\n").next().unwrap();
    let names = block.lines().filter(|line| line.starts_with("  ") && !line.starts_with("   "));
    names.map(|line| line.split_whitespace().next().unwrap().to_owned()).collect()
}

#[test]
fn each_command_has_its_man_page_and_each_shell_its_script() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let names = commands(&ok(dir, ["--help"]));
    assert!(names.len() > 30 && names.contains(&"emit".to_owned()), "{names:?}");
    ok(dir, ["man", "pages/man1"]);
    let page = |name: &str| std::fs::read_to_string(dir.join("pages/man1").join(name)).unwrap();
    assert!(page("backtrail-ingest.1").contains(r"\-\-dry\-run"));
    assert!(page("backtrail-keys-retire.1").contains("0a1b2c3d"));
    let bash = ok(dir, ["completions", "bash"]);
    for name in names.iter().filter(|name| *name != "help") {
        assert!(page(&format!("backtrail-{name}.1")).contains(".SH NAME"), "{name}");
        assert!(bash.contains(&format!("backtrail,{name})")), "{name}");
    }
    std::fs::write(dir.join("bash"), bash).unwrap();
    assert!(Command::new("bash").arg("-n").arg(dir.join("bash")).status().unwrap().success());
    for shell in ["zsh", "fish", "elvish", "powershell"] {
        assert!(ok(dir, ["completions", shell]).contains("verify-proof"), "{shell}");
    }
    std::fs::write(dir.join("file"), "").unwrap();
    check(&run(dir, ["man", "file"]), 73, &["cannot write file"]);
}
