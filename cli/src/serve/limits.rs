//! Every bound of the server, with its reason.

use std::time::Duration;

/// How often the log is looked after, in milliseconds: a checkpoint each second while it grows.
pub(super) const TICK_MS: u64 = 1_000;

/// How often new heads are cosigned: each cosigned head keeps its note and its partial tiles for good.
pub(super) const WITNESS_INTERVAL: Duration = Duration::from_mins(1);

/// Connections at once: each may hold one entry bundle, at most 16 MiB and mostly 256 KiB.
pub(super) const CONNECTIONS_MAX: usize = 128;

/// Resources that are read from disk at once; other requests wait their turn. A bundle of a sealed segment decodes a row
/// group.
pub(super) const READS_MAX: usize = 4;

/// Headers of a request, and the bytes of all of them with the request line. A path has at most 40 bytes.
pub(super) const HEADERS_MAX: usize = 64;
/// See [`HEADERS_MAX`]; hyper takes no less than 8 KiB.
pub(super) const HEADER_BYTES_MAX: usize = 16 << 10;

/// How long a client may take for its headers, and stay silent between requests, in seconds.
pub(super) const HEADERS_PATIENCE_S: u64 = 10;

/// How long a connection may live, in seconds: whoever reads slower than a bundle in that time comes again.
pub(super) const CONNECTION_LIFE_S: u64 = 300;

/// How long requests under way may take when the server stops, in seconds.
pub(super) const STOP_PATIENCE_S: u64 = 10;

/// The shortest and the longest heartbeat, in seconds: one is an entry for ever, and a day without one says nothing.
pub(crate) const HEARTBEAT_S: std::ops::RangeInclusive<u64> = 10..=86_400;

/// The heartbeat of a log whose config does not say.
pub(crate) const HEARTBEAT_DEFAULT_S: u64 = 300;
