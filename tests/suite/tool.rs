//! Runs the tool as a person would: arguments in, exit code, stdout and stderr out.

use std::ffi::OsStr;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Output, Stdio};

/// The tool under test, without the environment's settings for it.
pub(crate) fn backtrail() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_backtrail-under-test"));
    for name in ["BACKTRAIL_LEDGER", "BACKTRAIL_CONFIG", "BACKTRAIL_KEY", "SSL_CERT_FILE"] {
        command.env_remove(name);
    }
    command
}

/// What one run gave.
pub(crate) struct Ran {
    pub(crate) exit: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

/// Runs the tool in `dir`.
pub(crate) fn run(dir: &Path, args: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Ran {
    ran(&backtrail().args(args).current_dir(dir).stdin(Stdio::null()).output().unwrap())
}

/// Runs the tool in `dir` with `input` on stdin.
pub(crate) fn run_with(
    dir: &Path,
    input: &[u8],
    args: impl IntoIterator<Item = impl AsRef<OsStr>>,
) -> Ran {
    let mut child = backtrail()
        .args(args)
        .current_dir(dir)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_vec();
    // The tool may end before it has read everything; what it says then is what counts.
    let writer = std::thread::spawn(move || drop(stdin.write_all(&input)));
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap();
    ran(&output)
}

/// Runs the tool and expects exit 0.
pub(crate) fn ok(dir: &Path, args: impl IntoIterator<Item = impl AsRef<OsStr>>) -> String {
    let ran = run(dir, args);
    assert_eq!(ran.exit, 0, "{}{}", ran.out, ran.err);
    ran.out
}

pub(crate) fn ran(output: &Output) -> Ran {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Ran {
        exit: output.status.code().unwrap_or(-1),
        out: text(&output.stdout),
        err: text(&output.stderr),
    }
}

/// Expects an exit code, and an error that says these things and gives a hint.
pub(crate) fn check(ran: &Ran, exit: i32, says: &[&str]) {
    assert_eq!(ran.exit, exit, "{}{}", ran.out, ran.err);
    for part in says.iter().chain(&["hint: "]) {
        assert!(ran.err.contains(part), "`{part}` is not in:\n{}", ran.err);
    }
    assert!(!ran.err.contains("panicked"), "{}", ran.err);
}
