//! The incident pack: one incident, from the change that came before it to the proof of every line.

use crate::cells::{self, Row};
use crate::chart::{Chart, Data, Stack};
use crate::format;
use crate::model::{Block, Cell, Report, Table, fact, headings, text};
use crate::sections::tables::{figure, of_query};
use crate::sections::{Part, common, part};
use crate::study::Study;

pub(crate) fn parts(study: &Study<'_>, report: &Report) -> Vec<Part> {
    let empty = Row::new();
    let incident = study.rows("incident").first().unwrap_or(&empty);
    vec![
        head(study, incident),
        times(study, incident),
        timeline(study),
        changes(study),
        recovery(study, incident),
        authored(),
        clocks(incident),
        actions(study),
        common::verification(study, report),
    ]
}

fn shown(row: &Row, column: &str) -> String {
    format::cell(column, row.get(column).unwrap_or(&serde_json::Value::Null))
}

fn head(study: &Study<'_>, incident: &Row) -> Part {
    let rows = [
        ("Incident", "incident_id"),
        ("Service", "service"),
        ("Environment", "environment"),
        ("Severity", "severity"),
        ("Status", "status"),
        ("Detected by", "detected_by"),
        ("Customers affected", "customer_impact"),
        ("Classes of data", "data_classes"),
        ("Records exposed", "records_exposed"),
        ("Commander", "commander"),
        ("Cause", "cause_deployment_id"),
        ("How the cause is known", "link_method"),
        ("Recovered by", "recovery_method"),
        ("Reopened", "reopen_count"),
    ];
    let facts = rows.iter().map(|(term, column)| fact(term, shown(incident, column)));
    let figures = [
        ("Active", "active_us", "start to verified recovery; gaps after a verified end left out"),
        ("Detect", "detect_us", "start to detection"),
        ("Decide", "decide_us", "detection to decision"),
        ("Act", "act_us", "decision to mitigation live"),
        ("Verify", "verify_us", "mitigation live to verified recovery"),
    ];
    let items = figures.iter().map(|(label, column, note)| {
        figure(label, shown(incident, column), *note, "view incidents")
    });
    let blocks = vec![
        Block::Figures { items: items.collect(), source: study.source("view incidents") },
        Block::Facts { rows: facts.collect() },
    ];
    part("incident", "The incident", blocks)
}

fn times(study: &Study<'_>, incident: &Row) -> Part {
    let parts = ["Detect", "Decide", "Act", "Verify", "Unattributed"].map(str::to_owned).to_vec();
    let us = ["detect_us", "decide_us", "act_us", "verify_us", "unattributed_us"];
    let values: Vec<i64> =
        us.iter().map(|name| cells::integer(incident, name).unwrap_or(0)).collect();
    let label = cells::text(incident, "incident_id").unwrap_or("incident").to_owned();
    let whole = shown(incident, "active_us");
    let row = |(name, column): (&String, &&str)| {
        vec![Cell::from(name.as_str()), shown(incident, column).into()]
    };
    let data = Table {
        id: "table-phases".to_owned(),
        caption: "Phases of the active time".to_owned(),
        columns: headings(&["Phase", "#Duration"]),
        rows: parts.iter().zip(&us).map(row).collect(),
        empty: String::new(),
        source: Some(study.source("view incidents")),
    };
    let chart = Chart {
        id: "chart-phases".to_owned(),
        title: "Where the time went".to_owned(),
        description: "One bar, from the start to verified recovery, cut into the phases; the table below has the durations.".to_owned(),
        data: Data::Stacked { parts, rows: vec![Stack { label, values, text: whole }] },
    };
    let marks = [
        ("Started", "started_at"),
        ("Detected", "detected_at"),
        ("Acknowledged", "acknowledged_at"),
        ("Decided", "decided_at"),
        ("Acted", "acted_at"),
        ("Verified", "verified_at"),
        ("Closed", "closed_at"),
    ];
    let mut facts: Vec<_> = marks
        .iter()
        .map(|(term, column)| fact(&format!("{term} (UTC)"), shown(incident, column)))
        .collect();
    facts.push(fact("Start assumed from the detection", shown(incident, "started_assumed")));
    facts.push(fact("Recovery verified by", shown(incident, "verified_grade")));
    let blocks = vec![
        Block::Figure { chart, table: data },
        Block::Facts { rows: facts },
        text(
            "A phase without both of its marks has no duration; its time is unattributed and never guessed.",
        ),
    ];
    part("times", "Key times", blocks)
}

fn timeline(study: &Study<'_>) -> Part {
    let what = |row: &Row| {
        let details = [
            "version",
            "to_version",
            "trigger_condition",
            "signal",
            "signal_state",
            "decision",
            "check_name",
            "runbook",
        ];
        let details = details.iter().filter_map(|name| cells::text(row, name).map(str::to_owned));
        let mut words =
            vec![format!("{} {}", shown(row, "kind"), shown(row, "phase").replace('_', " "))];
        words.extend(details);
        // A rollback's version is the one that it returns to.
        words.dedup();
        words.join(" · ")
    };
    let row = |row: &Row| {
        let subject =
            ["deployment_id", "rollback_id"].iter().find_map(|name| cells::text(row, name));
        vec![
            shown(row, "occurred_at").into(),
            shown(row, "since_start_us").into(),
            shown(row, "incident_phase").into(),
            what(row).into(),
            subject.map_or_else(|| Cell::from("—"), Cell::code),
            shown(row, "actor").into(),
            shown(row, "source").into(),
            shown(row, "seq").into(),
        ]
    };
    let table = Table {
        id: "table-timeline".to_owned(),
        caption: "Every event, in order".to_owned(),
        columns: headings(&[
            "At (UTC)",
            "#Since start",
            "Phase",
            "What happened",
            "Subject",
            "Who",
            "Source",
            "#Log entry",
        ]),
        rows: study.rows("incident_timeline").iter().map(row).collect(),
        empty: "The log has no event of this incident.".to_owned(),
        source: Some(study.source("query incident_timeline")),
    };
    let blocks = vec![
        text("Each line is one entry of the log; its proof is in proofs/, named for the entry."),
        Block::Table(table),
    ];
    part("timeline", "Timeline", blocks)
}

fn changes(study: &Study<'_>) -> Part {
    let changes = [
        ("deployment_id", "Deployment"),
        ("begin_at", "Began (UTC)"),
        ("version", "Version"),
        ("class", "Class"),
        ("outcome", "Outcome"),
        ("actor", "Deployed by"),
        ("approver", "Approved by"),
        ("approved_at", "Approved (UTC)"),
    ];
    let rollbacks = [
        ("rollback_id", "Rollback"),
        ("grade", "Tied"),
        ("trigger", "Trigger"),
        ("trigger_condition", "Rule"),
        ("decided_at", "Decided (UTC)"),
        ("decided_by", "Decided by"),
        ("to_version", "Returned to"),
        ("live_at", "Live (UTC)"),
        ("effective_outcome", "Outcome"),
    ];
    let blocks = vec![
        of_query(
            study,
            "incident_changes",
            "The last deployments of the service before the end of the incident",
            &changes,
            "No deployment of the service is on record.",
        ),
        of_query(
            study,
            "incident_rollbacks",
            "Rollback decisions",
            &rollbacks,
            "No rollback is tied to the incident.",
        ),
    ];
    part("changes", "Change context", blocks)
}

fn recovery(study: &Study<'_>, incident: &Row) -> Part {
    let grade = match cells::text(incident, "verified_grade") {
        Some("closed_only") => {
            "Recovery was not verified on record; the close of the incident stands in for it."
                .to_owned()
        }
        Some(grade) => format!("Recovery was verified on record (grade: {grade})."),
        None => "Recovery is not on record.".to_owned(),
    };
    let checks = study.rows("incident_timeline").iter().filter(|row| {
        matches!(cells::text(row, "kind"), Some("verification" | "health" | "divergence"))
            || cells::text(row, "phase") == Some("verified")
    });
    let columns = [
        ("occurred_at", "At (UTC)"),
        ("kind", "Kind"),
        ("phase", "Result"),
        ("check_name", "Check"),
        ("signal", "Signal"),
        ("seq", "#Log entry"),
    ];
    let mut found = super::tables::table(
        study,
        "incident_timeline",
        "What was checked",
        &columns,
        checks,
        "No check is on record.",
    );
    found.id.replace_range(.., "table-checks");
    part("recovery", "What verified recovery", vec![text(grade), Block::Table(found)])
}

fn authored() -> Part {
    let slots = [
        "Summary and impact, by an author: name, date.",
        "Contributing factors; what went well, what went wrong, where we were lucky.",
        "What was not known when it was decided.",
    ];
    let mut blocks = vec![text("This part is written by people and is not evidence from the log.")];
    blocks.extend(slots.iter().map(|slot| Block::Authored { label: (*slot).to_owned() }));
    part("authored", "Author’s sections", blocks)
}

/// Clocks that run from the moment an organisation knows; whether they apply is for people to decide.
fn clocks(incident: &Row) -> Part {
    let aware = cells::time(incident, "detected_at");
    let due = |hours: i64| {
        aware
            .and_then(|at| at.plus_seconds(hours * 3600))
            .map_or_else(|| "unknown".to_owned(), format::time)
    };
    let rows = [
        ("GDPR Art. 33(1): authority, 72 h after becoming aware", due(72)),
        ("HIPAA 164.404: individuals, without delay and within 60 days of discovery", due(60 * 24)),
        (
            "DORA Art. 19: initial report, 24 h after becoming aware, 4 h after classification as major",
            due(24),
        ),
    ];
    let blocks = vec![
        text(
            "If personal or health information was touched, or the incident is major, these notices may be due. The times are \
              counted from the detection on record; whether a notice is due is decided by people.",
        ),
        Block::Facts {
            rows: rows.iter().map(|(term, at)| fact(term, format!("{at} UTC"))).collect(),
        },
    ];
    part("clocks", "Regulatory clocks", blocks)
}

fn actions(study: &Study<'_>) -> Part {
    let columns = [
        ("id", "Id"),
        ("what", "What"),
        ("status", "Status"),
        ("owner", "Owner"),
        ("due_at", "Due (UTC)"),
        ("done_at", "Done (UTC)"),
    ];
    let blocks = vec![of_query(
        study,
        "incident_actions",
        "Postmortems and action items",
        &columns,
        "None is on record.",
    )];
    part("actions", "Postmortem and action items", blocks)
}
