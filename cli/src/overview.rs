//! The headline numbers of a period, for a person's eye. `metrics` prints all of them, for a program's.

use arrow::array::{Array, AsArray};
use arrow::datatypes::{Decimal128Type, Int64Type};
use backtrail_query::Rows;
use backtrail_reports::format;

use crate::exit::Failure;
use crate::output::Out;

/// The metrics shown, with what a person calls them.
const HEADLINES: &[(&str, &str)] = &[
    ("rollback_effective_success_rate", "rollbacks that restored the service"),
    ("rollback_execution_success_rate", "rollbacks that were carried out"),
    ("time_to_rollback_exposure", "bad version live until rolled back"),
    ("time_to_rollback_response", "detected until rolled back"),
    ("time_to_rollback_execution", "rollback started until live"),
    ("oscillation_rate", "oscillation episodes per 100 deployments"),
    ("change_failure_rate", "change failure rate"),
    ("deployment_frequency", "production deployments a day"),
    ("mttr", "incident start until verified recovery"),
    ("open_incidents", "incidents still open"),
];

/// Prints the total rows of the headline metrics.
pub(crate) fn print(out: &mut Out, rows: &Rows, period: &str) -> Result<(), Failure> {
    out.line(format_args!("{period:<48}{:>10} {:>10}  {}", "median", "p90", "of"))?;
    for (metric, label) in HEADLINES {
        for line in totals(rows, metric) {
            out.line(format_args!("  {label:<46}{line}"))?;
        }
    }
    Ok(())
}

/// One line per total row of `metric`; there is none where nothing happened.
fn totals(rows: &Rows, metric: &str) -> Vec<String> {
    let mut lines = Vec::new();
    for batch in &rows.batches {
        let text = |name: &str, row: usize| {
            let column = batch.column_by_name(name)?.as_string_opt::<i32>()?;
            column.is_valid(row).then(|| column.value(row))
        };
        let number = |name: &str, row: usize| {
            let column = batch.column_by_name(name)?.as_primitive_opt::<Int64Type>()?;
            column.is_valid(row).then(|| column.value(row))
        };
        let value = |row: usize| {
            let column = batch.column_by_name("value")?.as_primitive_opt::<Decimal128Type>()?;
            column.is_valid(row).then(|| column.value(row))
        };
        for row in 0..batch.num_rows() {
            let place = ["service", "environment", "dimension"]
                .iter()
                .any(|name| text(name, row).is_some());
            if text("metric", row) != Some(metric) || place {
                continue;
            }
            let duration =
                |name| number(name, row).map_or_else(|| "–".to_owned(), format::duration);
            lines.push(match (text("unit", row), value(row)) {
                (Some("us"), _) => {
                    let (middle, high) = (["km_p50", "p50"], ["km_p90", "p90"]);
                    let first = |names: [&str; 2]| {
                        names
                            .into_iter()
                            .find(|n| number(n, row).is_some())
                            .unwrap_or(names[1])
                            .to_owned()
                    };
                    let open = number("censored", row).unwrap_or(0);
                    let open = if open > 0 { format!(" and {open} open") } else { String::new() };
                    format!(
                        "{:>10} {:>10}  {}{open}",
                        duration(&first(middle)),
                        duration(&first(high)),
                        number("n", row).unwrap_or(0)
                    )
                }
                (Some("ratio"), Some(value)) => format!(
                    "{:>10} {:>10}  {} of {}",
                    percent(value),
                    "",
                    number("numerator", row).unwrap_or(0),
                    number("denominator", row).unwrap_or(0)
                ),
                (_, Some(value)) => format!("{:>10}", decimal(value)),
                (_, None) => format!("{:>10}", "–"),
            });
        }
    }
    lines
}

/// Millionths as a percentage with one decimal, half away from zero.
fn percent(millionths: i128) -> String {
    let tenths = (millionths + 500) / 1_000;
    format!("{}.{} %", tenths / 10, tenths % 10)
}

/// Millionths with two decimals, half away from zero.
fn decimal(millionths: i128) -> String {
    let hundredths = (millionths + 5_000) / 10_000;
    format!("{}.{:02}", hundredths / 100, hundredths % 100)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn millionths_are_rounded_for_the_eye() {
        assert_eq!(
            (percent(846_154), percent(1_000_000), percent(0)),
            ("84.6 %".into(), "100.0 %".into(), "0.0 %".into())
        );
        assert_eq!(
            (decimal(1_413_043), decimal(5_000), decimal(2_000_000)),
            ("1.41".into(), "0.01".into(), "2.00".into())
        );
    }
}
