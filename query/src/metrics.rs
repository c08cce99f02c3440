//! The metrics: one `.sql` file each, and the one long table that they fill.

use std::sync::LazyLock;

use crate::error::Error;
use crate::header;
use crate::metric_rows::{self, MetricRow};
use crate::output::Rows;
use crate::session::Session;

/// One metric, as its file defines it.
#[derive(Clone, Debug)]
pub struct Metric {
    /// The name in the metrics table.
    pub name: String,
    /// The question that it answers.
    pub question: String,
    /// `ratio`, `us`, `count`, or a rate such as `per_day`.
    pub unit: String,
    /// The breakdowns that it gives.
    pub grain: String,
    /// The views and parameters that it reads.
    pub reads: String,
    /// What an empty window gives.
    pub empty: String,
    /// Where the definition is from.
    pub definition: String,
    /// The whole file.
    pub sql: &'static str,
}

/// Which rows of the metrics table are wanted. What is empty or `None` restricts nothing.
#[derive(Clone, Debug, Default)]
pub struct MetricFilter {
    /// Names of metrics.
    pub names: Vec<String>,
    /// Only rows of this service.
    pub service: Option<String>,
    /// Only rows of this environment.
    pub environment: Option<String>,
    /// Only this breakdown: `service`, `environment`, or a `dimension`.
    pub by: Option<String>,
}

macro_rules! files {
    ($($file:literal),* $(,)?) => {
        &[$(($file, include_str!(concat!("../metrics/", $file, ".sql")))),*]
    };
}

/// The names of the files, in alphabetical order; each is the name of its metric.
const FILES: &[(&str, &str)] = files![
    "action_items_open",
    "change_failure_rate",
    "cooldown_violations",
    "data_quality",
    "deployment_frequency",
    "drill_recovery_within_objective",
    "drills_done_on_time",
    "drills_overdue",
    "failed_deployment_recovery_time",
    "failed_to_deploy_rate",
    "incident_downtime",
    "incident_to_rollback_share",
    "lead_time",
    "mttd",
    "mttr",
    "mttr_elapsed",
    "mttr_phases",
    "mttr_phases_available",
    "mttr_resolved_in_window",
    "open_incidents",
    "oscillation_flips",
    "oscillation_rate",
    "oscillation_share",
    "postmortems_on_time",
    "reapply_without_rca",
    "rollback_effective_success_rate",
    "rollback_execution_success_rate",
    "rollback_frequency_per_deployment",
    "rollback_frequency_per_slot",
    "silent_rollbacks",
    "slo_recovery_time",
    "time_to_rollback_execution",
    "time_to_rollback_exposure",
    "time_to_rollback_response",
];

/// All metrics, in order of their names.
pub fn definitions() -> &'static [Metric] {
    static ALL: LazyLock<Vec<Metric>> = LazyLock::new(|| FILES.iter().map(read).collect());
    &ALL
}

fn read((name, sql): &(&'static str, &'static str)) -> Metric {
    let field = |field| header::field(sql, field).unwrap_or_default();
    Metric {
        name: (*name).to_owned(),
        question: field("shows"),
        unit: field("unit"),
        grain: field("grain"),
        reads: field("reads"),
        empty: field("empty"),
        definition: field("source"),
        sql,
    }
}

impl Session {
    /// The metrics table for this session's window: the rows that `filter` lets through, in order of metric, service,
    /// environment, dimension and its value, totals first.
    ///
    /// # Errors
    /// The filter names a metric or a breakdown that does not exist, or a view cannot be computed.
    pub async fn metrics(&self, filter: &MetricFilter) -> Result<Rows, Error> {
        let known = || definitions().iter().map(|m| m.name.as_str());
        if let Some(name) = filter.names.iter().find(|name| !known().any(|k| k == *name)) {
            return Err(Error::unknown("metric", name, known()));
        }
        let mut rows: Vec<MetricRow> = Vec::new();
        for metric in definitions() {
            if filter.names.is_empty() || filter.names.contains(&metric.name) {
                let batches = self.ours(&metric.name, metric.sql).await?;
                rows.extend(metric_rows::read(metric, &batches)?);
            }
        }
        if let Some(by) = &filter.by {
            check_breakdown(by, &rows)?;
        }
        rows.retain(|row| filter.wants(row));
        rows.sort_by(|a, b| a.key().cmp(&b.key()));
        metric_rows::table(self, &rows)
    }
}

fn check_breakdown(by: &str, rows: &[MetricRow]) -> Result<(), Error> {
    let known =
        rows.iter().filter_map(|row| row.dimension.as_deref()).chain(["service", "environment"]);
    let known: std::collections::BTreeSet<&str> = known.collect();
    if known.contains(by) || rows.is_empty() {
        return Ok(());
    }
    let all: Vec<&str> = known.iter().copied().collect();
    let error = Error::unknown("breakdown", by, known);
    Err(if error.hint().is_some() {
        error
    } else {
        error.with_hint(format!("there is {}", all.join(", ")))
    })
}

impl MetricFilter {
    fn wants(&self, row: &MetricRow) -> bool {
        let same = |asked: &Option<String>, has: &Option<String>| asked.is_none() || asked == has;
        let broken_down = match self.by.as_deref() {
            None => true,
            Some("service") => row.service.is_some() && row.dimension.is_none(),
            Some("environment") => row.environment.is_some() && row.dimension.is_none(),
            Some(by) => row.dimension.as_deref() == Some(by),
        };
        broken_down
            && same(&self.service, &row.service)
            && same(&self.environment, &row.environment)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_is_listed_and_has_its_header() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/metrics");
        let mut found: Vec<String> = std::fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .filter_map(|name| name.strip_suffix(".sql").map(str::to_owned))
            .collect();
        found.sort();
        let listed: Vec<&str> = definitions().iter().map(|m| m.name.as_str()).collect();
        assert_eq!(listed, found);
        for metric in definitions() {
            assert_eq!(header::field(metric.sql, "metric").as_deref(), Some(metric.name.as_str()));
            for (field, text) in [
                ("shows", &metric.question),
                ("unit", &metric.unit),
                ("grain", &metric.grain),
                ("reads", &metric.reads),
                ("source", &metric.definition),
                ("empty", &metric.empty),
            ] {
                assert!(!text.is_empty(), "{}: no `{field}` in the header", metric.name);
            }
        }
    }
}
