//! Every bound of asking a source's API, with its reason.

use std::time::Duration;

/// The largest answer that is read, in bytes: a page of a hundred elements, and what intake takes of one delivery.
pub(super) const ANSWER_BYTES_MAX: u64 = backtrail_ingest::limits::BODY_BYTES_MAX as u64;

/// How long one request may take, connection and all.
pub(super) const REQUEST_MAX: Duration = Duration::from_mins(1);

/// How often one page is asked for: a source that fails five times in a row is down.
pub(super) const ATTEMPTS: u32 = 5;

/// The pause after the first failure; each further one is twice as long.
pub(super) const BACKOFF: Duration = Duration::from_secs(1);

/// The longest pause that a source may ask for before the poll ends and is to be run again: the ledger may be held
/// meanwhile.
pub(super) const PAUSE_MAX: Duration = Duration::from_mins(5);

/// How many pages one poll reads: a million elements. What is left is read by the next one.
pub(super) const PAGES_MAX: u64 = 10_000;

/// How many elements of one poll are remembered, so that a page that repeats is not submitted twice, and how many facts, so
/// that days are counted: those of [`PAGES_MAX`] pages of one fact each.
pub(super) const REMEMBERED_MAX: usize = 1_000_000;

/// How much of the time before the last poll's end is asked again, in seconds: clocks differ, and lists of some sources lag
/// behind what they list.
pub(super) const OVERLAP_S: i64 = 3_600;

/// How old a change must be before it is read, in seconds: a push about it has arrived by then, unless it is lost.
pub(super) const SETTLE_S: i64 = 300;

/// The longest token in a file, in bytes.
pub(super) const TOKEN_BYTES_MAX: u64 = 16 << 10;

/// The largest file that keeps where a poll stands, in bytes: a window, an address, and the lists that are read.
pub(super) const CURSOR_BYTES_MAX: u64 = 4 << 20;

const _: () = assert!(SETTLE_S < OVERLAP_S);
