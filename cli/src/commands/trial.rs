//! `generate`: what can be tried without data of one's own.

use crate::args::{Generate, Shape};
use crate::exit::Failure;
use crate::output::Out;

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
