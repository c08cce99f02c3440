//! What a poll tells of the pushes: what they missed, that they missed nothing, or that they ended.

use std::path::Path;

use backtrail_ingest::Context;
use backtrail_ingest::statement::{Statement, statement};
use backtrail_ledger::{Appender, Snapshot, Submission};
use backtrail_schemas::{Delivery, Draft, Mapped, Timestamp};
use serde_json::json;

use super::cursor::days;
use super::plan::Window;
use super::section::Access;
use super::walk::Read;
use crate::args::At;
use crate::config::Config;
use crate::exit::Failure;
use crate::session;
use crate::silence;

/// A fact that only the poll brought: kind, phase, subject, time.
type Fact = Vec<Option<String>>;

/// How many of them are kept in the vault with the statement.
const FACTS_KEPT_MAX: usize = 100;

/// What is concluded.
pub(crate) struct Told {
    /// Facts that a push should have brought; `None` if the source pushed nothing yet.
    pub(crate) missed: Option<usize>,
    /// The statements that were made, as phases.
    pub(super) said: Vec<&'static str>,
}

/// Who asks, and about what.
pub(super) struct Question<'a> {
    pub(super) config: &'a Config,
    pub(super) dir: &'a Path,
    pub(super) access: &'a Access,
    pub(super) context: &'a Context,
    pub(super) window: Window,
    pub(super) now: Timestamp,
    /// After how many seconds without a push the source is silent.
    pub(super) silent_after_s: Option<i64>,
    /// Rows from here on were not judged yet.
    pub(super) since: u64,
    /// Whether no other account of the source is configured: a count or an all-clear is about the whole source.
    pub(super) alone: bool,
}

impl Question<'_> {
    /// Compares what was read with what was pushed, and says so in the log.
    pub(super) fn conclude(&self, ledger: &mut dyn Appender, read: &Read) -> Result<Told, Failure> {
        let (last_push, missed) = self.ask()?;
        let silent = last_push.zip(self.silent_after_s);
        let silent = silent.filter(|(at, limit_s)| silence::is_silent(*at, *limit_s, self.now));
        let mut drafts = Vec::new();
        if self.alone && read.counted && read.totals.quarantined == 0 {
            drafts.extend(days(self.window).map(|day| {
                let count = read.facts.get(&day.from).copied().unwrap_or(0);
                self.draft("manifest", day, Some(count), Vec::new())
            }));
        }
        if !missed.is_empty() {
            let failed = read.failed_pushes.map(|n| ("failed_pushes", n));
            let counts = [("missed", missed.len())].into_iter().chain(failed).collect();
            let whole = read.facts.values().sum();
            drafts.push(self.draft(
                "gap_detected",
                self.window,
                read.counted.then_some(whole),
                counts,
            ));
        }
        if let Some((at, _)) = silent {
            let silence = Window { from: at, until: self.now };
            drafts.push(self.draft("source_silent", silence, None, Vec::new()));
        }
        let clear = missed.is_empty() && silent.is_none() && read.totals.quarantined == 0;
        if self.alone && clear {
            drafts.push(self.draft("reconciled", self.window, None, Vec::new()));
        }
        let mut said: Vec<&'static str> = Vec::new();
        for phase in ["manifest", "gap_detected", "source_silent", "reconciled"] {
            said.extend(
                drafts.iter().any(|d| d.event.text("phase") == Some(phase)).then_some(phase),
            );
        }
        self.submit(ledger, drafts, &missed)?;
        Ok(Told { missed: last_push.map(|_| missed.len()), said })
    }

    /// When the source last pushed, and what it missed since it first did.
    fn ask(&self) -> Result<(Option<Timestamp>, Vec<Fact>), Failure> {
        let source = self.access.api.source;
        let snapshot = Snapshot::open(self.dir, None)?;
        let period = Some(format!("{}..{}", self.window.from, self.window.until));
        let (runtime, session) =
            session::over(&snapshot, self.config, &At { period, ..At::default() })?;
        let last = silence::last_push(&runtime, &session, source)?;
        let missed = format!(
            "select kind, phase, subject, min(occurred_at) as occurred_at from missed_pushes \
             where source = '{source}' and seq >= {} \
               and occurred_at >= timestamp '{}' and occurred_at < timestamp '{}' \
             group by kind, phase, subject order by occurred_at, kind, phase, subject",
            self.since, self.window.from, self.window.until
        );
        Ok((last, runtime.block_on(session.sql(&missed))?.texts()?))
    }

    fn draft(
        &self,
        phase: &'static str,
        window: Window,
        expected: Option<i64>,
        counts: Vec<(&'static str, usize)>,
    ) -> Draft {
        let said = Statement {
            source: self.access.api.source,
            instance: self.context.instance.as_deref().unwrap_or(&self.access.address),
            phase,
            from: window.from,
            until: window.until,
            expected,
            counts,
        };
        statement(&said, self.context)
    }

    fn submit(
        &self,
        ledger: &mut dyn Appender,
        drafts: Vec<Draft>,
        missed: &[Fact],
    ) -> Result<(), Failure> {
        if drafts.is_empty() {
            return Ok(());
        }
        let kept: Vec<&Fact> = missed.iter().take(FACTS_KEPT_MAX).collect();
        let body = json!({ "poll": self.access.address, "missed": kept });
        let delivery = Delivery {
            received_at: Some(self.now),
            source: Some(self.access.api.source.to_owned()),
            body: body.to_string().into_bytes(),
            reception: self.context.reception(self.access.api.source),
            ..Delivery::default()
        };
        let mapped = Mapped { drafts, ..Mapped::default() };
        ledger.append(vec![Submission { delivery, mapped }])?;
        Ok(())
    }
}

/// The rows below the newest checkpoint of the ledger at `dir`.
pub(super) fn size(dir: &Path) -> Result<u64, Failure> {
    Ok(Snapshot::open(dir, None)?.checkpoint().size)
}

/// A poll that came to its end.
pub(crate) struct Done {
    pub(super) source: &'static str,
    pub(super) window: Window,
    pub(crate) read: Read,
    pub(crate) told: Told,
}

impl Done {
    /// All of it as one object.
    pub(crate) fn json(&self) -> serde_json::Value {
        json!({
            "source": self.source,
            "from": self.window.from.to_string(),
            "until": self.window.until.to_string(),
            "totals": self.read.totals,
            "missed": self.told.missed,
            "failed_pushes": self.read.failed_pushes,
            "said": self.told.said,
        })
    }

    /// What it says of the pushes, for a person.
    pub(crate) fn lines(&self) -> Vec<String> {
        let window = format!("{} from {} to {}", self.source, self.window.from, self.window.until);
        let found = match self.told.missed {
            None => "pushed nothing yet: there is nothing to compare with".to_owned(),
            Some(0) => "the pushes missed nothing".to_owned(),
            Some(n) => format!("the pushes missed {n}, which are in the log now"),
        };
        let failed = self.read.failed_pushes.filter(|n| *n > 0);
        let failed = failed.map(|n| format!("{n} pushes failed, by the source's own record"));
        let said = format!("in the log about it: {}", self.told.said.join(", "));
        let said = (!self.told.said.is_empty()).then_some(said);
        std::iter::once(format!("{window}: {found}")).chain(failed).chain(said).collect()
    }
}
