//! What a report is made from: the controls' answers, the metrics, and the answers of a few more queries, all from one
//! session at one checkpoint.

use std::collections::{BTreeMap, BTreeSet};

use backtrail_ledger::checkpoint::Checkpoint;
use backtrail_ledger::note::Note;
use backtrail_query::{MetricFilter, Session, Window};

use crate::cells::{self, Row};
use crate::error::Error;
use crate::evaluate::{self, Evaluation, Ground};
use crate::format;
use crate::generate::{Inputs, Request, Target};
use crate::model::Provenance;
use crate::pack::{Control, Pack};

/// Everything that the sections of a report read.
pub(crate) struct Study<'a> {
    pub(crate) session: &'a Session,
    pub(crate) inputs: &'a Inputs<'a>,
    pub(crate) pack: &'a Pack,
    pub(crate) checkpoint: Checkpoint,
    /// The controls that belong to the report, with their answers, in the pack's order.
    pub(crate) controls: Vec<(&'a Control, Evaluation)>,
    /// The metrics table of the window.
    pub(crate) metrics: Vec<Row>,
    /// The answers of the queries of the report, by name.
    answers: BTreeMap<&'static str, Vec<Row>>,
    /// The queries as they ran, by name.
    pub(crate) queries: BTreeMap<&'static str, String>,
}

impl<'a> Study<'a> {
    /// Runs everything that the report asks for.
    ///
    /// # Errors
    /// A query of ours fails, the checkpoint's note is none, or the report is about an incident that the log does not have.
    pub(crate) async fn run(
        request: &Request,
        session: &'a Session,
        inputs: &'a Inputs<'a>,
        pack: &'a Pack,
    ) -> Result<Self, Error> {
        let mut study = Self {
            session,
            inputs,
            pack,
            checkpoint: checkpoint(inputs.prover.checkpoint_note())?,
            controls: Vec::new(),
            metrics: Vec::new(),
            answers: BTreeMap::new(),
            queries: BTreeMap::new(),
        };
        let incident = match &request.target {
            Target::Incident(id) => Some(id.as_str()),
            _ => None,
        };
        for (name, sql) in QUERIES {
            if incident.is_some() || !name.starts_with("incident_") && *name != "incident" {
                study.ask(name, sql, incident).await?;
            }
        }
        if incident.is_some() && study.rows("incident").is_empty() {
            return Err(Error::reject(format!(
                "the log has no incident `{}`",
                incident.unwrap_or_default()
            )));
        }
        if incident.is_none() {
            study.evaluate().await?;
            let filter = MetricFilter::default();
            let metrics = session.metrics(&filter).await.map_err(|e| Error::query("metrics", e))?;
            study.metrics = cells::rows(&metrics.batches)?;
        }
        Ok(study)
    }

    async fn ask(
        &mut self,
        name: &'static str,
        sql: &str,
        incident: Option<&str>,
    ) -> Result<(), Error> {
        let literal = format!("'{}'", incident.unwrap_or_default().replace('\'', "''"));
        let sql = sql.replace("$incident", &literal).replace("$months", &self.months()?);
        let found = self.session.sql(&sql).await.map_err(|e| Error::query(name, e))?;
        self.answers.insert(name, cells::rows(&found.batches)?);
        self.queries.insert(name, sql);
        Ok(())
    }

    async fn evaluate(&mut self) -> Result<(), Error> {
        let gaps = self.rows("gaps").iter().map(|gap| {
            let text = |name: &str| cells::text(gap, name).unwrap_or("unknown").to_owned();
            format!("{} says {} from {}", text("source"), text("phase"), text("from_at"))
        });
        let ground = Ground {
            integrity: self.inputs.integrity.clone(),
            gaps: gaps.collect(),
            overlay: self.inputs.overlay.as_ref(),
        };
        for control in &self.pack.controls {
            let evaluation = evaluate::run(control, self.session, &ground).await?;
            self.controls.push((control, evaluation));
        }
        Ok(())
    }

    /// The months of the small multiples as rows `(month, from_us, to_us)`: the last is the one in which the window ends.
    fn months(&self) -> Result<String, Error> {
        let rows = self.month_windows()?;
        let row = |(label, w): &(String, Window)| {
            format!("('{label}', {}, {})", w.from.micros(), w.to.micros())
        };
        let rows: Vec<String> = rows.iter().map(row).collect();
        Ok(format!("(values {}) as m (month, from_us, to_us)", rows.join(", ")))
    }

    /// The months of the small multiples in order.
    pub(crate) fn month_windows(&self) -> Result<Vec<(String, Window)>, Error> {
        let zone = self.session.zone();
        let last = backtrail_schemas::Timestamp::from_micros(self.session.window().to.micros() - 1);
        let last = last.ok_or_else(|| Error::reject("the window ends before 1970"))?;
        let label = last.to_datetime().with_timezone(&zone).format("%Y-%m").to_string();
        let (year, month) = label
            .split_once('-')
            .and_then(|(y, m)| Some((y.parse::<i64>().ok()?, m.parse::<i64>().ok()?)))
            .ok_or_else(|| Error::reject("the window has no month"))?;
        let months = crate::limits::MULTIPLES_MONTHS as i64;
        let mut out = Vec::new();
        for back in (0..months).rev() {
            let index = year * 12 + month - 1 - back;
            let label = format!("{:04}-{:02}", index.div_euclid(12), index.rem_euclid(12) + 1);
            // The calendar of the log begins in 1970.
            if let Ok(period) = backtrail_query::Period::parse(&label, zone) {
                out.push((label, period.window()));
            }
        }
        Ok(out)
    }

    /// The answer of a query of the report; none if it was not asked.
    pub(crate) fn rows(&self, query: &str) -> &[Row] {
        self.answers.get(query).map_or(&[], Vec::as_slice)
    }

    /// The row of a metric over the whole window, if the metric has one.
    pub(crate) fn total(&self, metric: &str) -> Option<&Row> {
        let whole = ["service", "environment", "dimension", "dimension_value"];
        self.metrics.iter().find(|row| {
            cells::text(row, "metric") == Some(metric)
                && whole.iter().all(|name| cells::text(row, name).is_none())
        })
    }

    /// Where a number of `what` comes from.
    pub(crate) fn source(&self, what: &str) -> Provenance {
        let window = self.session.window();
        Provenance {
            metric: what.to_owned(),
            window: format::window(window.from, window.to, self.session.zone().name()),
            checkpoint: format!("{}@{}", self.checkpoint.origin, self.checkpoint.size),
        }
    }

    /// The positions of every row that the report cites.
    pub(crate) fn cited(&self) -> BTreeSet<u64> {
        let items = self
            .controls
            .iter()
            .flat_map(|(_, e)| e.items.iter().flat_map(|item| item.seq.iter().copied()));
        let others = self.answers.values().flatten().filter_map(|row| cells::integer(row, "seq"));
        items.chain(others).filter_map(|seq| u64::try_from(seq).ok()).collect()
    }

    /// The period as a person says it.
    pub(crate) fn period(&self) -> String {
        let window = self.session.window();
        let last =
            backtrail_schemas::Timestamp::from_micros(window.to.micros() - 1).unwrap_or(window.to);
        format!("{} to {}", format::date(window.from), format::date(last))
    }
}

/// The checkpoint in a note; whose signature it bears is for those who verify the bundle.
fn checkpoint(note: &str) -> Result<Checkpoint, Error> {
    let note: Note = note.parse().map_err(|e| Error::reject(format!("checkpoint: {e}")))?;
    note.text.parse().map_err(|e| Error::reject(format!("checkpoint: {e}")))
}

macro_rules! queries {
    ($($name:literal),* $(,)?) => {
        &[$(($name, include_str!(concat!("../queries/", $name, ".sql")))),*]
    };
}

/// The queries of the reports beside the controls' own.
const QUERIES: &[(&str, &str)] = queries![
    "actions",
    "changes",
    "drills",
    "ephi",
    "gaps",
    "housekeeping",
    "incident",
    "incident_actions",
    "incident_changes",
    "incident_rollbacks",
    "incident_timeline",
    "incidents",
    "missed",
    "months",
    "reconciliation",
    "reviews",
    "rollbacks",
    "scope",
    "sources",
];
