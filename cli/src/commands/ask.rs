//! `sql`, `metrics` and `timeline`: questions to one checkpoint.

use std::collections::BTreeMap;

use backtrail_query::{Metric, MetricFilter, Rows, Session, metrics};
use serde_json::json;
use tokio::runtime::Runtime;

use crate::args::{Format, Global, Metrics, MetricsAction, Sql, Timeline};
use crate::config::Config;
use crate::exit::{Failure, NO_INPUT, USAGE, unreadable};
use crate::output::Out;
use crate::{rows, session};

/// `sql`
pub(crate) fn sql(global: &Global, args: &Sql) -> Result<(), Failure> {
    let config = Config::read(global)?;
    let (runtime, session) = session::open(global, &config, &args.at)?;
    let query = match (&args.query, &args.file) {
        (Some(query), _) => query.clone(),
        (None, Some(path)) => std::fs::read_to_string(path).map_err(|e| unreadable(path, &e))?,
        (None, None) => return super::shell::run(&runtime, &session, &args.formatted),
    };
    rows::print(&runtime.block_on(session.sql(&query))?, &args.formatted)
}

/// `metrics`, `metrics list` and `metrics explain`
pub(crate) fn metrics(global: &Global, args: &Metrics) -> Result<(), Failure> {
    match &args.action {
        Some(MetricsAction::List(formatted)) => {
            let rows = metrics::definitions()
                .iter()
                .map(|m| [m.name.clone(), m.unit.clone(), m.question.clone()]);
            rows::print(&rows::of_texts(["metric", "unit", "shows"], rows), formatted)
        }
        Some(MetricsAction::Explain { name }) => explain(name),
        None => {
            args.names.iter().try_for_each(|name| definition(name).map(drop))?;
            let config = Config::read(global)?;
            let (runtime, session) = session::open(global, &config, &args.at)?;
            let filter = MetricFilter {
                names: args.names.clone(),
                service: args.service.clone(),
                by: args.by.clone(),
                ..MetricFilter::default()
            };
            let rows = runtime.block_on(session.metrics(&filter)).map_err(session::asked)?;
            match args.formatted.format {
                Some(Format::Json) => whole(&session, &rows),
                _ => rows::print(&rows, &args.formatted),
            }
        }
    }
}

/// Prints the rows as one JSON object, with everything that they depend on.
fn whole(session: &Session, rows: &Rows) -> Result<(), Failure> {
    let (source, window) = (session.source(), session.window());
    let parameters: BTreeMap<&str, String> =
        session.parameters().iter().map(|(name, value)| (name, value.to_string())).collect();
    let head = json!({
        "checkpoint": format!("{}/{}", source.origin, source.size),
        "as_of": session.as_of().to_string(),
        "window": {"from": window.from.to_string(), "to": window.to.to_string()},
        "tz": session.zone().name(),
        "parameters": parameters,
    });
    let head = head.to_string();
    let mut out = Out::new();
    out.line(format_args!("{},\"rows\":", head.strip_suffix('}').expect("an object ends so")))?;
    out.with(|stdout| rows.write(backtrail_query::Format::Json, stdout))?;
    out.line("}")?;
    out.finish()
}

fn explain(name: &str) -> Result<(), Failure> {
    let mut out = Out::new();
    out.line(definition(name)?.sql.trim_end())?;
    out.finish()
}

fn definition(name: &str) -> Result<&'static Metric, Failure> {
    metrics::definitions().iter().find(|m| m.name == name).ok_or_else(|| {
        let near = session::nearest(name, metrics::definitions().iter().map(|m| m.name.as_str()));
        Failure::new(USAGE, format_args!("`{name}` is not a metric"))
            .hint(format_args!("did you mean {near}? `backtrail metrics list` prints them all"))
    })
}

/// `timeline`
pub(crate) fn timeline(global: &Global, args: &Timeline) -> Result<(), Failure> {
    let config = Config::read(global)?;
    let (runtime, session) = session::open(global, &config, &args.at)?;
    let rows = timeline_rows(&runtime, &session, &args.incident)?;
    if rows.is_empty() {
        return Err(Failure::new(
            NO_INPUT,
            format_args!("no incident `{}` at this checkpoint", args.incident),
        )
        .hint(
            "`backtrail sql \"select incident_id, title, started_at from incidents\"` lists them",
        ));
    }
    rows::print(&rows, &args.formatted)
}

fn timeline_rows(
    runtime: &Runtime,
    session: &Session,
    incident: &str,
) -> Result<backtrail_query::Rows, Failure> {
    let literal = incident.replace('\'', "''");
    Ok(runtime.block_on(
        session.sql(&format!("{TIMELINE} where incident_id = '{literal}' order by position")),
    )?)
}

/// What a person reads of a timeline; `select *` has the rest.
const TIMELINE: &str = "select * from timeline";
