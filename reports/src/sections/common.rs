//! What several reports have in common.

use crate::evaluate::State;
use crate::format;
use crate::model::{Block, Cell, Report, Table, code_fact, fact, headings, text};
use crate::pack::{Framework, Requirement};
use crate::sections::tables::{figure, of_query};
use crate::sections::{Part, appendix, part};
use crate::study::Study;

/// Counts by state, and every exception with its control.
pub(crate) fn summary(study: &Study<'_>, report: &Report) -> Part {
    let count = |state: State| report.controls.iter().filter(|c| c.state == state).count();
    let exceptions: usize = report.controls.iter().map(|c| c.counts.fail).sum();
    let of = format!("of {}", format::plural(report.controls.len(), "control", "controls"));
    let items: usize = report.controls.iter().map(|c| c.counts.tested).sum();
    let figures = vec![
        figure("Controls without exceptions", count(State::Effective).to_string(), &of, "controls"),
        figure("Controls with exceptions", count(State::Exceptions).to_string(), &of, "controls"),
        figure(
            "Exceptions",
            format::count(exceptions as u64),
            format!("in {} tested items", format::count(items as u64)),
            "controls",
        ),
        figure(
            "Not tested or inconclusive",
            (count(State::NotTested) + count(State::Inconclusive) + count(State::Error))
                .to_string(),
            &of,
            "controls",
        ),
    ];
    let intro = "Each control was run over its whole population. A control without occurrences is not tested, never passed; \
                 nothing here is added up into a score.";
    let blocks = vec![
        text(intro),
        Block::Figures { items: figures, source: study.source("controls of the pack") },
        Block::Table(states(study, report)),
    ];
    part("summary", "Summary", blocks)
}

/// One line a control.
fn states(study: &Study<'_>, report: &Report) -> Table {
    let row = |c: &crate::model::ControlResult| {
        vec![
            Cell::link(format!("{} {}", c.id, c.title), &c.id),
            Cell::state(c.state),
            c.counts.population.into(),
            c.counts.tested.into(),
            c.counts.fail.into(),
            c.counts.exempt.into(),
            c.counts.not_applicable.into(),
        ]
    };
    Table {
        id: "table-states".to_owned(),
        caption: "Controls and what they came to".to_owned(),
        columns: headings(&[
            "Control",
            "Result",
            "#Population",
            "#Tested",
            "#Exceptions",
            "#Exempt",
            "#Not applicable",
        ]),
        rows: report.controls.iter().map(row).collect(),
        empty: "No control was run.".to_owned(),
        source: Some(study.source("controls of the pack")),
    }
}

/// Services, environments and what is known of them.
pub(crate) fn scope(study: &Study<'_>) -> Part {
    let columns = [
        ("service", "Service"),
        ("environment", "Environment"),
        ("production", "Production"),
        ("tier", "Tier"),
        ("objective_recovery_us", "#Recovery objective"),
        ("deployments", "#Deployments"),
        ("incidents", "#Incidents"),
    ];
    let intro = "In scope is what the log has events of in the period. A service that is missing here sent nothing, which \
                 the log alone cannot tell from nothing having happened.";
    let blocks = vec![
        text(intro),
        of_query(
            study,
            "scope",
            "Services and environments with events in the period",
            &columns,
            "No service has events.",
        ),
    ];
    part("scope", "System and scope", blocks)
}

/// Whether the log is complete and accurate, as far as that can be known.
pub(crate) fn completeness(study: &Study<'_>) -> Part {
    let sources = [
        ("source", "Source"),
        ("row_count", "#Events"),
        ("first_at", "First (UTC)"),
        ("last_at", "Last (UTC)"),
        ("authenticated", "#Authenticated"),
        ("late", "#Late"),
        ("backfilled", "#Backfilled"),
        ("corrected", "#Corrected"),
    ];
    let manifests = [
        ("source", "Source"),
        ("from_at", "From (UTC)"),
        ("until_at", "Until (UTC)"),
        ("expected_count", "#The source says"),
        ("logged", "#In the log"),
    ];
    let gaps = [
        ("source", "Source"),
        ("phase", "What"),
        ("from_at", "From (UTC)"),
        ("until_at", "Until (UTC)"),
    ];
    let missed = [
        ("source", "Source"),
        ("fact", "What"),
        ("subject", "Of"),
        ("occurred_at", "Happened (UTC)"),
        ("recorded_at", "Recorded (UTC)"),
    ];
    let entries = [
        ("entry", "Entry"),
        ("row_count", "#Count"),
        ("first_at", "First (UTC)"),
        ("last_at", "Last (UTC)"),
    ];
    let blocks = vec![
        text(
            "The log shows that nothing below its checkpoint was changed, dropped or inserted after it was logged. It \
              cannot show that a source sent everything: the reconciliation below is as good as the sources' own counts.",
        ),
        Block::Facts { rows: verified(study) },
        of_query(
            study,
            "sources",
            "Events of the period by source",
            &sources,
            "No source sent anything.",
        ),
        of_query(
            study,
            "reconciliation",
            "What sources say they sent, and what is in the log",
            &manifests,
            "No source stated how much it sent, so completeness is not reconciled.",
        ),
        of_query(study, "gaps", "Open gaps", &gaps, "No gap is open."),
        of_query(
            study,
            "missed",
            "Found by asking the source, after a push that never came",
            &missed,
            "No poll found anything that a push should have brought.",
        ),
        of_query(
            study,
            "housekeeping",
            "What intake and the log recorded about themselves",
            &entries,
            "No reject, conflict, correction, recovery or erasure was recorded in the period.",
        ),
    ];
    part("completeness", "Completeness and accuracy", blocks)
}

/// What the verifier of the log said.
fn verified(study: &Study<'_>) -> Vec<crate::model::Fact> {
    let integrity = &study.inputs.integrity;
    let held = match integrity.exit {
        0 => "holds: no finding".to_owned(),
        code => format!(
            "does not hold: code {code}, {}",
            format::plural(integrity.findings.len(), "finding", "findings")
        ),
    };
    let anchor = match integrity.anchor.as_str() {
        "none" | "" => {
            "none: the checks hold against outsiders, not against the operator of the log"
                .to_owned()
        }
        other => other.to_owned(),
    };
    vec![
        fact("Verification of the log", held),
        fact("Levels checked", integrity.levels.join(", ")),
        fact("Held against", anchor),
        fact("Entries below the checkpoint", format::count(study.checkpoint.size)),
    ]
}

/// Criterion, control, population, result; requirements without a test are listed with what a person has to bring.
pub(crate) fn matrix(study: &Study<'_>, report: &Report, framework: &Framework) -> Part {
    let mut rows = Vec::new();
    for requirement in &framework.requirements {
        let found = report.controls.iter().filter(|c| requirement.controls.contains(&c.id));
        for c in found {
            rows.push(vec![
                label(requirement),
                Cell::link(format!("{} {}", c.id, c.title), &c.id),
                c.counts.population.into(),
                c.counts.tested.into(),
                c.counts.fail.into(),
                Cell::state(c.state),
            ]);
        }
        if requirement.controls.is_empty() {
            let manual = Cell {
                text: "manual".to_owned(),
                mark: Some("not_tested".to_owned()),
                ..Cell::default()
            };
            let none = || Cell::from("—");
            rows.push(vec![
                label(requirement),
                requirement.manual.join("; ").into(),
                none(),
                none(),
                none(),
                manual,
            ]);
        }
    }
    let table = Table {
        id: "table-matrix".to_owned(),
        caption: format!("{}: requirements and controls", framework.id.to_uppercase()),
        columns: headings(&[
            "Requirement",
            "Control or manual evidence",
            "#Population",
            "#Tested",
            "#Exceptions",
            "Result",
        ]),
        rows,
        empty: "The framework has no requirements.".to_owned(),
        source: Some(study.source("controls of the pack")),
    };
    let blocks =
        vec![text(format!("{}. {}", framework.title, framework.note)), Block::Table(table)];
    part("matrix", "Control matrix", blocks)
}

fn label(requirement: &Requirement) -> Cell {
    let level = requirement.level.as_ref().map(|level| format!(" ({level})")).unwrap_or_default();
    format!("{}{level}: {}", requirement.label(), requirement.statement).into()
}

/// Each control in full.
pub(crate) fn controls(report: &Report) -> Part {
    let mut blocks = vec![text(
        "For each control: what it states, the test performed, the result, every exception with the entries of the log it \
         rests on, and how the population was made, so that it can be made again.",
    )];
    blocks.extend(report.controls.iter().map(|c| Block::Control { id: c.id.clone() }));
    part("controls", "Controls tested", blocks)
}

/// Exemptions and parameters that the organisation set.
pub(crate) fn exemptions(study: &Study<'_>) -> Part {
    let overlay = study.inputs.overlay.as_ref();
    let row = |e: &crate::overlay::Exemption| {
        let items = if e.items.is_empty() {
            e.matching.iter().map(|(k, v)| format!("{k} = {v}")).collect::<Vec<_>>().join(", ")
        } else {
            e.items.join(", ")
        };
        let texts = [
            &e.control,
            &items,
            &e.reason,
            &e.approved_by,
            &e.approved_at,
            &e.expires_at,
            &e.compensating_control,
        ];
        texts.into_iter().map(|text| text.clone().into()).collect()
    };
    let exemptions = Table {
        id: "table-exemptions".to_owned(),
        caption: "Exemptions".to_owned(),
        columns: headings(&[
            "Control",
            "Items",
            "Reason",
            "Approved by",
            "From",
            "Until",
            "Instead",
        ]),
        rows: overlay.map(|o| o.exemptions.iter().map(row).collect()).unwrap_or_default(),
        empty: "No exemption is in force.".to_owned(),
        source: None,
    };
    let set = overlay.map(|o| &o.parameters).into_iter().flatten();
    let set =
        set.flat_map(|(control, values)| values.iter().map(move |(name, v)| (control, name, v)));
    let own = Table {
        id: "table-parameters".to_owned(),
        caption: "Parameters that differ from the pack".to_owned(),
        columns: headings(&["Control", "Parameter", "#Value"]),
        rows: set
            .map(|(c, n, v)| vec![c.as_str().into(), Cell::code(n.as_str()), v.to_string().into()])
            .collect(),
        empty: "All parameters are the pack’s.".to_owned(),
        source: None,
    };
    let blocks = vec![
        text(
            "An exemption never hides what an item came to: the exceptions it covers are listed with their control.",
        ),
        Block::Table(exemptions),
        Block::Table(own),
        Block::Facts {
            rows: vec![
                code_fact("Pack", format!("{} {}", study.pack.head.id, study.pack.head.version)),
                code_fact("SHA-256 of its files", study.pack.digest.clone()),
            ],
        },
    ];
    part("exemptions", "Exemptions and parameters", blocks)
}

/// How samples were drawn.
pub(crate) fn samples(study: &Study<'_>, report: &Report) -> Part {
    let seed = crate::sampling::seed(&study.inputs.sample_seed, &study.checkpoint.root.to_string());
    let row = |c: &crate::model::ControlResult| {
        vec![Cell::link(c.id.as_str(), &c.id), c.counts.tested.into(), c.sample.len().into()]
    };
    let table = Table {
        id: "table-samples".to_owned(),
        caption: "Samples drawn".to_owned(),
        columns: headings(&["Control", "#Tested items", "#Drawn"]),
        rows: report.controls.iter().map(row).collect(),
        empty: "No control was run.".to_owned(),
        source: Some(study.source("controls of the pack")),
    };
    let blocks = vec![
        text(
            "Every item was tested; the samples are for those who test some of them again. Neither side can steer the draw: \
              the seed is the auditor’s text and the root of the checkpoint.",
        ),
        text(study.pack.sampling.method.as_str()),
        Block::Facts { rows: vec![code_fact("Seed", seed)] },
        Block::Table(table),
    ];
    part("samples", "Samples", blocks)
}

/// Requirements for which a person has to bring evidence.
pub(crate) fn manual(framework: &Framework) -> Part {
    let rows = framework
        .requirements
        .iter()
        .flat_map(|r| r.manual.iter().map(move |m| vec![r.label().into(), m.as_str().into()]));
    let table = Table {
        id: "table-manual".to_owned(),
        caption: "Evidence that the log does not have".to_owned(),
        columns: headings(&["Requirement", "What is wanted"]),
        rows: rows.collect(),
        empty: "Nothing.".to_owned(),
        source: None,
    };
    part("manual", "Not automated", vec![Block::Table(table)])
}

/// Definitions, verification, files.
pub(crate) fn appendices(study: &Study<'_>, report: &Report) -> Vec<Part> {
    let mut used: Vec<&str> =
        study.metrics.iter().filter_map(|row| crate::cells::text(row, "metric")).collect();
    used.sort_unstable();
    used.dedup();
    let definition = |m: &backtrail_query::Metric| -> Vec<Cell> {
        vec![
            Cell::code(m.name.as_str()),
            m.question.as_str().into(),
            m.unit.as_str().into(),
            m.empty.as_str().into(),
        ]
    };
    let definitions =
        backtrail_query::metrics::definitions().iter().filter(|m| used.contains(&m.name.as_str()));
    let metrics = Table {
        id: "table-definitions".to_owned(),
        caption: "Metrics used".to_owned(),
        columns: headings(&["Metric", "What it shows", "Unit", "With nothing to count"]),
        rows: definitions.map(definition).collect(),
        empty: "No metric has a value for the period.".to_owned(),
        source: None,
    };
    vec![
        appendix("definitions", "Definitions", vec![Block::Table(metrics)]),
        verification(study, report),
    ]
}

/// How to check the folder without us.
pub(crate) fn verification(study: &Study<'_>, report: &Report) -> Part {
    let steps = [
        "Get the public key (vkey) of the log from its operator on another way than this folder.",
        "Run the command below on a machine without network. It needs this folder and the key, nothing else.",
        "It checks the signature over the manifest, every file against the manifest, the signed checkpoint, the proof of \
         every cited row, every row against its leaf, and this page against report.json.",
        "With a copy of the log, run the queries in `queries/` again and compare the rows with those in `rows/`.",
    ];
    let files = [
        ("report.json", "the report as data; every page is made from it"),
        (
            "rows/",
            "whole populations, one item a line; rows/events.parquet has every cited entry exactly as logged",
        ),
        ("proofs/", "one C2SP tlog-proof for every cited entry"),
        ("checkpoint.note", "the signed head of the log"),
        ("queries/", "every query as it ran"),
        ("metrics.json", "the metrics table of the period"),
        ("manifest.json", "path, length and SHA-256 of every file"),
        ("manifest.dsse.json", "the signature: an in-toto statement in a DSSE envelope"),
    ];
    let blocks = vec![
        Block::List { items: steps.map(str::to_owned).to_vec() },
        Block::Code {
            caption: "Command".to_owned(),
            text: "backtrail report verify DIR --vkey KEY".to_owned(),
        },
        Block::Code {
            caption: "Checkpoint of this report".to_owned(),
            text: study.inputs.prover.checkpoint_note().trim_end().to_owned(),
        },
        Block::Facts { rows: files.iter().map(|(name, what)| fact(name, *what)).collect() },
        Block::Facts { rows: vec![code_fact("Report id", report.cover.report_id.as_str())] },
    ];
    appendix("verification", "Offline verification and files", blocks)
}
