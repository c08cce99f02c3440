//! `doctor`: what is wrong, and what to run. It reads, and changes nothing unless it is told that the clock is right.

use std::path::Path;
use std::process::Command;

use backtrail_ledger::storage::{Local, Storage as _};
use backtrail_ledger::{Clock as _, FileSigner, Kind, Signer as _, Snapshot, segment, wal};
use backtrail_schemas::{Event, Timestamp, leaf};
use serde_json::json;

use super::quarantine::unsettled;
use crate::args::{Doctor, Global};
use crate::clock::SystemClock;
use crate::config::Config;
use crate::exit::{Failure, NO};
use crate::output::Out;
use crate::outside::Outside;

/// Free space below which a finding is made, in KiB: a day of a busy log.
const FREE_KIB_MIN: u64 = 1 << 20;
/// Age in days at which the newest row, the tail or the backup is a finding.
const DAYS_MAX: i64 = 2;
/// The clock may be this far from the last row, in microseconds, before intake stops.
const CLOCK_BACK_US: i64 = 5 * 60 * 1_000_000;
const CLOCK_AHEAD_US: i64 = 30 * DAY_US;
const DAY_US: i64 = 24 * 3600 * 1_000_000;
/// Segments of fewer rows than this are small, and this many of them worth rewriting.
const SMALL_ROWS: u64 = 8_192;
const SMALL_MAX: usize = 8;

/// One thing that is wrong.
struct Finding {
    what: String,
    run: String,
}

/// `doctor`
pub(crate) fn doctor(global: &Global, args: &Doctor) -> Result<(), Failure> {
    let config = Config::read(global)?;
    let dir = config.ledger(global)?;
    if args.confirm_clock {
        let mut ledger = super::keys::appender(&config, &dir, args.key.key.as_ref())?;
        ledger.confirm_clock()?;
        ledger.publish()?;
        ledger.submit(&Outside::read(&config)?, &dir)?;
    }
    let mut look = Look { dir: &dir, now: SystemClock::default().now(), findings: Vec::new() };
    match Snapshot::open(&dir, None) {
        Ok(snapshot) => {
            look.rows(&snapshot)?;
            look.quarantine(&snapshot, &config)?;
            look.files(&snapshot)?;
            look.key(&config.key(args.key.key.as_ref(), &dir), &snapshot)?;
            if let Some(backup) = &args.backup {
                look.backup(backup, &snapshot);
            }
        }
        Err(error) => {
            let run = format!("backtrail verify {} --vkey KEY", dir.display());
            look.add(format_args!("it cannot be read: {error}"), run);
        }
    }
    look.state();
    look.space();
    tell(&look.findings, args.json)
}

fn tell(findings: &[Finding], json: bool) -> Result<(), Failure> {
    let mut out = Out::new();
    if json {
        let list: Vec<_> =
            findings.iter().map(|f| json!({ "finding": f.what, "run": f.run })).collect();
        out.line(json!({ "findings": list }))?;
    } else {
        for finding in findings {
            out.line(&finding.what)?;
            out.line(format_args!("  run: {}", finding.run))?;
        }
        if findings.is_empty() {
            out.line("nothing is wrong; `backtrail verify` reads every byte")?;
        }
    }
    out.finish()?;
    if findings.is_empty() { Ok(()) } else { Err(Failure::silent(NO)) }
}

struct Look<'a> {
    dir: &'a Path,
    now: Timestamp,
    findings: Vec<Finding>,
}

impl Look<'_> {
    fn add(&mut self, what: impl std::fmt::Display, run: impl std::fmt::Display) {
        self.findings.push(Finding { what: what.to_string(), run: run.to_string() });
    }

    /// `backtrail COMMAND --ledger DIR`
    fn command(&self, command: &str) -> String {
        format!("backtrail {command} --ledger {}", self.dir.display())
    }

    fn days_since(&self, at: Timestamp) -> i64 {
        (self.now.micros() - at.micros()) / DAY_US
    }

    /// The clock, the newest row, the tail, an erasure under way.
    fn rows(&mut self, snapshot: &Snapshot) -> Result<(), Failure> {
        let event = |seq: u64| -> Result<Event, Failure> {
            let leaf = snapshot.leaf(seq)?;
            Ok(leaf::decode(&leaf).map_err(backtrail_ledger::Error::from)?)
        };
        let newest = event(snapshot.size() - 1)?;
        let tail = snapshot.tail()?;
        if let Some(last) = newest.timestamp("recorded_at").filter(|_| !snapshot.simulated_clock())
        {
            let ahead = self.now.micros() - last.micros();
            if !(-CLOCK_BACK_US..=CLOCK_AHEAD_US).contains(&ahead) {
                let what = format!("the clock says {}, the newest row is of {last}", self.now);
                self.add(what, "timedatectl status");
            } else if self.days_since(last) >= DAYS_MAX {
                let what = format!("nothing was recorded for {} days", self.days_since(last));
                self.add(what, self.command("ingest PATH"));
            }
            let first = event(snapshot.size() - tail.num_rows() as u64)?.timestamp("recorded_at");
            if let Some(first) = first.filter(|first| self.days_since(*first) >= DAYS_MAX)
                && tail.num_rows() > 1
            {
                let days = self.days_since(first);
                let what =
                    format!("{} rows are unsealed, the oldest for {days} days", tail.num_rows());
                self.add(what, self.command("seal"));
            }
        }
        if newest.text("phase") == Some("erasure") && newest.attribute("done").is_none() {
            self.add("an erasure was interrupted", self.command("seal"));
        }
        Ok(())
    }

    /// What no retry settled.
    fn quarantine(&mut self, snapshot: &Snapshot, config: &Config) -> Result<(), Failure> {
        let open = unsettled(snapshot, config)?;
        if open > 0 {
            let what = format!("{open} deliveries are in quarantine");
            self.add(what, self.command("quarantine list"));
        }
        Ok(())
    }

    /// What interrupted writers left, notes that should be there, small segments.
    fn files(&mut self, snapshot: &Snapshot) -> Result<(), Failure> {
        let store = Local::new(self.dir);
        let files = store.list("")?;
        let there = |path: &str| files.iter().any(|(other, _)| other == path);
        let chain: Vec<String> = snapshot
            .segments()
            .iter()
            .filter_map(|path| Some(format!("segments/{}", path.file_name()?.to_str()?)))
            .collect();
        let mut small = 0;
        for (rows, _) in chain.iter().filter_map(|path| segment::rows_of(path)) {
            small += usize::from(rows.end - rows.start < SMALL_ROWS);
            let note = format!("checkpoints/{:020}.note", rows.end);
            if !there(&note) {
                let what = format!("`{note}` is missing: the signed head of a segment's end");
                self.add(what, "restore that file from a backup");
            }
        }
        if small >= SMALL_MAX {
            self.add(format_args!("{small} segments are small"), self.command("compact"));
        }
        let unnamed = files.iter().filter(|(path, _)| {
            (segment::rows_of(path).is_some() && !chain.contains(path))
                || path.starts_with("state/tmp/")
        });
        let unnamed = unnamed.count();
        let tails = files.iter().filter(|(path, _)| wal::first_of(path).is_some()).count();
        if unnamed > 0 || tails > 1 {
            let what = format!(
                "{} files are left of a command under way, interrupted, or less than an hour ago",
                unnamed + tails.saturating_sub(1)
            );
            self.add(what, self.command("seal"));
        }
        for (path, bytes) in files.iter().filter(|(path, _)| has_extension(path, "cut")) {
            let what = format!("`{path}` has {bytes} bytes that a repair cut off");
            self.add(what, format_args!("look at it, then rm {}", self.dir.join(path).display()));
        }
        Ok(())
    }

    /// The key's file.
    fn key(&mut self, path: &Path, snapshot: &Snapshot) -> Result<(), Failure> {
        let named = snapshot.genesis_key()?;
        if !path.exists() && backtrail_ledger::is_demo(&named) {
            return Ok(());
        }
        let shown = path.display();
        match FileSigner::load(path) {
            Ok(key) if key.vkey().name() != named.name() => {
                let what = format!("the key `{shown}` is of another log, `{}`", key.vkey().name());
                self.add(what, self.command("seal --key FILE"));
            }
            Ok(_) => {}
            Err(error) if error.kind() == Kind::Missing => {
                let what = format!("there is no key `{shown}`: nothing can be appended here");
                self.add(what, self.command("seal --key FILE"));
            }
            Err(error) => self.add(error, format_args!("chmod 600 {shown}")),
        }
        let inside = path.canonicalize().ok().zip(self.dir.canonicalize().ok());
        if inside.is_some_and(|(key, dir)| key.starts_with(dir)) {
            let what =
                format!("the key `{shown}` lies inside the ledger, which is handed to others");
            self.add(what, format_args!("mv {shown} {}.key", self.dir.display()));
        }
        Ok(())
    }

    fn backup(&mut self, backup: &Path, snapshot: &Snapshot) {
        let run = self.command(&format!("backup {}", backup.display()));
        let copy = match Snapshot::open(backup, None) {
            Ok(copy) => copy,
            Err(error) => return self.add(format_args!("the backup cannot be read: {error}"), run),
        };
        let (head, kept) = (snapshot.checkpoint(), copy.checkpoint());
        if kept.size > head.size || kept.origin != head.origin {
            let what = format!(
                "the backup has {} rows of `{}`, the ledger {} of `{}`: it was rolled back, or is another",
                kept.size, kept.origin, head.size, head.origin
            );
            let run = format!(
                "backtrail verify {} --vkey KEY --since {}",
                self.dir.display(),
                backup.join("checkpoint").display()
            );
            return self.add(what, run);
        }
        let oldest = snapshot.leaf(kept.size).ok().and_then(|leaf| leaf::decode(&leaf).ok());
        let oldest = oldest.and_then(|event| event.timestamp("recorded_at"));
        if let Some(at) = oldest.filter(|at| self.days_since(*at) >= 1) {
            let days = self.days_since(at);
            let what = format!(
                "{} rows are in no backup, the oldest for {days} days",
                head.size - kept.size
            );
            self.add(what, run);
        }
    }

    /// The writer's memory.
    fn state(&mut self) {
        if !self.dir.join("state/head").is_file() {
            let run = format!("backtrail restore {} --confirm NOTE", self.dir.display());
            self.add(
                "`state/head` is missing: a restored copy, which nothing can be appended to",
                run,
            );
        }
    }

    /// Free space, as `df` says.
    fn space(&mut self) {
        let Ok(done) = Command::new("df").arg("-Pk").arg(self.dir).output() else { return };
        let text = String::from_utf8_lossy(&done.stdout).into_owned();
        let free =
            text.lines().nth(1).and_then(|line| line.split_whitespace().nth(3)?.parse().ok());
        if let Some(free) = free.filter(|free: &u64| *free < FREE_KIB_MIN) {
            let what = format!("{} MiB are free on the disk of the ledger", free / 1024);
            self.add(what, format_args!("df -h {}", self.dir.display()));
        }
    }
}

fn has_extension(path: &str, extension: &str) -> bool {
    Path::new(path).extension().is_some_and(|found| found == extension)
}
