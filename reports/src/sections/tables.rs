//! Tables of query results.

use serde_json::Value;

use crate::cells::{self, Row};
use crate::format;
use crate::model::{Block, Cell, Figure, Heading, Table, headings};
use crate::study::Study;

/// A column of a result: its name in the query and its heading; `#` before the heading says that it is a number.
pub(crate) type Shown = (&'static str, &'static str);

/// The table of a query's answer.
pub(crate) fn of_query(
    study: &Study<'_>,
    query: &'static str,
    caption: &str,
    columns: &[Shown],
    empty: &str,
) -> Block {
    Block::Table(table(study, query, caption, columns, study.rows(query).iter(), empty))
}

/// The table of some rows of a query's answer.
pub(crate) fn table<'a>(
    study: &Study<'_>,
    query: &str,
    caption: &str,
    columns: &[Shown],
    rows: impl Iterator<Item = &'a Row>,
    empty: &str,
) -> Table {
    let titles: Vec<&str> = columns.iter().map(|(_, title)| *title).collect();
    let cell = |row: &Row, name: &str| {
        let value = row.get(name).unwrap_or(&Value::Null);
        let text = format::cell(name, value);
        let code = name.ends_with("_id") && !value.is_null()
            || name == "version"
            || name.ends_with("_digest");
        Cell { text, code, ..Cell::default() }
    };
    Table {
        id: format!("table-{}", query.replace([' ', '_'], "-")),
        caption: caption.to_owned(),
        columns: headings(&titles),
        rows: rows.map(|row| columns.iter().map(|(name, _)| cell(row, name)).collect()).collect(),
        empty: empty.to_owned(),
        source: Some(study.source(&format!("query {query}"))),
    }
}

/// A number that matters, from a count.
pub(crate) fn figure(
    label: &str,
    value: impl Into<String>,
    note: impl Into<String>,
    metric: &str,
) -> Figure {
    Figure {
        label: label.to_owned(),
        value: value.into(),
        note: note.into(),
        metric: metric.to_owned(),
    }
}

/// The metrics table of the window: one row a metric, over everything.
pub(crate) fn metrics(study: &Study<'_>, caption: &str, wanted: impl Fn(&str) -> bool) -> Block {
    let whole = ["service", "environment", "dimension", "dimension_value"];
    let total = |row: &&Row| {
        whole.iter().all(|name| cells::text(row, name).is_none())
            && cells::text(row, "metric").is_some_and(&wanted)
    };
    let rows = study.metrics.iter().filter(total).map(metric_cells).collect();
    let columns: Vec<Heading> =
        headings(&["Metric", "#n", "#Value", "#p50", "#p90", "#Longest", "#Excluded", "Note"]);
    Block::Table(Table {
        id: format!("table-metrics-{}", caption.len()),
        caption: caption.to_owned(),
        columns,
        rows,
        empty: "No metric has a value for the period.".to_owned(),
        source: Some(study.source("metrics table, rows over the whole window")),
    })
}

fn metric_cells(row: &Row) -> Vec<Cell> {
    let number = |name: &str| cells::integer(row, name);
    let duration = |name: &str| number(name).map_or_else(|| "—".to_owned(), format::duration);
    let n = match (number("numerator"), number("denominator")) {
        (Some(a), Some(b)) => {
            format!("{} of {}", format::count(a.unsigned_abs()), format::count(b.unsigned_abs()))
        }
        _ => number("n").map_or_else(|| "—".to_owned(), |n| format::count(n.unsigned_abs())),
    };
    let mut notes = Vec::new();
    if let (Some(low), Some(high)) = (cells::text(row, "ci_low"), cells::text(row, "ci_high")) {
        notes.push(format!("95 % interval {} to {}", format::percent(low), format::percent(high)));
    }
    if let Some(open) = number("censored").filter(|open| *open > 0) {
        notes.push(format!("{open} still open"));
    }
    if let Some(why) = cells::text(row, "suppressed") {
        notes.push(why.to_owned());
    }
    let ratio = cells::text(row, "unit").is_some_and(|unit| unit == "ratio");
    let shown = if ratio { format::percent } else { format::decimal };
    let value = cells::text(row, "value").map_or_else(|| "—".to_owned(), shown);
    vec![
        cells::text(row, "metric").unwrap_or_default().replace('_', " ").into(),
        n.into(),
        value.into(),
        duration("p50").into(),
        duration("p90").into(),
        duration("max").into(),
        number("excluded")
            .map_or_else(|| "—".to_owned(), |n| format::count(n.unsigned_abs()))
            .into(),
        notes.join("; ").into(),
    ]
}
