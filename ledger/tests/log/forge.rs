//! What an operator who holds the signing key can do to a ledger.

use std::any::Any;
use std::fs;
use std::ops::Range;
use std::path::Path;

use backtrail_ledger::key::sign_checkpoint;
use backtrail_ledger::state::State;
use backtrail_ledger::storage::{Local, Storage};
use backtrail_ledger::tlog::{TileBuilder, tile};
use backtrail_ledger::wal::{self, Commit};
use backtrail_ledger::{Checkpoint, Error, Frontier, Signer, frame, leaf_hash};
use bytes::Bytes;
use parquet::file::metadata::{
    ColumnChunkMetaData, ParquetMetaData, ParquetMetaDataReader, ParquetMetaDataWriter,
    RowGroupMetaData,
};
use parquet::file::statistics::{Statistics, ValueStatistics};

use crate::support::{ORIGIN, signer};

/// The leaves of a ledger that has never been sealed.
pub(crate) fn leaves(dir: &Path) -> Vec<String> {
    let bytes = fs::read(dir.join(wal::path(0))).unwrap();
    let contents = wal::read(&bytes, ORIGIN, 0).unwrap();
    contents.leaves.iter().map(|f| String::from_utf8(f.payload.to_vec()).unwrap()).collect()
}

/// Makes `leaves` the rows of a ledger that has never been sealed, tree and signed head included.
pub(crate) fn rewrite(dir: &Path, leaves: &[String]) {
    rewrite_signed(dir, leaves, &*signer());
}

/// As [`rewrite`], with the head signed by `signer`.
pub(crate) fn rewrite_signed(dir: &Path, leaves: &[String], signer: &dyn Signer) {
    let path = dir.join(wal::path(0));
    let bytes = fs::read(&path).unwrap();
    let last = *wal::read(&bytes, ORIGIN, 0).unwrap().commits.last().unwrap();
    let mut wal = frame::header(wal::FORMAT, ORIGIN, 0);
    let (mut frontier, mut tiles) = (Frontier::default(), TileBuilder::default());
    fs::remove_dir_all(dir.join("tile")).unwrap();
    for leaf in leaves {
        frame::push(&mut wal, wal::LEAF, leaf.as_bytes());
        frontier.push(leaf_hash(leaf.as_bytes()));
        tiles.push(leaf_hash(leaf.as_bytes()), |_, _| {});
    }
    for (name, hashes) in tiles.partials() {
        let path = dir.join(name.path());
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, tile::to_bytes(hashes)).unwrap();
    }
    let (size, root) = (frontier.size(), frontier.root());
    frame::push(&mut wal, wal::COMMIT, &Commit { first: 0, end: size, root, ..last }.to_bytes());
    fs::write(path, wal).unwrap();
    sign(dir, &Checkpoint { origin: ORIGIN.to_owned(), size, root }, signer);
}

/// Makes `head` the signed head, and what the writer remembers.
pub(crate) fn sign(dir: &Path, head: &Checkpoint, signer: &dyn Signer) {
    fs::write(dir.join("checkpoint"), sign_checkpoint(head, signer).unwrap().to_string()).unwrap();
    let state = State { head: head.clone(), epoch: 1 };
    fs::write(dir.join("state/head"), state.to_text()).unwrap();
}

/// A storage that alters each segment on its way to the disk. If it then `fails`, the next writer finds a segment with the
/// right rows, and adopts it.
pub(crate) struct Lying {
    pub(crate) store: Local,
    pub(crate) lie: fn(&[u8]) -> Vec<u8>,
    pub(crate) fails: bool,
}

impl Storage for Lying {
    fn lock(&self) -> Result<Box<dyn Any + Send + Sync>, Error> {
        self.store.lock()
    }

    fn create(&self, files: &[(String, Vec<u8>)]) -> Result<(), Error> {
        let altered = files.iter().map(|(path, bytes)| {
            let lies = path.starts_with("segments/");
            (path.clone(), if lies { (self.lie)(bytes) } else { bytes.clone() })
        });
        let altered: Vec<_> = altered.collect();
        self.store.create(&altered)?;
        if self.fails && altered.iter().any(|(path, _)| path.starts_with("segments/")) {
            return Err(Error::io("a segment", std::io::ErrorKind::Other.into()));
        }
        Ok(())
    }

    fn append(&self, path: &str, bytes: &[u8]) -> Result<(), Error> {
        self.store.append(path, bytes)
    }

    fn sync(&self, paths: &[&str]) -> Result<(), Error> {
        self.store.sync(paths)
    }

    fn replace(&self, path: &str, bytes: &[u8]) -> Result<(), Error> {
        self.store.replace(path, bytes)
    }

    fn list(&self, folder: &str) -> Result<Vec<(String, u64)>, Error> {
        self.store.list(folder)
    }

    fn len(&self, path: &str) -> Result<u64, Error> {
        self.store.len(path)
    }

    fn read(&self, path: &str, range: Range<u64>) -> Result<Vec<u8>, Error> {
        self.store.read(path, range)
    }

    fn remove(&self, path: &str) -> Result<(), Error> {
        self.store.remove(path)
    }
}

/// The same pages under a footer that says that every service is called `zzz`, without indexes and bloom filters.
pub(crate) fn wrong_statistics(file: &[u8]) -> Vec<u8> {
    let metadata = ParquetMetaDataReader::new().parse_and_finish(&Bytes::copy_from_slice(file));
    let metadata = metadata.unwrap();
    let groups = metadata.row_groups().iter().map(|group| {
        let columns = group.columns().iter().map(|column| {
            let plain = column
                .clone()
                .into_builder()
                .set_bloom_filter_offset(None)
                .set_bloom_filter_length(None)
                .set_offset_index_offset(None)
                .set_offset_index_length(None)
                .set_column_index_offset(None)
                .set_column_index_length(None);
            let zzz = || Some("zzz".into());
            let lie = ValueStatistics::new(zzz(), zzz(), None, Some(0), false);
            let lies = column.column_path().string() == "service";
            let plain = if lies { plain.set_statistics(Statistics::ByteArray(lie)) } else { plain };
            plain.build().unwrap()
        });
        let columns = columns.collect();
        group.clone().into_builder().set_column_metadata(columns).build().unwrap()
    });
    let groups = groups.collect();
    let pages = metadata.row_groups().iter().flat_map(RowGroupMetaData::columns);
    let pages = pages.map(ColumnChunkMetaData::byte_range).map(|(at, length)| at + length).max();
    let metadata = ParquetMetaData::new(metadata.file_metadata().clone(), groups);
    let mut out = file[..pages.unwrap() as usize].to_vec();
    let mut footer = Vec::new();
    ParquetMetaDataWriter::new(&mut footer, &metadata).finish().unwrap();
    out.append(&mut footer);
    out
}
