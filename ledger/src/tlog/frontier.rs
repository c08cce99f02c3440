//! The compact range [0, size): the roots of the complete subtrees that a tree falls into, from the largest to the smallest.

use super::hash::{Hash, empty_root, node_hash};
use crate::error::Error;

/// What is needed to extend a tree and to know its root: at most 64 hashes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Frontier {
    size: u64,
    /// One hash for each bit that is set in `size`, the highest first.
    hashes: Vec<Hash>,
}

impl Frontier {
    /// The frontier of a tree of `size` leaves with these subtree roots.
    ///
    /// # Errors
    /// There are not as many hashes as `size` has bits set.
    pub fn from_parts(size: u64, hashes: Vec<Hash>) -> Result<Self, Error> {
        if hashes.len() == size.count_ones() as usize {
            Ok(Self { size, hashes })
        } else {
            Err(Error::reject(format!(
                "{} hashes cannot be the frontier of {size} leaves",
                hashes.len()
            )))
        }
    }

    /// Appends the hash of one leaf.
    pub fn push(&mut self, leaf: Hash) {
        // Each set low bit of the old size is a complete subtree that now has a sibling of the same size.
        let mut hash = leaf;
        for _ in 0..self.size.trailing_ones() {
            let left = self.hashes.pop().expect("one hash for each bit set in the size");
            hash = node_hash(&left, &hash);
        }
        self.hashes.push(hash);
        self.size += 1;
    }

    /// How many leaves there are.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The subtree roots, from the largest subtree to the smallest.
    pub fn hashes(&self) -> &[Hash] {
        &self.hashes
    }

    /// The root of the tree.
    pub fn root(&self) -> Hash {
        let folded =
            self.hashes.iter().rev().copied().reduce(|right, left| node_hash(&left, &right));
        folded.unwrap_or_else(empty_root)
    }
}
