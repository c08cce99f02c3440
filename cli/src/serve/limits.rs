//! Every bound of the server, with its reason.

use std::time::Duration;

/// How often the log is looked after, in milliseconds: a checkpoint each second while it grows.
pub(super) const TICK_MS: u64 = 1_000;

/// How often new heads are cosigned: each cosigned head keeps its note and its partial tiles for good.
pub(super) const WITNESS_INTERVAL: Duration = Duration::from_mins(1);

/// How long after a failure silent sources are looked for again: a disk that is full stays so for a while.
pub(super) const SILENCE_RETRY: Duration = Duration::from_mins(1);

/// How often the quarantine is counted: a file that changed is read, at most some 80 MiB.
pub(super) const QUARANTINE_INTERVAL: Duration = Duration::from_secs(5);

/// Connections at once: each takes some 40 KiB, and with TLS some 50 KiB more. A thousand newcomers a second leave each of
/// them three seconds.
pub(super) const CONNECTIONS_MAX: usize = 3_072;

/// With fewer places than this a server is not worth its start: each may be held for ten seconds by somebody who is silent.
pub(super) const CONNECTIONS_MIN: usize = 64;

/// Open files that have no place: the ledger's, eight of its local socket, those that are read from, and connections that end.
pub(super) const FILES_KEPT: usize = 256;

/// How long a connection that must make room takes to end, in milliseconds: what it computes is done by then.
pub(super) const LEAVING_PATIENCE_MS: u64 = 1_000;

/// Answers in memory that clients have not read yet, in bytes: an entry bundle has at most 16 MiB and mostly 256 KiB.
pub(super) const ANSWERS_BYTES_MAX: usize = 64 << 20;

/// Resources that are read from disk at once; other requests wait their turn. A bundle of a sealed segment decodes a row
/// group.
pub(super) const READS_MAX: usize = 4;

/// Headers of a request, and the bytes of all of them with the request line. A path has at most 40 bytes.
pub(super) const HEADERS_MAX: usize = 64;
/// See [`HEADERS_MAX`]; hyper takes no less than 8 KiB.
pub(super) const HEADER_BYTES_MAX: usize = 16 << 10;

/// How long a client may take for its handshake, and for the headers of its first request, in seconds.
pub(super) const HEADERS_PATIENCE_S: u64 = 10;

/// How long a client may then take for the headers of its next request, in seconds: longer than the minute for which proxies
/// and balancers keep a connection, so that it is them who close it, and no request meets a closed door.
pub(super) const IDLE_PATIENCE_S: u64 = 75;

/// How long a connection may live, in seconds: whoever reads slower than a bundle in that time comes again.
pub(super) const CONNECTION_LIFE_S: u64 = 300;

/// How long what a client still sends is read and thrown away after its last answer: a few ways there and back.
pub(super) const LINGER: Duration = Duration::from_secs(2);

/// How many connections end that way at once; others are closed at once.
pub(super) const LINGERING_MAX: usize = 64;

/// How much of it, in bytes: the rest of the largest body that a source takes unless it says otherwise.
pub(super) const LINGER_BYTES: u64 = backtrail_ingest::limits::BODY_BYTES_MAX as u64;

/// How long requests under way may take when the server stops, in seconds.
pub(super) const STOP_PATIENCE_S: u64 = 10;

/// The shortest and the longest heartbeat, in seconds: one is an entry for ever, and a day without one says nothing.
pub(crate) const HEARTBEAT_S: std::ops::RangeInclusive<u64> = 10..=86_400;

/// The heartbeat of a log whose config does not say.
pub(crate) const HEARTBEAT_DEFAULT_S: u64 = 300;

/// The largest body of a delivery whose config does not say, in bytes: ten times the largest that the sources' own examples
/// have. A parsed body takes some ten times its size.
pub(crate) const BODY_BYTES_DEFAULT: usize = 4 << 20;

/// What `serve.body_bytes_max` may say: a small event, to what GitHub caps its own at.
pub(crate) const BODY_BYTES: std::ops::RangeInclusive<usize> =
    4096..=backtrail_ingest::limits::BODY_BYTES_MAX;

/// Bodies in memory at once, in bytes, of all connections: as many as four of the largest.
pub(super) const BODIES_BYTES_MAX: usize = 4 * backtrail_ingest::limits::BODY_BYTES_MAX;

/// In what steps a body takes its memory, in bytes: what most deliveries need at all.
pub(super) const BODY_STEP_BYTES: usize = 16 << 10;

/// How long a body may take, in seconds: 25 MiB at 7 Mbit/s.
pub(super) const BODY_PATIENCE_S: u64 = 30;

/// Bodies up to this size, in bytes, are read where they arrive: it takes less than a millisecond.
pub(super) const INLINE_BYTES_MAX: usize = 64 << 10;

/// Larger bodies that are parsed at once.
pub(super) const MAPPINGS_MAX: usize = 1;

/// Deliveries that wait for the ledger: a second's worth of what it takes, one by one.
pub(super) const QUEUE_MAX: usize = 4_096;

/// Deliveries that are appended at once, and the bytes of their bodies: enough to share the wait for the disk, few enough
/// that the first does not wait long for the last.
pub(super) const GROUP_MAX: usize = 256;
/// See [`GROUP_MAX`].
pub(super) const GROUP_BYTES_MAX: usize = 16 << 20;

/// Deliveries a second of a source whose config does not say: a busy organisation has some ten.
pub(super) const RATE_DEFAULT_PER_S: u32 = 500;
/// What `rate_per_s` may say.
pub(super) const RATE_PER_S: std::ops::RangeInclusive<u32> = 1..=100_000;

/// The longest file of a secret, in bytes.
pub(super) const SECRET_FILE_BYTES_MAX: u64 = 4096;

/// When to come again after "busy", in seconds: the queue is short.
pub(super) const RETRY_BUSY_S: u64 = 1;

/// When to come again after "stopping", in seconds: a restart takes as long.
pub(super) const RETRY_STOPPED_S: u64 = 5;

/// When to come again after "no space" and what else a person must mend, in seconds.
pub(super) const RETRY_FULL_S: u64 = 30;

/// How often refused deliveries are logged, those in quarantine, and connections that made room, in microseconds: a flood must
/// not fill the log of the system.
pub(super) const COMPLAINT_US: i64 = 1_000_000;

/// How many ids in quarantine one line of the log names: a delivery of many elements may have as many.
pub(super) const IDS_LOGGED_MAX: usize = 10;

const _: () = assert!(BODIES_BYTES_MAX < u32::MAX as usize && GROUP_MAX <= QUEUE_MAX);
const _: () = assert!(HEADERS_PATIENCE_S < IDLE_PATIENCE_S && IDLE_PATIENCE_S < CONNECTION_LIFE_S);
