//! Sources that used to push and stopped: the log is told once for each silence.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use backtrail_ingest::statement::{Statement, statement};
use backtrail_ingest::{Context, Mode};
use backtrail_ledger::{Clock as _, SharedLedger, Snapshot, Submission};
use backtrail_schemas::{Delivery, Mapped, Timestamp};

use super::limits::{SILENCE_RETRY, TICK_MS};
use super::metrics::Metrics;
use super::sources::Endpoint;
use crate::args::At;
use crate::clock::SystemClock;
use crate::config::Config;
use crate::exit::Failure;
use crate::session;
use crate::silence::{is_silent, last_push};

/// The sources that have a limit, and whether they were heard since anybody looked.
pub(super) struct Silences {
    watched: BTreeMap<&'static str, Watched>,
}

struct Watched {
    limit_s: i64,
    heard: AtomicBool,
}

/// What is known of one source.
enum Known {
    /// It never pushed, so that nothing is missing yet.
    Never,
    /// It pushed then, or a little earlier.
    Pushed(Timestamp),
    /// It is silent, and the log says so.
    Told,
}

impl Silences {
    /// Those of `endpoints`; of several accounts of one source the shortest limit counts.
    pub(super) fn of(endpoints: &BTreeMap<String, Endpoint>) -> Self {
        let mut watched = BTreeMap::new();
        for (name, limit_s) in endpoints.values().filter_map(|e| Some((e.name, e.silent_after_s?)))
        {
            let new = || Watched { limit_s, heard: AtomicBool::new(false) };
            let one: &mut Watched = watched.entry(name).or_insert_with(new);
            one.limit_s = one.limit_s.min(limit_s);
        }
        Self { watched }
    }

    /// Notes that the log got an event that `source` pushed.
    pub(super) fn heard(&self, source: &str) {
        if let Some(watched) = self.watched.get(source) {
            watched.heard.store(true, Ordering::Relaxed);
        }
    }

    /// Looks after the sources for as long as the process lives, beside everything else.
    pub(super) fn watch(
        self: Arc<Self>,
        config: Config,
        dir: PathBuf,
        ledger: Arc<SharedLedger>,
        metrics: Arc<Metrics>,
    ) {
        // A simulated clock has no time that passes.
        if self.watched.is_empty() || ledger.lock().simulated_clock() {
            return;
        }
        thread::spawn(move || {
            let log = Log { config, dir, ledger };
            let mut known: Option<BTreeMap<&'static str, Known>> = None;
            loop {
                let now = SystemClock::default().now();
                let looked = match &mut known {
                    None => self.begin(&log).map(|found| known = Some(found)),
                    Some(known) => self.look(&log, known, now, &metrics),
                };
                // What a person must mend first is not asked for each second.
                thread::sleep(looked.map_or_else(
                    |e| {
                        tracing::warn!("silent sources are not told: {}", e.message);
                        SILENCE_RETRY
                    },
                    |()| Duration::from_millis(TICK_MS),
                ));
            }
        });
    }

    /// What the log knows of the sources.
    fn begin(&self, log: &Log) -> Result<BTreeMap<&'static str, Known>, Failure> {
        let one = |name: &&'static str| {
            Ok((*name, log.last_push(name)?.map_or(Known::Never, Known::Pushed)))
        };
        self.watched.keys().map(one).collect()
    }

    /// Takes note of who was heard and tells who became silent.
    fn look(
        &self,
        log: &Log,
        known: &mut BTreeMap<&'static str, Known>,
        now: Timestamp,
        metrics: &Metrics,
    ) -> Result<(), Failure> {
        for (name, watched) in &self.watched {
            if watched.heard.swap(false, Ordering::Relaxed) {
                known.insert(name, Known::Pushed(now));
            }
            let over = |at| is_silent(at, watched.limit_s, now);
            if matches!(known.get(name), Some(Known::Pushed(at)) if over(*at)) {
                // The log knows it to the microsecond, so that a silence has one name, whoever tells it again.
                let last = log.last_push(name)?;
                let silent = last.filter(|at| over(*at));
                if let Some(since) = silent {
                    log.tell(name, since, now)?;
                    tracing::warn!(source = name, "no delivery since {since}");
                }
                // What was heard and is not published yet has another limit's time.
                let last = Known::Pushed(last.unwrap_or(now));
                known.insert(name, if silent.is_some() { Known::Told } else { last });
            }
            metrics.silent(name, matches!(known.get(name), Some(Known::Told)));
        }
        Ok(())
    }
}

/// The log, as it is asked and as it is told.
struct Log {
    config: Config,
    dir: PathBuf,
    ledger: Arc<SharedLedger>,
}

impl Log {
    fn last_push(&self, source: &str) -> Result<Option<Timestamp>, Failure> {
        let snapshot = Snapshot::open(&self.dir, None)?;
        let (runtime, session) = session::over(&snapshot, &self.config, &At::default())?;
        last_push(&runtime, &session, source)
    }

    fn tell(&self, source: &'static str, since: Timestamp, now: Timestamp) -> Result<(), Failure> {
        let context = Context { mode: Mode::Derived, ..Context::attested(Context::file()) };
        let instance = self.ledger.lock().checkpoint().origin.clone();
        let said = Statement {
            source,
            instance: &instance,
            phase: "source_silent",
            from: since,
            until: now,
            expected: None,
            counts: Vec::new(),
        };
        let delivery = Delivery {
            received_at: Some(now),
            source: Some(source.to_owned()),
            body: serde_json::json!({ "silent_since": since.to_string() }).to_string().into_bytes(),
            reception: context.reception(source),
            ..Delivery::default()
        };
        let mapped = Mapped { drafts: vec![statement(&said, &context)], ..Mapped::default() };
        self.ledger.append(vec![Submission { delivery, mapped }])?;
        Ok(())
    }
}
