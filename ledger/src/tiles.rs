//! Tiles on disk as a source of nodes.

use std::cell::RefCell;
use std::collections::HashMap;

use crate::error::Error;
use crate::storage::Storage;
use crate::tlog::tile::{self, Tile, WIDTH, subtree_root};
use crate::tlog::{Hash, NodeSource, TileBuilder};

/// The most tiles kept in memory: 8 KiB each.
const CACHE_TILES: usize = 256;

/// The tree of `size` leaves, read from tiles when asked. What it says is only as good as the proof made of it: check it.
pub struct TileReader<'a> {
    store: &'a dyn Storage,
    size: u64,
    cache: RefCell<HashMap<(u8, u64), Vec<Hash>>>,
}

impl<'a> TileReader<'a> {
    /// The tree of `size` leaves in `store`.
    pub fn new(store: &'a dyn Storage, size: u64) -> Self {
        Self { store, size, cache: RefCell::default() }
    }

    /// The hashes of tile `index` of `level`, as many as the tree has there.
    ///
    /// # Errors
    /// The tile is missing or has another length.
    pub fn tile(&self, level: u8, index: u64) -> Result<Vec<Hash>, Error> {
        if let Some(hashes) = self.cache.borrow().get(&(level, index)) {
            return Ok(hashes.clone());
        }
        let hashes =
            (self.size >> (8 * u32::from(level))).saturating_sub(index.saturating_mul(WIDTH));
        if hashes == 0 || level > 7 {
            return Err(Error::reject(format!(
                "no tile {index} of level {level} in a tree of {} leaves",
                self.size
            )));
        }
        let name = Tile { level, index, width: hashes.min(WIDTH) as u16 };
        let hashes = self.read(&name)?;
        let mut cache = self.cache.borrow_mut();
        if cache.len() >= CACHE_TILES {
            cache.clear();
        }
        cache.insert((level, index), hashes.clone());
        Ok(hashes)
    }

    /// Reads a tile; a partial one may be the beginning of a longer one, which replaces it.
    fn read(&self, name: &Tile) -> Result<Vec<Hash>, Error> {
        let full = Tile { width: WIDTH as u16, ..*name };
        for there in [*name, full] {
            if let Some(bytes) = self.store.read_if_any(&there.path())? {
                return Self::beginning(&there, &bytes, name.width);
            }
        }
        // The log has grown since this tree's head was read, and the partial tiles of that head are gone.
        let mut longer = self.store.list(&format!("{}.p", full.path()))?.into_iter();
        let longer = longer.find_map(|(path, _)| path.parse().ok().filter(|t: &Tile| t > name));
        let there = longer.unwrap_or(full);
        Self::beginning(&there, &self.store.read_all(&there.path())?, name.width)
    }

    fn beginning(there: &Tile, bytes: &[u8], width: u16) -> Result<Vec<Hash>, Error> {
        let mut hashes = tile::from_bytes(there, bytes)?;
        hashes.truncate(width.into());
        Ok(hashes)
    }

    /// The last tiles of the tree, to go on from.
    ///
    /// # Errors
    /// As [`TileReader::tile`].
    pub fn builder(&self) -> Result<TileBuilder, Error> {
        let mut edge = Vec::new();
        for (level, full, partial) in Tile::levels(self.size) {
            edge.push(if partial.is_some() { self.tile(level, full)? } else { Vec::new() });
        }
        TileBuilder::from_parts(self.size, edge)
    }
}

impl NodeSource for TileReader<'_> {
    fn node(&self, level: u8, index: u64) -> Result<Hash, Error> {
        // Tile level L holds the subtrees of height 8·L; higher ones within a tile are computed from it.
        let tile_level = level / 8;
        let width = 1u64 << (level % 8);
        let start = index << (level % 8);
        let hashes = self.tile(tile_level, start / WIDTH)?;
        let at = (start % WIDTH) as usize;
        let range = hashes.get(at..at + width as usize);
        range.map(subtree_root).ok_or_else(|| Error::reject("a subtree beyond the tree"))
    }
}
