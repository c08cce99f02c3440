//! `serve --check`: whether everything that the config says would work, without starting anything.

use std::net::SocketAddr;
use std::path::Path;

use crate::args::Serve;
use crate::commands::report;
use crate::config::Config;
use crate::exit::{BAD_INPUT, Failure, NO_INPUT};
use crate::output::Out;
use crate::{poll, session, signers};

/// Validates what `serve` itself does not read, and what only polling, reports and anchors would find out later.
pub(super) fn check(
    config: &Config,
    dir: &Path,
    args: &Serve,
    listen: SocketAddr,
) -> Result<(), Failure> {
    let signer = signers::one(config, dir, args.key.key.as_ref())?;
    if let Some(zone) = &config.report.timezone {
        session::zone(zone).map_err(|e| Failure {
            exit: BAD_INPUT,
            message: format!("report.timezone: {}", e.message),
            ..e
        })?;
    }
    config.overlay(None).map(|path| report::overlay(&path)).transpose()?;
    for anchor in config.anchors() {
        if !anchor.path.is_dir() {
            let path = anchor.path.display();
            return Err(Failure::new(NO_INPUT, format_args!("ledger.anchor: {path} is no folder"))
                .hint("make it, or mount what it lies on"));
        }
    }
    for (source, section) in &config.sources {
        if section.poll.is_some() {
            poll::check(config, dir, source)?;
        }
    }
    let mut out = Out::new();
    out.line(format_args!("fine: {} would be served on {listen}", signer.vkey().name()))?;
    out.finish()
}
