//! `completions` and `man`: what other programs know of the arguments, made from the arguments themselves.

use std::path::Path;

use clap::CommandFactory as _;
use clap_complete::Shell;

use crate::args::Cli;
use crate::exit::{Failure, unwritable};
use crate::output::Out;

/// `completions`
pub(crate) fn completions(shell: Shell) -> Result<(), Failure> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "backtrail", &mut script);
    let mut out = Out::new();
    out.with(|stdout| stdout.write_all(&script))?;
    out.finish()
}

/// `man`
pub(crate) fn man(dir: &Path) -> Result<(), Failure> {
    std::fs::create_dir_all(dir).map_err(|e| unwritable(dir, &e))?;
    clap_mangen::generate_to(Cli::command(), dir).map_err(|e| unwritable(dir, &e))
}
