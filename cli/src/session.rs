//! From the arguments of a question to a session over one checkpoint.

use std::collections::BTreeMap;
use std::path::Path;

use backtrail_ledger::{Checkpoint, Note, Snapshot};
use backtrail_query::{Kind, Options, Period, Session, Source, Tz};
use backtrail_schemas::Timestamp;
use tokio::runtime::Runtime;

use crate::args::{At, Global};
use crate::config::Config;
use crate::exit::{Failure, USAGE, unreadable, usage};

/// Opens the ledger that is named at the checkpoint that is asked for.
pub(crate) fn open(
    global: &Global,
    config: &Config,
    at: &At,
) -> Result<(Runtime, Session), Failure> {
    let dir = config.ledger(global)?;
    let snapshot = snapshot(&dir, at)?;
    over(&snapshot, config, at)
}

/// The reader at the checkpoint that is asked for.
pub(crate) fn snapshot(dir: &Path, at: &At) -> Result<Snapshot, Failure> {
    let size = match at.checkpoint.as_deref() {
        None => None,
        Some(text) => Some(size_of(text)?),
    };
    Ok(Snapshot::open(dir, size)?)
}

/// A session over `snapshot`.
pub(crate) fn over(
    snapshot: &Snapshot,
    config: &Config,
    at: &At,
) -> Result<(Runtime, Session), Failure> {
    let runtime = runtime()?;
    let options = options(config, at)?;
    let session = runtime.block_on(Session::open(source(snapshot)?, options)).map_err(asked)?;
    Ok((runtime, session))
}

/// The runtime that the query engine needs.
pub(crate) fn runtime() -> Result<Runtime, Failure> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(Failure::bug)
}

/// A checkpoint's size, given as a number or as a file with a signed note.
fn size_of(text: &str) -> Result<u64, Failure> {
    if let Ok(size) = text.parse() {
        return Ok(size);
    }
    let path = Path::new(text);
    let note = std::fs::read_to_string(path).map_err(|e| unreadable(path, &e))?;
    Ok(note.parse::<Note>()?.text.parse::<Checkpoint>()?.size)
}

/// The time zone that `text` names.
pub(crate) fn zone(text: &str) -> Result<Tz, Failure> {
    text.parse().map_err(|_| {
        Failure::new(USAGE, format_args!("`{text}` is not an IANA time zone"))
            .hint("write it like Europe/Berlin")
    })
}

/// How the question is asked: flag before config file before default.
fn options(config: &Config, at: &At) -> Result<Options, Failure> {
    let zone = zone(at.tz.as_deref().or(config.report.timezone.as_deref()).unwrap_or("UTC"))?;
    let as_of = at.as_of.as_deref().map(Timestamp::parse_rfc3339).transpose();
    let as_of = as_of
        .map_err(|e| Failure::new(USAGE, e).hint("write --as-of like 2026-10-01T00:00:00Z"))?;
    let period =
        at.period.as_deref().map(|text| Period::parse(text, zone)).transpose().map_err(asked)?;
    let parameters = at.parameters.iter().map(|pair| match pair.split_once('=') {
        Some((name, value)) => Ok((name.to_owned(), value.to_owned())),
        None => Err(Failure::new(USAGE, format_args!("`{pair}` is not NAME=VALUE"))
            .hint("write it like --param hold=20min")),
    });
    let parameters = parameters.collect::<Result<BTreeMap<_, _>, _>>()?;
    Ok(Options { as_of, period, zone, parameters, spill: None })
}

/// An error of the question as it stands on the command line, or of the files.
pub(crate) fn asked(error: backtrail_query::Error) -> Failure {
    match error.kind() {
        Kind::UserQuery => usage(error),
        Kind::Input | Kind::Internal => error.into(),
    }
}

/// The checkpoint as plain data.
fn source(snapshot: &Snapshot) -> Result<Source, Failure> {
    Ok(Source {
        origin: snapshot.checkpoint().origin.clone(),
        size: snapshot.checkpoint().size,
        checkpoint: snapshot.note(),
        segments: snapshot.segments().to_vec(),
        tail: snapshot.kept()?.into_iter().chain([snapshot.tail()?]).collect(),
        people: snapshot.people()?,
        texts: snapshot.texts()?.collect::<Result<_, _>>()?,
        simulated_clock: snapshot.simulated_clock(),
    })
}

/// The candidate that is closest to a mistyped name.
pub(crate) fn nearest<'a>(name: &str, candidates: impl Iterator<Item = &'a str>) -> &'a str {
    candidates.min_by_key(|c| strsim::damerau_levenshtein(name, c)).unwrap_or("")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_name_is_found() {
        for (typed, meant) in [("mttrr", "mttr"), ("", "mttr"), ("oscilation", "oscillation")] {
            assert_eq!(nearest(typed, ["oscillation", "mttr"].into_iter()), meant);
        }
    }
}
