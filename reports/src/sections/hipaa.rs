//! HIPAA: safeguards by citation, and one small extract for each, because that is what is asked for.

use crate::error::Error;
use crate::evaluate::State;
use crate::model::{Block, Cell, Report, Table, fact, headings, text};
use crate::pack::{Framework, Requirement};
use crate::sections::tables::of_query;
use crate::sections::{Part, common, numbered, part, soc2};
use crate::study::Study;

pub(crate) fn parts(study: &Study<'_>, report: &Report) -> Result<Vec<Part>, Error> {
    let framework = study.pack.framework("hipaa")?;
    let mut parts = vec![
        common::summary(study, report),
        common::scope(study),
        safeguards(study, report, framework),
        reviews(study),
        incidents(study),
        contingency(study),
        integrity(study),
        retention(study),
        systems(study),
        common::controls(report),
        common::exemptions(study),
        common::samples(study, report),
        common::manual(framework),
    ];
    parts.extend(common::appendices(study, report));
    Ok(parts)
}

/// By citation: what is required or addressable, what tests it, what came of it, and the extract to hand over.
fn safeguards(study: &Study<'_>, report: &Report, framework: &Framework) -> Part {
    let row = |r: &Requirement| {
        let tests: Vec<&str> = r.controls.iter().map(String::as_str).collect();
        let exceptions: usize = report
            .controls
            .iter()
            .filter(|c| r.controls.contains(&c.id))
            .map(|c| c.counts.fail)
            .sum();
        let exceptions = if tests.is_empty() { Cell::from("—") } else { exceptions.into() };
        vec![
            r.label().into(),
            r.level.as_deref().unwrap_or("—").into(),
            r.statement.as_str().into(),
            if tests.is_empty() { "manual".into() } else { tests.join(", ").into() },
            exceptions,
            Cell::code(format!("extracts/{}.html", r.id)),
        ]
    };
    let table = Table {
        id: "table-safeguards".to_owned(),
        caption: "Safeguards by citation (R required, A addressable)".to_owned(),
        columns: headings(&[
            "Citation",
            "R/A",
            "What it asks for",
            "Tested by",
            "#Exceptions",
            "Extract",
        ]),
        rows: framework.requirements.iter().map(row).collect(),
        empty: "The framework has no requirements.".to_owned(),
        source: Some(study.source("controls of the pack")),
    };
    let blocks = vec![
        text(format!("{}. {}", framework.title, framework.note)),
        text("Whether the organisation is a covered entity or a business associate, and why an addressable specification is \
              met in another way, is for the organisation to state."),
        Block::Table(table),
        Block::Authored { label: "Applicability, and the rationale for addressable specifications: text, author, date.".to_owned() },
    ];
    part("safeguards", "Safeguards by citation", blocks)
}

fn reviews(study: &Study<'_>) -> Part {
    let columns = [
        ("event_id", "Review"),
        ("signed_at", "Signed (UTC)"),
        ("actor", "By"),
        ("seq", "#Log entry"),
    ];
    let blocks = vec![of_query(
        study,
        "reviews",
        "Activity reviews signed in the period",
        &columns,
        "No review was signed in the period; 164.308(a)(1)(ii)(D) asks for regular ones.",
    )];
    part("reviews", "Activity review", blocks)
}

fn incidents(study: &Study<'_>) -> Part {
    let blocks = vec![
        text(
            "Incidents with their outcome. Whether one is a security incident or a breach of health information is not \
              decided by the log: assessments and notices are on the list of manual evidence.",
        ),
        soc2::incident_table(study),
    ];
    part("incidents", "Incidents and breach assessment", blocks)
}

fn contingency(study: &Study<'_>) -> Part {
    let drills = soc2::drills(study);
    part("contingency", "Contingency: drills and recovery", drills.blocks)
}

fn integrity(study: &Study<'_>) -> Part {
    part("integrity", "Audit controls and integrity", common::completeness(study).blocks)
}

fn retention(study: &Study<'_>) -> Part {
    let blocks = vec![
        text(
            "Six years from creation, or from when it was last in effect, is what 164.316(b)(2)(i) asks for the records it \
              names: policies, and the actions, activities and assessments that must be recorded. It does not literally say \
              that every raw log line is such a record. Keeping the whole log for six years is our reading, and the default.",
        ),
        Block::Facts {
            rows: vec![
                fact("Entries below the checkpoint", crate::format::count(study.checkpoint.size)),
                fact("Kept for", "six years, in whole segments; proofs of what was pruned stay"),
            ],
        },
    ];
    part("retention", "Retention", blocks)
}

fn systems(study: &Study<'_>) -> Part {
    let columns = [
        ("deployment_id", "Deployment"),
        ("service", "Service"),
        ("version", "Version"),
        ("class", "Class"),
        ("begin_at", "Began (UTC)"),
        ("outcome", "Outcome"),
    ];
    let blocks = vec![of_query(
        study,
        "ephi",
        "Changes to services tagged ephi or phi",
        &columns,
        "No service with events in the period is declared with the tag ephi or phi.",
    )];
    part("systems", "Changes to systems with health information", blocks)
}

/// One small report for each citation of the HIPAA report, by file name; none for other reports.
pub(crate) fn extracts(report: &Report, study: &Study<'_>) -> Vec<(String, Report)> {
    let framework = study.pack.framework("hipaa").ok().filter(|_| report.kind == "hipaa");
    let requirements = framework.into_iter().flat_map(|f| &f.requirements);
    requirements.map(|r| (r.id.clone(), extract(report, study, r))).collect()
}

fn extract(report: &Report, study: &Study<'_>, requirement: &Requirement) -> Report {
    let mut small = report.clone();
    small.cover.title = format!("{}: extract, {}", requirement.label(), report.cover.entity);
    small.cover.subtitle.clone_from(&requirement.statement);
    small.controls.retain(|c| requirement.controls.contains(&c.id));
    let mut parts = Vec::new();
    if !small.controls.is_empty() {
        let open = small.controls.iter().filter(|c| c.state != State::Effective).count();
        let line = format!(
            "{} the log speaks to this citation; {open} of them with exceptions, not tested or inconclusive.",
            match small.controls.len() {
                1 => "One control of".to_owned(),
                n => format!("{n} controls of"),
            },
        );
        let mut blocks = vec![text(line)];
        blocks.extend(small.controls.iter().map(|c| Block::Control { id: c.id.clone() }));
        parts.push(part("controls", "Controls tested", blocks));
    }
    let manual = if requirement.manual.is_empty() {
        text("Nothing further is wanted from a person.")
    } else {
        Block::List { items: requirement.manual.clone() }
    };
    parts.push(part("manual", "Evidence that a person has to bring", vec![manual]));
    parts.push(common::verification(study, report));
    small.sections = numbered(parts);
    small
}
