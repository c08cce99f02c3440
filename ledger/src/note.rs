//! Signed notes. *Source*: C2SP signed-note, with Ed25519 signatures (type 0x01) and cosignatures (type 0x04).

use std::fmt;
use std::str::FromStr;

use data_encoding::BASE64;

use crate::cosignature;
use crate::error::Error;
use crate::key::{Algorithm, Vkey};
use crate::limits::{NOTE_BYTES_MAX, NOTE_SIGNATURES_MAX};

/// A text and the signatures below it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// The signed text; ends with a newline.
    pub text: String,
    /// The signature lines, in order; some may be of keys that nobody here knows.
    pub signatures: Vec<NoteSignature>,
}

/// One line `— <name> <base64 of key id and signature>`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NoteSignature {
    /// The name of the key.
    pub name: String,
    /// The first four bytes of SHA-256(name ‖ 0x0A ‖ type ‖ public key).
    pub key_id: [u8; 4],
    /// What follows the key id; 64 bytes for Ed25519, 72 for a cosignature.
    pub signature: Vec<u8>,
}

impl NoteSignature {
    /// Whether the line claims to be by `key`.
    pub fn claims(&self, key: &Vkey) -> bool {
        key.name() == self.name && key.id() == self.key_id
    }

    /// Whether the line is by `key` and holds for `text`.
    pub fn holds(&self, text: &str, key: &Vkey) -> bool {
        self.claims(key)
            && match key.algorithm() {
                Algorithm::Ed25519 => <[u8; 64]>::try_from(self.signature.as_slice())
                    .is_ok_and(|signature| key.verify(text.as_bytes(), &signature)),
                Algorithm::Cosignature => cosignature::time_of(text, self, key).is_some(),
            }
    }
}

impl Note {
    /// Checks every signature by one of `keys` and returns the text, if there is at least one.
    ///
    /// Lines of unknown keys are ignored, as the specification asks.
    ///
    /// # Errors
    /// No line is by one of `keys`, or one that claims to be does not hold: then nothing of the note is to be trusted.
    pub fn open(&self, keys: &[Vkey]) -> Result<&str, Error> {
        let mut good = 0;
        for line in &self.signatures {
            for key in keys.iter().filter(|key| line.claims(key)) {
                if !line.holds(&self.text, key) {
                    return Err(Error::tampered(format!(
                        "the signature of `{}` does not hold",
                        line.name
                    )));
                }
                good += 1;
            }
        }
        if good == 0 {
            return Err(Error::tampered("no signature is by the key that is trusted"));
        }
        Ok(&self.text)
    }
}

impl FromStr for Note {
    type Err = Error;

    fn from_str(note: &str) -> Result<Self, Error> {
        let bad = |what: &str| Error::tampered(format!("not a signed note: {what}"));
        if note.len() > NOTE_BYTES_MAX {
            return Err(bad("too long"));
        }
        if note.chars().any(|c| c != '\n' && (c < ' ' || c == '\u{7f}')) {
            return Err(bad("control characters"));
        }
        // The signature block follows the last blank line.
        let at = note.rfind("\n\n").ok_or_else(|| bad("no blank line"))?;
        let (text, block) = (&note[..=at], &note[at + 2..]);
        Ok(Self { text: text.to_owned(), signatures: signature_lines(block)? })
    }
}

/// Reads signature lines, at least one, each ended by a newline: the end of a note, or the answer of a witness.
///
/// # Errors
/// There is none, there are more than a note may have, or one is not in its one right form.
pub fn signature_lines(block: &str) -> Result<Vec<NoteSignature>, Error> {
    let bad = |what: &str| Error::tampered(format!("not a signed note: {what}"));
    let block = block.strip_suffix('\n').ok_or_else(|| bad("no newline at the end"))?;
    let lines: Vec<&str> = block.split('\n').collect();
    if lines.len() > NOTE_SIGNATURES_MAX {
        return Err(bad("too many signatures"));
    }
    let signatures = lines
        .into_iter()
        .map(|line| signature(line).ok_or_else(|| bad("a malformed signature line")));
    signatures.collect()
}

fn signature(line: &str) -> Option<NoteSignature> {
    let (name, base64) = line.strip_prefix("— ")?.split_once(' ')?;
    let bytes = BASE64.decode(base64.as_bytes()).ok()?;
    let (key_id, signature) = bytes.split_first_chunk::<4>()?;
    let fits = !signature.is_empty() && crate::key::is_name(name);
    fits.then(|| NoteSignature {
        name: name.to_owned(),
        key_id: *key_id,
        signature: signature.to_vec(),
    })
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.text)?;
        self.signatures.iter().try_for_each(|line| write!(f, "{line}"))
    }
}

impl fmt::Display for NoteSignature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = [&self.key_id[..], &self.signature].concat();
        writeln!(f, "— {} {}", self.name, BASE64.encode(&bytes))
    }
}
