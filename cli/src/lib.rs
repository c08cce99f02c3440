//! The command line: the only place with arguments, environment, clock and exit codes.

use std::process::ExitCode;

/// Runs the tool with the process's own arguments and environment.
pub fn run() -> ExitCode {
    ExitCode::SUCCESS
}
