//! Keys: the `vkey` that is published, and who signs.

use std::fmt;
use std::fs;
use std::io::Write as _;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;
use std::str::FromStr;

use data_encoding::{BASE64, HEXLOWER};
use ed25519_dalek::{Signature, Signer as _, SigningKey, VerifyingKey};
use sha2::{Digest, Sha256};

use crate::checkpoint::Checkpoint;
use crate::error::{Error, Kind};
use crate::note::{Note, NoteSignature};

/// What a key signs, in its first byte (C2SP signed-note, "Signature types").
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Algorithm {
    /// Ed25519 over the text of a note: a log's own signature.
    Ed25519 = 0x01,
    /// Ed25519 over a time and the text of a checkpoint: a witness's (C2SP tlog-cosignature).
    Cosignature = 0x04,
}

impl Algorithm {
    fn of(byte: u8) -> Option<Self> {
        [Self::Ed25519, Self::Cosignature].into_iter().find(|known| *known as u8 == byte)
    }
}

/// A public key with its name: `name+hex8+base64`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Vkey {
    name: String,
    algorithm: Algorithm,
    id: [u8; 4],
    key: VerifyingKey,
}

impl Vkey {
    /// The key of a log of this name; otherwise as [`Vkey::of`].
    pub fn new(name: &str, public: &[u8; 32]) -> Result<Self, Error> {
        Self::of(Algorithm::Ed25519, name, public)
    }

    /// The key of this name, for signatures of this kind.
    ///
    /// # Errors
    /// The name is empty or has a space or `+`; or the key is not canonical, or of low order: under such a key one
    /// signature fits many messages.
    pub fn of(algorithm: Algorithm, name: &str, public: &[u8; 32]) -> Result<Self, Error> {
        if !is_name(name) {
            return Err(Error::reject(format!("`{name}` cannot name a key")));
        }
        let key = VerifyingKey::from_bytes(public)
            .map_err(|_| Error::reject("the bytes are not an Ed25519 key"))?;
        let canonical = key.to_edwards().compress().to_bytes() == *public;
        if key.is_weak() || !canonical {
            return Err(Error::reject("the Ed25519 key is weak or not in canonical form"));
        }
        Ok(Self { name: name.to_owned(), algorithm, id: key_id(algorithm, name, public), key })
    }

    /// What the key signs.
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// The 32 bytes of the public key, by which two keys are the same whatever their names.
    pub fn public(&self) -> &[u8; 32] {
        self.key.as_bytes()
    }

    /// The name; a log's key has the log's origin as name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The first four bytes of SHA-256(name ‖ 0x0A ‖ algorithm ‖ public key).
    pub fn id(&self) -> [u8; 4] {
        self.id
    }

    /// Whether `signature` is this key's over exactly `message`, by the strict rules of Ed25519.
    pub fn verify(&self, message: &[u8], signature: &[u8; 64]) -> bool {
        self.key.verify_strict(message, &Signature::from_bytes(signature)).is_ok()
    }
}

/// A name of a key has no space and no `+` (C2SP signed-note).
pub(crate) fn is_name(name: &str) -> bool {
    !name.is_empty()
        && name.len() <= 255
        && !name.contains(|c: char| c.is_whitespace() || c.is_control() || c == '+')
}

fn key_id(algorithm: Algorithm, name: &str, public: &[u8; 32]) -> [u8; 4] {
    let hash = Sha256::new()
        .chain_update(name)
        .chain_update([b'\n', algorithm as u8])
        .chain_update(public)
        .finalize();
    [hash[0], hash[1], hash[2], hash[3]]
}

impl fmt::Display for Vkey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let key = [&[self.algorithm as u8], &self.key.as_bytes()[..]].concat();
        write!(f, "{}+{}+{}", self.name, HEXLOWER.encode(&self.id), BASE64.encode(&key))
    }
}

impl FromStr for Vkey {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let bad = || Error::reject("not a vkey: `name+hex8+base64` of an Ed25519 key");
        let mut parts = text.splitn(3, '+');
        let (name, id, base64) = (parts.next(), parts.next(), parts.next());
        let (name, id, base64) =
            (name.ok_or_else(bad)?, id.ok_or_else(bad)?, base64.ok_or_else(bad)?);
        let bytes = BASE64.decode(base64.as_bytes()).map_err(|_| bad())?;
        let (algorithm, public) = bytes.split_first().ok_or_else(bad)?;
        let algorithm = Algorithm::of(*algorithm).ok_or_else(bad)?;
        let key = Self::of(algorithm, name, public.try_into().map_err(|_| bad())?)?;
        if HEXLOWER.encode(&key.id) == id {
            Ok(key)
        } else {
            Err(Error::reject("the vkey's id does not fit its key"))
        }
    }
}

/// Signs what the log says. Keys in files are [`FileSigner`]; others may live elsewhere.
pub trait Signer: Send + Sync {
    /// The public key.
    fn vkey(&self) -> &Vkey;

    /// The Ed25519 signature of `message`.
    ///
    /// # Errors
    /// The key cannot be used now.
    fn sign(&self, message: &[u8]) -> Result<[u8; 64], Error>;
}

/// The signed note of `checkpoint`.
///
/// # Errors
/// As [`Signer::sign`], or the signature does not hold under the signer's own key.
pub fn sign_checkpoint(checkpoint: &Checkpoint, signer: &dyn Signer) -> Result<Note, Error> {
    let text = checkpoint.to_string();
    let vkey = signer.vkey();
    if vkey.algorithm != Algorithm::Ed25519 {
        return Err(Error::reject(format!(
            "the key of `{}` is a witness's, not a log's",
            vkey.name
        )));
    }
    let signature = signer.sign(text.as_bytes())?;
    if !vkey.verify(text.as_bytes(), &signature) {
        return Err(Error::new(
            Kind::Reopen,
            "the signer made a signature that does not hold under its key",
        ));
    }
    let line =
        NoteSignature { name: vkey.name.clone(), key_id: vkey.id, signature: signature.to_vec() };
    Ok(Note { text, signatures: vec![line] })
}

/// A private key in memory, read from a file that only its owner may read.
pub struct FileSigner {
    vkey: Vkey,
    key: SigningKey,
}

impl FileSigner {
    /// The log's key that 32 secret bytes give.
    ///
    /// # Errors
    /// `name` cannot name a key.
    pub fn from_seed(name: &str, seed: &[u8; 32]) -> Result<Self, Error> {
        Self::with_seed(Algorithm::Ed25519, name, seed)
    }

    /// The key for signatures of this kind that 32 secret bytes give.
    ///
    /// # Errors
    /// `name` cannot name a key.
    pub fn with_seed(algorithm: Algorithm, name: &str, seed: &[u8; 32]) -> Result<Self, Error> {
        let key = SigningKey::from_bytes(seed);
        Ok(Self { vkey: Vkey::of(algorithm, name, key.verifying_key().as_bytes())?, key })
    }

    /// A new key of a log from the randomness of the operating system.
    ///
    /// # Errors
    /// `name` cannot name a key, or there is no randomness.
    pub fn generate(name: &str) -> Result<Self, Error> {
        Self::generate_for(Algorithm::Ed25519, name)
    }

    /// A new key for signatures of this kind.
    ///
    /// # Errors
    /// As [`FileSigner::generate`].
    pub fn generate_for(algorithm: Algorithm, name: &str) -> Result<Self, Error> {
        let mut seed = [0; 32];
        getrandom::fill(&mut seed)
            .map_err(|e| Error::new(Kind::Retry, format!("no randomness: {e}")))?;
        Self::with_seed(algorithm, name, &seed)
    }

    /// Reads a key file: `PRIVATE+KEY+name+hex8+base64` and a newline.
    ///
    /// # Errors
    /// The file is missing, others may read it, or it is not a key.
    pub fn load(path: &Path) -> Result<Self, Error> {
        let shown = path.display();
        let metadata =
            fs::metadata(path).map_err(|e| Error::io(format!("read the key `{shown}`"), e))?;
        if metadata.permissions().mode() & 0o077 != 0 {
            return Err(Error::reject(format!(
                "others may read the key `{shown}`; set its mode to 0600"
            )));
        }
        let text = fs::read_to_string(path)
            .map_err(|e| Error::io(format!("read the key `{shown}`"), e))?;
        Self::parse(text.trim_end())
            .ok_or_else(|| Error::reject(format!("`{shown}` is not a private key")))
    }

    fn parse(text: &str) -> Option<Self> {
        let mut parts = text.strip_prefix("PRIVATE+KEY+")?.splitn(3, '+');
        let (name, id, base64) = (parts.next()?, parts.next()?, parts.next()?);
        let bytes = BASE64.decode(base64.as_bytes()).ok()?;
        let (algorithm, seed) = bytes.split_first()?;
        let signer =
            Self::with_seed(Algorithm::of(*algorithm)?, name, seed.try_into().ok()?).ok()?;
        (HEXLOWER.encode(&signer.vkey.id) == id).then_some(signer)
    }

    /// Writes the key to a new file of mode 0600.
    ///
    /// # Errors
    /// The file exists, or cannot be written.
    pub fn save(&self, path: &Path) -> Result<(), Error> {
        let key = [&[self.vkey.algorithm as u8], &self.key.as_bytes()[..]].concat();
        let (name, id) = (&self.vkey.name, HEXLOWER.encode(&self.vkey.id));
        let text = format!("PRIVATE+KEY+{name}+{id}+{}\n", BASE64.encode(&key));
        let written =
            fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).and_then(
                |mut file| {
                    file.write_all(text.as_bytes())?;
                    file.sync_all()
                },
            );
        written.map_err(|e| Error::io(format!("write the key `{}`", path.display()), e))
    }
}

impl Signer for FileSigner {
    fn vkey(&self) -> &Vkey {
        &self.vkey
    }

    fn sign(&self, message: &[u8]) -> Result<[u8; 64], Error> {
        Ok(self.key.sign(message).to_bytes())
    }
}

/// The seed of the demo key, known to everybody: what it signs proves nothing to anybody.
pub const DEMO_SEED: [u8; 32] = *b"backtrail-demo-key-proves-naught";

/// The signer of demos. `verify` refuses it unless it is told that this is a demo.
///
/// # Errors
/// `origin` cannot name a key.
pub fn demo_signer(origin: &str) -> Result<FileSigner, Error> {
    FileSigner::from_seed(origin, &DEMO_SEED)
}

/// Whether `key` is the demo key, under whatever name.
pub fn is_demo(key: &Vkey) -> bool {
    SigningKey::from_bytes(&DEMO_SEED).verifying_key() == key.key
}
