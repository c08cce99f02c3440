//! The signed, append-only log: where events live and why they can be trusted.
//!
//! Read in this order: [`tlog`] is the tree, [`note`], [`key`] and [`checkpoint`] the signed head, [`keyring`] who may sign it; [`storage`] says what a
//! disk must promise, [`frame`] and [`wal`] how rows become durable, [`segment`] how they are sealed, [`vault`] what lies
//! beside them; [`writer`] tells the story of a write and [`snapshot`] that of a read; [`verify`] believes none of it;
//! [`cosignature`], [`policy`] and [`witness`] are what others say about the head; [`socket`] lets other
//! processes append through the one that writes, [`resources`] and [`export`] show the log to other people's tools.

mod appender;
pub mod backup;
pub mod checkpoint;
pub mod clock;
pub mod commitment;
pub mod cosignature;
pub mod entry;
pub mod erasure;
pub mod error;
pub mod export;
pub mod frame;
mod index;
pub mod intake;
mod journal;
pub mod key;
pub mod keyring;
pub mod limits;
mod log;
pub mod note;
pub mod policy;
mod prover;
pub mod pruned;
pub mod resources;
pub mod retention;
pub mod segment;
mod shared;
pub mod snapshot;
pub mod socket;
pub mod split;
pub mod state;
pub mod storage;
pub mod tiles;
pub mod tlog;
pub mod vault;
pub mod verify;
pub mod wal;
pub mod witness;
pub mod writer;

pub use appender::Appender;
pub use checkpoint::{Checkpoint, TlogProof};
pub use clock::Clock;
pub use erasure::{Erase, Erased};
pub use error::{Error, Kind};
pub use intake::{Outcome, QuarantineId, Receipt, Submission};
pub use key::{
    Algorithm, DEMO_SEED, ExternalSigner, FileSigner, Signer, Signers, Vkey, demo_signer, is_demo,
};
pub use keyring::{Action, KeyRing, Statement};
pub use note::{Note, NoteSignature};
pub use policy::Policy;
pub use prover::Prover;
pub use resources::{ResourcePath, Resources};
pub use shared::SharedLedger;
pub use snapshot::Snapshot;
pub use split::SplitView;
pub use tlog::{Frontier, Hash, NodeSource, Tile, leaf_hash, node_hash, sha256};
pub use writer::{InitOptions, Ledger};
