//! Writing a segment.

use std::ops::Range;

use arrow::record_batch::RecordBatch;
use backtrail_schemas::event::PROFILE;
use backtrail_schemas::rows;
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::metadata::{KeyValue, ParquetMetaData};
use parquet::file::properties::{BloomFilterPosition, EnabledStatistics, WriterProperties};
use parquet::schema::types::ColumnPath;

use super::{BLOOM_COLUMNS, Seal, keys};
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

/// The bytes of the segment of `batches`, which together are the rows of `heading`, and its seal.
///
/// # Errors
/// A batch cannot be made or written.
pub fn write(
    heading: &Heading,
    batches: impl Iterator<Item = Result<RecordBatch, Error>>,
) -> Result<(Vec<u8>, Seal), Error> {
    let failed = |e| Error::new(Kind::Reopen, format!("cannot write a segment: {e}"));
    let mut bytes = Vec::new();
    let mut writer = ArrowWriter::try_new(&mut bytes, rows::schema(), Some(properties(heading)))
        .map_err(failed)?;
    for batch in batches {
        writer.write(&batch?).map_err(failed)?;
    }
    let metadata = writer.close().map_err(failed)?;
    let seal = Seal::of(heading.rows.clone(), &bytes, pages_end(&metadata));
    Ok((bytes, seal))
}

/// Where the last data page ends.
pub fn pages_end(metadata: &ParquetMetaData) -> u64 {
    let chunks =
        metadata.row_groups().iter().flat_map(parquet::file::metadata::RowGroupMetaData::columns);
    chunks
        .map(parquet::file::metadata::ColumnChunkMetaData::byte_range)
        .map(|(start, length)| start.saturating_add(length))
        .max()
        .unwrap_or(0)
}

fn properties(heading: &Heading) -> WriterProperties {
    let mut builder = WriterProperties::builder()
        .set_compression(Compression::ZSTD(ZstdLevel::default()))
        .set_statistics_enabled(EnabledStatistics::Page)
        .set_max_row_group_row_count(Some(ROW_GROUP_ROWS))
        .set_bloom_filter_position(BloomFilterPosition::End)
        .set_key_value_metadata(Some(key_values(heading)));
    for name in BLOOM_COLUMNS {
        let column = ColumnPath::from(*name);
        builder = builder
            .set_column_bloom_filter_enabled(column.clone(), true)
            .set_column_bloom_filter_max_ndv(column, ROW_GROUP_ROWS as u64);
    }
    builder.build()
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
