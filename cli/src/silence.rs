//! When a source that used to push is called silent: `sources.NAME.silent_after_s`.

use backtrail_query::Session;
use backtrail_schemas::Timestamp;
use tokio::runtime::Runtime;

use crate::exit::{BAD_INPUT, Failure};

/// How long the pause of a source may be before it is a silence, in seconds: each silence is an entry for ever, and nobody
/// waits longer than a year.
const SILENT_AFTER_S: std::ops::RangeInclusive<i64> = 10..=31_622_400;

/// `seconds` as it stands in the config of `source`, if it is one that can be kept.
pub(crate) fn limit(source: &str, seconds: Option<i64>) -> Result<Option<i64>, Failure> {
    if seconds.is_none_or(|seconds| SILENT_AFTER_S.contains(&seconds)) {
        return Ok(seconds);
    }
    let what = format!("sources.{source} has a silent_after_s that is out of range");
    let range = format!("{} to {} seconds", SILENT_AFTER_S.start(), SILENT_AFTER_S.end());
    Err(Failure::new(BAD_INPUT, what).hint(range))
}

/// Whether a source that last pushed at `last` has been silent for `limit_s` at `now`.
pub(crate) fn is_silent(last: Timestamp, limit_s: i64, now: Timestamp) -> bool {
    now.micros() - last.micros() > limit_s * 1_000_000
}

/// When the log last got an event that `source` pushed.
pub(crate) fn last_push(
    runtime: &Runtime,
    session: &Session,
    source: &str,
) -> Result<Option<Timestamp>, Failure> {
    let sql = format!(
        "select max(recorded_at) from events where source = '{source}' and ingest_mode = 'push'"
    );
    let found = runtime.block_on(session.sql(&sql))?.texts()?;
    let text = found.into_iter().flatten().flatten().next();
    text.map(|text| Timestamp::parse_rfc3339(&text)).transpose().map_err(Failure::bug)
}
