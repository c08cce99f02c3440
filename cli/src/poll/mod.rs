//! Asking a source's API for what happened, and what that says of its pushes.
//!
//! [`sources`] says what is asked and [`plan`] what comes next, without a socket; [`walk`] reads page by page into the log,
//! [`cursor`] remembers how far, and [`told`] compares with what was pushed.

mod cursor;
mod http;
mod limits;
mod pause;
mod plan;
mod section;
mod sources;
mod told;
mod walk;

use std::path::Path;

use backtrail_ingest::{Context, Mode};
use backtrail_ledger::Clock;
use backtrail_schemas::{Mapped, Timestamp};

use self::cursor::{Cursor, Kept, Walk};
use self::http::Client;
use self::section::Access;
pub(crate) use self::section::PollSection;
use self::told::{Done, Question};
use self::walk::{Reading, Sink};
use crate::clock::SystemClock;
use crate::commands::keys::Writer;
use crate::config::Config;
use crate::exit::{BAD_INPUT, Failure, NO_INPUT, USAGE};
use crate::mapping;
use crate::output::say;
use crate::session::nearest;
use crate::silence;

/// One poll as it is asked for.
pub(crate) struct Poll<'a> {
    pub(crate) config: &'a Config,
    pub(crate) dir: &'a Path,
    pub(crate) source: &'a str,
    pub(crate) since: Option<Timestamp>,
    pub(crate) until: Option<Timestamp>,
}

/// Reads what changed into the log, and concludes; `None` if nothing can have changed yet.
///
/// A crash after a page leaves that page in the log and the cursor before it or after it: it is read again and recognised.
/// One before the conclusion leaves `untold_since`, from where the next poll judges.
pub(crate) fn poll(
    asked: &Poll<'_>,
    open: impl FnOnce() -> Result<Writer, Failure>,
) -> Result<Option<Done>, Failure> {
    let access = asked.access()?;
    let silent_after_s = silence::limit(asked.source, asked.config.silent_after_s(asked.source))?;
    let (kept, mut cursor) = Kept::open(asked.dir, asked.source)?;
    let clock = SystemClock::default();
    let now = clock.now();
    let client = Client::new(&access, &clock)?;
    let Some(walk) = asked.walk(&cursor, &access, now)? else { return Ok(None) };
    let window = walk.window()?;
    let mut ledger = open()?;
    // Kept before anything is appended: what a crash leaves untold is told later.
    let since = *cursor.untold_since.get_or_insert(told::size(asked.dir)?);
    cursor.walk = Some(walk);
    kept.save(&cursor)?;
    let context = asked.context(&access, ledger.simulated_clock())?;
    let sink = Sink::Ledger(&mut *ledger);
    let read =
        Reading::new((&access, window), (&context, now), client, sink, Some((&kept, &mut cursor)))
            .run();
    // Of a reading that failed, too: whoever asks the log sees what it brought.
    ledger.publish()?;
    let mut read = read?;
    let question = Question {
        config: asked.config,
        dir: asked.dir,
        access: &access,
        context: &context,
        window,
        now,
        silent_after_s,
        since,
        alone: asked.config.accounts(access.api.source) == 1,
    };
    let told = question.conclude(&mut *ledger, &read)?;
    read.totals.checkpoint = Some(ledger.publish()?.size);
    cursor.untold_since = None;
    cursor.advance(window)?;
    kept.save(&cursor)?;
    ledger.submit(&crate::outside::Outside::read(asked.config)?, asked.dir)?;
    Ok(Some(Done { source: access.api.source, window, read, told }))
}

/// Whether the config says all that polling `source` needs.
pub(crate) fn check(config: &Config, dir: &Path, source: &str) -> Result<(), Failure> {
    let asked = Poll { config, dir, source, since: None, until: None };
    let access = asked.access().map_err(|e| Failure { exit: e.exit.max(BAD_INPUT), ..e })?;
    Client::new(&access, &SystemClock::default()).map(drop)
}

/// Reads the same and shows it; nothing is kept.
pub(crate) fn preview(
    asked: &Poll<'_>,
    show: &mut dyn FnMut(&Mapped) -> Result<(), Failure>,
) -> Result<Option<backtrail_ingest::Totals>, Failure> {
    let access = asked.access()?;
    let (_kept, cursor) = Kept::open(asked.dir, asked.source)?;
    let clock = SystemClock::default();
    let now = clock.now();
    let Some(window) = cursor.window(asked.since, asked.until, now)? else { return Ok(None) };
    let context = asked.context(&access, false)?;
    let client = Client::new(&access, &clock)?;
    let reading = Reading::new((&access, window), (&context, now), client, Sink::Shown(show), None);
    Ok(Some(reading.run()?.totals))
}

impl Poll<'_> {
    fn access(&self) -> Result<Access, Failure> {
        let Some(api) = sources::api(self.config.source_of(self.source)) else {
            let near = nearest(self.source, sources::names());
            let names: Vec<&str> = sources::names().collect();
            return Err(Failure::new(
                USAGE,
                format_args!("`{}` has no API that is polled", self.source),
            )
            .hint(format_args!("did you mean {near}? There are {}", names.join(", "))));
        };
        let section = self.config.poll(self.source).ok_or_else(|| {
            Failure::new(NO_INPUT, format_args!("the config has no [sources.{}.poll]", self.source))
                .hint("docs/polling.md has an example for each source")
        })?;
        let mapped = mapping::context(self.config, &[])?;
        let labels = mapped.sources.get(self.source).map_or(&mapped.labels, |own| &own.labels);
        section.access(self.source, api, self.config.base(), &labels.incident)
    }

    /// How what is read is mapped.
    fn context(&self, access: &Access, simulated_clock: bool) -> Result<Context, Failure> {
        let verified = access.address.starts_with("https://");
        Ok(Context {
            mode: Mode::Poll,
            authn_method: if verified { "tls" } else { "none" }.to_owned(),
            authn_verified: verified,
            simulated_clock,
            instance: self.config.instance(self.source).map(str::to_owned),
            ..mapping::context(self.config, &[])?
        })
    }

    /// The reading that was interrupted, unless another one is asked for, else a new one.
    fn walk(
        &self,
        cursor: &Cursor,
        access: &Access,
        now: Timestamp,
    ) -> Result<Option<Walk>, Failure> {
        let name = |list: &plan::List, place: &plan::Place| format!("{} {}", list.name, place.of);
        let lists: Vec<String> =
            access.lists().iter().map(|(list, place)| name(list, place)).collect();
        let interrupted = cursor.walk.clone().filter(|walk| walk.lists == lists);
        if self.since.is_none()
            && self.until.is_none()
            && let Some(walk) = interrupted
        {
            say(format_args!("{}: goes on where the last poll was interrupted", self.source));
            return Ok(Some(walk));
        }
        let window = cursor.window(self.since, self.until, now)?;
        Ok(window.map(|window| Walk::new(window, lists)))
    }
}
