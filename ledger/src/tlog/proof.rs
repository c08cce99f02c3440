//! Inclusion and consistency proofs: made by the recursive definitions, checked by the iterative algorithms, so that the
//! two cannot share a mistake.

use super::hash::{Hash, empty_root, node_hash};
use crate::error::Error;
use crate::limits::TREE_SIZE_MAX;

/// Where the roots of complete subtrees come from: tiles on disk, or memory.
pub trait NodeSource {
    /// The root of the complete subtree of 2^`level` leaves that starts at leaf `index` · 2^`level`.
    ///
    /// # Errors
    /// The hash is not available.
    fn node(&self, level: u8, index: u64) -> Result<Hash, Error>;
}

/// The root of the leaves `start..end`, where `start` is a multiple of the largest power of two below `end - start`.
/// *Source*: RFC 9162, section 2.1.1, MTH(D[start:end]).
fn range_root(start: u64, end: u64, nodes: &dyn NodeSource) -> Result<Hash, Error> {
    let width = end - start;
    if width.is_power_of_two() {
        let level = width.trailing_zeros();
        return nodes.node(level as u8, start >> level);
    }
    let split = start + largest_power_below(width);
    Ok(node_hash(&range_root(start, split, nodes)?, &range_root(split, end, nodes)?))
}

/// The root of the first `size` leaves.
///
/// # Errors
/// A hash is not available.
pub fn root_of(size: u64, nodes: &dyn NodeSource) -> Result<Hash, Error> {
    if size == 0 { Ok(empty_root()) } else { range_root(0, size, nodes) }
}

/// The largest power of two smaller than `n`; `n` is at least 2.
fn largest_power_below(n: u64) -> u64 {
    1 << (63 - (n - 1).leading_zeros())
}

/// The proof that leaf `index` is in the tree of `size` leaves. *Source*: RFC 9162, section 2.1.3.1, PATH(m, D_n).
///
/// # Errors
/// `index` is not below `size`, or a hash is not available.
pub fn inclusion_proof(index: u64, size: u64, nodes: &dyn NodeSource) -> Result<Vec<Hash>, Error> {
    if index >= size || size > TREE_SIZE_MAX {
        return Err(Error::reject(format!("leaf {index} is not in a tree of {size} leaves")));
    }
    let (mut start, mut end) = (0, size);
    let mut proof = Vec::new();
    while end - start > 1 {
        let split = start + largest_power_below(end - start);
        if index < split {
            proof.push(range_root(split, end, nodes)?);
            end = split;
        } else {
            proof.push(range_root(start, split, nodes)?);
            start = split;
        }
    }
    proof.reverse();
    Ok(proof)
}

/// The proof that the tree of `n` leaves begins with the tree of `m`. *Source*: RFC 9162, section 2.1.4.1.
///
/// # Errors
/// Not 0 < `m` ≤ `n`, or a hash is not available.
pub fn consistency_proof(m: u64, n: u64, nodes: &dyn NodeSource) -> Result<Vec<Hash>, Error> {
    if m == 0 || m > n || n > TREE_SIZE_MAX {
        return Err(Error::reject(format!("no consistency proof from {m} to {n} leaves")));
    }
    let (mut start, mut end) = (0, n);
    let mut proof = Vec::new();
    while end != m {
        let split = start + largest_power_below(end - start);
        if m <= split {
            proof.push(range_root(split, end, nodes)?);
            end = split;
        } else {
            proof.push(range_root(start, split, nodes)?);
            start = split;
        }
    }
    // The subtree that ends at `m` is the old root itself when it begins at 0: the verifier already has it.
    if start > 0 {
        proof.push(range_root(start, m, nodes)?);
    }
    proof.reverse();
    Ok(proof)
}

/// Whether `proof` shows that `leaf` is leaf `index` of the tree of `size` leaves with this root. *Source*: RFC 9162,
/// section 2.1.3.2.
pub fn verify_inclusion(leaf: &Hash, index: u64, size: u64, proof: &[Hash], root: &Hash) -> bool {
    if index >= size {
        return false;
    }
    let (mut fn_, mut sn) = (index, size - 1);
    let mut r = *leaf;
    for p in proof {
        if sn == 0 {
            return false;
        }
        if fn_ & 1 == 1 || fn_ == sn {
            r = node_hash(p, &r);
            while fn_ & 1 == 0 && fn_ != 0 {
                fn_ >>= 1;
                sn >>= 1;
            }
        } else {
            r = node_hash(&r, p);
        }
        fn_ >>= 1;
        sn >>= 1;
    }
    sn == 0 && r == *root
}

/// Whether `proof` shows that the tree of `n` leaves with root `root_n` begins with the tree of `m` leaves with root
/// `root_m`. *Source*: RFC 9162, section 2.1.4.2.
pub fn verify_consistency(m: u64, root_m: &Hash, n: u64, root_n: &Hash, proof: &[Hash]) -> bool {
    if m == 0 || m > n {
        return false;
    }
    if m == n {
        return proof.is_empty() && root_m == root_n;
    }
    let (first, rest) = match proof {
        _ if m.is_power_of_two() => (*root_m, proof),
        [first, rest @ ..] => (*first, rest),
        [] => return false,
    };
    let (mut fn_, mut sn) = (m - 1, n - 1);
    while fn_ & 1 == 1 {
        fn_ >>= 1;
        sn >>= 1;
    }
    let (mut fr, mut sr) = (first, first);
    for c in rest {
        if sn == 0 {
            return false;
        }
        if fn_ & 1 == 1 || fn_ == sn {
            fr = node_hash(c, &fr);
            sr = node_hash(c, &sr);
            while fn_ & 1 == 0 && fn_ != 0 {
                fn_ >>= 1;
                sn >>= 1;
            }
        } else {
            sr = node_hash(&sr, c);
        }
        fn_ >>= 1;
        sn >>= 1;
    }
    sn == 0 && fr == *root_m && sr == *root_n
}

impl NodeSource for Vec<Hash> {
    /// A tree in memory, as its leaf hashes; each node is computed anew.
    fn node(&self, level: u8, index: u64) -> Result<Hash, Error> {
        let start = index.checked_shl(level.into()).unwrap_or(u64::MAX);
        let width = 1u64.checked_shl(level.into()).unwrap_or(u64::MAX);
        let range = start as usize..start.saturating_add(width) as usize;
        let hashes = self.get(range).ok_or_else(|| Error::reject("a subtree beyond the tree"))?;
        Ok(super::tile::subtree_root(hashes))
    }
}
