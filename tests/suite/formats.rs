//! Every output format of `sql`, read back.

use std::path::Path;
use std::sync::Arc;

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::{DataType, Decimal128Type, Field, Int64Type, Schema};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use serde_json::{Value, json};

use crate::tool::{backtrail, ok};

/// Several types, what a format has to escape, and nothing.
const QUERY: &str = r#"select * from (values
  (1, 'a,"b"|c', true, cast(0.75 as decimal(18, 6)), timestamp '2026-07-01T09:00:00Z', make_array('x', 'y')),
  (2, null, false, null, null, null)
) as t (n, word, yes, share, at, list) order by n"#;

/// The query's columns.
const NAMES: [&str; 6] = ["n", "word", "yes", "share", "at", "list"];

/// A query without rows.
const NOTHING: &str = "select service, count(*) as n from deployments where false group by service";

/// What the tool prints for a query in a new ledger, as bytes.
fn printed(query: &str, format: &str) -> Vec<u8> {
    let dir = tempfile::tempdir().unwrap();
    ok(dir.path(), ["init", "ledger", "--origin", "formats.example/test"]);
    ask(dir.path(), query, format)
}

fn ask(dir: &Path, query: &str, format: &str) -> Vec<u8> {
    let args = ["sql", "--ledger", "ledger", "--format", format, query];
    let output = backtrail().args(args).current_dir(dir).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

fn text(query: &str, format: &str) -> String {
    String::from_utf8(printed(query, format)).unwrap()
}

/// The query's rows as JSON.
fn rows() -> Vec<Value> {
    vec![
        json!({"n": 1, "word": "a,\"b\"|c", "yes": true, "share": 0.75, "at": "2026-07-01T09:00:00", "list": ["x", "y"]}),
        json!({"n": 2, "word": null, "yes": false, "share": null, "at": null, "list": null}),
    ]
}

/// The query's rows as texts; nothing is the empty text.
fn texts() -> [[&'static str; 6]; 2] {
    [
        ["1", "a,\"b\"|c", "true", "0.750000", "2026-07-01T09:00:00", "[\"x\", \"y\"]"],
        ["2", "", "false", "", "", ""],
    ]
}

#[test]
fn json_is_an_array_and_ndjson_a_row_a_line() {
    let array: Value = serde_json::from_str(&text(QUERY, "json")).unwrap();
    assert_eq!(array, json!(rows()));
    let lines = text(QUERY, "ndjson");
    let lines: Vec<Value> = lines.lines().map(|row| serde_json::from_str(row).unwrap()).collect();
    assert_eq!(lines, rows());
    assert_eq!(text(NOTHING, "ndjson"), "");
    assert_eq!(serde_json::from_str::<Value>(&text(NOTHING, "json")).unwrap(), json!([]));
}

#[test]
fn csv_is_read_by_another_reader() {
    let fields: Vec<Field> = NAMES.map(|name| Field::new(name, DataType::Utf8, true)).to_vec();
    let bytes = printed(QUERY, "csv");
    let reader = arrow::csv::ReaderBuilder::new(Arc::new(Schema::new(fields)))
        .with_header(true)
        .build(bytes.as_slice())
        .unwrap();
    let batches: Vec<RecordBatch> = reader.map(Result::unwrap).collect();
    let cell = |row: usize, column: usize| {
        let cells = batches[0].column(column).as_string::<i32>();
        if cells.is_null(row) { "" } else { cells.value(row) }
    };
    for (row, want) in texts().iter().enumerate() {
        assert_eq!([0, 1, 2, 3, 4, 5].map(|column| cell(row, column)), *want);
    }
    assert!(String::from_utf8(bytes).unwrap().starts_with(&(NAMES.join(",") + "\r\n")));
    assert_eq!(text(NOTHING, "csv"), "service,n\r\n");
}

#[test]
fn markdown_keeps_its_columns() {
    let page = text(QUERY, "markdown");
    let cells = |line: &str| -> Vec<String> {
        let line = line.replace("\\|", "\u{0}");
        let inner = line.strip_prefix('|').unwrap().strip_suffix('|').unwrap();
        inner.split('|').map(|cell| cell.trim().replace('\u{0}', "|")).collect()
    };
    let table: Vec<Vec<String>> = page.lines().map(cells).collect();
    assert_eq!(table[0], NAMES);
    assert!(table[1].iter().all(|rule| rule.trim_end_matches(':') == "---"), "{page}");
    assert_eq!(table[2..], texts().map(|row| row.map(str::to_owned).to_vec()));
    assert_eq!(text(NOTHING, "markdown"), "| service | n |\n| --- | ---: |\n");
}

/// Columns are as wide as their widest cell: a cell begins where the rule below its heading does.
#[test]
fn a_table_is_aligned() {
    let page = text(QUERY, "table");
    let lines: Vec<&str> = page.lines().collect();
    let mut columns = Vec::new();
    let mut at = 0;
    for rule in lines[1].split("  ") {
        columns.push(at..at + rule.len());
        at += rule.len() + 2;
    }
    let cells = |line: &str| -> Vec<String> {
        let line = format!("{line:<at$}");
        columns.iter().map(|range| line[range.clone()].trim().to_owned()).collect()
    };
    assert_eq!(cells(lines[0]), NAMES);
    for (line, want) in lines[2..].iter().zip(texts()) {
        assert_eq!(cells(line), want);
    }
    assert_eq!(text(NOTHING, "table"), "service  n\n-------  -\n");
}

#[test]
fn parquet_keeps_types() {
    let read = |query: &str| -> (Arc<Schema>, Vec<RecordBatch>) {
        let bytes = bytes::Bytes::from(printed(query, "parquet"));
        let builder = ParquetRecordBatchReaderBuilder::try_new(bytes).unwrap();
        let schema = Arc::clone(builder.schema());
        (schema, builder.build().unwrap().map(Result::unwrap).collect())
    };
    let (schema, batches) = read(QUERY);
    let names: Vec<&str> = schema.fields().iter().map(|field| field.name().as_str()).collect();
    assert_eq!(names, NAMES);
    let batch = &batches[0];
    assert_eq!(batch.column(0).as_primitive::<Int64Type>().values(), &[1, 2]);
    assert_eq!(batch.column(2).as_boolean().iter().collect::<Vec<_>>(), [Some(true), Some(false)]);
    let share = batch.column(3).as_primitive::<Decimal128Type>();
    assert_eq!((share.value(0), share.scale(), share.is_null(1)), (750_000, 6, true));
    assert!(matches!(schema.field(4).data_type(), DataType::Timestamp(..)), "{schema}");
    let (schema, batches) = read(NOTHING);
    assert_eq!(schema.fields().len(), 2);
    assert_eq!(batches.iter().map(RecordBatch::num_rows).sum::<usize>(), 0);
}
