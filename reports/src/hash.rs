//! SHA-256, taken from the ledger so that there is one implementation of it.

use data_encoding::HEXLOWER;

/// The SHA-256 of `bytes`.
pub(crate) fn sha256(bytes: &[u8]) -> [u8; 32] {
    backtrail_ledger::tlog::hash::sha256(bytes).0
}

/// The same in lower-case hex.
pub(crate) fn hex(bytes: &[u8]) -> String {
    HEXLOWER.encode(&sha256(bytes))
}
