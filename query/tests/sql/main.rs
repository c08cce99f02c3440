//! The views and metrics, held against cases as data (`tests/cases/*.slt`) and against models written apart.

#![expect(
    clippy::unwrap_used,
    reason = "a test stops at the first thing that is not as it must be"
)]

mod case;
mod incident_metrics;
mod incident_model;
mod incident_pass_model;
mod incidents;
mod log;
mod sequences;

use std::path::{Path, PathBuf};

use backtrail_query::{MetricFilter, Rows, Session};
use case::{Case, Query};

/// One test per file of cases, so that they run side by side.
macro_rules! files {
    ($($file:ident)*) => {
        const FILES: &[&str] = &[$(stringify!($file)),*];
        mod cases_hold_in_every_order_of_arrival {
            $(#[tokio::test]
            async fn $file() {
                super::hold(stringify!($file)).await;
            })*
        }
    };
}

files!(classes corrections incidents instances records rollbacks rules sources);

#[test]
fn every_file_of_cases_is_a_test() {
    let mut found: Vec<_> =
        std::fs::read_dir(folder()).unwrap().map(|f| f.unwrap().path()).collect();
    found.sort();
    let listed: Vec<_> = FILES.iter().map(|file| folder().join(format!("{file}.slt"))).collect();
    assert_eq!(found, listed);
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases")
}

/// Every case of a file, in the given order of arrival and in another, which must change nothing.
async fn hold(file: &str) {
    let text = std::fs::read_to_string(folder().join(format!("{file}.slt"))).unwrap();
    let cases = case::parse(&text);
    assert!(!cases.is_empty(), "{file} has no case");
    let mut failures = Vec::new();
    for case in &cases {
        let found = check(case).await;
        failures.extend(found.into_iter().map(|f| format!("{}: {f}", case.name)));
    }
    let (failed, all) = (failures.len(), cases.len());
    assert!(failures.is_empty(), "{failed} failures in {all} cases\n\n{}", failures.join("\n\n"));
}

/// Each view and metric of an almost empty log: none fails, and none invents a row of itself.
#[tokio::test]
async fn every_view_and_metric_runs_over_next_to_nothing() {
    let text = "case c\nservice.declared 01T10:00";
    let session = case::parse(text)[0].open(|_| ()).await;
    let mut failures = Vec::new();
    for name in session.tables() {
        if let Err(e) = session.sql(&format!("select * from {name}")).await {
            failures.push(format!("{name}: {e}"));
        }
    }
    for metric in backtrail_query::metrics::definitions() {
        let filter = MetricFilter { names: vec![metric.name.clone()], ..MetricFilter::default() };
        if let Err(e) = session.metrics(&filter).await {
            failures.push(format!("{}: {e}", metric.name));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

async fn check(case: &Case) -> Vec<String> {
    assert!(!case.queries.is_empty(), "{}: no query", case.name);
    let mut failures = ask(case, &case.open(|_| ()).await, "as written").await;
    if !case.ordered && failures.is_empty() {
        failures =
            ask(case, &case.open(|events| events.sort_by_key(scrambled)).await, "scrambled").await;
    }
    failures
}

/// An order that has nothing to do with time: by the bytes of the id, backwards.
fn scrambled(event: &backtrail_schemas::Event) -> Vec<u8> {
    event.text("event_id").unwrap().bytes().rev().collect()
}

async fn ask(case: &Case, session: &Session, order: &str) -> Vec<String> {
    let mut failures = Vec::new();
    for query in &case.queries {
        let got = answer(session, query).await;
        let want = match &query.error {
            Some(text) => vec![format!("error {text}")],
            None => query.rows.clone(),
        };
        if got != want {
            let (got, want) = (got.join("\n  "), want.join("\n  "));
            failures.push(format!("({order})\n{}got:\n  {got}\nwant:\n  {want}", query.sql));
        }
    }
    failures
}

/// The rows of a query, or of `metric NAME: columns`, cells joined by ` | `.
async fn answer(session: &Session, query: &Query) -> Vec<String> {
    let result = match query.sql.strip_prefix("metric ") {
        Some(rest) => metric(session, rest).await,
        None => session.sql(&query.sql).await,
    };
    match result {
        Ok(rows) => shown(&rows),
        Err(e) => {
            let text = format!("{e}; hint: {}", e.hint().unwrap_or("none"));
            match &query.error {
                Some(part) if text.contains(part.as_str()) => vec![format!("error {part}")],
                _ => vec![format!("error {text}")],
            }
        }
    }
}

/// `NAME: column, column` → those columns of all rows of one metric; `NAME total: …` → of its total row.
async fn metric(session: &Session, text: &str) -> Result<Rows, backtrail_query::Error> {
    let (name, columns) = text.trim().split_once(':').unwrap();
    let (name, total) =
        name.trim().strip_suffix(" total").map_or((name.trim(), false), |name| (name, true));
    let filter = MetricFilter { names: vec![name.to_owned()], ..MetricFilter::default() };
    let mut rows = session.metrics(&filter).await?;
    if total {
        rows.batches.iter_mut().for_each(|batch| *batch = batch.slice(0, batch.num_rows().min(1)));
    }
    let wanted: Vec<usize> =
        columns.split(',').map(|c| rows.schema.index_of(c.trim()).unwrap()).collect();
    let batches = rows.batches.iter().map(|b| b.project(&wanted).unwrap()).collect();
    Ok(Rows { schema: std::sync::Arc::new(rows.schema.project(&wanted).unwrap()), batches })
}

fn shown(rows: &Rows) -> Vec<String> {
    let cells = rows.texts().unwrap();
    cells
        .into_iter()
        .map(|row| {
            let row = row.into_iter().map(|cell| cell.unwrap_or_else(|| "NULL".to_owned()));
            row.map(|c| c.trim_end_matches(".000000Z").to_owned()).collect::<Vec<_>>().join(" | ")
        })
        .collect()
}
