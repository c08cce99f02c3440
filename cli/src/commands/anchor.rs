//! `anchor`: the newest head, cosigned by witnesses and copied to where the ledger's host cannot change it.

use crate::args::{Anchor, Global};
use crate::config::Config;
use crate::exit::{Failure, UNAVAILABLE, USAGE};
use crate::output::Out;
use crate::outside::Outside;

/// `anchor`
pub(crate) fn anchor(global: &Global, args: &Anchor) -> Result<(), Failure> {
    let config = Config::read(global)?;
    let dir = config.ledger(global)?;
    let outside = Outside::read(&config)?;
    if outside.len() == 0 {
        return Err(Failure::new(USAGE, "nobody outside is configured to keep heads").hint(
            "name a policy whose witnesses have URLs as `[ledger] policy`, or folders as `[[ledger.anchor]] path`, in backtrail.toml",
        ));
    }
    let mut ledger = super::keys::appender(&config, &dir, args.key.key.as_ref())?;
    let head = ledger.publish()?;
    let keys = ledger.keys(&dir)?;
    let add = |size, lines: &[_]| ledger.add_cosignatures(size, lines);
    let unreached = outside.submit(&dir, &keys, add)? + outside.copy(&dir, &keys)?;
    if unreached > 0 {
        let all = outside.len();
        return Err(Failure::new(
            UNAVAILABLE,
            format_args!("{unreached} of {all} witnesses and anchors were not reached"),
        )
        .hint("run `backtrail anchor` again when they are back"));
    }
    let mut out = Out::new();
    out.line(format_args!("anchored; size {}, root {}", head.size, head.root))?;
    out.finish()
}
