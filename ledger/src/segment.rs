//! Segments: sealed rows as Parquet files.

pub mod chain;
pub mod read;
pub mod write;

use std::ops::Range;

use data_encoding::HEXLOWER;

use crate::error::Error;
use crate::tlog::Hash;
use crate::tlog::hash::sha256;
use backtrail_schemas::Event;

/// Keys of the footer's metadata.
pub mod keys {
    /// The origin of the log.
    pub const ORIGIN: &str = "backtrail.origin";
    /// The first row, decimal.
    pub const START: &str = "backtrail.start";
    /// One past the last row, decimal.
    pub const END: &str = "backtrail.end";
    /// The compact range of `[0, start)`: its hashes in base64, separated by spaces.
    pub const FRONTIER: &str = "backtrail.frontier";
    /// The profile that the rows were written with.
    pub const SCHEMA: &str = "backtrail.schema";
    /// The signed checkpoint of size `end`, verbatim.
    pub const CHECKPOINT: &str = "backtrail.checkpoint";
}

/// The columns with a bloom filter: the ids that people look up.
pub const BLOOM_COLUMNS: &[&str] = &[
    "event_id",
    "deployment_id",
    "change_id",
    "version",
    "commit_sha",
    "artifact_digest",
    "rollback_id",
    "rollback_of",
    "incident_id",
];

/// The path of the segment of `rows`, as first written.
pub fn path(rows: &Range<u64>) -> String {
    path_of(rows, 0)
}

/// The path of the segment of `rows`, `n` rewrites after the first.
pub fn path_of(rows: &Range<u64>, n: u64) -> String {
    format!("segments/{:020}-{:020}.{n}.parquet", rows.start, rows.end)
}

/// The rows and the number of rewrites of the segment at `path`, if it is a name of one.
pub fn rows_of(path: &str) -> Option<(Range<u64>, u64)> {
    let (rows, n) = path.strip_prefix("segments/")?.strip_suffix(".parquet")?.split_once('.')?;
    let (start, end) = rows.split_once('-')?;
    let (rows, n) = (start.parse().ok()?..end.parse().ok()?, n.parse().ok()?);
    (rows.start < rows.end && path_of(&rows, n) == path).then_some((rows, n))
}

/// What the `ledger/segment_sealed` or `ledger/segment_rewritten` entry says of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seal {
    /// The path in the ledger.
    pub file: String,
    /// The rows.
    pub rows: Range<u64>,
    /// SHA-256 of the file.
    pub sha256: Hash,
    /// The file's length.
    pub bytes: u64,
    /// Where the last data page ends.
    pub meta_offset: u64,
    /// SHA-256 of everything from there on: bloom filters, indexes and footer.
    pub meta_sha256: Hash,
}

impl Seal {
    /// The seal of a file with these bytes whose last data page ends at `meta_offset`.
    pub fn of(rows: Range<u64>, bytes: &[u8], meta_offset: u64) -> Self {
        Self::of_file(path(&rows), rows, bytes, meta_offset)
    }

    /// As [`Seal::of`], of the file at `file`.
    pub fn of_file(file: String, rows: Range<u64>, bytes: &[u8], meta_offset: u64) -> Self {
        Self {
            file,
            rows,
            sha256: sha256(bytes),
            bytes: bytes.len() as u64,
            meta_offset,
            meta_sha256: sha256(bytes.get(meta_offset as usize..).unwrap_or_default()),
        }
    }

    /// Whether the file is the one that was sealed.
    pub fn is_of(&self, bytes: &[u8]) -> bool {
        Self::of_file(self.file.clone(), self.rows.clone(), bytes, self.meta_offset) == *self
    }

    /// The fields of the entry.
    pub fn fields(&self) -> Vec<(&'static str, String)> {
        vec![
            ("file", self.file.clone()),
            ("start", self.rows.start.to_string()),
            ("end", self.rows.end.to_string()),
            ("sha256", HEXLOWER.encode(&self.sha256.0)),
            ("bytes", self.bytes.to_string()),
            ("meta_offset", self.meta_offset.to_string()),
            ("meta_sha256", HEXLOWER.encode(&self.meta_sha256.0)),
        ]
    }

    /// Reads the entry that row `at` must be: the seal of the rows that end there.
    ///
    /// # Errors
    /// It is another entry.
    pub fn parse(event: &Event, at: u64) -> Result<Self, Error> {
        let fits = |seal: &Self| {
            seal.file == path(&seal.rows)
                && seal.rows.end == at
                && crate::entry::is(event, "segment_sealed")
        };
        Self::read(event)
            .filter(fits)
            .ok_or_else(|| Error::tampered(format!("row {at} does not seal the rows before it")))
    }

    /// Reads the `ledger/segment_rewritten` entry that row `at` is: a file of rows before it.
    ///
    /// # Errors
    /// It is another entry.
    pub fn parse_rewritten(event: &Event, at: u64) -> Result<Self, Error> {
        let fits = |seal: &Self| {
            let named = rows_of(&seal.file).is_some_and(|(rows, n)| rows == seal.rows && n > 0);
            named && seal.rows.end <= at && crate::entry::is(event, "segment_rewritten")
        };
        Self::read(event).filter(fits).ok_or_else(|| {
            Error::tampered(format!("row {at} does not say how rows before it were rewritten"))
        })
    }

    /// What an entry says, if it says everything in the one right form.
    fn read(event: &Event) -> Option<Self> {
        let text = |key: &str| event.attribute(key).unwrap_or_default();
        let number = |key: &str| text(key).parse::<u64>().ok();
        let hash =
            |key: &str| HEXLOWER.decode(text(key).as_bytes()).ok()?.try_into().ok().map(Hash);
        let seal = Self {
            file: text("file").to_owned(),
            rows: number("start")?..number("end")?,
            sha256: hash("sha256")?,
            bytes: number("bytes")?,
            meta_offset: number("meta_offset")?,
            meta_sha256: hash("meta_sha256")?,
        };
        let said = seal.fields().iter().all(|(key, value)| event.attribute(key) == Some(value));
        (said && seal.rows.start < seal.rows.end).then_some(seal)
    }
}
