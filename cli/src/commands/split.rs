//! `verify --compare`, and `verify-proof` of what it writes.

use std::path::Path;

use backtrail_ledger::{SplitView, Vkey, split};

use crate::args::Verify;
use crate::exit::{Failure, NO, unreadable, unwritable};
use crate::output::Out;

/// The exit code of heads that cannot be of one history (`docs/ledger-format.md`, section 12).
const SPLIT: u8 = 13;

/// `verify --compare ONE OTHER`
pub(crate) fn compare(
    args: &Verify,
    keys: &[Vkey],
    one: &Path,
    other: &Path,
) -> Result<(), Failure> {
    let read = |path: &Path| std::fs::read_to_string(path).map_err(|e| unreadable(path, &e));
    let Some(split) = split::compare(&read(one)?, &read(other)?, keys, &args.dir)? else {
        let mut out = Out::new();
        out.line("consistent: the tree of the larger head begins with that of the smaller")?;
        return out.finish();
    };
    std::fs::write(&args.proof_out, split.to_string())
        .map_err(|e| unwritable(&args.proof_out, &e))?;
    let (shown, at) = (one.display(), other.display());
    Err(Failure::new(SPLIT, format_args!("{shown} and {at} are of two histories")).hint(
        format_args!(
            "{} proves it to anybody who has the log's key: see `backtrail verify-proof`",
            args.proof_out.display()
        ),
    ))
}

/// Checks a proof of a split view.
pub(crate) fn verify(text: &str, keys: &[Vkey]) -> Result<(), Failure> {
    match text.parse::<SplitView>().and_then(|split| split.verify(keys)) {
        Ok((small, large)) => {
            let mut out = Out::new();
            out.line(format_args!(
                "holds: {} signed two histories, {} at size {} and {} at size {}",
                small.origin, small.root, small.size, large.root, large.size
            ))?;
            out.finish()
        }
        Err(error) => Err(Failure::new(NO, format_args!("the proof does not hold: {error}"))
            .hint("check that proof and key belong together")),
    }
}
