//! The tool under test: the same `run` as the real binary, built beside the tests.

fn main() -> std::process::ExitCode {
    backtrail_cli::run()
}
