//! Who signs for a ledger: the keys in its key file, and the command that the config names.

use std::path::{Path, PathBuf};

use backtrail_ledger::{
    Checkpoint, ExternalSigner, FileSigner, KeyRing, Signer, Snapshot, Vkey, demo_signer,
};

use crate::config::Config;
use crate::exit::Failure;

/// Everything that may sign for the ledger at `dir`. A demo ledger needs no file: its key is known to everybody.
pub(crate) fn all(
    config: &Config,
    dir: &Path,
    key: Option<&PathBuf>,
) -> Result<Vec<Box<dyn Signer>>, Failure> {
    let mut signers: Vec<Box<dyn Signer>> = Vec::new();
    if let Some((command, vkey)) = config.signer()? {
        signers.push(Box::new(ExternalSigner::new(vkey, command)?));
    }
    let path = config.key(key, dir);
    if signers.is_empty() && !path.exists() {
        let named = Snapshot::open(dir, None)?.genesis_key()?;
        if backtrail_ledger::is_demo(&named) {
            return Ok(vec![Box::new(demo_signer(named.name())?)]);
        }
    }
    if signers.is_empty() || path.exists() {
        let keys = in_file(&path)?;
        signers.extend(keys.into_iter().map(|key| Box::new(key) as Box<dyn Signer>));
    }
    Ok(signers)
}

/// The one that signs what is not a head, such as a report: the oldest that is current.
pub(crate) fn one(
    config: &Config,
    dir: &Path,
    key: Option<&PathBuf>,
) -> Result<Box<dyn Signer>, Failure> {
    let mut signers = all(config, dir, key)?;
    if signers.len() > 1 {
        let keys = Snapshot::open(dir, None)?.keys()?;
        let place = |signer: &dyn Signer| keys.current().position(|k| k == signer.vkey());
        signers.retain(|signer| place(&**signer).is_some());
        signers.sort_by_key(|signer| place(&**signer));
    }
    let first = signers.into_iter().next();
    first.ok_or_else(|| {
        Failure::new(crate::exit::BAD_INPUT, "none of the signing keys is current")
            .hint("`backtrail keys list` says which are")
    })
}

/// The public keys of `signers`.
pub(crate) fn vkeys(signers: &[Box<dyn Signer>]) -> Vec<Vkey> {
    signers.iter().map(|signer| signer.vkey().clone()).collect()
}

/// The keys by which a head that somebody else holds is known to be the log's.
pub(crate) struct LogKeys {
    ring: KeyRing,
    /// Those of our signers that the ring does not have: a ledger that was rolled back does not know newer keys.
    newer: Vec<Vkey>,
}

impl LogKeys {
    /// The keys of the ledger at `dir`, and `own`.
    pub(crate) fn read(dir: &Path, own: &[Vkey]) -> Result<Self, Failure> {
        let ring = Snapshot::open(dir, None)?.keys()?;
        let is_new = |key: &&Vkey| ring.ranges().iter().all(|range| range.vkey != **key);
        let newer = own.iter().filter(is_new).cloned().collect();
        Ok(Self { ring, newer })
    }

    /// The log's name.
    pub(crate) fn origin(&self) -> &str {
        self.ring.ranges()[0].vkey.name()
    }

    /// All of them, whichever heads they may sign.
    pub(crate) fn all(&self) -> Vec<Vkey> {
        self.ring.ranges().iter().map(|range| &range.vkey).chain(&self.newer).cloned().collect()
    }

    /// The head in `note`, if a key signed it that may sign a head of this size.
    pub(crate) fn open(&self, note: &str) -> Option<Checkpoint> {
        let (head, note) = Checkpoint::open(note, &self.all()).ok()?;
        let signed = self.ring.open(&note, head.size).is_ok() || note.open(&self.newer).is_ok();
        signed.then_some(head)
    }
}

/// The private keys of a file.
pub(crate) fn in_file(path: &Path) -> Result<Vec<FileSigner>, Failure> {
    FileSigner::load_all(path).map_err(|error| {
        Failure::from(error)
            .hint("name the key with --key FILE or BACKTRAIL_KEY; `init` wrote it to LEDGER.key")
    })
}
