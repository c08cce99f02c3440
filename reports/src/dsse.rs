//! The signature over a bundle: an in-toto statement in a DSSE envelope.
//!
//! Source: secure-systems-lab/dsse, protocol 1.0.2 (`PAE`, envelope); in-toto/attestation, Statement v1.

use backtrail_ledger::key::Vkey;
use data_encoding::BASE64;
use serde::{Deserialize, Serialize};

use crate::Signer;
use crate::canon;
use crate::error::Error;

/// The media type of an in-toto statement.
pub const PAYLOAD_TYPE: &str = "application/vnd.in-toto+json";
/// The type of an in-toto statement.
pub const STATEMENT_TYPE: &str = "https://in-toto.io/Statement/v1";
/// What our statement says: the subjects are the files of one evidence bundle.
pub const PREDICATE_TYPE: &str = "urn:backtrail:evidence-bundle:1";

/// A signed envelope.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Envelope {
    /// The statement, in base64.
    pub payload: String,
    /// [`PAYLOAD_TYPE`].
    #[serde(rename = "payloadType")]
    pub payload_type: String,
    /// At least one.
    pub signatures: Vec<Signature>,
}

/// One signature.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Signature {
    /// The name of the key.
    pub keyid: String,
    /// Ed25519 over the pre-authentication encoding, in base64.
    pub sig: String,
}

/// Signs `payload`.
///
/// # Errors
/// The signer fails.
pub fn sign(payload: &[u8], signer: &dyn Signer) -> Result<Vec<u8>, Error> {
    let sig = signer.sign(&pae(payload))?;
    canon::document(&Envelope {
        payload: BASE64.encode(payload),
        payload_type: PAYLOAD_TYPE.to_owned(),
        signatures: vec![Signature { keyid: signer.key_id(), sig: BASE64.encode(&sig) }],
    })
}

/// The statement of an envelope that one of `keys` signed.
///
/// # Errors
/// The envelope is not canonical, is of another type, or no key signed it.
pub fn open(envelope: &[u8], keys: &[Vkey]) -> Result<Vec<u8>, Error> {
    let wrong = |why: &str| Error::tampered(format!("envelope: {why}"));
    let parsed: Envelope = serde_json::from_slice(envelope).map_err(|e| wrong(&e.to_string()))?;
    if canon::document(&parsed)? != envelope {
        return Err(wrong("is not in canonical form"));
    }
    if parsed.payload_type != PAYLOAD_TYPE {
        return Err(wrong("is not an in-toto statement"));
    }
    let payload =
        BASE64.decode(parsed.payload.as_bytes()).map_err(|_| wrong("payload is not base64"))?;
    let signed = pae(&payload);
    let holds = |signature: &Signature| {
        let Ok(sig) = BASE64.decode(signature.sig.as_bytes()) else { return false };
        let Ok(sig) = <[u8; 64]>::try_from(sig) else { return false };
        keys.iter().any(|key| key.verify(&signed, &sig))
    };
    if parsed.signatures.iter().any(holds) {
        Ok(payload)
    } else {
        Err(wrong("is not signed by a given key"))
    }
}

/// The pre-authentication encoding of a payload.
fn pae(payload: &[u8]) -> Vec<u8> {
    let mut out =
        format!("DSSEv1 {} {PAYLOAD_TYPE} {} ", PAYLOAD_TYPE.len(), payload.len()).into_bytes();
    out.extend_from_slice(payload);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_encoding_has_lengths_and_no_end() {
        assert_eq!(pae(b"hi"), b"DSSEv1 28 application/vnd.in-toto+json 2 hi");
        assert_eq!(PAYLOAD_TYPE.len(), 28);
    }
}
