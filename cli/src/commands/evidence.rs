//! `verify`, `prove`, `verify-proof`, `export`: the log as evidence.

use std::path::Path;

use backtrail_ledger::verify::{self, Level, Report, VerifyOptions};
use backtrail_ledger::{Policy, Resources, Snapshot, TlogProof, export, leaf_hash};

use super::split;
use crate::args::{self, Export, Global, Prove, Verify, VerifyProof};
use crate::config::Config;
use crate::exit::{Failure, NO, NO_INPUT, USAGE, unreadable, unwritable};
use crate::output::Out;
use crate::{outside, vkeys};

/// `verify`
pub(crate) fn verify(args: &Verify) -> Result<(), Failure> {
    if !args.dir.join("checkpoint").is_file() {
        return Err(Failure::new(
            NO_INPUT,
            format_args!("{} is not a ledger: it has no checkpoint", args.dir.display()),
        )
        .hint("give the ledger folder itself"));
    }
    let policy = args.policy.as_deref().map(outside::read_policy).transpose()?;
    let logs = policy.iter().flat_map(Policy::logs).map(|log| log.key.clone());
    let logs: Vec<_> = logs.collect();
    let keys = match &args.vkey {
        Some(given) => vkeys::read(given)?,
        None if !logs.is_empty() => logs,
        None => {
            return Err(Failure::new(USAGE, "no key is given to check the log against").hint(
                "pass --vkey with the key that was published, not one that came with the ledger",
            ));
        }
    };
    if let [one, other] = &args.compare[..] {
        return split::compare(args, &keys, one, other);
    }
    let since = args
        .since
        .as_ref()
        .map(|path| std::fs::read_to_string(path).map_err(|e| unreadable(path, &e)))
        .transpose()?;
    let report = verify::verify(
        &args.dir,
        &VerifyOptions {
            keys,
            since,
            policy,
            level: match args.level {
                args::Level::Head => Level::Head,
                args::Level::Structure => Level::Structure,
                args::Level::Content => Level::Content,
            },
            require_anchor: args.require_anchor,
            without_vault: args.without_vault,
            demo: args.demo,
            keys_from_ledger: args.vkey.as_ref().is_some_and(|key| lies_in(key, &args.dir))
                || args.policy.as_ref().is_some_and(|path| lies_in(path, &args.dir)),
        },
    );
    print_report(&report, args.json)?;
    match report.exit {
        0 => Ok(()),
        exit => Err(Failure::silent(exit).hint(hint_of(exit))),
    }
}

/// Whether `given` is a file in the folder `dir`.
fn lies_in(given: impl AsRef<Path>, dir: &Path) -> bool {
    let (given, dir) = (given.as_ref().canonicalize(), dir.canonicalize());
    given.ok().zip(dir.ok()).is_some_and(|(given, dir)| given.starts_with(dir))
}

fn print_report(report: &Report, json: bool) -> Result<(), Failure> {
    let mut out = Out::new();
    if json {
        out.line(serde_json::to_string_pretty(report).map_err(Failure::bug)?)?;
    } else {
        for f in &report.findings {
            let place = [
                f.file.clone(),
                f.index.map(|i| format!("entry {i}")),
                f.offset.map(|o| format!("offset {o}")),
            ];
            let place: Vec<String> = place.into_iter().flatten().collect();
            out.line(format_args!(
                "{} {}{}{}",
                f.exit,
                f.code,
                if place.is_empty() { String::new() } else { format!(" ({})", place.join(", ")) },
                format_args!(": {}", f.message)
            ))?;
        }
        for unread in &report.coverage {
            out.line(format_args!("not covered: {unread}"))?;
        }
        let verdict = if report.exit == 0 { "verified" } else { "NOT verified" };
        out.line(format_args!(
            "{verdict}: {} at size {}, root {}, anchor: {}",
            report.origin, report.size, report.root, report.anchor
        ))?;
    }
    out.finish()
}

/// What a person should do about an exit code of `verify`.
fn hint_of(exit: u8) -> &'static str {
    match exit {
        12 => "the key and the log do not belong together: ask for the published key",
        13 => "the log goes back behind what you hold: keep both, and ask the operator",
        40 => {
            "a key that anybody has, or that came with the log, proves nothing; pass the published key (--demo for the demo); a head without an anchor needs --since, or --policy and cosignatures"
        }
        _ => "keep the folder as it is and show the findings to whoever answers for the log",
    }
}

/// `prove`
pub(crate) fn prove(global: &Global, args: &Prove) -> Result<(), Failure> {
    let dir = Config::read(global)?.ledger(global)?;
    let snapshot = Snapshot::open(&dir, None)?;
    let seq = match args.event.parse() {
        Ok(seq) => seq,
        Err(_) => snapshot.find(&args.event)?.ok_or_else(|| {
            Failure::new(NO_INPUT, format_args!("no event `{}` in the log", args.event))
                .hint("`backtrail sql \"select seq, event_id from events\"` lists them")
        })?,
    };
    let proof = snapshot.inclusion_proof(seq)?;
    if let Some(path) = &args.leaf {
        std::fs::write(path, snapshot.leaf(seq)?).map_err(|e| unwritable(path, &e))?;
    }
    let mut out = Out::new();
    out.with(|stdout| write!(stdout, "{proof}"))?;
    out.finish()
}

/// `verify-proof`
pub(crate) fn verify_proof(args: &VerifyProof) -> Result<(), Failure> {
    let keys = vkeys::read(&args.vkey)?;
    let text = read_text(&args.proof)?;
    if text.starts_with(backtrail_ledger::split::HEADER) {
        return split::verify(&text, &keys);
    }
    let leaf = args.leaf.as_ref().ok_or_else(|| {
        Failure::new(USAGE, "no leaf is given").hint("pass --leaf with the exact bytes")
    })?;
    let leaf = std::fs::read(leaf).map_err(|e| unreadable(leaf, &e))?;
    let checked = text
        .parse::<TlogProof>()
        .and_then(|proof| proof.verify(&leaf_hash(&leaf), &keys).map(|c| (proof.index, c)));
    match checked {
        Ok((index, checkpoint)) => {
            let mut out = Out::new();
            out.line(format_args!(
                "holds: entry {index} of {} at size {}",
                checkpoint.origin, checkpoint.size
            ))?;
            out.finish()
        }
        Err(error) => Err(Failure::new(NO, format_args!("the proof does not hold: {error}"))
            .hint("check that leaf, proof and key belong together")),
    }
}

fn read_text(path: &Path) -> Result<String, Failure> {
    std::fs::read_to_string(path).map_err(|e| unreadable(path, &e))
}

/// `export events|tiles`
pub(crate) fn export(global: &Global, what: &Export) -> Result<(), Failure> {
    let dir = Config::read(global)?.ledger(global)?;
    let snapshot = Snapshot::open(&dir, None)?;
    let mut out = Out::new();
    match what {
        Export::Events => {
            for leaf in snapshot.leaves() {
                let (_, leaf) = leaf?;
                out.with(|stdout| stdout.write_all(&leaf).and_then(|()| stdout.write_all(b"\n")))?;
            }
        }
        Export::Tiles { dir: target } => {
            refuse_ledger(target)?;
            let head = snapshot.checkpoint().clone();
            let done = export::tiles(&Resources::new(snapshot)?, target)?;
            out.line(format_args!(
                "{}: size {}, root {}; {} files written, {} were there",
                target.display(),
                head.size,
                head.root,
                done.written,
                done.kept
            ))?;
        }
    }
    out.finish()
}

/// A ledger has tiles of its own, and its checkpoint is its writer's.
fn refuse_ledger(target: &Path) -> Result<(), Failure> {
    if ["wal", "segments", "state"].iter().any(|part| target.join(part).exists()) {
        return Err(Failure::new(USAGE, format_args!("{} is a ledger", target.display()))
            .hint("name a folder of its own for the export"));
    }
    Ok(())
}
