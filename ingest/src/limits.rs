//! Every bound of intake, with its reason.

use backtrail_schemas::limits::LEAF_BYTES_MAX;

/// The largest body of one delivery, in bytes: GitHub, the most generous sender that we read, caps its bodies there.
pub const BODY_BYTES_MAX: usize = 25 << 20;

/// The largest protobuf body, in bytes: what gRPC takes by default, where the format comes from. Its empty elements take
/// two bytes each and many times that in memory.
pub const PROTOBUF_BYTES_MAX: usize = 4 << 20;

/// The longest line of an NDJSON file, in bytes: a recorded delivery with the largest body as JSON text or base64, and
/// its headers.
pub const LINE_BYTES_MAX: usize = 2 * BODY_BYTES_MAX + HEADERS_BYTES_MAX;

/// Room for the headers of a recorded delivery, in bytes: ten times what web servers take by default.
pub const HEADERS_BYTES_MAX: usize = 80 << 10;

/// How much of an oversized body or line is kept for quarantine, in bytes: enough to see what it is.
pub const REFUSED_BYTES_MAX: usize = 64 << 10;

/// How many files one archive may hold: a year of one delivery per half minute, one file each.
pub const ARCHIVE_ENTRIES_MAX: usize = 1 << 20;

/// How many times larger than its file an archive may get: text logs reach 30, gzip itself at most 1032.
pub const EXPANSION_RATIO_MAX: u64 = 200;

/// What any archive may expand to, in bytes, so that the ratio does not refuse small files.
pub const EXPANSION_BYTES_FREE: u64 = 64 << 20;

/// How deep folders may nest.
pub const FOLDER_DEPTH_MAX: usize = 64;

/// How many events and rejects one delivery may give: each is a row, and one delivery is appended at once. Lists are
/// paged at a few hundred by those who send them.
pub const DELIVERY_EVENTS_MAX: usize = 10_000;

/// How many elements any list in a delivery may have: ten times the events that it may give, for those that carry none.
pub const LIST_ELEMENTS_MAX: usize = 10 * DELIVERY_EVENTS_MAX;

/// How many elements a list inside one record may have where each becomes a row, or is compared with the others: services
/// and acknowledgements of an incident, measurements, labels. Rows repeat what they share.
pub const PARTS_MAX: usize = 1_000;

/// The longest text that is read, in bytes: no longer one fits into a leaf, and every row of a delivery may repeat it.
pub const TEXT_BYTES_MAX: usize = LEAF_BYTES_MAX;

/// How many bytes the events of one delivery may hold together: four times the largest body, for what its rows repeat.
pub const DELIVERY_DRAFT_BYTES_MAX: usize = 4 * BODY_BYTES_MAX;

/// How many entries the history of one application or release may have: each is compared with those before it. Argo CD
/// and Helm keep ten unless they are told otherwise.
pub const HISTORY_ENTRIES_MAX: usize = 1_000;

/// How many deliveries are appended at once: enough that the disk's flushes are shared by many, few enough that the first
/// receipts come soon.
pub const BATCH_DELIVERIES_MAX: usize = 128;

/// How many bytes of bodies are held in memory before they are appended.
pub const BATCH_BYTES_MAX: usize = 16 << 20;

/// How many spans of rows an `ingest/retried` row names, of each kind: two longest numbers each leave most of a leaf free.
/// What one delivery adds is one span, unless people who are new stand between.
pub const SPANS_MAX: usize = 500;

/// The longest reason of a reject, in characters: it names a file and a path, it does not repeat the body.
pub const REASON_CHARS_MAX: usize = 600;

/// How many labels one event may bring as attributes.
pub const ATTRIBUTES_MAX: usize = 64;

/// The largest rule file, in bytes: ten times the longest that is bundled.
pub const RULE_BYTES_MAX: usize = 128 << 10;

/// How many `[[event]]` and `[[ignore]]` blocks one rule file may hold: each is tried on each element of a delivery.
pub const RULE_BLOCKS_MAX: usize = 128;

/// How many rule files of its own one run may read: each may be asked whether a delivery is its source's.
pub const RULE_FILES_MAX: usize = 64;

/// How many steps a reference into a delivery may take.
pub const POINTER_STEPS_MAX: usize = 32;

/// The longest name of a source, in bytes: it is in every row and begins every event id.
pub const SOURCE_NAME_BYTES_MAX: usize = 40;

/// The longest configured name of an instance, in bytes: it is in every row, and before ids that clash.
pub const INSTANCE_BYTES_MAX: usize = 128;

/// What the ledger may add to a leaf, in bytes: a pseudonym with its column name, and a commitment with its own.
pub const LEAF_BYTES_PER_PERSON: usize = 64;
/// See [`LEAF_BYTES_PER_PERSON`]: `"backout_plan_commitment":"hmac-sha256:<64 hex>",`.
pub const LEAF_BYTES_PER_COMMITMENT: usize = 112;
/// `recorded_at`, and the commitments to body and headers.
pub const LEAF_BYTES_RESERVED: usize = 64 + 2 * LEAF_BYTES_PER_COMMITMENT;

/// How far the time in a signature may be from ours, in seconds, either way. *Source*: the Standard Webhooks libraries.
pub const CLOCK_TOLERANCE_S: u64 = 300;

/// How many secrets of one source may be live: one, and another while they are changed, at a few places.
pub const KEYS_MAX: usize = 8;

/// The shortest secret, in bytes: 128 bits cannot be guessed; what people make up is shorter.
pub const SECRET_BYTES_MIN: usize = 16;

/// How many signatures one delivery may carry: senders add one for each key while they change it.
pub const SIGNATURES_MAX: usize = 16;

/// Lines of one NDJSON body, each a delivery of its own: as many as one delivery may hold events.
pub const BODY_LINES_MAX: usize = DELIVERY_EVENTS_MAX;

const _: () = assert!(LINE_BYTES_MAX > 2 * BODY_BYTES_MAX && REFUSED_BYTES_MAX < BODY_BYTES_MAX);
const _: () = assert!(LEAF_BYTES_RESERVED < LEAF_BYTES_MAX / 2);
const _: () =
    assert!(2 * SPANS_MAX * "9007199254740991-9007199254740991,".len() < LEAF_BYTES_MAX * 3 / 4);
const _: () = assert!(BATCH_DELIVERIES_MAX > 0 && BATCH_BYTES_MAX > 0);
