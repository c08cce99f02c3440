//! How rows reach stdout.

use backtrail_query::{Format, Rows};

use crate::args;
use crate::exit::Failure;
use crate::output::{Out, to_terminal};

/// Prints `rows` in the format asked for; by default a table on a terminal, else CSV.
pub(crate) fn print(rows: &Rows, asked: &args::Formatted) -> Result<(), Failure> {
    let mut out = Out::new();
    out.with(|stdout| rows.write(format(asked), stdout))?;
    out.finish()
}

/// The format that is meant.
pub(crate) fn format(asked: &args::Formatted) -> Format {
    match asked.format {
        Some(args::Format::Table) => Format::Table,
        Some(args::Format::Json) => Format::Json,
        Some(args::Format::Ndjson) => Format::Ndjson,
        Some(args::Format::Markdown) => Format::Markdown,
        Some(args::Format::Parquet) => Format::Parquet,
        None if to_terminal() => Format::Table,
        Some(args::Format::Csv) | None => Format::Csv,
    }
}

/// Rows of texts that the command made itself, such as lists of definitions.
pub(crate) fn of_texts<const N: usize>(
    names: [&str; N],
    rows: impl IntoIterator<Item = [String; N]>,
) -> Rows {
    use arrow::array::{ArrayRef, RecordBatch, StringArray};
    use arrow::datatypes::{DataType, Field, Schema};
    use std::sync::Arc;

    let rows: Vec<[String; N]> = rows.into_iter().collect();
    let fields: Vec<Field> =
        names.iter().map(|name| Field::new(*name, DataType::Utf8, false)).collect();
    let columns = (0..N)
        .map(|at| {
            Arc::new(StringArray::from_iter_values(rows.iter().map(|row| &row[at]))) as ArrayRef
        })
        .collect();
    let schema = Arc::new(Schema::new(fields));
    let batch =
        RecordBatch::try_new(Arc::clone(&schema), columns).expect("as many columns as names");
    Rows { schema, batches: vec![batch] }
}
