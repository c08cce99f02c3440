//! The log that a session reads: given files and given rows, nothing else.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::RecordBatch;
use backtrail_schemas::rows;
use datafusion::catalog::TableProvider;
use datafusion::datasource::MemTable;
use datafusion::datasource::file_format::parquet::ParquetFormat;
use datafusion::datasource::listing::{
    ListingOptions, ListingTable, ListingTableConfig, ListingTableUrl,
};
use datafusion::error::Result;
use datafusion::prelude::SessionContext;

/// One checkpoint of one ledger.
#[derive(Clone, Debug, Default)]
pub struct Source {
    /// The ledger's origin line.
    pub origin: String,
    /// How many leaves the checkpoint covers.
    pub size: u64,
    /// The checkpoint's note text.
    pub checkpoint: String,
    /// The sealed segments, in order. They are read exactly as named: no pattern, no folder.
    pub segments: Vec<PathBuf>,
    /// The rows after the last segment, with the schema of [`rows::schema`].
    pub tail: Vec<RecordBatch>,
    /// Pseudonyms with the names that the vault still has.
    pub people: Vec<(String, String)>,
    /// Free texts that the vault still has: event id, field, text.
    pub texts: Vec<(String, String, String)>,
    /// Whether the ledger runs on a simulated clock.
    pub simulated_clock: bool,
}

/// The table `log`: the rows of the segments and of the tail.
///
/// A query reads the cells that were signed and never a file's summary of them: statistics, page indexes and Bloom
/// filters of the files are off (see [`crate::session`]).
pub(crate) fn log_table(ctx: &SessionContext, source: &Source) -> Result<Arc<dyn TableProvider>> {
    let tail = || MemTable::try_new(rows::schema(), vec![source.tail.clone()]).map(Arc::new);
    if source.segments.is_empty() {
        return Ok(tail()?);
    }
    let urls = source.segments.iter().map(|path| ListingTableUrl::parse(file_url(path)?));
    let options = ListingOptions::new(Arc::new(ParquetFormat::default())).with_file_extension("");
    let config = ListingTableConfig::new_with_multi_paths(urls.collect::<Result<_>>()?)
        .with_listing_options(options)
        .with_schema(rows::schema());
    let sealed = Arc::new(ListingTable::try_new(config)?);
    if source.tail.iter().all(|batch| batch.num_rows() == 0) {
        return Ok(sealed);
    }
    let union = ctx.read_table(sealed)?.union(ctx.read_table(tail()?)?)?;
    Ok(union.into_view())
}

/// A `file:` URL whose every special byte is escaped, so that `*`, `?` and `[` in a path are only themselves.
fn file_url(path: &Path) -> Result<String> {
    let path = std::path::absolute(path)?;
    let mut url = String::from("file://");
    for b in path.as_os_str().as_encoded_bytes() {
        if b.is_ascii_alphanumeric() || b"/_-.~".contains(b) {
            url.push(char::from(*b));
        } else {
            url.push('%');
            url.extend(
                [b >> 4, b & 15].map(|digit| char::from(b"0123456789ABCDEF"[usize::from(digit)])),
            );
        }
    }
    Ok(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_no_pattern() {
        assert_eq!(
            file_url(Path::new("/a b/c*[1]?.parquet")).unwrap(),
            "file:///a%20b/c%2A%5B1%5D%3F.parquet"
        );
    }
}
