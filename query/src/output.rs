//! An answer, and the forms in which it is written.

use std::io::{self, Write};
use std::sync::Arc;

use arrow::array::{RecordBatch, RecordBatchOptions};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::WriterProperties;

use crate::cell::{json, text};
use crate::error::Error;

/// The rows of an answer.
#[derive(Clone, Debug)]
pub struct Rows {
    /// Names and types of the columns.
    pub schema: SchemaRef,
    /// The rows, in order.
    pub batches: Vec<RecordBatch>,
}

/// A form of output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Aligned columns for a terminal.
    Table,
    /// RFC 4180, with a header line. NULL is nothing, an empty text is `""`.
    Csv,
    /// One array of objects.
    Json,
    /// One object per line.
    Ndjson,
    /// A table of GitHub's Markdown.
    Markdown,
    /// Apache Parquet, with the types as they are.
    Parquet,
}

impl Format {
    /// All forms with the names that a person types.
    pub const ALL: [(&'static str, Self); 6] = [
        ("table", Self::Table),
        ("csv", Self::Csv),
        ("json", Self::Json),
        ("ndjson", Self::Ndjson),
        ("markdown", Self::Markdown),
        ("parquet", Self::Parquet),
    ];
}

impl std::str::FromStr for Format {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self, Error> {
        let found = Self::ALL.into_iter().find(|(known, _)| *known == name);
        found.map(|(_, format)| format).ok_or_else(|| {
            Error::unknown("format", name, Self::ALL.map(|(known, _)| known))
                .with_hint(format!("formats are {}", Self::ALL.map(|(known, _)| known).join(", ")))
        })
    }
}

impl Rows {
    /// The batches that the engine gave for a query whose planned schema is `planned`. The plan and the batches may differ
    /// in what they say about NULL, so every column may hold it here.
    ///
    /// # Errors
    /// The batches differ in their types.
    pub(crate) fn new(planned: &Schema, batches: Vec<RecordBatch>) -> Result<Self, Error> {
        let given = batches.first().map(RecordBatch::schema);
        let fields = given.as_deref().unwrap_or(planned).fields().iter();
        let fields = fields.map(|f| Field::new(f.name(), f.data_type().clone(), true));
        let schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
        let alike = |batch: RecordBatch| {
            let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
            RecordBatch::try_new_with_options(
                Arc::clone(&schema),
                batch.columns().to_vec(),
                &options,
            )
        };
        let batches = batches.into_iter().map(alike).collect::<Result<_, _>>();
        Ok(Self { batches: batches.map_err(|e| Error::internal(e.to_string()))?, schema })
    }

    /// How many rows there are.
    pub fn len(&self) -> usize {
        self.batches.iter().map(RecordBatch::num_rows).sum()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Every row as one text per column, `None` for NULL: times as RFC 3339 with six decimals, decimals exact, lists and
    /// maps as JSON.
    ///
    /// # Errors
    /// A column has a type without a text form.
    pub fn texts(&self) -> Result<Vec<Vec<Option<String>>>, Error> {
        let mut rows = Vec::with_capacity(self.len());
        for batch in &self.batches {
            for at in 0..batch.num_rows() {
                let cells = batch.columns().iter().map(|array| text(array, at));
                rows.push(cells.collect::<Result<_, _>>()?);
            }
        }
        Ok(rows)
    }

    /// Writes all rows. Texts end with a line feed (CRLF in CSV).
    ///
    /// # Errors
    /// `out` fails, which keeps its [`io::ErrorKind`], or a column has a type that the form cannot hold.
    pub fn write(&self, format: Format, out: &mut dyn Write) -> io::Result<()> {
        match format {
            Format::Table => self.write_table(out),
            Format::Csv => self.write_csv(out),
            Format::Json => self.write_json(out),
            Format::Ndjson => self.write_ndjson(out),
            Format::Markdown => self.write_markdown(out),
            Format::Parquet => self.write_parquet(out),
        }
    }

    fn names(&self) -> Vec<String> {
        self.schema.fields().iter().map(|field| field.name().clone()).collect()
    }

    fn write_table(&self, out: &mut dyn Write) -> io::Result<()> {
        let mut lines = vec![self.names()];
        for row in self.texts().map_err(io::Error::other)? {
            lines.push(row.into_iter().map(|cell| visible(&cell.unwrap_or_default())).collect());
        }
        let width = |column: usize| {
            lines.iter().map(|line| line[column].chars().count()).max().unwrap_or(0)
        };
        let widths: Vec<usize> = (0..self.schema.fields().len()).map(width).collect();
        for (at, line) in lines.iter().enumerate() {
            let cells =
                line.iter().zip(&widths).zip(self.schema.fields()).map(|((cell, width), field)| {
                    if is_number(field.data_type()) {
                        format!("{cell:>width$}")
                    } else {
                        format!("{cell:<width$}")
                    }
                });
            writeln!(out, "{}", cells.collect::<Vec<_>>().join("  ").trim_end())?;
            if at == 0 {
                let rule: Vec<String> = widths.iter().map(|width| "-".repeat(*width)).collect();
                writeln!(out, "{}", rule.join("  "))?;
            }
        }
        Ok(())
    }

    fn write_csv(&self, out: &mut dyn Write) -> io::Result<()> {
        let header: Vec<String> = self.names().iter().map(|name| csv_cell(Some(name))).collect();
        write!(out, "{}\r\n", header.join(","))?;
        for row in self.texts().map_err(io::Error::other)? {
            let cells: Vec<String> = row.iter().map(|cell| csv_cell(cell.as_deref())).collect();
            write!(out, "{}\r\n", cells.join(","))?;
        }
        Ok(())
    }

    fn write_json(&self, out: &mut dyn Write) -> io::Result<()> {
        let objects = self.objects().map_err(io::Error::other)?;
        if objects.is_empty() {
            return out.write_all(b"[]\n");
        }
        write!(out, "[\n{}\n]\n", objects.join(",\n"))
    }

    fn write_ndjson(&self, out: &mut dyn Write) -> io::Result<()> {
        let objects = self.objects().map_err(io::Error::other)?;
        objects.iter().try_for_each(|object| writeln!(out, "{object}"))
    }

    /// Every row as a JSON object, its columns in order.
    fn objects(&self) -> Result<Vec<String>, Error> {
        let names: Vec<String> = self
            .names()
            .into_iter()
            .map(|name| serde_json::Value::String(name).to_string())
            .collect();
        let mut objects = Vec::with_capacity(self.len());
        for batch in &self.batches {
            for at in 0..batch.num_rows() {
                let pairs = names
                    .iter()
                    .zip(batch.columns())
                    .map(|(name, array)| json(array, at).map(|value| format!("{name}: {value}")));
                objects.push(format!("{{{}}}", pairs.collect::<Result<Vec<_>, _>>()?.join(", ")));
            }
        }
        Ok(objects)
    }

    fn write_markdown(&self, out: &mut dyn Write) -> io::Result<()> {
        let line = |cells: Vec<String>| format!("| {} |", cells.join(" | "));
        writeln!(out, "{}", line(self.names().iter().map(|name| markdown_cell(name)).collect()))?;
        let rules = self
            .schema
            .fields()
            .iter()
            .map(|field| if is_number(field.data_type()) { "---:" } else { "---" });
        writeln!(out, "{}", line(rules.map(str::to_owned).collect()))?;
        for row in self.texts().map_err(io::Error::other)? {
            let cells = row.into_iter().map(|cell| markdown_cell(&cell.unwrap_or_default()));
            writeln!(out, "{}", line(cells.collect()))?;
        }
        Ok(())
    }

    fn write_parquet(&self, out: &mut dyn Write) -> io::Result<()> {
        // A fixed writer name, so that an upgrade of the library is the only thing that changes the bytes.
        let properties = WriterProperties::builder()
            .set_created_by("backtrail".to_owned())
            .set_compression(Compression::ZSTD(ZstdLevel::default()))
            .build();
        let mut bytes = Vec::new();
        let mut writer = ArrowWriter::try_new(&mut bytes, self.schema.clone(), Some(properties))?;
        self.batches.iter().try_for_each(|batch| writer.write(batch))?;
        writer.close()?;
        out.write_all(&bytes)
    }
}

fn is_number(ty: &DataType) -> bool {
    ty.is_numeric()
}

/// One field of RFC 4180: quoted when it holds a comma, a quote or a line break, and when it is empty but not NULL.
fn csv_cell(cell: Option<&str>) -> String {
    match cell {
        None => String::new(),
        Some("") => "\"\"".to_owned(),
        Some(text) if text.contains([',', '"', '\r', '\n']) => {
            format!("\"{}\"", text.replace('"', "\"\""))
        }
        Some(text) => text.to_owned(),
    }
}

fn markdown_cell(text: &str) -> String {
    visible(text).replace('\\', "\\\\").replace('|', "\\|").replace('<', "&lt;")
}

/// Control characters as escapes: a text from outside must not move the cursor, nor break a line of a table.
fn visible(text: &str) -> String {
    if !text.contains(char::is_control) {
        return text.to_owned();
    }
    text.chars()
        .map(|c| if c.is_control() { c.escape_default().to_string() } else { c.to_string() })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn csv_cells_follow_rfc_4180() {
        for (cell, want) in [
            (None, ""),
            (Some(""), "\"\""),
            (Some("a b"), "a b"),
            (Some("a,b"), "\"a,b\""),
            (Some("say \"x\""), "\"say \"\"x\"\"\""),
            (Some("a\nb"), "\"a\nb\""),
        ] {
            assert_eq!(csv_cell(cell), want);
        }
    }

    #[test]
    fn tables_show_no_control_characters() {
        assert_eq!(visible("a\u{1b}[2J\nb"), "a\\u{1b}[2J\\nb");
        assert_eq!(markdown_cell("a|b"), "a\\|b");
    }
}
