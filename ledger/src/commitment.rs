//! Commitments: what stands in a leaf for a value that lies in the vault.

use data_encoding::HEXLOWER;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

/// 32 random bytes that hide a value until they are shown.
pub type Salt = [u8; 32];

/// `hmac-sha256:` and the HMAC-SHA-256, keyed with `salt`, of `backtrail/commit/1` LF `event_id` LF `field` LF `value`.
pub fn commitment(salt: &Salt, event_id: &str, field: &str, value: &[u8]) -> String {
    let head = format!("backtrail/commit/1\n{event_id}\n{field}\n");
    format!("hmac-sha256:{}", HEXLOWER.encode(&hmac(salt, &[head.as_bytes(), value])))
}

/// HMAC-SHA-256 of the concatenation of `parts`.
pub(crate) fn hmac(key: &[u8], parts: &[&[u8]]) -> [u8; 32] {
    let mut mac = <Hmac<Sha256>>::new_from_slice(key).expect("HMAC takes keys of any length");
    for part in parts {
        mac.update(part);
    }
    mac.finalize().into_bytes().into()
}

/// HMAC-SHA-256 of `parts`, each with its length in front, so that they do not run together.
pub(crate) fn keyed_hash(key: &[u8], parts: &[&[u8]]) -> [u8; 32] {
    let framed: Vec<u8> = parts
        .iter()
        .flat_map(|part| [&(part.len() as u64).to_be_bytes()[..], part].concat())
        .collect();
    hmac(key, &[&framed])
}
