//! The resources of a log for other people's tools: what a path has at one checkpoint. *Source*: C2SP tlog-tiles.
//!
//! `checkpoint` is the signed note, `tile/<L>/<N>[.p/<W>]` a tile of hashes, `tile/entries/<N>[.p/<W>]` a bundle of
//! leaves, which no file of the ledger holds: it is made from the rows. [`crate::export`] writes them into a folder, a
//! server gives them out; neither has any other source.

use std::fmt;
use std::str::FromStr;

use crate::error::Error;
use crate::snapshot::Snapshot;
use crate::tlog::tile::{self, WIDTH};
use crate::tlog::{NodeSource as _, Tile};
use crate::writer::CHECKPOINT;

/// A path below the prefix of the log, without a leading slash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResourcePath {
    /// The newest signed note.
    Checkpoint,
    /// Hashes of the tree.
    Tile(Tile),
    /// The entries whose leaf hashes are this tile of level 0.
    Entries(Tile),
}

impl ResourcePath {
    /// Whether what it names never changes once it is there.
    pub fn is_immutable(&self) -> bool {
        !matches!(self, Self::Checkpoint)
    }
}

impl FromStr for ResourcePath {
    type Err = Error;

    /// Accepts only the one spelling of each path.
    fn from_str(path: &str) -> Result<Self, Error> {
        if path == CHECKPOINT {
            return Ok(Self::Checkpoint);
        }
        match path.strip_prefix("tile/entries/") {
            Some(rest) => format!("tile/0/{rest}").parse().map(Self::Entries),
            None => path.parse().map(Self::Tile),
        }
    }
}

impl fmt::Display for ResourcePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Checkpoint => f.write_str(CHECKPOINT),
            Self::Tile(tile) => write!(f, "{tile}"),
            Self::Entries(tile) => {
                let path = tile.path();
                write!(f, "tile/entries/{}", path.strip_prefix("tile/0/").unwrap_or(&path))
            }
        }
    }
}

/// What a log has at one checkpoint.
pub struct Resources {
    snapshot: Snapshot,
    /// Sizes that may have had a checkpoint, as far as the files tell; sorted.
    sizes: Vec<u64>,
}

impl Resources {
    /// The resources at the checkpoint of `snapshot`.
    ///
    /// # Errors
    /// The kept checkpoints cannot be listed.
    pub fn new(snapshot: Snapshot) -> Result<Self, Error> {
        let sizes = snapshot.published_sizes()?;
        Ok(Self { snapshot, sizes })
    }

    /// The rows.
    pub fn snapshot(&self) -> &Snapshot {
        &self.snapshot
    }

    /// Those of a newer checkpoint, if there is one.
    ///
    /// # Errors
    /// As [`Snapshot::newer`].
    pub fn newer(&self) -> Result<Option<Self>, Error> {
        self.snapshot.newer()?.map(Self::new).transpose()
    }

    /// The sizes of the kept checkpoints, and of this one.
    pub(crate) fn kept(&self) -> Result<Vec<u64>, Error> {
        self.snapshot.kept_sizes()
    }

    /// The bytes of a path, or `None` if the log has nothing there: a tile that is not full yet or lies beyond the head,
    /// or a partial one of a size that had no checkpoint, or entries that were pruned.
    ///
    /// A partial tile of any size below the last segment's end is taken for one that had a checkpoint while no full tile
    /// replaces it: the files no longer tell, and a client that holds the checkpoint must find it.
    ///
    /// # Errors
    /// A file of the ledger is missing or damaged.
    pub fn get(&self, path: &ResourcePath) -> Result<Option<Vec<u8>>, Error> {
        match path {
            ResourcePath::Checkpoint => Ok(Some(self.snapshot.note().into_bytes())),
            ResourcePath::Tile(tile) if self.has(tile) => self.hashes(tile).map(Some),
            ResourcePath::Entries(tile) if self.has_entries(tile) => self.bundle(tile).map(Some),
            ResourcePath::Tile(_) | ResourcePath::Entries(_) => Ok(None),
        }
    }

    /// Whether a bundle is there: its tile is, and none of its rows was pruned.
    pub(crate) fn has_entries(&self, tile: &Tile) -> bool {
        let whole = tile.index.checked_mul(WIDTH).is_some_and(|at| at >= self.snapshot.start());
        tile.level == 0 && whole && self.has(tile)
    }

    /// Whether a tree that had a checkpoint has this tile.
    fn has(&self, tile: &Tile) -> bool {
        let shift = 8 * u32::from(tile.level);
        let (size, Some(start)) = (self.snapshot.checkpoint().size, tile.index.checked_mul(WIDTH))
        else {
            return false;
        };
        let hashes = start.saturating_add(tile.width.into());
        if hashes > size >> shift {
            return false;
        }
        if u64::from(tile.width) == WIDTH {
            return true;
        }
        // Trees of these sizes have this tile as their last one of the level. Nothing overflows: it is below the size.
        let sizes = hashes << shift..(hashes + 1) << shift;
        let at = self.sizes.partition_point(|size| *size < sizes.start);
        let known = self.sizes.get(at).is_some_and(|size| sizes.contains(size));
        let replaced = start + WIDTH <= size >> shift;
        known || (!replaced && sizes.start < self.snapshot.tail_start())
    }

    fn hashes(&self, tile: &Tile) -> Result<Vec<u8>, Error> {
        let mut hashes = self.snapshot.tiles().tile(tile.level, tile.index)?;
        hashes.truncate(tile.width.into());
        Ok(tile::to_bytes(&hashes))
    }

    /// *Source*: tlog-tiles, "Log entries": each entry behind its length as a big-endian `u16`.
    fn bundle(&self, tile: &Tile) -> Result<Vec<u8>, Error> {
        let start = tile.index * WIDTH;
        let mut bytes = Vec::new();
        for seq in start..start + u64::from(tile.width) {
            push_entry(&mut bytes, &self.snapshot.leaf(seq)?);
        }
        Ok(bytes)
    }

    /// Checks that the hash of a full tile is the one that the level above has for it.
    pub(crate) fn check_tile(&self, tile: &Tile, hashes: &[u8]) -> Result<(), Error> {
        let hashes = tile::from_bytes(tile, hashes)?;
        let above = self.snapshot.tiles().node(8 * (tile.level + 1), tile.index)?;
        if tile::subtree_root(&hashes) == above {
            return Ok(());
        }
        Err(Error::tampered(format!("`{tile}` is not the tile that was signed")))
    }
}

/// Appends an entry to a bundle.
pub(crate) fn push_entry(bundle: &mut Vec<u8>, leaf: &[u8]) {
    let length = u16::try_from(leaf.len()).expect("a leaf has at most 65,535 bytes");
    bundle.extend_from_slice(&length.to_be_bytes());
    bundle.extend_from_slice(leaf);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_has_one_spelling() {
        for path in [
            "checkpoint",
            "tile/0/000",
            "tile/0/000.p/1",
            "tile/6/x001/x234/067.p/255",
            "tile/entries/000",
            "tile/entries/x001/000.p/17",
        ] {
            assert_eq!(path.parse::<ResourcePath>().map(|p| p.to_string()).unwrap(), path);
        }
        for path in [
            "",
            "/checkpoint",
            "checkpoint/",
            "tile/",
            "tile/0/0",
            "tile/00/000",
            "tile/0/000.p/0",
            "tile/0/000.p/01",
            "tile/0/000.p/256",
            "tile/0/x000/000",
            "tile/0/001/000",
            "tile/8/000",
            "tile/data/000",
            "tile/entries/",
            "tile/entries/0/000",
            "tile/entries/000.p/",
            "tile/entries/../0/000",
            "tile/0/x999/x999/x999/x999/x999/x999/x999/999",
        ] {
            assert!(path.parse::<ResourcePath>().is_err(), "{path}");
        }
    }
}
