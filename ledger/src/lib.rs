//! The signed, append-only log: where events live and why they can be trusted.
//!
//! Read in this order: [`tlog`] is the tree, [`note`], [`key`] and [`checkpoint`] the signed head; [`storage`] says what a
//! disk must promise, [`frame`] and [`wal`] how rows become durable, [`segment`] how they are sealed, [`vault`] what lies
//! beside them; [`writer`] tells the story of a write and [`snapshot`] that of a read; [`verify`] believes none of it.

pub mod backup;
pub mod checkpoint;
pub mod clock;
pub mod commitment;
pub mod entry;
pub mod erasure;
pub mod error;
pub mod frame;
mod index;
pub mod intake;
mod journal;
pub mod key;
pub mod limits;
mod log;
pub mod note;
pub mod pruned;
pub mod retention;
pub mod segment;
pub mod snapshot;
pub mod state;
pub mod storage;
pub mod tiles;
pub mod tlog;
pub mod vault;
pub mod verify;
pub mod wal;
pub mod writer;

pub use checkpoint::{Checkpoint, TlogProof};
pub use clock::Clock;
pub use erasure::{Erase, Erased};
pub use error::{Error, Kind};
pub use intake::{Outcome, QuarantineId, Receipt, Submission};
pub use key::{DEMO_SEED, FileSigner, Signer, Vkey, demo_signer, is_demo};
pub use note::Note;
pub use snapshot::Snapshot;
pub use tlog::{Frontier, Hash, NodeSource, Tile, leaf_hash, node_hash, sha256};
pub use writer::{InitOptions, Ledger};
