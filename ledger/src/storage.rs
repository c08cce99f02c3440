//! Where a ledger's files lie, as a contract that other stores can keep.

use std::any::Any;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::ops::Range;
use std::path::{Component, Path, PathBuf};
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, OnceLock};
use std::thread;

use crate::error::{Error, Kind};
use crate::limits::{FILE_BYTES_MAX, FILES_MAX};

/// Files under one root, named by relative paths with `/`.
///
/// *Durable* means: after the call returned, a power cut leaves the file with these bytes under this name. No call
/// follows symbolic links below the root. A failed call may have done any part of its work, except where it says less;
/// the caller looks again before it trusts anything.
pub trait Storage: Send + Sync {
    /// Makes the caller the only writer until what is returned is dropped, and clears what an earlier writer left
    /// unfinished under names of its own.
    ///
    /// # Errors
    /// `Locked`, naming the process that holds it.
    fn lock(&self) -> Result<Box<dyn Any + Send + Sync>, Error>;

    /// Creates files that do not exist, with their folders; all are durable when it returns. A power cut before that
    /// may leave any of them missing, short or empty.
    ///
    /// # Errors
    /// `Reject` if one exists.
    fn create(&self, files: &[(String, Vec<u8>)]) -> Result<(), Error>;

    /// Appends to an existing file. Not durable until [`Storage::sync`]; a failure may have appended any prefix.
    fn append(&self, path: &str, bytes: &[u8]) -> Result<(), Error>;

    /// Makes what was appended to these files durable, in any order. After a failure nobody knows what is on disk: it must
    /// not be tried again.
    fn sync(&self, paths: &[&str]) -> Result<(), Error>;

    /// Creates or replaces a file in one step: every reader, and every restart, sees the old bytes or the new ones.
    /// Durable when it returns.
    fn replace(&self, path: &str, bytes: &[u8]) -> Result<(), Error>;

    /// All regular files below a folder with their lengths, sorted by path; nothing if the folder does not exist.
    fn list(&self, folder: &str) -> Result<Vec<(String, u64)>, Error>;

    /// How many bytes a file has.
    ///
    /// # Errors
    /// `Missing` if it does not exist.
    fn len(&self, path: &str) -> Result<u64, Error>;

    /// The bytes `range` of a file; fewer if it ends earlier.
    ///
    /// # Errors
    /// `Missing` if it does not exist.
    fn read(&self, path: &str, range: Range<u64>) -> Result<Vec<u8>, Error>;

    /// Removes a file; durable when it returns. No error if there is none.
    fn remove(&self, path: &str) -> Result<(), Error>;

    /// A whole file.
    ///
    /// # Errors
    /// As [`Storage::read`]; `Reject` if it is larger than this crate takes into memory.
    fn read_all(&self, path: &str) -> Result<Vec<u8>, Error> {
        match self.len(path)? {
            len if len <= FILE_BYTES_MAX => self.read(path, 0..len),
            len => {
                Err(Error::reject(format!("`{path}` has {len} bytes, more than {FILE_BYTES_MAX}")))
            }
        }
    }

    /// A whole file, or `None` if it does not exist.
    ///
    /// # Errors
    /// As [`Storage::read_all`], except `Missing`.
    fn read_if_any(&self, path: &str) -> Result<Option<Vec<u8>>, Error> {
        match self.read_all(path) {
            Err(e) if e.kind() == Kind::Missing => Ok(None),
            other => other.map(Some),
        }
    }
}

/// A folder of the local file system.
#[derive(Clone, Debug)]
pub struct Local {
    root: PathBuf,
    /// Syncs files beside the thread that asks. Starting a thread for each would take a third as long as the disk does.
    beside: Arc<OnceLock<Sender<Wanted>>>,
}

/// A file to be synced, and who waits for it.
type Wanted = (PathBuf, Sender<io::Result<()>>);

fn sync_wanted(files: Receiver<Wanted>) {
    for (file, waiting) in files {
        // Whoever asked waits.
        let _ = waiting.send(sync_data(&file));
    }
}

fn sync_data(file: &Path) -> io::Result<()> {
    OpenOptions::new().append(true).open(file)?.sync_data()
}

/// Where replacements are written before they are renamed; on the same file system as their targets.
const TEMPORARY: &str = "state/tmp";

/// Locked by the writer; holds its process id.
const LOCK: &str = "state/lock";

impl Local {
    /// The store whose root is `root`, which exists.
    pub fn new(root: &Path) -> Self {
        Self { root: root.to_owned(), beside: Arc::default() }
    }

    /// The path in the file system, checked so that it stays below the root and passes no symbolic link.
    pub fn resolve(&self, path: &str) -> Result<PathBuf, Error> {
        let mut resolved = self.root.clone();
        for part in Path::new(path).components() {
            let Component::Normal(name) = part else {
                return Err(Error::reject(format!("`{path}` leaves the ledger")));
            };
            resolved.push(name);
            if fs::symlink_metadata(&resolved).is_ok_and(|m| m.file_type().is_symlink()) {
                return Err(Error::tampered(format!("`{path}` is or passes a symbolic link")));
            }
        }
        Ok(resolved)
    }
}

/// The locked file. A command that is being started, such as a signer, has a copy of it for a moment: closing ours alone
/// would not unlock it.
struct Lock(File);

impl Drop for Lock {
    fn drop(&mut self) {
        // If it fails, closing the file does the same a moment later.
        let _ = self.0.unlock();
    }
}

impl Storage for Local {
    fn lock(&self) -> Result<Box<dyn Any + Send + Sync>, Error> {
        let path = self.resolve(LOCK)?;
        let opened = create_parents(&path).and_then(|()| {
            OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path)
        });
        let mut file = opened.map_err(|e| Error::io(format!("open `{LOCK}`"), e))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(fs::TryLockError::WouldBlock) => {
                let mut holder = String::new();
                // The name is a courtesy; without it the answer is the same.
                let _ = file.read_to_string(&mut holder);
                return Err(Error::new(
                    Kind::Locked,
                    format!("process {} writes this ledger", holder.trim()),
                ));
            }
            Err(fs::TryLockError::Error(e)) => return Err(Error::io(format!("lock `{LOCK}`"), e)),
        }
        let written = file.set_len(0).and_then(|()| write!(file, "{}", std::process::id()));
        written.map_err(|e| Error::io(format!("write `{LOCK}`"), e))?;
        for (leftover, _) in self.list(TEMPORARY)? {
            self.remove(&leftover)?;
        }
        Ok(Box::new(Lock(file)))
    }

    fn create(&self, files: &[(String, Vec<u8>)]) -> Result<(), Error> {
        let mut open = Vec::new();
        let mut folders: Vec<(PathBuf, File)> = Vec::new();
        for (path, bytes) in files {
            let target = self.resolve(path)?;
            let created = create_parents(&target).and_then(|()| {
                let parent = target.parent().expect("below the root");
                if !folders.iter().rev().any(|(known, _)| known == parent) {
                    folders.push((parent.to_owned(), File::open(parent)?));
                }
                let mut file = OpenOptions::new().write(true).create_new(true).open(&target)?;
                file.write_all(bytes)?;
                Ok(file)
            });
            match created {
                Ok(file) => open.push((path, file)),
                Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {
                    return Err(Error::reject(format!("`{path}` exists")));
                }
                Err(e) => return Err(Error::io(format!("create `{path}`"), e)),
            }
            // A bound on open files; the rest is synced below.
            if open.len() == 256 {
                sync_files(&mut open)?;
            }
        }
        sync_files(&mut open)?;
        for (path, folder) in &folders {
            folder
                .sync_all()
                .map_err(|e| Error::io(format!("sync the folder `{}`", path.display()), e))?;
        }
        Ok(())
    }

    fn append(&self, path: &str, bytes: &[u8]) -> Result<(), Error> {
        let target = self.resolve(path)?;
        let appended =
            OpenOptions::new().append(true).open(target).and_then(|mut file| file.write_all(bytes));
        appended.map_err(|e| Error::io(format!("append to `{path}`"), e))
    }

    fn sync(&self, paths: &[&str]) -> Result<(), Error> {
        let refused = |path: &str, e| {
            let error = Error::io(format!("sync `{path}`"), e);
            error.during(Kind::Reopen, "the disk refused a sync")
        };
        let Some((last, others)) = paths.split_last() else { return Ok(()) };
        let beside = self.beside.get_or_init(|| {
            let (ask, files) = mpsc::channel();
            thread::spawn(move || sync_wanted(files));
            ask
        });
        // At once, so that the file system commits its journal once for all of them.
        let (done, answers) = mpsc::channel();
        for path in others {
            let wanted = (self.resolve(path)?, done.clone());
            beside.send(wanted).expect("the thread lives as long as the store");
        }
        drop(done);
        let own = sync_data(&self.resolve(last)?);
        let mut answered = 0;
        for (answer, path) in answers.iter().zip(others) {
            answer.map_err(|e| refused(path, e))?;
            answered += 1;
        }
        assert!(answered == others.len(), "every file was synced");
        own.map_err(|e| refused(last, e))
    }

    fn replace(&self, path: &str, bytes: &[u8]) -> Result<(), Error> {
        let target = self.resolve(path)?;
        let temporary = self.resolve(&format!("{TEMPORARY}/{}", path.replace('/', "_")))?;
        put(&temporary, &target, bytes).map_err(|e| Error::io(format!("replace `{path}`"), e))
    }

    fn list(&self, folder: &str) -> Result<Vec<(String, u64)>, Error> {
        let mut found = Vec::new();
        let mut folders = vec![folder.to_owned()];
        while let Some(folder) = folders.pop() {
            let reading = |e| Error::io(format!("list `{folder}`"), e);
            let entries = match fs::read_dir(self.resolve(&folder)?) {
                Err(e) if e.kind() == io::ErrorKind::NotFound => continue,
                entries => entries.map_err(reading)?,
            };
            for entry in entries {
                let entry = entry.map_err(reading)?;
                let Ok(name) = entry.file_name().into_string() else { continue };
                let path = if folder.is_empty() { name } else { format!("{folder}/{name}") };
                let metadata = fs::symlink_metadata(entry.path()).map_err(reading)?;
                if metadata.is_dir() {
                    folders.push(path);
                } else if metadata.is_file() {
                    found.push((path, metadata.len()));
                }
                if found.len() + folders.len() > FILES_MAX {
                    return Err(Error::reject(format!("more than {FILES_MAX} files")));
                }
            }
        }
        found.sort_unstable();
        Ok(found)
    }

    fn len(&self, path: &str) -> Result<u64, Error> {
        let metadata = fs::symlink_metadata(self.resolve(path)?);
        metadata.map(|m| m.len()).map_err(|e| Error::io(format!("read `{path}`"), e))
    }

    fn read(&self, path: &str, range: Range<u64>) -> Result<Vec<u8>, Error> {
        let target = self.resolve(path)?;
        let read = (|| {
            let mut file = File::open(target)?;
            if !file.metadata()?.is_file() {
                return Err(io::Error::other("not a regular file"));
            }
            file.seek(SeekFrom::Start(range.start))?;
            let mut bytes = Vec::new();
            file.take(range.end.saturating_sub(range.start)).read_to_end(&mut bytes)?;
            Ok(bytes)
        })();
        read.map_err(|e| Error::io(format!("read `{path}`"), e))
    }

    fn remove(&self, path: &str) -> Result<(), Error> {
        let target = self.resolve(path)?;
        let removed = (|| {
            let folder = File::open(target.parent().expect("below the root"))?;
            fs::remove_file(&target)?;
            folder.sync_all()
        })();
        match removed {
            Err(e) if e.kind() != io::ErrorKind::NotFound => {
                Err(Error::io(format!("remove `{path}`"), e))
            }
            _ => Ok(()),
        }
    }
}

/// Creates the folders above `path`, each made durable in the folder above it.
fn create_parents(path: &Path) -> io::Result<()> {
    let parent = path.parent().expect("a file below the root has a parent");
    if parent.is_dir() {
        return Ok(());
    }
    create_parents(parent)?;
    let above = File::open(parent.parent().expect("below the root"))?;
    match fs::create_dir(parent) {
        Err(e) if e.kind() != io::ErrorKind::AlreadyExists => Err(e),
        _ => above.sync_all(),
    }
}

fn put(from: &Path, to: &Path, bytes: &[u8]) -> io::Result<()> {
    // Both folders are opened before anything happens in them, so that an error of writing them back is reported to
    // these handles and cannot be lost.
    create_parents(from)?;
    create_parents(to)?;
    let folder = File::open(to.parent().expect("below the root"))?;
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).open(from)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(from, to)?;
    folder.sync_all()
}

fn sync_files(open: &mut Vec<(&String, File)>) -> Result<(), Error> {
    for (path, file) in open.drain(..) {
        file.sync_data().map_err(|e| Error::io(format!("sync `{path}`"), e))?;
    }
    Ok(())
}
