//! Every bound of a report, with its reason.

/// The largest file of an evidence bundle that is read, in bytes: a stranger's folder must not exhaust memory.
pub const BUNDLE_FILE_BYTES_MAX: u64 = 1 << 30;

/// The most files that an evidence bundle may have: one proof per cited row, and a period with more cited rows than
/// this is to be cut into shorter ones.
pub const BUNDLE_FILES_MAX: usize = 1_000_000;

/// How many exceptions of one control a page prints before it refers to the rows file, which has all of them.
pub const EXCEPTIONS_SHOWN_MAX: usize = 100;

/// The longest that an exemption may run, in days: longer ones are policy and belong into the pack.
pub const EXEMPTION_DAYS_MAX: i64 = 365;

/// How many months the small multiples of the monthly review show: a year and the month to compare it with.
pub const MULTIPLES_MONTHS: usize = 13;

const _: () = assert!(EXCEPTIONS_SHOWN_MAX < BUNDLE_FILES_MAX);
