//! Every bound of the ledger, with its reason.

use backtrail_schemas::limits::LEAF_BYTES_MAX;

/// The longest note, in bytes, that is read: C2SP signed-note asks for at least 16 signatures; a thousand fit.
pub const NOTE_BYTES_MAX: usize = 1 << 20;

/// The most signature lines of a note that are looked at (C2SP signed-note: at least 16 must be accepted).
pub const NOTE_SIGNATURES_MAX: usize = 100;

/// The most keys that one log may have in its life: one a week for twenty years.
pub const KEYS_MAX: usize = 1_000;

/// The most bytes that an external signer may print: a signature in base64 has 88, with room for a newline.
pub const SIGNER_OUTPUT_BYTES_MAX: usize = 96;

/// How long an external signer may take, in milliseconds: a person may have to touch a token.
pub const SIGNER_TIMEOUT_MS: u64 = 60_000;

/// The most hashes of a proof: a tree of 2^64 leaves is 64 levels high.
pub const PROOF_HASHES_MAX: usize = 64;

/// The longest request to a witness, in bytes: 63 hashes and a checkpoint with 16 signatures of the largest kind there is
/// (ML-DSA-44, 3.3 KiB each in base64) fit twice.
pub const ADD_CHECKPOINT_BYTES_MAX: usize = 128 << 10;

/// The most hashes that a request to a witness may have (C2SP tlog-witness, "add-checkpoint").
pub const ADD_CHECKPOINT_HASHES_MAX: usize = 63;

/// The most contradictory heads that a witness keeps of one log: one is proof enough, and whoever has the log's key could
/// send any number.
pub const EVIDENCE_MAX: usize = 16;

/// The most bytes of a policy: C2SP tlog-policy asks for 32 logs, witnesses and groups; a thousand fit.
pub const POLICY_BYTES_MAX: usize = 256 << 10;

/// How many files of cosignatures, from the newest back, are searched for what a witness signed last. Whatever it signed
/// before it says itself, with a 409.
pub const COSIGNATURES_SEARCHED_MAX: usize = 64;

/// The largest tree: positions are 64-bit signed integers in segments and at most 2^53 − 1 in leaves.
pub const TREE_SIZE_MAX: u64 = (1 << 53) - 1;

/// Unsealed rows at which a segment is sealed: eight row groups, then rows that come while the last of them is encoded and read
/// back, and a few that are encoded while nobody can append. A million events make fifteen files.
pub const SEGMENT_ROWS: u64 = 8 * ROW_GROUP_ROWS as u64 + 2_304;

/// Bytes of the tail's write-ahead log or vault at which it is sealed, however few rows it has: such a file is read whole when a
/// ledger is opened, copied, or something in it is erased. Rows and deliveries of a usual length stay below.
pub const TAIL_BYTES_MAX: u64 = 80 << 20;

/// Rows of the write-ahead log that are read back together: bounds the memory, at 64 KiB a row, to 64 MiB.
pub const READ_BACK_ROWS: usize = 1_024;

/// Full tiles, and the rows below them, that are written and read back before a head needs them: 1,024 rows, some 4 ms.
pub const TILES_AHEAD: usize = 4;

/// Rows of a row group of a segment: what is decoded to answer for one row.
pub const ROW_GROUP_ROWS: usize = 8_192;

/// Rows of the tail that are encoded at once, before it is sealed: as many as Parquet's writer takes at once, so that pages end where
/// they end when whole row groups are given to it.
pub const AHEAD_ROWS: u64 = 1_024;

/// Entries of a block of the index of event ids: what is read to answer for one id. 256 are 6 KiB, less than two pages.
pub const INDEX_BLOCK_ENTRIES: usize = 256;

/// How often a filter of the index says of an id that is not there that it may be: each time costs a block that is read. At a
/// hundredth, ten million ids take 20 MiB.
pub const INDEX_MISTAKES: f64 = 0.01;

/// Rows in memory at which an index that is made again is written: fewer, and the runs are merged more often; this many take
/// 40 MiB.
pub const INDEX_RECENT_ROWS: usize = 1 << 19;

/// How much of a file of frames is read at a time, in bytes: small beside everything else, large beside a frame.
pub const SCAN_BYTES: usize = 1 << 20;

/// Age in microseconds at which unsealed rows are sealed.
pub const SEAL_AGE_US: i64 = 24 * 3600 * 1_000_000;

/// How long a segment stays, in microseconds, after another took its place: longer than a reader uses what it opened.
pub const REPLACED_US: i64 = 3600 * 1_000_000;

/// The longest payload of a frame, in bytes: a delivery of 48 MiB as base64 with its headers.
pub const FRAME_BYTES_MAX: usize = 64 << 20;

/// Staged bytes at which a group commit is written although more submissions wait: bounds the memory of a big batch.
pub const COMMIT_BYTES_MAX: usize = 16 << 20;

/// The largest file that a reader takes into memory, in bytes. Segments of leaves of the largest size stay below.
pub const FILE_BYTES_MAX: u64 = 5 << 30;

/// The largest Parquet footer, in bytes, and the largest decoded row group: what a stranger's file may make us allocate.
pub const FOOTER_BYTES_MAX: usize = 256 << 20;

/// The largest row group after decompression, in bytes, as its metadata claims it.
pub const ROW_GROUP_BYTES_MAX: i64 = 2 << 30;

/// The most files that a ledger folder may have: a thousand million events have four million tiles.
pub const FILES_MAX: usize = 20_000_000;

/// The most findings of one report; the rest are only counted.
pub const FINDINGS_MAX: usize = 1_000;

/// How far the clock may step between two looks at it, in microseconds.
pub const CLOCK_STEP_US: i64 = 5 * 60 * 1_000_000;

/// How far the clock may be past the last row when a ledger is opened, in microseconds.
pub const CLOCK_GAP_US: i64 = 30 * 24 * 3600 * 1_000_000;

/// The longest message of the writer's socket, in bytes: a delivery of 25 MiB as base64, with events that repeat it.
pub const MESSAGE_BYTES_MAX: usize = 128 << 20;

/// How many processes may append through the writer's socket at once; each may hold one message in memory.
pub const SOCKET_CONNECTIONS_MAX: usize = 8;

/// How long the writer's socket waits for the next bytes of a message, in seconds: its peer is a process on this host.
pub const SOCKET_PATIENCE_S: u64 = 30;

/// How long the writer's socket takes to close, in seconds, if the thread that accepts does not wake up.
pub const STOP_PATIENCE_S: u64 = 2;

/// How long a process waits for the writer's answer, in seconds: it may be sealing, and others may be waiting too.
pub const ANSWER_PATIENCE_S: u64 = 120;

const _: () = assert!(LEAF_BYTES_MAX < FRAME_BYTES_MAX && FRAME_BYTES_MAX < u32::MAX as usize);
const _: () = assert!(ADD_CHECKPOINT_BYTES_MAX < NOTE_BYTES_MAX);
const _: () = assert!(ADD_CHECKPOINT_HASHES_MAX < PROOF_HASHES_MAX);
const _: () = assert!(ROW_GROUP_ROWS as u64 <= SEGMENT_ROWS);
const _: () = assert!((ROW_GROUP_ROWS as u64).is_multiple_of(AHEAD_ROWS));
const _: () = assert!(SEGMENT_ROWS * (LEAF_BYTES_MAX as u64) < FILE_BYTES_MAX);
