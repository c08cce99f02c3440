//! Tiles: all hashes of the tree in files of 256. *Source*: C2SP tlog-tiles, "Merkle Tree".

use std::fmt;
use std::str::FromStr;

use super::frontier::Frontier;
use super::hash::{Hash, node_hash};
use crate::error::Error;

/// Hashes of a full tile.
pub const WIDTH: u64 = 256;

/// The name of one tile: `width` hashes of level `8 · level`, from position `256 · index` on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tile {
    /// 0 for leaf hashes; one more for each 8 levels of the tree. At most 7.
    pub level: u8,
    /// Which tile of the level, from 0.
    pub index: u64,
    /// How many hashes: 1 to 256.
    pub width: u16,
}

impl Tile {
    /// The path in a ledger: `tile/<L>/<N>` with N in groups of three digits, and `.p/<W>` when it is not full.
    pub fn path(&self) -> String {
        let mut groups = format!("{:03}", self.index % 1000);
        let mut rest = self.index / 1000;
        while rest > 0 {
            groups = format!("x{:03}/{groups}", rest % 1000);
            rest /= 1000;
        }
        let partial = if u64::from(self.width) == WIDTH {
            String::new()
        } else {
            format!(".p/{}", self.width)
        };
        format!("tile/{}/{groups}{partial}", self.level)
    }

    /// The tiles that a tree of `size` leaves has: of each level the full ones are `0..count`, and then the partial one.
    pub fn levels(size: u64) -> impl Iterator<Item = (u8, u64, Option<Self>)> {
        (0..8u8).map_while(move |level| {
            let hashes = size >> (8 * u32::from(level));
            let partial = Self { level, index: hashes / WIDTH, width: (hashes % WIDTH) as u16 };
            (hashes > 0).then_some((level, hashes / WIDTH, (partial.width > 0).then_some(partial)))
        })
    }
}

impl fmt::Display for Tile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.path())
    }
}

impl FromStr for Tile {
    type Err = Error;

    fn from_str(path: &str) -> Result<Self, Error> {
        let parsed = (|| {
            let (level, rest) = path.strip_prefix("tile/")?.split_once('/')?;
            let (name, width) = match rest.split_once(".p/") {
                Some((name, width)) => (name, width.parse().ok()?),
                None => (rest, 256),
            };
            let digits: String = name.chars().filter(char::is_ascii_digit).collect();
            Some(Self { level: level.parse().ok()?, index: digits.parse().ok()?, width })
        })();
        // Only the one spelling that we would write ourselves is accepted, so two paths never name one tile.
        parsed
            .filter(|tile| tile.level < 8 && (1..=256).contains(&tile.width) && tile.path() == path)
            .ok_or_else(|| Error::reject(format!("`{path}` is not the path of a tile")))
    }
}

/// Makes tiles out of leaf hashes that come in order.
#[derive(Clone, Debug, Default)]
pub struct TileBuilder {
    size: u64,
    /// The hashes of the last tile of each level, fewer than 256 each.
    edge: Vec<Vec<Hash>>,
}

impl TileBuilder {
    /// A builder of a tree of `size` leaves whose last tiles have these hashes, by level.
    ///
    /// # Errors
    /// The numbers of hashes do not belong to `size`.
    pub fn from_parts(size: u64, edge: Vec<Vec<Hash>>) -> Result<Self, Error> {
        let fits = (0..8).all(|level| {
            let width = (size >> (8 * level)) % WIDTH;
            edge.get(level).map_or(0, |hashes| hashes.len() as u64) == width
        });
        if fits && edge.len() <= 8 {
            Ok(Self { size, edge })
        } else {
            Err(Error::reject("tiles that do not fit the size"))
        }
    }

    /// Appends one leaf hash and tells `each` about every hash that it adds: the tile that ends with it, and the hashes
    /// of that tile so far.
    pub fn push(&mut self, leaf: Hash, mut each: impl FnMut(Tile, &[Hash])) {
        self.size += 1;
        let mut hash = leaf;
        for level in 0..8u8 {
            let at = usize::from(level);
            if self.edge.len() == at {
                self.edge.push(Vec::with_capacity(WIDTH as usize));
            }
            let edge = &mut self.edge[at];
            edge.push(hash);
            let hashes = self.size >> (8 * u32::from(level));
            each(Tile { level, index: (hashes - 1) / WIDTH, width: edge.len() as u16 }, edge);
            if edge.len() as u64 != WIDTH {
                return;
            }
            hash = subtree_root(edge);
            edge.clear();
        }
    }

    /// How many leaves there are.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The compact range of the leaves so far.
    pub fn frontier(&self) -> Frontier {
        let mut hashes = Vec::with_capacity(self.size.count_ones() as usize);
        for edge in self.edge.iter().rev() {
            let mut rest = edge.as_slice();
            while !rest.is_empty() {
                // The largest complete subtree that begins here.
                let (subtree, behind) = rest.split_at(1 << rest.len().ilog2());
                hashes.push(subtree_root(subtree));
                rest = behind;
            }
        }
        Frontier::from_parts(self.size, hashes).expect("one subtree for each bit of the size")
    }

    /// The tiles that are not full, with their hashes.
    pub fn partials(&self) -> impl Iterator<Item = (Tile, &[Hash])> {
        Tile::levels(self.size).filter_map(|(level, _, partial)| {
            Some((partial?, self.edge.get(usize::from(level))?.as_slice()))
        })
    }
}

/// The root of a complete subtree: `hashes.len()` is a power of two.
pub(crate) fn subtree_root(hashes: &[Hash]) -> Hash {
    if let [one] = hashes {
        *one
    } else {
        let (left, right) = hashes.split_at(hashes.len() / 2);
        node_hash(&subtree_root(left), &subtree_root(right))
    }
}

/// The bytes of a tile: its hashes one after the other.
pub fn to_bytes(hashes: &[Hash]) -> Vec<u8> {
    hashes.iter().flat_map(|hash| hash.0).collect()
}

/// The hashes of a tile's bytes.
///
/// # Errors
/// The length is not that of `tile.width` hashes.
pub fn from_bytes(tile: &Tile, bytes: &[u8]) -> Result<Vec<Hash>, Error> {
    if bytes.len() != usize::from(tile.width) * 32 {
        return Err(Error::tampered(format!(
            "`{tile}` has {} bytes, not {}",
            bytes.len(),
            usize::from(tile.width) * 32
        )));
    }
    Ok(bytes.chunks_exact(32).map(|c| Hash(c.try_into().expect("chunks of 32"))).collect())
}
