//! Cosignatures: what a witness says about a head. *Source*: C2SP tlog-cosignature, "Ed25519 signed message".
//!
//! A cosignature states that, as of its time, this is the largest head of the log that the witness saw, and that it
//! continues every head that the witness saw before. It is a signature line of 8 bytes of time and 64 of signature.

use crate::error::{Error, Kind};
use crate::key::{Algorithm, Signer, Vkey};
use crate::note::NoteSignature;

/// The latest time that a cosignature may have, in seconds since 1970.
const TIME_MAX: u64 = i64::MAX as u64;

/// Times that are above any clock: the bits of a damaged line that are no part of its time.
const TIME_BITS: u64 = (1 << 60) - 1;

/// What is signed: two lines and the whole text of the checkpoint.
fn message(text: &str, time_s: u64) -> Vec<u8> {
    format!("cosignature/v1\ntime {time_s}\n{text}").into_bytes()
}

/// The signature line by which `signer` says that it saw the checkpoint `text` at `time_s`, seconds since 1970.
///
/// # Errors
/// The signer's key is not a witness's, or cannot be used now; the time is 0, which says nothing, or above 2^63 − 1.
pub fn cosign(text: &str, time_s: u64, signer: &dyn Signer) -> Result<NoteSignature, Error> {
    let key = signer.vkey();
    if !(1..=TIME_MAX).contains(&time_s) {
        return Err(Error::reject(format!("{time_s} is no time of a cosignature")));
    }
    if key.algorithm() != Algorithm::Cosignature {
        return Err(Error::reject(format!(
            "the key of `{}` is a log's, not a witness's",
            key.name()
        )));
    }
    let message = message(text, time_s);
    let signature = signer.sign(&message)?;
    if !key.verify(&message, &signature) {
        return Err(Error::new(
            Kind::Reopen,
            "the signer made a signature that does not hold under its key",
        ));
    }
    let signature = [&time_s.to_be_bytes()[..], &signature].concat();
    Ok(NoteSignature { name: key.name().to_owned(), key_id: key.id(), signature })
}

/// When the witness of `key` saw the checkpoint `text`, in seconds since 1970, if `line` is its cosignature of it.
pub fn time_of(text: &str, line: &NoteSignature, key: &Vkey) -> Option<u64> {
    let (time_s, signature) = parts(line)?;
    let holds = line.claims(key)
        && key.algorithm() == Algorithm::Cosignature
        && time_s <= TIME_MAX
        && key.verify(&message(text, time_s), signature);
    holds.then_some(time_s)
}

/// Whether `line`, which does not name `key`, was made with it all the same: its name or key id was changed. One character
/// of base64 holds the last bits of the id and the first of the time, so the time is read without those.
pub(crate) fn is_disguised(text: &str, line: &NoteSignature, key: &Vkey) -> bool {
    let made = |(time_s, signature): (u64, &[u8; 64])| {
        key.verify(&message(text, time_s & TIME_BITS), signature)
    };
    !line.claims(key) && parts(line).is_some_and(made)
}

fn parts(line: &NoteSignature) -> Option<(u64, &[u8; 64])> {
    let (time, signature) = line.signature.split_first_chunk::<8>()?;
    Some((u64::from_be_bytes(*time), signature.try_into().ok()?))
}
