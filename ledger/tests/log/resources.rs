//! What other people's tools are given: paths, bundles, exports.

use std::collections::BTreeSet;
use std::path::Path;

use backtrail_ledger::{
    Hash, Kind, Ledger, ResourcePath, Resources, Snapshot, Tile, export, leaf_hash, node_hash,
};

use crate::support::{Folder, files, submission};

fn resources(folder: &Folder) -> Resources {
    Resources::new(Snapshot::open(&folder.ledger(), None).unwrap()).unwrap()
}

/// Appends `counts` deliveries each and publishes; the sizes that had a checkpoint.
fn grow(ledger: &mut Ledger, from: u64, counts: &[u64]) -> BTreeSet<u64> {
    let mut next = from;
    let mut sizes = BTreeSet::new();
    for count in counts {
        ledger.append((next..next + count).map(submission).collect()).unwrap();
        next += count;
        sizes.insert(ledger.publish().unwrap().size);
    }
    sizes
}

/// The hashes of a level of tiles, by pairing neighbours eight times for each level.
fn level(leaves: &[Vec<u8>], level: u8) -> Vec<Hash> {
    let mut hashes: Vec<Hash> = leaves.iter().map(|leaf| leaf_hash(leaf)).collect();
    for _ in 0..8 * level {
        hashes = hashes.chunks_exact(2).map(|pair| node_hash(&pair[0], &pair[1])).collect();
    }
    hashes
}

/// Every path around the tree has the bytes that a naive tree gives, or nothing.
fn check_all(resources: &Resources, published: impl Fn(u64, bool) -> bool) {
    let leaves: Vec<Vec<u8>> = resources.snapshot().leaves().map(|row| row.unwrap().1).collect();
    for l in 0..3u8 {
        let hashes = level(&leaves, l);
        for (index, width) in (0..4u64).flat_map(|index| (1..=256u16).map(move |w| (index, w))) {
            let end = index * 256 + u64::from(width);
            let tree = |hashes: u64| (hashes << (8 * l))..((hashes + 1) << (8 * l));
            let full = (index + 1) * 256 <= hashes.len() as u64;
            let there = end <= hashes.len() as u64
                && (width == 256 || tree(end).any(|size| published(size, full)));
            let tile = Tile { level: l, index, width };
            let want = there.then(|| {
                hashes[(index * 256) as usize..end as usize].iter().flat_map(|h| h.0).collect()
            });
            assert_eq!(resources.get(&ResourcePath::Tile(tile)).unwrap(), want, "{tile}");
            let want: Option<Vec<u8>> = (there && l == 0).then(|| {
                let rows = &leaves[(index * 256) as usize..end as usize];
                let entry =
                    |leaf: &Vec<u8>| [&(leaf.len() as u16).to_be_bytes()[..], leaf].concat();
                rows.iter().flat_map(entry).collect()
            });
            assert_eq!(resources.get(&ResourcePath::Entries(tile)).unwrap(), want, "{tile}");
        }
    }
}

#[test]
fn a_path_has_what_a_naive_tree_says_or_nothing() {
    let folder = Folder::new();
    let mut ledger = folder.init();
    let mut sizes = BTreeSet::from([ledger.checkpoint().size]);
    sizes.extend(grow(&mut ledger, 0, &[3, 1, 200, 49, 2, 130, 1, 1]));
    check_all(&resources(&folder), |size, _| sizes.contains(&size));
    ledger.seal().unwrap();
    let sealed = ledger.size() - 1;
    sizes.extend(grow(&mut ledger, 1000, &[5, 7]));
    // Below the segment's end the files no longer tell which sizes had a checkpoint.
    check_all(&resources(&folder), |size, full| {
        if size >= sealed {
            size == sealed + 1 || sizes.contains(&size) || size == sealed
        } else {
            !full
        }
    });
}

#[test]
fn a_reader_of_an_older_head_still_finds_its_tiles() {
    let folder = Folder::new();
    let mut ledger = folder.init();
    grow(&mut ledger, 0, &[5]);
    let before = resources(&folder);
    let tile =
        ResourcePath::Tile(Tile { level: 0, index: 0, width: before.snapshot().size() as u16 });
    let bytes = before.get(&tile).unwrap();
    assert!(bytes.is_some());
    grow(&mut ledger, 100, &[4, 3]);
    assert_eq!(before.get(&tile).unwrap(), bytes);
    let newer = before.newer().unwrap().unwrap();
    assert_eq!(newer.get(&tile).unwrap(), bytes);
    assert!(newer.newer().unwrap().is_none());
    ledger.seal().unwrap();
    grow(&mut ledger, 200, &[300]);
    let newest = newer.newer().unwrap().unwrap();
    assert_eq!(newest.snapshot().checkpoint(), ledger.checkpoint());
    assert_eq!(newest.snapshot().leaves().count() as u64, ledger.size());
}

fn tree_of(dir: &Path) -> Vec<(String, Vec<u8>)> {
    files(dir).into_iter().map(|f| (f.clone(), std::fs::read(dir.join(f)).unwrap())).collect()
}

#[test]
fn an_export_is_what_is_served_and_adds_only_what_is_new() {
    let folder = Folder::new();
    let mut ledger = folder.init();
    grow(&mut ledger, 0, &[300]);
    ledger.seal().unwrap();
    let (dir, fresh) = (folder.dir.path().join("out"), folder.dir.path().join("fresh"));
    let first = export::tiles(&resources(&folder), &dir).unwrap();
    assert_eq!((first.kept, first.written as usize), (0, files(&dir).len()));
    assert_eq!(export::tiles(&resources(&folder), &dir).unwrap().written, 0);
    grow(&mut ledger, 500, &[400]);
    let now = resources(&folder);
    export::tiles(&now, &dir).unwrap();
    export::tiles(&now, &fresh).unwrap();
    for (path, bytes) in tree_of(&fresh) {
        let got = now.get(&path.parse().unwrap()).unwrap();
        assert_eq!(got.as_ref(), Some(&bytes), "{path}");
        assert_eq!(std::fs::read(dir.join(&path)).unwrap(), bytes, "{path}");
    }
    for (path, _) in tree_of(&dir) {
        assert!(now.get(&path.parse().unwrap()).unwrap().is_some(), "{path}");
    }
}

#[test]
fn an_interrupted_export_has_no_checkpoint_and_goes_on() {
    let folder = Folder::new();
    let mut ledger = folder.init();
    grow(&mut ledger, 0, &[300, 300]);
    let (dir, whole) = (folder.dir.path().join("out"), folder.dir.path().join("whole"));
    export::tiles(&resources(&folder), &whole).unwrap();
    // A bundle that cannot be written: its name is a folder's.
    std::fs::create_dir_all(dir.join("tile/entries/001.part")).unwrap();
    let failed = export::tiles(&resources(&folder), &dir).unwrap_err();
    assert_eq!(failed.kind(), Kind::Retry, "{failed}");
    assert!(dir.join("tile/entries/000").exists() && !dir.join("checkpoint").exists());
    std::fs::remove_dir(dir.join("tile/entries/001.part")).unwrap();
    std::fs::write(dir.join("tile/entries/001.part"), "half").unwrap();
    export::tiles(&resources(&folder), &dir).unwrap();
    assert_eq!(tree_of(&dir), tree_of(&whole));
}

#[test]
fn an_export_never_goes_back_or_sideways() {
    let (folder, other) = (Folder::new(), Folder::new());
    let (mut ledger, mut fork) = (folder.init(), other.init());
    grow(&mut ledger, 0, &[10]);
    grow(&mut fork, 50, &[30]);
    let dir = folder.dir.path().join("out");
    let older = resources(&folder);
    grow(&mut ledger, 10, &[5]);
    export::tiles(&resources(&folder), &dir).unwrap();
    let before = tree_of(&dir);
    for bad in [&older, &resources(&other)] {
        let refused = export::tiles(bad, &dir).unwrap_err();
        assert_eq!(refused.kind(), Kind::Reject, "{refused}");
        assert_eq!(tree_of(&dir), before);
    }
    // A flipped bit in the ledger's own tile is not exported.
    let partial = files(&folder.ledger()).into_iter().find(|f| f.starts_with("tile/0/")).unwrap();
    let path = folder.ledger().join(partial);
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[7] ^= 1;
    std::fs::write(&path, bytes).unwrap();
    let refused = export::tiles(&resources(&folder), &dir.join("new")).unwrap_err();
    assert_eq!(refused.kind(), Kind::Tampered, "{refused}");
}
