//! Trees, tiles and proofs against published vectors, two other implementations, and damage.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::cell::RefCell;
use std::collections::BTreeSet;

use backtrail_ledger::storage::Local;
use backtrail_ledger::tiles::TileReader;
use backtrail_ledger::tlog::{
    TileBuilder, consistency_proof, hash::empty_root, inclusion_proof, root_of, tile,
    verify_consistency, verify_inclusion,
};
use backtrail_ledger::{Error, Frontier, Hash, NodeSource, Tile, leaf_hash, node_hash};
use ct_merkle::mem_backed_tree::MemoryBackedTree;
use data_encoding::HEXLOWER;
use proptest::prelude::*;
use proptest::test_runner::RngSeed;
use sha2::Sha256;

/// The largest tree of which every proof is tried.
const SIZE_MAX: u64 = 128;

fn hash(hex: &str) -> Hash {
    Hash(HEXLOWER.decode(hex.as_bytes()).unwrap().try_into().unwrap())
}

/// `size` leaf hashes, all different.
fn leaves(size: u64) -> Vec<Hash> {
    (0..size).map(|n| leaf_hash(&n.to_be_bytes())).collect()
}

/// The root by the definition: RFC 6962, section 2.1.
fn naive_root(leaves: &[Hash]) -> Hash {
    match leaves {
        [] => empty_root(),
        [leaf] => *leaf,
        _ => {
            let (left, right) = leaves.split_at(leaves.len().next_power_of_two() / 2);
            node_hash(&naive_root(left), &naive_root(right))
        }
    }
}

/// Every complete subtree of a tree, level by level.
struct Nodes(Vec<Vec<Hash>>);

impl Nodes {
    fn of(leaves: &[Hash]) -> Self {
        let mut levels = vec![leaves.to_vec()];
        while let Some(below) = levels.last().filter(|below| below.len() > 1) {
            let above = below.chunks_exact(2).map(|pair| node_hash(&pair[0], &pair[1])).collect();
            levels.push(above);
        }
        Self(levels)
    }
}

impl NodeSource for Nodes {
    fn node(&self, level: u8, index: u64) -> Result<Hash, Error> {
        Ok(self.0[usize::from(level)][usize::try_from(index).unwrap()])
    }
}

fn frontier_of(leaves: &[Hash]) -> Frontier {
    let mut frontier = Frontier::default();
    for leaf in leaves {
        frontier.push(*leaf);
    }
    frontier
}

/// The proof with one bit flipped, once in each hash; with its last hash missing; and with one too many.
fn damaged(proof: &[Hash]) -> impl Iterator<Item = Vec<Hash>> {
    let flipped = (0..proof.len()).map(|at| {
        let mut proof = proof.to_vec();
        proof[at].0[at % 32] ^= 1 << (at % 8);
        proof
    });
    let short = proof.split_last().map(|(_, rest)| rest.to_vec());
    flipped.chain(short).chain([[proof, &[empty_root()]].concat()])
}

// The tree of the reference tests of Certificate Transparency.

const CT_LEAVES: [&str; 8] = [
    "",
    "00",
    "10",
    "2021",
    "3031",
    "40414243",
    "5051525354555657",
    "606162636465666768696a6b6c6d6e6f",
];

const CT_ROOTS: [&str; 9] = [
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
];

/// Index, size, proof.
const CT_INCLUSION: &[(u64, u64, &[&str])] = &[
    (0, 1, &[]),
    (
        0,
        8,
        &[
            "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
            "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
            "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
        ],
    ),
    (
        5,
        8,
        &[
            "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
            "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
            "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        ],
    ),
    (2, 3, &["fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"]),
    (
        1,
        5,
        &[
            "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
            "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
            "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
        ],
    ),
];

/// Smaller size, larger size, proof.
const CT_CONSISTENCY: &[(u64, u64, &[&str])] = &[
    (1, 1, &[]),
    (
        1,
        8,
        &[
            "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
            "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
            "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
        ],
    ),
    (
        6,
        8,
        &[
            "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
            "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
            "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        ],
    ),
    (
        2,
        5,
        &[
            "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
            "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
        ],
    ),
];

#[test]
fn the_reference_tree_of_certificate_transparency() {
    let leaves: Vec<Hash> =
        CT_LEAVES.iter().map(|l| leaf_hash(&HEXLOWER.decode(l.as_bytes()).unwrap())).collect();
    let root = |size: u64| hash(CT_ROOTS[usize::try_from(size).unwrap()]);
    for size in 0..=leaves.len() {
        assert_eq!(frontier_of(&leaves[..size]).root(), root(size as u64), "{size}");
        assert_eq!(root_of(size as u64, &leaves).unwrap(), root(size as u64), "{size}");
    }
    for (index, size, proof) in CT_INCLUSION {
        let proof: Vec<Hash> = proof.iter().map(|h| hash(h)).collect();
        assert_eq!(inclusion_proof(*index, *size, &leaves).unwrap(), proof, "{index} of {size}");
        let leaf = leaves[usize::try_from(*index).unwrap()];
        assert!(verify_inclusion(&leaf, *index, *size, &proof, &root(*size)));
    }
    for (m, n, proof) in CT_CONSISTENCY {
        let proof: Vec<Hash> = proof.iter().map(|h| hash(h)).collect();
        assert_eq!(consistency_proof(*m, *n, &leaves).unwrap(), proof, "{m} to {n}");
        assert!(verify_consistency(*m, &root(*m), *n, &root(*n), &proof));
    }
}

// Every small tree.

/// Sizes to mistake `size` for: the next ones, twice and half, and powers of two.
fn others(size: u64) -> impl Iterator<Item = u64> {
    let near = [size.wrapping_sub(1), size + 1, size * 2, size / 2, size.next_power_of_two(), 1];
    near.into_iter().filter(move |other| *other != size && *other <= SIZE_MAX)
}

#[test]
fn every_inclusion_proof_holds_and_no_other() {
    let leaves = leaves(SIZE_MAX);
    let nodes = Nodes::of(&leaves);
    let roots: Vec<Hash> =
        (0..=leaves.len()).map(|size| frontier_of(&leaves[..size]).root()).collect();
    for (size, root) in (0u64..).zip(&roots) {
        assert!(inclusion_proof(size, size, &nodes).is_err());
        for (index, leaf) in (0..size).zip(&leaves) {
            let proof = inclusion_proof(index, size, &nodes).unwrap();
            let holds = |leaf, index, size, proof: &[Hash], root| {
                verify_inclusion(leaf, index, size, proof, root)
            };
            assert!(holds(leaf, index, size, &proof, root), "{index} of {size}");
            for bad in damaged(&proof) {
                assert!(!holds(leaf, index, size, &bad, root), "{index} of {size}: {bad:?}");
            }
            for other in [index.wrapping_sub(1), index + 1, index ^ 1, index + size, size - 1] {
                assert!(other == index || !holds(leaf, other, size, &proof, root));
            }
            let next = (index + 1) % SIZE_MAX;
            assert!(!holds(&leaves[usize::try_from(next).unwrap()], index, size, &proof, root));
            for other in others(size) {
                let other_root = &roots[usize::try_from(other).unwrap()];
                assert!(!holds(leaf, index, other, &proof, other_root), "{index}: {size}, {other}");
            }
        }
    }
}

#[test]
fn every_consistency_proof_holds_and_no_other() {
    let leaves = leaves(SIZE_MAX);
    let nodes = Nodes::of(&leaves);
    let roots: Vec<Hash> =
        (0..=leaves.len()).map(|size| frontier_of(&leaves[..size]).root()).collect();
    for (n, root_n) in (0u64..).zip(&roots) {
        assert!(consistency_proof(0, n, &nodes).is_err());
        assert!(consistency_proof(n + 1, n, &nodes).is_err());
        for (m, root_m) in (0..=n).zip(&roots).skip(1) {
            let proof = consistency_proof(m, n, &nodes).unwrap();
            assert!(verify_consistency(m, root_m, n, root_n, &proof), "{m} to {n}");
            for bad in damaged(&proof) {
                assert!(!verify_consistency(m, root_m, n, root_n, &bad), "{m} to {n}: {bad:?}");
            }
            let mut other_root = *root_m;
            other_root.0[31] ^= 0x80;
            assert!(!verify_consistency(m, &other_root, n, root_n, &proof), "{m} to {n}");
            assert!(!verify_consistency(m, root_m, n, &other_root, &proof), "{m} to {n}");
            assert!(!verify_consistency(0, root_m, n, root_n, &proof));
            for other in others(m) {
                assert!(
                    !verify_consistency(other, root_m, n, root_n, &proof),
                    "{m}, {other} to {n}"
                );
            }
            for other in others(n) {
                let other_root = &roots[usize::try_from(other).unwrap()];
                assert!(
                    !verify_consistency(m, root_m, other, other_root, &proof),
                    "{m} to {n}, {other}"
                );
            }
        }
    }
}

// Other implementations.

/// The hashes that `tlog_tiles` wants stored, in its order.
#[derive(Default)]
struct Stored(RefCell<Vec<tlog_tiles::Hash>>);

impl tlog_tiles::HashReader for &Stored {
    fn read_hashes(&self, indexes: &[u64]) -> Result<Vec<tlog_tiles::Hash>, tlog_tiles::Error> {
        Ok(indexes.iter().map(|at| self.0.borrow()[usize::try_from(*at).unwrap()]).collect())
    }
}

impl Stored {
    fn of(size: u64) -> Self {
        let stored = Self::default();
        for n in 0..size {
            let new = tlog_tiles::stored_hashes(n, &n.to_be_bytes(), &&stored).unwrap();
            stored.0.borrow_mut().extend(new);
        }
        stored
    }
}

fn ours(hashes: Vec<tlog_tiles::Hash>) -> Vec<Hash> {
    hashes.into_iter().map(|h| Hash(h.0)).collect()
}

fn theirs(hash: Hash) -> tlog_tiles::Hash {
    tlog_tiles::Hash(hash.0)
}

#[test]
fn two_other_implementations_make_the_same_trees() {
    let (leaves, stored) = (leaves(SIZE_MAX), Stored::of(SIZE_MAX));
    let nodes = Nodes::of(&leaves);
    let mut tree = MemoryBackedTree::<Sha256, [u8; 8]>::new();
    let mut frontier = Frontier::default();
    for n in 1..=SIZE_MAX {
        tree.push((n - 1).to_be_bytes());
        frontier.push(leaves[usize::try_from(n - 1).unwrap()]);
        let root = frontier.root();
        assert_eq!(root.0[..], tree.root().as_bytes()[..]);
        assert_eq!(root.0, tlog_tiles::tree_hash(n, &&stored).unwrap().0);
        for index in 0..n {
            let proof = inclusion_proof(index, n, &nodes).unwrap();
            assert_eq!(proof, ours(tlog_tiles::prove_record(n, index, &&stored).unwrap()));
            let bytes = tree.prove_inclusion(usize::try_from(index).unwrap());
            assert_eq!(tile::to_bytes(&proof), bytes.as_bytes(), "{index} of {n}");
        }
        for m in 1..n {
            let proof = consistency_proof(m, n, &nodes).unwrap();
            assert_eq!(proof, ours(tlog_tiles::prove_tree(n, m, &&stored).unwrap()));
            let bytes = tree.prove_consistency(usize::try_from(n - m).unwrap());
            assert_eq!(tile::to_bytes(&proof), bytes.as_bytes(), "{m} to {n}");
        }
    }
}

/// A proof does not bind the size by itself (a path of leaf 0 has the same shape in trees of 3 and 4): another size with
/// the same root is accepted exactly when the other implementation accepts it, too.
#[test]
fn another_implementation_judges_wrong_sizes_alike() {
    let leaves = leaves(20);
    let nodes = Nodes::of(&leaves);
    let roots: Vec<Hash> =
        (0..=leaves.len()).map(|size| frontier_of(&leaves[..size]).root()).collect();
    for (n, root_n) in (0u64..).zip(&roots).skip(1) {
        for index in 0..n {
            let proof = inclusion_proof(index, n, &nodes).unwrap();
            let their_proof = proof.iter().copied().map(theirs).collect();
            let leaf = leaves[usize::try_from(index).unwrap()];
            for (i, size) in (0..22).flat_map(|i| (0..22).map(move |size| (i, size))) {
                let their =
                    tlog_tiles::check_record(&their_proof, size, theirs(*root_n), i, theirs(leaf));
                let our = verify_inclusion(&leaf, i, size, &proof, root_n);
                assert_eq!(our, their.is_ok(), "{index} of {n} as {i} of {size}");
            }
        }
        for (m, root_m) in (0..=n).zip(&roots).skip(1) {
            let proof = consistency_proof(m, n, &nodes).unwrap();
            let their_proof = proof.iter().copied().map(theirs).collect();
            for (a, b) in (0..22).flat_map(|a| (0..22).map(move |b| (a, b))) {
                let (old, new) = (theirs(*root_m), theirs(*root_n));
                let their = tlog_tiles::check_tree(&their_proof, b, new, a, old);
                let our = verify_consistency(a, root_m, b, root_n, &proof);
                assert_eq!(our, their.is_ok(), "{m} to {n} as {a} to {b}");
            }
        }
    }
}

// Tiles.

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 48, failure_persistence: None, rng_seed: RngSeed::Fixed(1), ..ProptestConfig::default()
    })]

    #[test]
    fn a_frontier_has_the_root_of_the_definition(size in 0u64..3000, more in 0u64..600) {
        let leaves = leaves(size + more);
        let (first, rest) = leaves.split_at(usize::try_from(size).unwrap());
        let mut frontier = frontier_of(first);
        prop_assert_eq!(frontier.root(), naive_root(first));
        // Taken apart and put together, it goes on as if nothing had happened.
        let parts = Frontier::from_parts(size, frontier.hashes().to_vec()).unwrap();
        prop_assert_eq!(&parts, &frontier);
        prop_assert!(Frontier::from_parts(size ^ 1, frontier.hashes().to_vec()).is_err());
        for leaf in rest {
            frontier.push(*leaf);
        }
        prop_assert_eq!(frontier.root(), naive_root(&leaves));
        prop_assert_eq!(frontier.size(), size + more);
    }
}

#[test]
fn tiles_give_back_every_node() {
    // Two levels of full tiles, and a partial one on each of three.
    const SIZE: u64 = 256 * 256 + 3 * 256 + 7;
    let leaves = leaves(SIZE);
    let folder = tempfile::tempdir().unwrap();
    let (mut builder, mut paths) = (TileBuilder::default(), BTreeSet::new());
    let mut write = |name: Tile, hashes: &[Hash]| {
        let path = folder.path().join(name.path());
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, tile::to_bytes(hashes)).unwrap();
        paths.insert(name.path());
    };
    let mut frontier = Frontier::default();
    for leaf in &leaves {
        builder.push(*leaf, |name, hashes| {
            if u64::from(name.width) == tile::WIDTH {
                write(name, hashes);
            }
        });
        frontier.push(*leaf);
        assert!(builder.size() % 61 > 1 || builder.frontier() == frontier, "{}", builder.size());
    }
    builder.partials().for_each(|(name, hashes)| write(name, hashes));
    let expected = tlog_tiles::Tile::new_tiles(8, 0, SIZE).iter().map(c2sp_path).collect();
    assert_eq!(paths, expected);

    let store = Local::new(folder.path());
    let tiles = TileReader::new(&store, SIZE);
    assert_eq!(root_of(SIZE, &tiles).unwrap(), frontier_of(&leaves).root());
    for level in 0..=16u8 {
        for index in (0..SIZE >> level).step_by(97).chain([(SIZE >> level) - 1]) {
            let (start, end) = (index << level, (index + 1) << level);
            let range = usize::try_from(start).unwrap()..usize::try_from(end).unwrap();
            assert_eq!(tiles.node(level, index).unwrap(), naive_root(&leaves[range]));
        }
        assert!(tiles.node(level, SIZE >> level).is_err(), "{level}");
    }
    // What an older head needs is the beginning of a full tile; the builder goes on from what is on disk.
    let older = TileReader::new(&store, 65_536 + 10);
    assert_eq!(root_of(65_546, &older).unwrap(), frontier_of(&leaves[..65_546]).root());
    let resumed = tiles.builder().unwrap();
    assert!(resumed.partials().eq(builder.partials()));
}

/// The path without the height that `tlog_tiles` has in it.
fn c2sp_path(tile: &tlog_tiles::Tile) -> String {
    tile.path().replacen("tile/8/", "tile/", 1)
}

#[test]
fn paths_of_tiles_are_those_of_c2sp() {
    for (level, index, width, path) in [
        (0, 0, 256, "tile/0/000"),
        (0, 999, 256, "tile/0/999"),
        (1, 1000, 256, "tile/1/x001/000"),
        (0, 1_234_067, 256, "tile/0/x001/x234/067"),
        (2, 1_234_067, 17, "tile/2/x001/x234/067.p/17"),
        (7, 0, 1, "tile/7/000.p/1"),
    ] {
        let tile = Tile { level, index, width };
        assert_eq!(tile.path(), path);
        assert_eq!(path.parse::<Tile>().unwrap(), tile);
        let their = tlog_tiles::Tile::new(8, level, index, width.into(), false);
        assert_eq!(path, c2sp_path(&their));
    }
    for bad in [
        "",
        "tile",
        "tile/0",
        "tile/0/",
        "tile/0/0",
        "tile/0/0000",
        "tile/0/x000/001",
        "tile/0/x001/x234/67",
        "tile/0/x001/x234/x067",
        "tile/0/001/234",
        "tile/8/000",
        "tile/00/000",
        "tile/+0/000",
        "tile/-1/000",
        "tile/0/000.p/0",
        "tile/0/000.p/256",
        "tile/0/000.p/300",
        "tile/0/000.p/01",
        "tile/0/000.p/+1",
        "tile/0/000.p/1/",
        "tile/0/000.p/",
        "tile/0/000/",
        "/tile/0/000",
        "../tile/0/000",
        "tile/0/../000",
        "tile/entries/000",
        "tile/0/٠٠٠",
        "tile/0/x018/x446/x744/x073/x709/x551/616",
    ] {
        assert!(bad.parse::<Tile>().is_err(), "{bad}");
    }
}
