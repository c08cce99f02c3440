//! Event ids: the same fact has the same id, however often and by whichever way it arrives.

use data_encoding::HEXLOWER;
use sha2::{Digest, Sha256};

use crate::error::Error;
use crate::limits::NATIVE_ID_BYTES_MAX;

/// The id of the fact that `source` at `instance` calls `natural_key`: `<source>:` and the hex of the first 16 bytes of
/// SHA-256 over `event_id/1`, source, instance, natural key, kind and phase, each as a big-endian `u32` length and its
/// UTF-8 bytes.
pub fn event_id(
    source: &str,
    instance: &str,
    natural_key: &str,
    kind: &str,
    phase: &str,
) -> String {
    let mut hash = Sha256::new();
    for part in ["event_id/1", source, instance, natural_key, kind, phase] {
        let length = u32::try_from(part.len()).expect("a delivery is smaller than 4 GiB");
        hash.update(length.to_be_bytes());
        hash.update(part);
    }
    format!("{source}:{}", HEXLOWER.encode(&hash.finalize()[..16]))
}

/// The id of a native event that brought its own: `native:<instance>:<id>`, so that it can neither take another
/// source's id nor forge one.
///
/// # Errors
/// The id is empty, longer than [`NATIVE_ID_BYTES_MAX`], or has control characters.
pub fn native_event_id(instance: &str, id: &str) -> Result<String, Error> {
    if id.is_empty() || id.len() > NATIVE_ID_BYTES_MAX || id.chars().any(char::is_control) {
        return Err(Error::field(
            "event_id",
            format!("an id has 1 to {NATIVE_ID_BYTES_MAX} bytes and no control characters"),
        ));
    }
    Ok(format!("native:{instance}:{id}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parts_do_not_run_together() {
        let id = event_id("github", "acme/shop", "deployment_status:1", "deployment", "succeeded");
        assert_eq!(
            id,
            event_id("github", "acme/shop", "deployment_status:1", "deployment", "succeeded")
        );
        assert_ne!(
            id,
            event_id("github", "acme/shopd", "eployment_status:1", "deployment", "succeeded")
        );
        assert_eq!(id.len(), "github:".len() + 32);
    }

    #[test]
    fn a_native_id_stays_in_its_instance() {
        assert_eq!(native_event_id("shop", "github:00").unwrap(), "native:shop:github:00");
        assert!(native_event_id("shop", "").is_err());
        assert!(native_event_id("shop", "a\nb").is_err());
        assert!(native_event_id("shop", &"x".repeat(129)).is_err());
    }
}
