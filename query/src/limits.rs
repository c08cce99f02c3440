//! Every bound of a session, with its reason.

/// Memory that one session's operators may hold: enough for ten million events' hot columns, and small enough that a
/// careless cross join fails instead of taking the machine down.
pub const MEMORY_BYTES: usize = 2 << 30;

/// Spilled bytes, where a spill folder is given.
pub const SPILL_BYTES: u64 = 20 << 30;

/// The longest SQL text, in bytes: far beyond what a person writes, and it bounds the parser.
pub const SQL_BYTES_MAX: usize = 1 << 20;

/// Logs up to this many rows are read with one partition: starting more costs more than it saves.
pub const ONE_PARTITION_ROWS: u64 = 200_000;

/// More partitions than this do not help the views, whose sorts are the bottleneck.
pub const PARTITIONS_MAX: usize = 8;

/// The longest duration of a parameter: a hundred years keep `time + duration` far from overflow.
pub const DURATION_US_MAX: i64 = 100 * 366 * 86_400 * 1_000_000;

const _: () = assert!(DURATION_US_MAX < i64::MAX / 1_000);
