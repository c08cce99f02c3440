//! The rows of the metrics table: what a metric's SQL gives, and what follows from it in the same way for every metric.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, Decimal128Array, Int64Array, Int64Builder, MapBuilder, RecordBatch,
    StringArray, StringBuilder, TimestampMicrosecondArray,
};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Decimal128Type, Int64Type};
use backtrail_schemas::Timestamp;

use crate::error::Error;
use crate::metrics::Metric;
use crate::output::Rows;
use crate::session::Session;
use crate::udf;

/// One row of the metrics table, without what is the same in all of them.
#[derive(Clone, Debug, Default)]
pub(crate) struct MetricRow {
    metric: String,
    unit: String,
    pub(crate) service: Option<String>,
    pub(crate) environment: Option<String>,
    pub(crate) dimension: Option<String>,
    dimension_value: Option<String>,
    /// By column name, those of [`NUMBERS`].
    numbers: BTreeMap<&'static str, i64>,
    /// How many were left out, by reason; reasons of zero are kept, so that a reader sees what was looked for.
    excluded: BTreeMap<String, i64>,
    /// Millionths.
    value: Option<i128>,
    /// Millionths.
    interval: Option<[i128; 2]>,
    suppressed: Option<String>,
}

/// The rows that the SQL of `metric` gave, checked and completed.
///
/// # Errors
/// A column is none of the metrics table's.
pub(crate) fn read(metric: &Metric, batches: &[RecordBatch]) -> Result<Vec<MetricRow>, Error> {
    let mut rows = Vec::new();
    for batch in batches {
        for at in 0..batch.num_rows() {
            let mut row = MetricRow {
                metric: metric.name.clone(),
                unit: metric.unit.clone(),
                ..MetricRow::default()
            };
            for (field, array) in batch.schema_ref().fields().iter().zip(batch.columns()) {
                row.put(field.name(), array, at).map_err(|why| {
                    Error::internal(format!("`{}`: column `{}` {why}", metric.name, field.name()))
                })?;
            }
            if row.has_a_place() {
                row.complete();
                rows.push(row);
            }
        }
    }
    Ok(rows)
}

impl MetricRow {
    /// What rows are ordered by; it is different for any two rows of one metric.
    pub(crate) fn key(&self) -> [Option<&str>; 5] {
        let some = Some(self.metric.as_str());
        [
            some,
            self.service.as_deref(),
            self.environment.as_deref(),
            self.dimension.as_deref(),
            self.dimension_value.as_deref(),
        ]
    }

    /// Whether its service and environment, where it is about one, are known. What has none is in the totals alone: a row
    /// of its own would be taken for a total.
    fn has_a_place(&self) -> bool {
        [&self.service, &self.environment].into_iter().flatten().all(|name| !name.is_empty())
    }

    fn put(&mut self, name: &str, array: &ArrayRef, at: usize) -> Result<(), String> {
        if array.is_null(at) {
            return Ok(());
        }
        let one = array.slice(at, 1);
        let as_type = |ty: &DataType| cast(&one, ty).map_err(|e| e.to_string());
        let text =
            || Ok::<_, String>(as_type(&DataType::Utf8)?.as_string::<i32>().value(0).to_owned());
        let number =
            || Ok::<_, String>(as_type(&DataType::Int64)?.as_primitive::<Int64Type>().value(0));
        match name {
            "service" => self.service = Some(text()?),
            "environment" => self.environment = Some(text()?),
            "dimension" => self.dimension = Some(text()?),
            "dimension_value" => self.dimension_value = Some(text()?),
            "value" => {
                let exact = as_type(&DataType::Decimal128(18, 6))?;
                self.value = Some(exact.as_primitive::<Decimal128Type>().value(0));
            }
            _ => match (NUMBERS.iter().find(|n| **n == name), name.strip_prefix("excluded_")) {
                (Some(known), _) => drop(self.numbers.insert(known, number()?)),
                (None, Some(reason)) => drop(self.excluded.insert(reason.to_owned(), number()?)),
                (None, None) => return Err("is not one of the metrics table".to_owned()),
            },
        }
        Ok(())
    }

    /// Adds the value and the interval of a proportion, and takes away percentiles of too few samples.
    fn complete(&mut self) {
        let pair = self.number("numerator").zip(self.number("denominator"));
        if let Some((top, bottom)) = pair.filter(|_| self.unit == "ratio") {
            self.value = udf::ratio(top, bottom);
            self.interval = udf::wilson(top, bottom);
        }
        let ended = self.number("n").unwrap_or(0);
        let all = ended + self.number("censored").unwrap_or(0);
        let mut gone = Vec::new();
        for (name, percent) in PERCENTILES {
            let n = if name.starts_with("km_") { all } else { ended };
            // n·(1 − p) ≥ 1, in whole numbers (metrics, corner case 24).
            if n * (100 - percent) < 100 && self.numbers.remove(name).is_some() {
                gone.push(format!("{name}: n < {}", 100 / (100 - percent)));
            }
        }
        self.suppressed = (!gone.is_empty()).then(|| gone.join(", "));
    }

    fn number(&self, name: &str) -> Option<i64> {
        self.numbers.get(name).copied()
    }
}

/// The percentiles with p in percent.
const PERCENTILES: [(&str, i64); 6] =
    [("p50", 50), ("p90", 90), ("p95", 95), ("p99", 99), ("km_p50", 50), ("km_p90", 90)];

/// Whole-number columns that a metric's SQL may give.
const NUMBERS: &[&str] = &[
    "numerator",
    "denominator",
    "n",
    "censored",
    "mean",
    "p50",
    "p90",
    "p95",
    "p99",
    "max",
    "km_p50",
    "km_p90",
];

/// The rows as the metrics table.
pub(crate) fn table(session: &Session, rows: &[MetricRow]) -> Result<Rows, Error> {
    let texts = |cell: fn(&MetricRow) -> Option<&str>| -> ArrayRef {
        Arc::new(rows.iter().map(cell).collect::<StringArray>())
    };
    let numbers = |name: &str| -> ArrayRef {
        Arc::new(rows.iter().map(|row| row.number(name)).collect::<Int64Array>())
    };
    let exact = |cell: fn(&MetricRow) -> Option<i128>| -> ArrayRef {
        let array: Decimal128Array = udf::decimals(rows.iter().map(cell).collect());
        Arc::new(array)
    };
    let same = |text: String| -> ArrayRef {
        Arc::new(StringArray::from_iter_values(rows.iter().map(|_| &text)))
    };
    let instant = |at: Timestamp| -> ArrayRef {
        Arc::new(
            TimestampMicrosecondArray::from(vec![at.micros(); rows.len()]).with_timezone("UTC"),
        )
    };
    let left_out =
        |row: &MetricRow| (!row.excluded.is_empty()).then(|| row.excluded.values().sum());
    let mut columns: Vec<(&str, ArrayRef)> = vec![
        ("metric", texts(|r| Some(&r.metric))),
        ("window_start", instant(session.window().from)),
        ("window_end", instant(session.window().to)),
        ("service", texts(|r| r.service.as_deref())),
        ("environment", texts(|r| r.environment.as_deref())),
        ("dimension", texts(|r| r.dimension.as_deref())),
        ("dimension_value", texts(|r| r.dimension_value.as_deref())),
    ];
    columns.extend(["numerator", "denominator", "n", "censored"].map(|name| (name, numbers(name))));
    columns.push(("excluded", Arc::new(rows.iter().map(left_out).collect::<Int64Array>())));
    columns.push(("excluded_by", reasons(rows)));
    columns.push(("value", exact(|r| r.value)));
    columns.push(("unit", texts(|r| Some(&r.unit))));
    columns.extend(NUMBERS[4..].iter().map(|name| (*name, numbers(name))));
    columns.push(("ci_low", exact(|r| r.interval.map(|[low, _]| low))));
    columns.push(("ci_high", exact(|r| r.interval.map(|[_, high]| high))));
    columns.push(("suppressed", texts(|r| r.suppressed.as_deref())));
    columns.push((
        "checkpoint",
        same(format!("{}/{}", session.source().origin, session.source().size)),
    ));
    columns.push(("as_of", instant(session.as_of())));
    let columns = columns.into_iter().map(|(name, array)| (name, array, true));
    let batch = RecordBatch::try_from_iter_with_nullable(columns)
        .map_err(|e| Error::internal(e.to_string()))?;
    Ok(Rows { schema: batch.schema(), batches: vec![batch] })
}

fn reasons(rows: &[MetricRow]) -> ArrayRef {
    let mut map = MapBuilder::new(None, StringBuilder::new(), Int64Builder::new());
    for row in rows {
        for (reason, count) in &row.excluded {
            map.keys().append_value(reason);
            map.values().append_value(*count);
        }
        map.append(!row.excluded.is_empty()).expect("as many keys as values");
    }
    Arc::new(map.finish())
}
