//! The command line: the only place with arguments, environment, clock and exit codes.

mod agent;
mod args;
mod clock;
mod commands;
mod config;
mod exit;
mod mapping;
mod output;
mod outside;
mod overview;
mod poll;
mod remote;
mod rows;
mod serve;
mod session;
mod signers;
mod silence;
mod vkeys;

use std::process::ExitCode;

use clap::Parser;

use crate::args::{Cli, Command};
use crate::exit::{Failure, USAGE};

/// Runs the tool with the process's own arguments and environment.
pub fn run() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version come as errors, too; whether they could be printed changes nothing.
            let _ = error.print();
            return ExitCode::from(if error.use_stderr() { USAGE } else { 0 });
        }
    };
    match dispatch(&cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            output::tell(&failure);
            ExitCode::from(failure.exit)
        }
    }
}

fn dispatch(cli: &Cli) -> Result<(), Failure> {
    let global = &cli.global;
    match &cli.command {
        Command::Demo(args) => commands::demo::demo(args),
        Command::Init(args) => commands::keys::init(args),
        Command::Ingest(args) => commands::ingest::ingest(global, args),
        Command::Emit(args) => commands::emit::emit(global, args),
        Command::Generate(args) => commands::trial::generate(args),
        Command::Sources(args) => commands::sources::sources(global, args),
        Command::Poll(args) => commands::poll::poll(global, args),
        Command::Quarantine(what) => commands::quarantine::quarantine(global, what),
        Command::People(what) => commands::people::people(global, what),
        Command::Verify(args) => commands::evidence::verify(args),
        Command::Prove(args) => commands::evidence::prove(global, args),
        Command::VerifyProof(args) => commands::evidence::verify_proof(args),
        Command::Export(what) => commands::evidence::export(global, what),
        Command::Serve(args) => serve::serve(global, args),
        Command::Seal(args) => commands::keys::seal(global, args),
        Command::Keys(what) => commands::rotation::keys(global, what),
        Command::Compact(args) => commands::upkeep::compact(global, args),
        Command::Erase(args) => commands::upkeep::erase(global, args),
        Command::Backup(args) => commands::upkeep::backup(global, args),
        Command::Restore(args) => commands::upkeep::restore(global, args),
        Command::Retain(args) => commands::upkeep::retain(global, args),
        Command::Doctor(args) => commands::doctor::doctor(global, args),
        Command::Anchor(args) => commands::anchor::anchor(global, args),
        Command::Witness(what) => commands::witness::witness(what),
        Command::Sql(args) => commands::ask::sql(global, args),
        Command::Metrics(args) => commands::ask::metrics(global, args),
        Command::Timeline(args) => commands::ask::timeline(global, args),
        Command::Report(what) => commands::report::report(global, what),
        Command::Controls(what) => commands::controls::controls(what),
        Command::Completions { shell } => commands::pages::completions(*shell),
        Command::Man { dir } => commands::pages::man(dir),
    }
}
