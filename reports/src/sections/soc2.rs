//! SOC 2: the shape in which a service auditor works.

use crate::error::Error;
use crate::model::{Block, Report, text};
use crate::sections::tables::{metrics, of_query};
use crate::sections::{Part, common, part};
use crate::study::Study;

pub(crate) fn parts(study: &Study<'_>, report: &Report) -> Result<Vec<Part>, Error> {
    let framework = study.pack.framework("soc2")?;
    let mut parts = vec![
        common::summary(study, report),
        common::scope(study),
        common::completeness(study),
        common::matrix(study, report, framework),
        common::controls(report),
        changes(study),
        incidents(study),
        drills(study),
        common::exemptions(study),
        common::samples(study, report),
        common::manual(framework),
    ];
    parts.extend(common::appendices(study, report));
    Ok(parts)
}

fn changes(study: &Study<'_>) -> Part {
    let columns = [
        ("service", "Service"),
        ("deployments", "#Deployments"),
        ("forward", "#Forward"),
        ("fixes", "#Fixes"),
        ("rollbacks", "#Rollbacks"),
        ("reapplied", "#Reapplied"),
        ("restarts", "#Restarts"),
        ("failed", "#Failed"),
        ("aborted", "#Aborted"),
    ];
    let blocks = vec![
        of_query(
            study,
            "changes",
            "Production deployments that began in the period",
            &columns,
            "No deployment began.",
        ),
        rollbacks(study),
        metrics(study, "Metrics of changes and rollbacks", |name| {
            !name.contains("incident") && !name.contains("drill")
        }),
    ];
    part("changes", "Changes and rollbacks", blocks)
}

/// Every rollback of the period.
pub(crate) fn rollbacks(study: &Study<'_>) -> Block {
    let columns = [
        ("rollback_id", "Rollback"),
        ("service", "Service"),
        ("begin_at", "Began (UTC)"),
        ("trigger", "Trigger"),
        ("from_version", "From"),
        ("to_version", "To"),
        ("effective_outcome", "Outcome"),
        ("exposure_us", "#Exposure"),
        ("response_us", "#Response"),
        ("execution_us", "#Execution"),
    ];
    of_query(
        study,
        "rollbacks",
        "Production rollbacks that began in the period",
        &columns,
        "Nothing was rolled back.",
    )
}

fn incidents(study: &Study<'_>) -> Part {
    let blocks = vec![
        incident_table(study),
        metrics(study, "Metrics of incidents and recovery", |name| {
            name.contains("incident") || name.contains("recover")
        }),
    ];
    part("incidents", "Incidents and recovery", blocks)
}

/// Every incident of the period.
pub(crate) fn incident_table(study: &Study<'_>) -> Block {
    let columns = [
        ("incident_id", "Incident"),
        ("service", "Service"),
        ("severity", "#Severity"),
        ("status", "Status"),
        ("started_at", "Started (UTC)"),
        ("active_us", "#Active"),
        ("recovery_method", "Recovered by"),
        ("cause_deployment_id", "Cause"),
        ("excluded_by", "Left out because"),
    ];
    of_query(
        study,
        "incidents",
        "Production incidents that began in the period",
        &columns,
        "No incident began.",
    )
}

/// Drills of the period.
pub(crate) fn drills(study: &Study<'_>) -> Part {
    let columns = [
        ("drill_id", "Drill"),
        ("drill_kind", "What"),
        ("service", "Service"),
        ("environment", "Environment"),
        ("due_at", "Due (UTC)"),
        ("due_state", "State"),
        ("recovery_us", "#Recovery"),
        ("objective_us", "#Objective"),
    ];
    let blocks = vec![
        text(
            "Drills are in no production metric. They are listed here as evidence that recovery was exercised.",
        ),
        of_query(
            study,
            "drills",
            "Drills due, begun or completed in the period",
            &columns,
            "No drill was due or held.",
        ),
    ];
    part("drills", "Drills", blocks)
}
