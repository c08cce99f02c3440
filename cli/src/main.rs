//! The tool.

fn main() -> std::process::ExitCode {
    backtrail_cli::run()
}
