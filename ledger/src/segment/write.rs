//! Writing a segment.

use std::collections::BTreeSet;
use std::ops::Range;

use arrow::datatypes::{DataType, Field};
use arrow::record_batch::RecordBatch;
use backtrail_schemas::columns::SEQ;
use backtrail_schemas::event::PROFILE;
use backtrail_schemas::rows;
use bytes::Bytes;
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::errors::ParquetError;
use parquet::file::metadata::{KeyValue, ParquetMetaData, RowGroupMetaData};
use parquet::file::properties::{BloomFilterPosition, EnabledStatistics, WriterProperties};
use parquet::schema::types::ColumnPath;

use super::read::Segment;
use super::{BLOOM_COLUMNS, keys};
use crate::error::{Error, Kind};
use crate::limits::ROW_GROUP_ROWS;
use crate::tlog::Frontier;

/// What the footer of a segment says beside its rows.
#[derive(Clone, Debug)]
pub struct Heading<'a> {
    /// The origin of the log.
    pub origin: &'a str,
    /// The rows.
    pub rows: Range<u64>,
    /// The compact range of `[0, start)`.
    pub frontier: &'a Frontier,
    /// The signed checkpoint of size `end`.
    pub checkpoint: &'a str,
}

/// A segment that is being written, into memory.
pub struct Writer(ArrowWriter<Vec<u8>>);

impl Writer {
    /// A file without rows yet. `columns` are those that have a value, as far as it is known. Pages of others are not
    /// compressed: there is nothing to gain, and setting up the compressor for more than a hundred columns costs more than
    /// all the rest.
    ///
    /// # Errors
    /// None that is known: the schema is our own.
    pub fn new(columns: &BTreeSet<String>) -> Result<Self, Error> {
        let writer = ArrowWriter::try_new(Vec::new(), rows::schema(), Some(properties(columns)));
        writer.map(Self).map_err(failed)
    }

    /// Adds rows, at most [`ROW_GROUP_ROWS`], so that they make a row group.
    ///
    /// # Errors
    /// The batch has another schema than [`rows::schema`].
    pub fn push(&mut self, batch: &RecordBatch) -> Result<(), Error> {
        self.0.write(batch).map_err(failed)
    }

    /// The row group that was written last, to be read back; `None` while it is not whole.
    ///
    /// # Errors
    /// None that is known: it is memory.
    pub fn last_group(&mut self) -> Result<Option<Segment>, Error> {
        if self.0.in_progress_rows() > 0 {
            return Ok(None);
        }
        self.0.sync().map_err(|e| failed(e.into()))?;
        let group = self.0.flushed_row_groups().last().cloned();
        let read = |group| Segment::unfinished(Bytes::copy_from_slice(self.0.inner()), group);
        group.map(read).transpose()
    }

    /// The bytes of the file.
    ///
    /// # Errors
    /// None that is known: it is memory.
    pub fn finish(mut self, heading: &Heading) -> Result<Vec<u8>, Error> {
        for pair in key_values(heading) {
            self.0.append_key_value_metadata(pair);
        }
        self.0.into_inner().map_err(failed)
    }
}

#[expect(clippy::needless_pass_by_value, reason = "it is what `map_err` gives")]
fn failed(e: ParquetError) -> Error {
    Error::new(Kind::Reopen, format!("cannot write a segment: {e}"))
}

/// Where the last data page ends.
pub fn pages_end(metadata: &ParquetMetaData) -> u64 {
    let groups = metadata.row_groups().iter();
    let ends = groups.flat_map(RowGroupMetaData::columns).map(|column| {
        let start = column.dictionary_page_offset().unwrap_or(column.data_page_offset());
        start.saturating_add(column.compressed_size())
    });
    ends.max().unwrap_or(0).max(0).cast_unsigned()
}

fn properties(columns: &BTreeSet<String>) -> WriterProperties {
    let mut builder = WriterProperties::builder()
        .set_compression(Compression::ZSTD(ZstdLevel::default()))
        .set_statistics_enabled(EnabledStatistics::Page)
        .set_max_row_group_row_count(Some(ROW_GROUP_ROWS))
        .set_bloom_filter_position(BloomFilterPosition::End);
    for field in rows::schema().fields() {
        if field.name() != SEQ && !columns.contains(field.name()) {
            for leaf in leaves(field) {
                builder = builder.set_column_compression(leaf, Compression::UNCOMPRESSED);
            }
        }
    }
    for name in BLOOM_COLUMNS {
        let column = ColumnPath::from(*name);
        builder = builder
            .set_column_bloom_filter_enabled(column.clone(), true)
            .set_column_bloom_filter_max_ndv(column, ROW_GROUP_ROWS as u64);
    }
    builder.build()
}

/// The Parquet columns of a field.
fn leaves(field: &Field) -> Vec<ColumnPath> {
    let below = |names: &[&str]| {
        let path = std::iter::once(field.name().as_str()).chain(names.iter().copied());
        ColumnPath::new(path.map(str::to_owned).collect())
    };
    match field.data_type() {
        DataType::List(_) => vec![below(&["list", "element"])],
        DataType::Map(..) => vec![below(&["key_value", "key"]), below(&["key_value", "value"])],
        _ => vec![below(&[])],
    }
}

/// The metadata of the footer, in the order in which it is written.
pub fn key_values(heading: &Heading) -> Vec<KeyValue> {
    let hashes: Vec<String> = heading.frontier.hashes().iter().map(ToString::to_string).collect();
    [
        (keys::ORIGIN, heading.origin.to_owned()),
        (keys::START, heading.rows.start.to_string()),
        (keys::END, heading.rows.end.to_string()),
        (keys::FRONTIER, hashes.join(" ")),
        (keys::SCHEMA, PROFILE.to_owned()),
        (keys::CHECKPOINT, heading.checkpoint.to_owned()),
    ]
    .map(|(key, value)| KeyValue::new(key.to_owned(), value))
    .to_vec()
}
