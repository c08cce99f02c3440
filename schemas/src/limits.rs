//! Every bound of the event model, with its reason.

/// The longest leaf, in bytes. tlog-tiles prefixes an entry with a big-endian `u16` length (C2SP tlog-tiles, "Log
/// entries"), so a longer leaf could not be served; it goes to quarantine instead of being cut.
pub const LEAF_BYTES_MAX: usize = 65_535;

/// The largest magnitude of an integer, 2^53 − 1: beyond it JSON readers that use doubles disagree (RFC 8785, appendix B).
pub const INTEGER_MAX: i64 = (1 << 53) - 1;

/// The longest key of a string map, in bytes: long enough for a DNS-prefixed label, short enough to print.
pub const MAP_KEY_BYTES_MAX: usize = 128;

/// The longest id that the native form may bring, in bytes.
pub const NATIVE_ID_BYTES_MAX: usize = 128;

/// The deepest nesting of JSON that a delivery may have; `serde_json` stops there too. Leaves are two deep.
pub const JSON_DEPTH_MAX: usize = 128;

/// The last representable instant, 9999-12-31T23:59:59.999999Z, in microseconds: later years have five digits and would
/// break the fixed-width form.
pub const TIMESTAMP_MAX_US: i64 = 253_402_300_799_999_999;

const _: () = assert!(INTEGER_MAX < i64::MAX && LEAF_BYTES_MAX <= u16::MAX as usize);
const _: () = assert!(NATIVE_ID_BYTES_MAX < LEAF_BYTES_MAX && MAP_KEY_BYTES_MAX < LEAF_BYTES_MAX);
