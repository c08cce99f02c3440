//! How far a source was read: a file beside the ledger, so that nothing of it is part of what the log signs.
//!
//! It only ever says less than what is durable in the log. Lost, it costs a poll with `--since`.

use std::fs::{self, File, TryLockError};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use backtrail_schemas::Timestamp;
use serde::{Deserialize, Serialize};

use super::limits::{CURSOR_BYTES_MAX, OVERLAP_S, SETTLE_S};
use super::plan::{Ask, Window, earlier};
use crate::config::beside;
use crate::exit::{BAD_INPUT, Failure, TRY_LATER, USAGE, unreadable, unwritable};

/// What is kept between two polls.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Cursor {
    /// Every change before it was read.
    until: Option<String>,
    /// Every day before it was read as a whole, or in parts that do not count.
    counted_until: Option<String>,
    /// The size of the log before what was not judged yet was read.
    pub(super) untold_since: Option<u64>,
    /// The reading that was interrupted.
    pub(super) walk: Option<Walk>,
}

/// A reading of one window.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Walk {
    from: String,
    until: String,
    /// How many lists were read to their end.
    pub(super) lists_done: usize,
    /// Which lists there were: with others, the reading begins again.
    pub(super) lists: Vec<String>,
    next: Option<Resume>,
}

/// What to ask the list that is being read.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Resume {
    since: String,
    skip: usize,
    link: Option<String>,
}

impl Walk {
    pub(super) fn new(window: Window, lists: Vec<String>) -> Self {
        let (from, until) = (window.from.to_string(), window.until.to_string());
        Self { from, until, lists_done: 0, lists, next: None }
    }

    pub(super) fn window(&self) -> Result<Window, Failure> {
        Ok(Window { from: instant(&self.from)?, until: instant(&self.until)? })
    }

    pub(super) fn next(&self) -> Result<Option<Ask>, Failure> {
        let ask =
            |r: &Resume| Ok(Ask { since: instant(&r.since)?, skip: r.skip, link: r.link.clone() });
        self.next.as_ref().map(ask).transpose()
    }

    pub(super) fn set_next(&mut self, ask: Option<&Ask>) {
        self.next = ask.map(|ask| Resume {
            since: ask.since.to_string(),
            skip: ask.skip,
            link: ask.link.clone(),
        });
    }
}

impl Cursor {
    /// The window to read: what is asked for, else from a while before the last one to now; `None` if there is nothing yet.
    pub(super) fn window(
        &self,
        since: Option<Timestamp>,
        until: Option<Timestamp>,
        now: Timestamp,
    ) -> Result<Option<Window>, Failure> {
        let settled = earlier(now, SETTLE_S);
        let until = until.map_or(settled, |until| until.min(settled));
        let known = self.until.as_deref().map(instant).transpose()?;
        let from = match (since, known) {
            (Some(since), _) => since,
            (None, Some(known)) => {
                let overlapping = earlier(known, OVERLAP_S);
                let counted = self.counted_until.as_deref().map(instant).transpose()?;
                // A day that ended is read once more as a whole, so that it is counted.
                let whole_day = counted.filter(|counted| *counted < day_of(until));
                whole_day.map_or(overlapping, |day| day.min(overlapping))
            }
            (None, None) => {
                return Err(Failure::new(USAGE, "this source was not polled yet")
                    .hint("say from when: --since 2026-01-01"));
            }
        };
        Ok((from < until).then_some(Window { from, until }))
    }

    /// After `window` was read wholly.
    pub(super) fn advance(&mut self, window: Window) -> Result<(), Failure> {
        self.walk = None;
        let later = |known: &Option<String>, from: Timestamp, to: Timestamp| {
            let known = known.as_deref().map(instant).transpose()?;
            // A window that begins later leaves a hole before it.
            let joined = known.is_none_or(|known| from <= known);
            let to = known.map_or(to, |known| known.max(to));
            Ok::<_, Failure>(joined.then(|| to.to_string()))
        };
        if let Some(until) = later(&self.until, window.from, window.until)? {
            self.until = Some(until);
        }
        if let Some(day) = later(&self.counted_until, window.from, day_of(window.until))? {
            self.counted_until = Some(day);
        }
        Ok(())
    }
}

/// The midnight (UTC) at or before `at`.
pub(super) fn day_of(at: Timestamp) -> Timestamp {
    Timestamp::from_micros(at.micros() - at.micros().rem_euclid(DAY_US))
        .expect("earlier the same day")
}

/// The whole days (UTC) in `window`.
pub(super) fn days(window: Window) -> impl Iterator<Item = Window> {
    let first = match day_of(window.from) {
        day if day == window.from => day,
        day => day.plus_seconds(86_400).unwrap_or(window.until),
    };
    let following = |day: &Timestamp| day.plus_seconds(86_400);
    std::iter::successors(Some(first), following)
        .map(|from| Window { from, until: from.plus_seconds(86_400).unwrap_or(from) })
        .take_while(move |day| day.until > day.from && day.until <= window.until)
}

const DAY_US: i64 = 86_400_000_000;

fn instant(text: &str) -> Result<Timestamp, Failure> {
    Timestamp::parse_rfc3339(text)
        .map_err(|e| Failure::new(BAD_INPUT, format_args!("a cursor file: {e}")).hint(LOST))
}

const LOST: &str =
    "move the file away and poll with --since; what is in the log already is recognised";

/// The file, held by this process.
pub(super) struct Kept {
    path: PathBuf,
    _lock: File,
}

impl Kept {
    /// Takes the cursor of `source` for the ledger at `dir`.
    pub(super) fn open(dir: &Path, source: &str) -> Result<(Self, Cursor), Failure> {
        let folder = beside(dir, "poll");
        fs::create_dir_all(&folder).map_err(|e| unwritable(&folder, &e))?;
        let held = folder.join(format!("{source}.lock"));
        let lock = File::create(&held).map_err(|e| unwritable(&held, &e))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(Failure::new(
                    TRY_LATER,
                    format_args!("{source} is being polled already"),
                )
                .hint("wait for the other command to end"));
            }
            Err(TryLockError::Error(e)) => return Err(unwritable(&held, &e)),
        }
        let path = folder.join(format!("{source}.json"));
        let cursor = read(&path)?;
        Ok((Self { path, _lock: lock }, cursor))
    }

    /// Keeps `cursor`: whole, or as it was.
    pub(super) fn save(&self, cursor: &Cursor) -> Result<(), Failure> {
        let written = self.path.with_extension("new");
        let text = serde_json::to_vec_pretty(cursor).map_err(Failure::bug)?;
        let save = || {
            let mut file = File::create(&written)?;
            file.write_all(&text)?;
            file.sync_all()?;
            fs::rename(&written, &self.path)?;
            File::open(self.path.parent().unwrap_or(Path::new(".")))?.sync_all()
        };
        save().map_err(|e| unwritable(&self.path, &e))
    }
}

fn read(path: &Path) -> Result<Cursor, Failure> {
    if !path.exists() {
        return Ok(Cursor::default());
    }
    let file = File::open(path).map_err(|e| unreadable(path, &e))?;
    let mut text = Vec::new();
    file.take(CURSOR_BYTES_MAX).read_to_end(&mut text).map_err(|e| unreadable(path, &e))?;
    serde_json::from_slice(&text)
        .map_err(|e| Failure::new(BAD_INPUT, format_args!("{}: {e}", path.display())).hint(LOST))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        Timestamp::parse_rfc3339(text).unwrap()
    }

    fn window(from: &str, until: &str) -> Window {
        Window { from: at(from), until: at(until) }
    }

    #[test]
    fn a_poll_overlaps_the_last_one_and_reads_each_ended_day_whole() {
        let mut cursor = Cursor::default();
        let now = at("2025-05-02T10:05:00Z");
        assert!(cursor.window(None, None, now).is_err());
        let first = cursor.window(Some(at("2025-04-30T12:00:00Z")), None, now).unwrap().unwrap();
        assert_eq!(first, window("2025-04-30T12:00:00Z", "2025-05-02T10:00:00Z"));
        let whole: Vec<Window> = days(first).collect();
        assert_eq!(whole, [window("2025-05-01T00:00:00Z", "2025-05-02T00:00:00Z")]);
        cursor.advance(first).unwrap();
        // The same day: an hour again. The next day: all of the day that ended.
        for (now, from) in [
            ("2025-05-02T11:05:00Z", "2025-05-02T09:00:00Z"),
            ("2025-05-03T00:10:00Z", "2025-05-02T00:00:00Z"),
        ] {
            assert_eq!(
                cursor.window(None, None, at(now)).unwrap().unwrap().from,
                at(from),
                "{now}"
            );
        }
        assert_eq!(cursor.window(Some(now), None, now).unwrap(), None);
    }

    #[test]
    fn a_window_after_a_hole_does_not_move_the_cursor() {
        let mut cursor = Cursor::default();
        cursor.advance(window("2025-05-01T00:00:00Z", "2025-05-02T00:00:00Z")).unwrap();
        let before = cursor.clone();
        cursor.advance(window("2025-05-03T00:00:00Z", "2025-05-04T00:00:00Z")).unwrap();
        assert_eq!(cursor, before);
        cursor.advance(window("2025-04-01T00:00:00Z", "2025-04-02T00:00:00Z")).unwrap();
        assert_eq!(cursor, before);
        cursor.advance(window("2025-05-01T12:00:00Z", "2025-05-03T01:00:00Z")).unwrap();
        assert_eq!(cursor.until.as_deref(), Some("2025-05-03T01:00:00.000000Z"));
        assert_eq!(cursor.counted_until.as_deref(), Some("2025-05-03T00:00:00.000000Z"));
    }

    #[test]
    fn one_process_polls_a_source() {
        let dir = std::env::temp_dir().join(format!("backtrail-cursor-{}", std::process::id()));
        let ledger = dir.join("ledger");
        let (kept, mut cursor) = Kept::open(&ledger, "github").unwrap();
        assert_eq!(Kept::open(&ledger, "github").err().map(|e| e.exit), Some(TRY_LATER));
        cursor.advance(window("2025-05-01T00:00:00Z", "2025-05-02T00:00:00Z")).unwrap();
        kept.save(&cursor).unwrap();
        drop(kept);
        assert_eq!(Kept::open(&ledger, "github").unwrap().1, cursor);
        fs::write(dir.join("ledger.poll/github.json"), "{\"until\": 1}").unwrap();
        assert_eq!(Kept::open(&ledger, "github").err().map(|e| e.exit), Some(BAD_INPUT));
        fs::remove_dir_all(&dir).unwrap();
    }
}
