//! `generate` and `sources`: what can be tried without data of one's own.

use crate::args::{Formatted, Generate, Shape};
use crate::exit::Failure;
use crate::output::Out;
use crate::rows;

/// `generate`
pub(crate) fn generate(args: &Generate) -> Result<(), Failure> {
    let shape = match args.shape {
        Shape::Native => backtrail_samples::Shape::Native,
        Shape::Vendor => backtrail_samples::Shape::Vendor,
    };
    let mut out = Out::new();
    for line in backtrail_samples::generate(args.seed, args.events, shape) {
        out.line(line)?;
    }
    out.finish()
}

/// `sources`
pub(crate) fn sources(formatted: &Formatted) -> Result<(), Failure> {
    let names =
        ["source", "reads", "natural_key", "authentication", "rollback_recognised", "cannot_tell"];
    let rows = backtrail_ingest::sources().iter().map(|s| {
        [s.name, s.reads, s.natural_key, s.authentication, s.rollback, s.cannot_tell]
            .map(str::to_owned)
    });
    rows::print(&rows::of_texts(names, rows), formatted)
}
