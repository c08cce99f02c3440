//! The Merkle tree of RFC 6962 and C2SP tlog-tiles: pure functions over hashes, without files.
//!
//! [`hash`] says how two things become one hash, [`frontier`] keeps the root of a growing tree in 64 hashes,
//! [`tile`] names the files that hold all hashes, [`proof`] makes and checks proofs.

pub mod frontier;
pub mod hash;
pub mod proof;
pub mod tile;

pub use frontier::Frontier;
pub use hash::{Hash, leaf_hash, node_hash};
pub use proof::{
    NodeSource, consistency_proof, inclusion_proof, root_of, verify_consistency, verify_inclusion,
};
pub use tile::{Tile, TileBuilder};
