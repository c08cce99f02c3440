//! The log as a folder of files that a web server, or other people's tools, can read: C2SP tlog-tiles.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use crate::checkpoint::Checkpoint;
use crate::error::{Error, Kind};
use crate::note::Note;
use crate::resources::{ResourcePath, Resources, push_entry};
use crate::tlog::tile::WIDTH;
use crate::tlog::{Tile, leaf_hash, root_of};

/// What an export wrote.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Exported {
    /// Files that were not there before.
    pub written: u64,
    /// Files that were.
    pub kept: u64,
}

/// Writes what `resources` has into `dir`: the bundles and tiles first, `checkpoint` last. A folder without `checkpoint` is an
/// export that was interrupted; run again, it goes on. Run later, it adds what is new: a full tile, once there, is never
/// written again, and `checkpoint` is replaced in one step. One bundle and one row group are in memory at a time.
///
/// Partial tiles are there for the sizes of `checkpoint` and of the kept checkpoints.
///
/// # Errors
/// `Reject` if `dir` holds an export of another log, or of a later or other head of this one; `Tampered` if the ledger's tiles
/// and rows contradict each other; `Retry` if there is no space.
pub fn tiles(resources: &Resources, dir: &Path) -> Result<Exported, Error> {
    let head = resources.snapshot().checkpoint();
    let tree = resources.snapshot().tiles();
    if root_of(head.size, &tree)? != head.root {
        return Err(Error::tampered("the tiles are not those that were signed"));
    }
    check_earlier(resources, dir)?;
    let mut target = Target { dir, folders: BTreeSet::new(), done: Exported::default() };
    bundles(resources, &mut target)?;
    for (level, full, _) in Tile::levels(head.size) {
        for index in 0..full {
            let name = Tile { level, index, width: WIDTH as u16 };
            target.put(&ResourcePath::Tile(name), || {
                let bytes = get(resources, &ResourcePath::Tile(name))?;
                resources.check_tile(&name, &bytes).map(|()| bytes)
            })?;
        }
    }
    let partials = |size: u64| Tile::levels(size).filter_map(|(_, _, partial)| partial);
    let partials: BTreeSet<Tile> = resources.kept()?.into_iter().flat_map(partials).collect();
    for partial in partials {
        let tile = ResourcePath::Tile(partial);
        target.put(&tile, || get(resources, &tile))?;
        if resources.has_entries(&partial) {
            let entries = ResourcePath::Entries(partial);
            target.put(&entries, || get(resources, &entries))?;
        }
    }
    target.finish(&get(resources, &ResourcePath::Checkpoint)?)
}

fn get(resources: &Resources, path: &ResourcePath) -> Result<Vec<u8>, Error> {
    let missing = || Error::tampered(format!("`{path}` is not there below the checkpoint"));
    resources.get(path)?.ok_or_else(missing)
}

/// Refuses a folder whose checkpoint is not an earlier one of the same log.
fn check_earlier(resources: &Resources, dir: &Path) -> Result<(), Error> {
    let path = dir.join("checkpoint");
    let text = match fs::read(&path) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(()),
        read => read.map_err(|e| Error::io(format!("read `{}`", path.display()), e))?,
    };
    let refused = |what: &str| Error::reject(format!("`{}` {what}", path.display()));
    let note = String::from_utf8(text).ok().and_then(|text| text.parse::<Note>().ok());
    let earlier = note.and_then(|note| note.text.parse::<Checkpoint>().ok());
    let earlier = earlier.ok_or_else(|| refused("is not a checkpoint"))?;
    let head = resources.snapshot().checkpoint();
    if earlier.origin != head.origin {
        return Err(refused(&format!("is of `{}`, another log", earlier.origin)));
    }
    if earlier.size > head.size {
        return Err(refused(&format!("has {} rows, the ledger {}", earlier.size, head.size)));
    }
    if root_of(earlier.size, &resources.snapshot().tiles())? != earlier.root {
        return Err(refused("is a head that this ledger never had"));
    }
    Ok(())
}

/// Writes the full bundles that are not there, each compared with its tile.
fn bundles(resources: &Resources, target: &mut Target) -> Result<(), Error> {
    let snapshot = resources.snapshot();
    let full = snapshot.checkpoint().size / WIDTH;
    let name = |index: u64| Tile { level: 0, index, width: WIDTH as u16 };
    let there = |index: &u64| target.has(&ResourcePath::Entries(name(*index)));
    let first = (0..full).take_while(there).count() as u64;
    target.done.kept += first;
    // Bundles with rows that were pruned can no longer be made.
    let first = first.max(snapshot.start().div_ceil(WIDTH));
    let mut rows = snapshot.leaves_from(first * WIDTH);
    let tree = snapshot.tiles();
    for index in first..full {
        let hashes = tree.tile(0, index)?;
        let mut bundle = Vec::new();
        for (hash, seq) in hashes.iter().zip(index * WIDTH..) {
            let (at, leaf) =
                rows.next().ok_or_else(|| Error::tampered(format!("no row {seq}")))??;
            if at != seq || leaf_hash(&leaf) != *hash {
                return Err(Error::tampered(format!("row {seq} is not the one that was signed")));
            }
            push_entry(&mut bundle, &leaf);
        }
        target.put(&ResourcePath::Entries(name(index)), || Ok(bundle))?;
    }
    Ok(())
}

/// The folder that is written to.
struct Target<'a> {
    dir: &'a Path,
    /// Folders in which files were made.
    folders: BTreeSet<PathBuf>,
    done: Exported,
}

impl Target<'_> {
    fn has(&self, path: &ResourcePath) -> bool {
        self.dir.join(path.to_string()).is_file()
    }

    /// Writes a file that is not there. It appears under its name only when it is whole.
    fn put(
        &mut self,
        path: &ResourcePath,
        bytes: impl FnOnce() -> Result<Vec<u8>, Error>,
    ) -> Result<(), Error> {
        if self.has(path) {
            self.done.kept += 1;
            return Ok(());
        }
        let bytes = bytes()?;
        let target = self.dir.join(path.to_string());
        let folder = target.parent().expect("a file below the folder");
        let made = fs::create_dir_all(folder).and_then(|()| write(&target, &bytes));
        made.map_err(|e| failed(&target, e))?;
        // The folders above may be new as well.
        for above in folder.ancestors().take_while(|above| above.starts_with(self.dir)) {
            if !self.folders.insert(above.to_owned()) {
                break;
            }
        }
        self.done.written += 1;
        Ok(())
    }

    /// Makes everything durable, and only then says which head it is.
    fn finish(mut self, note: &[u8]) -> Result<Exported, Error> {
        let target = self.dir.join("checkpoint");
        self.folders.insert(self.dir.to_owned());
        for folder in &self.folders {
            sync(folder).map_err(|e| failed(folder, e))?;
        }
        if fs::read(&target).is_ok_and(|there| there == note) {
            self.done.kept += 1;
            return Ok(self.done);
        }
        write(&target, note).and_then(|()| sync(self.dir)).map_err(|e| failed(&target, e))?;
        self.done.written += 1;
        Ok(self.done)
    }
}

fn failed(path: &Path, e: io::Error) -> Error {
    let doing = format!("write `{}`", path.display());
    // Nothing of the ledger was touched, whatever went wrong.
    Error::io(&doing, e).during(Kind::Retry, "the export is not complete")
}

fn sync(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

/// Writes beside the target, then renames.
fn write(target: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut part = target.as_os_str().to_owned();
    part.push(".part");
    let mut file = File::create(&part)?;
    file.write_all(bytes)?;
    file.sync_data()?;
    fs::rename(&part, target)
}
