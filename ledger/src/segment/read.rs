//! Reading a segment whose bytes are already known to be the sealed ones.

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use arrow::record_batch::RecordBatch;
use backtrail_schemas::rows::Rows;
use bytes::Bytes;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReaderBuilder,
};
use parquet::basic::Compression;
use parquet::file::metadata::{FileMetaData, PageIndexPolicy, ParquetMetaData, RowGroupMetaData};

use crate::error::Error;
use crate::limits::{FOOTER_BYTES_MAX, ROW_GROUP_BYTES_MAX, ROW_GROUP_ROWS};

/// A segment in memory.
#[derive(Clone)]
pub struct Segment {
    bytes: Bytes,
    metadata: ArrowReaderMetadata,
}

fn unreadable(e: impl std::fmt::Display) -> Error {
    Error::tampered(format!("not a segment that can be read: {e}"))
}

/// Runs a part of the Parquet reader, which panics on some files that no writer makes.
fn contained<T, E: std::fmt::Display>(read: impl FnOnce() -> Result<T, E>) -> Result<T, Error> {
    match catch_unwind(AssertUnwindSafe(read)) {
        Ok(done) => done.map_err(unreadable),
        Err(_) => Err(unreadable("the Parquet reader gave up on it")),
    }
}

/// What a reader gives, until it fails.
fn rows_of(
    builder: ParquetRecordBatchReaderBuilder<Bytes>,
) -> Result<impl Iterator<Item = Result<RecordBatch, Error>>, Error> {
    let mut reader = contained(|| builder.build())?;
    let mut failed = false;
    Ok(std::iter::from_fn(move || {
        let next = if failed { None } else { contained(|| reader.next().transpose()).transpose() };
        failed = next.as_ref().is_some_and(Result::is_err);
        next
    }))
}

impl Segment {
    /// Reads the footer and the page indexes. Types are those of Parquet; what `ARROW:schema` says is not asked.
    ///
    /// # Errors
    /// The bytes are not Parquet, or their metadata claims more than a reader may be made to allocate.
    pub fn open(bytes: Bytes) -> Result<Self, Error> {
        let footer =
            bytes.len().checked_sub(8).and_then(|at| bytes[at..].first_chunk::<4>()).copied();
        let footer = u32::from_le_bytes(footer.ok_or_else(|| unreadable("too short"))?) as usize;
        if footer > FOOTER_BYTES_MAX {
            return Err(unreadable("the footer is too large"));
        }
        let options = ArrowReaderOptions::new()
            .with_skip_arrow_metadata(true)
            .with_page_index_policy(PageIndexPolicy::Optional);
        let metadata = contained(|| ArrowReaderMetadata::load(&bytes, options))?;
        let large = metadata.metadata().row_groups().iter().any(|group| {
            group.total_byte_size() > ROW_GROUP_BYTES_MAX
                || !(0..=1 << 20).contains(&group.num_rows())
        });
        if large {
            Err(unreadable("a row group is too large"))
        } else {
            Ok(Self { bytes, metadata })
        }
    }

    /// One row group of a file that has no footer yet, whose pages are among `bytes`, the beginning of the file.
    ///
    /// # Errors
    /// The group is none of our schema.
    pub fn unfinished(bytes: Bytes, group: RowGroupMetaData) -> Result<Self, Error> {
        let schema = group.schema_descr_ptr();
        let file = FileMetaData::new(2, group.num_rows(), None, None, schema, None);
        let metadata = Arc::new(ParquetMetaData::new(file, vec![group]));
        let options = ArrowReaderOptions::new().with_skip_arrow_metadata(true);
        let metadata = contained(|| ArrowReaderMetadata::try_new(metadata, options))?;
        Ok(Self { bytes, metadata })
    }

    /// The footer.
    pub fn metadata(&self) -> &Arc<ParquetMetaData> {
        self.metadata.metadata()
    }

    /// The columns whose pages are compressed: those that have a value.
    pub fn compressed(&self) -> BTreeSet<String> {
        let groups = self.metadata().row_groups().iter();
        let columns = groups.flat_map(RowGroupMetaData::columns);
        let columns = columns.filter(|column| column.compression() != Compression::UNCOMPRESSED);
        columns.filter_map(|column| column.column_path().parts().first().cloned()).collect()
    }

    /// The Arrow schema that the Parquet types give.
    pub fn schema(&self) -> &SchemaRef {
        self.metadata.schema()
    }

    /// The bytes.
    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// A reader over the whole file, to be narrowed.
    pub fn reader(&self) -> ParquetRecordBatchReaderBuilder<Bytes> {
        ParquetRecordBatchReaderBuilder::new_with_metadata(
            self.bytes.clone(),
            self.metadata.clone(),
        )
        .with_batch_size(ROW_GROUP_ROWS)
    }

    /// All rows, in batches of at most [`ROW_GROUP_ROWS`].
    ///
    /// # Errors
    /// A page cannot be read.
    pub fn batches(
        &self,
    ) -> Result<impl Iterator<Item = Result<RecordBatch, Error>> + use<>, Error> {
        rows_of(self.reader())
    }

    /// The rows of one row group, whole.
    ///
    /// # Errors
    /// There is no such group, or a page cannot be read.
    pub fn group(&self, group: usize) -> Result<RecordBatch, Error> {
        if group >= self.metadata().num_row_groups() {
            return Err(unreadable(format!("no row group {group}")));
        }
        let rows =
            usize::try_from(self.metadata().row_group(group).num_rows()).map_err(unreadable)?;
        let reader = self.reader().with_row_groups(vec![group]).with_batch_size(rows.max(1));
        let empty = || Ok(RecordBatch::new_empty(self.metadata.schema().clone()));
        rows_of(reader)?.next().unwrap_or_else(empty)
    }

    /// All rows, only some columns.
    ///
    /// # Errors
    /// A page cannot be read.
    pub fn columns(&self, names: &[&str]) -> Result<Vec<RecordBatch>, Error> {
        let mask = ProjectionMask::columns(self.metadata.parquet_schema(), names.iter().copied());
        rows_of(self.reader().with_projection(mask))?.collect()
    }

    /// The group that row `offset` of the file lies in, and where in it.
    pub fn group_of(&self, offset: u64) -> Option<(usize, usize)> {
        let mut before = 0;
        for (at, group) in self.metadata().row_groups().iter().enumerate() {
            let rows = group.num_rows().cast_unsigned();
            if offset < before + rows {
                return Some((at, (offset - before) as usize));
            }
            before += rows;
        }
        None
    }

    /// The rows of the first group, for its first entry.
    ///
    /// # Errors
    /// As [`Segment::group`], or a column is of a type that no leaf has.
    pub fn first_rows(&self) -> Result<Rows, Error> {
        let batch = rows_of(self.reader().with_limit(1))?.next();
        Ok(Rows::new(&batch.ok_or_else(|| unreadable("no rows"))??)?)
    }
}
