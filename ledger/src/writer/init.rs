//! A new ledger.

use std::path::Path;
use std::sync::Arc;

use data_encoding::HEXLOWER;

use super::{Health, Ledger, recover};
use crate::clock::Clock;
use crate::commitment::keyed_hash;
use crate::entry::Entry;
use crate::error::{Error, Kind};
use crate::key::{Signers, Vkey};
use crate::keyring::KeyRing;
use crate::storage::{Local, Storage};
use crate::vault::{self, KeyRecord};

/// What is decided when a ledger is made, and stands in its first entry for ever.
#[derive(Clone, Debug, Default)]
pub struct InitOptions {
    /// Deliveries bring their own time of receipt, and salts and pseudonyms derive from this seed: for demos and tests.
    pub simulated_clock: Option<[u8; 32]>,
    /// The key, kept offline, that may speak when the signing key is lost.
    pub recovery_key: Option<Vkey>,
    /// How long rows are kept, as an ISO 8601 duration; six years if empty.
    pub retention: String,
    /// The last checkpoint, as one line of text, of a log that this one continues.
    pub predecessor: Option<String>,
}

impl Ledger {
    /// Makes a ledger in `dir`, which is empty or does not exist, with its first entry published.
    ///
    /// # Errors
    /// `Reject` if there is something in `dir`; otherwise as [`Ledger::open`].
    pub fn init(
        dir: &Path,
        options: &InitOptions,
        signers: impl Into<Signers>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, Error> {
        let failed = |e| Error::io(format!("make a ledger in `{}`", dir.display()), e);
        std::fs::create_dir_all(dir).map_err(failed)?;
        if std::fs::read_dir(dir).map_err(failed)?.next().is_some() {
            return Err(Error::reject(format!("`{}` is not empty", dir.display())));
        }
        Self::init_storage(Arc::new(Local::new(dir)), options, signers, clock)
    }

    /// As [`Ledger::init`], in any empty storage.
    ///
    /// # Errors
    /// As [`Ledger::init`].
    pub fn init_storage(
        store: Arc<dyn Storage>,
        options: &InitOptions,
        signers: impl Into<Signers>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, Error> {
        let signers = signers.into();
        let origin = signers.origin()?;
        let Some(vkey) = signers.only().map(ToString::to_string) else {
            return Err(Error::reject("a log begins with one key"));
        };
        let lock = store.lock()?;
        let (key, salt) = match &options.simulated_clock {
            Some(seed) => {
                (keyed_hash(seed, &[b"vault key"]), keyed_hash(seed, &[b"vault key salt"]))
            }
            None => (random()?, random()?),
        };
        let record = KeyRecord { key: HEXLOWER.encode(&key), salt: HEXLOWER.encode(&salt) };
        let mut log = recover::empty_log(&origin, options.simulated_clock.is_some(), key);
        log.identities.stage(vault::KEY, &record.to_bytes());
        let entry =
            Entry { origin: &origin, phase: "genesis", natural_key: "genesis", at: clock.now() };
        let committed = record.commitment(&entry.event_id()).expect("key and salt are 32 bytes");
        let retention = if options.retention.is_empty() { "P6Y" } else { &options.retention };
        retention.clone_into(&mut log.retention);
        if !crate::retention::is_duration(retention) {
            return Err(Error::reject(format!("the retention `{retention}` is no duration")));
        }
        let recovery = options.recovery_key.as_ref().map(ToString::to_string).unwrap_or_default();
        let simulated = if options.simulated_clock.is_some() { "true" } else { "false" };
        let genesis = entry.event(&[
            ("identity_scheme", "person/1"),
            ("leaf_profile", "leaf/1"),
            ("origin", &origin),
            ("predecessor", options.predecessor.as_deref().unwrap_or_default()),
            ("recovery_vkey", &recovery),
            ("retention", retention),
            ("simulated_clock", simulated),
            ("vault_key_commitment", &committed),
            ("vkey", &vkey),
        ])?;
        log.keys = KeyRing::new(&genesis)?;
        log.push(&*store, &genesis)?;
        let mut ledger = Self {
            store,
            signers,
            clock,
            log,
            ahead: None,
            epoch: 1,
            health: Health::Good,
            clock_seen: None,
            clock_suspect: None,
            clock_confirmed: None,
            _lock: lock,
        };
        ledger.guarded(|ledger| {
            // A crash within these steps leaves a folder without a checkpoint: it is no ledger, and nobody was told of one.
            ledger.flush()?;
            ledger.publish_head(false)
        })?;
        Ok(ledger)
    }
}

/// 32 bytes of the operating system's randomness.
pub(super) fn random() -> Result<[u8; 32], Error> {
    Ok(random_bytes(32)?.try_into().expect("32 bytes"))
}

/// `length` bytes of the operating system's randomness.
pub(super) fn random_bytes(length: usize) -> Result<Vec<u8>, Error> {
    let mut bytes = vec![0; length];
    getrandom::fill(&mut bytes)
        .map_err(|e| Error::new(Kind::Retry, format!("no randomness: {e}")))?;
    Ok(bytes)
}
