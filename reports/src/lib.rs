//! How the answer is shown: control packs, the report model, pages, charts, and the evidence bundle.
//!
//! Read in this order: [`pack`] is what is tested, [`evaluate`] runs it, [`model`] is the report as data, [`generate()`]
//! makes one and [`bundle`] the folder around it, [`html`] and [`markdown`] show it, [`verify`] checks the folder with
//! nothing but a public key.

pub mod bundle;
pub mod canon;
pub mod cells;
pub mod chart;
pub mod docs;
pub mod dsse;
pub mod error;
pub mod evaluate;
pub mod fixture;
pub mod format;
pub mod generate;
mod hash;
pub mod html;
pub mod integrity;
pub mod limits;
pub mod markdown;
pub mod model;
pub mod overlay;
pub mod pack;
pub mod sampling;
mod sections;
pub mod statement;
mod study;
#[cfg(test)]
mod testing;
pub mod verify;

pub use error::{Error, Kind};
pub use generate::{Inputs, Request, Summary, Target, generate};
pub use integrity::{Integrity, IntegrityFinding};
pub use overlay::Overlay;
pub use verify::{Finding, Verification, verify_bundle};

/// Gives the leaves of the log with proofs that they are in it. The ledger's reader implements it.
pub trait Prover {
    /// The signed bytes of entry `seq`.
    ///
    /// # Errors
    /// The log cannot be read.
    fn leaf(&self, seq: u64) -> Result<Vec<u8>, Error>;

    /// The proof that entry `seq` is in the log at the checkpoint of the report, as C2SP tlog-proof text.
    ///
    /// # Errors
    /// The log cannot be read.
    fn proof(&self, seq: u64) -> Result<String, Error>;

    /// The signed note of the checkpoint.
    fn checkpoint_note(&self) -> &str;
}

/// Signs the manifest of a bundle.
pub trait Signer {
    /// The name of the key.
    fn key_id(&self) -> String;

    /// The Ed25519 signature of `bytes`, 64 bytes.
    ///
    /// # Errors
    /// The key cannot be used now.
    fn sign(&self, bytes: &[u8]) -> Result<Vec<u8>, Error>;
}
