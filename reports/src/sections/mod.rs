//! The sections of each report. They choose and order; the numbers come from the study.

mod common;
mod control;
mod hipaa;
mod incident;
mod monthly;
mod soc2;
mod tables;

use crate::error::Error;
use crate::generate::{Request, Target};
use crate::model::{Block, Report, Section};
use crate::study::Study;

pub(crate) use control::controls;
pub(crate) use hipaa::extracts;

/// Title and subtitle.
pub(crate) fn titles(study: &Study<'_>, request: &Request) -> (String, String) {
    let title = |kind: &str| format!("{kind}, {}", study.inputs.organisation);
    match &request.target {
        Target::Soc2 => (
            title("SOC 2 evidence report"),
            "Change management, rollback and incident response: populations, tests and exceptions."
                .to_owned(),
        ),
        Target::Hipaa => (
            title("HIPAA evidence report"),
            "Safeguards of 45 CFR Part 164 that the deployment and incident log speaks to."
                .to_owned(),
        ),
        Target::Monthly => (
            title("Rollback review"),
            "What was rolled back, how fast service recovered, and what is still owed.".to_owned(),
        ),
        Target::Incident(id) => (
            title(&format!("Incident {id}")),
            "Timeline, decisions and recovery, with a proof for every line.".to_owned(),
        ),
    }
}

/// The body of a report whose cover and controls are made.
///
/// # Errors
/// The pack lacks the framework of the report.
pub(crate) fn sections(
    study: &Study<'_>,
    request: &Request,
    report: &Report,
) -> Result<Vec<Section>, Error> {
    let parts = match &request.target {
        Target::Soc2 => soc2::parts(study, report)?,
        Target::Hipaa => hipaa::parts(study, report)?,
        Target::Monthly => monthly::parts(study, report)?,
        Target::Incident(_) => incident::parts(study, report),
    };
    Ok(numbered(parts))
}

/// A part of a report before it has its number.
pub(crate) struct Part {
    pub(crate) id: &'static str,
    pub(crate) title: &'static str,
    pub(crate) appendix: bool,
    pub(crate) blocks: Vec<Block>,
}

pub(crate) fn part(id: &'static str, title: &'static str, blocks: Vec<Block>) -> Part {
    Part { id, title, appendix: false, blocks }
}

pub(crate) fn appendix(id: &'static str, title: &'static str, blocks: Vec<Block>) -> Part {
    Part { id, title, appendix: true, blocks }
}

/// Parts get numbers, appendices letters.
pub(crate) fn numbered(parts: Vec<Part>) -> Vec<Section> {
    let (mut numbers, mut letters) = (1.., 'A'..);
    let mut number = |appendix: bool| {
        if appendix {
            letters.next().map(String::from)
        } else {
            numbers.next().map(|n: u32| n.to_string())
        }
    };
    let section = |p: Part| Section {
        id: p.id.to_owned(),
        number: number(p.appendix).expect("there are enough letters"),
        title: p.title.to_owned(),
        blocks: p.blocks,
    };
    parts.into_iter().map(section).collect()
}
