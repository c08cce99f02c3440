//! Makes a report: everything is computed once, written down as `report.json`, shown, proved and signed.

use std::collections::BTreeMap;
use std::path::Path;

use backtrail_query::Session;
use serde_json::{Value, json};

use crate::bundle::{self, Files, REPORT};
use crate::cells::Row;
use crate::error::Error;
use crate::evaluate::{Evaluation, Item, State};
use crate::model::{Cover, Report};
use crate::overlay::Overlay;
use crate::pack::{self, Control};
use crate::study::Study;
use crate::{Integrity, Prover, Signer, canon, format, hash, html, markdown, sections};

/// The name and version of the tool, as reports print it.
pub const TOOL: &str = concat!("backtrail ", env!("CARGO_PKG_VERSION"));

/// Which report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// SOC 2, Trust Services Criteria.
    Soc2,
    /// HIPAA, 45 CFR Part 164.
    Hipaa,
    /// The monthly rollback review.
    Monthly,
    /// One incident, by id.
    Incident(String),
}

impl Target {
    /// The word on the command line and in files.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Soc2 => "soc2",
            Self::Hipaa => "hipaa",
            Self::Monthly => "monthly",
            Self::Incident(_) => "incident",
        }
    }
}

/// What is asked for.
#[derive(Clone, Debug)]
pub struct Request {
    /// Which report.
    pub target: Target,
    /// Whether the page is written as HTML.
    pub html: bool,
    /// Whether it is written as Markdown.
    pub markdown: bool,
}

/// What a report needs beside the session.
pub struct Inputs<'a> {
    /// Gives leaves and proofs.
    pub prover: &'a dyn Prover,
    /// Signs the manifest.
    pub signer: &'a dyn Signer,
    /// What the verifier of the log found.
    pub integrity: Integrity,
    /// The organisation's name.
    pub organisation: String,
    /// Its own settings.
    pub overlay: Option<Overlay>,
    /// The auditor's part of the seed of samples; may be empty.
    pub sample_seed: String,
}

/// What was made.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// The report's id.
    pub report_id: String,
    /// The paths in the folder, in order.
    pub files: Vec<String>,
    /// How many items are exceptions, over all controls.
    pub exceptions: usize,
    /// The controls with what they came to.
    pub controls: Vec<(String, State)>,
    /// How many rows of the log are cited and proved.
    pub rows_proved: usize,
}

/// Makes the report that `request` asks for and writes its folder.
///
/// # Errors
/// `out` is not empty, a query fails, the log cannot be read, or the signer fails. Nothing is left behind then.
pub async fn generate(
    request: &Request,
    session: &Session,
    inputs: &Inputs<'_>,
    out: &Path,
) -> Result<Summary, Error> {
    let (files, summary) = assemble(request, session, inputs).await?;
    bundle::write(&files, out)?;
    Ok(summary)
}

/// Makes the files of the report without writing them.
///
/// # Errors
/// As [`generate()`], but for the folder.
pub async fn assemble(
    request: &Request,
    session: &Session,
    inputs: &Inputs<'_>,
) -> Result<(Files, Summary), Error> {
    let study = Study::run(request, session, inputs, pack::core()).await?;
    let report = report(&study, request)?;
    let mut files = Files::new();
    add_rows(&mut files, &study)?;
    files.insert("metrics.json".to_owned(), canon::document(&metrics(&study))?);
    let cited = study.cited();
    bundle::add_evidence(&mut files, &cited, inputs.prover)?;
    files.insert(REPORT.to_owned(), canon::document(&report)?);
    if request.html {
        files.insert("report.html".to_owned(), html::render(&report)?.into_bytes());
        for (name, extract) in sections::extracts(&report, &study) {
            files.insert(format!("extracts/{name}.html"), html::render(&extract)?.into_bytes());
        }
    }
    if request.markdown {
        files.insert("report.md".to_owned(), markdown::render(&report)?.into_bytes());
    }
    bundle::seal(&mut files, &report.cover.report_id, inputs.signer)?;
    let summary = Summary {
        report_id: report.cover.report_id.clone(),
        files: files.keys().cloned().collect(),
        exceptions: report.controls.iter().map(|c| c.counts.fail).sum(),
        controls: report.controls.iter().map(|c| (c.id.clone(), c.state)).collect(),
        rows_proved: cited.len(),
    };
    Ok((files, summary))
}

fn report(study: &Study<'_>, request: &Request) -> Result<Report, Error> {
    let cover = cover(study, request)?;
    let controls = sections::controls(study)?;
    let mut report = Report {
        schema: "report/1".to_owned(),
        kind: request.target.word().to_owned(),
        cover,
        controls,
        sections: Vec::new(),
    };
    report.sections = sections::sections(study, request, &report)?;
    Ok(report)
}

fn cover(study: &Study<'_>, request: &Request) -> Result<Cover, Error> {
    let window = study.session.window();
    let source = study.session.source();
    let scope = study.inputs.overlay.as_ref().and_then(|o| o.scope.statement.clone());
    let (title, subtitle) = sections::titles(study, request);
    let head = &study.pack.head;
    Ok(Cover {
        title,
        subtitle,
        entity: study.inputs.organisation.clone(),
        scope: scope.unwrap_or_else(|| {
            "every service and environment that the log has events of".to_owned()
        }),
        period: study.period(),
        window: format::window(window.from, window.to, study.session.zone().name()),
        from: window.from.to_string(),
        to: window.to.to_string(),
        zone: study.session.zone().name().to_owned(),
        as_of: study.session.as_of().to_string(),
        origin: study.checkpoint.origin.clone(),
        size: study.checkpoint.size,
        root: study.checkpoint.root.to_string(),
        report_id: report_id(study, request)?,
        pack: format!("{} {} (SHA-256 {})", head.title, head.version, study.pack.digest),
        tool: TOOL.to_owned(),
        disclaimer: DISCLAIMER.to_owned(),
        warning: source.simulated_clock.then(|| SIMULATED.to_owned()),
        redaction: "auditor: people are pseudonyms, free text is left out".to_owned(),
    })
}

/// SHA-256 over everything that decides the bytes of the report.
fn report_id(study: &Study<'_>, request: &Request) -> Result<String, Error> {
    let window = study.session.window();
    let parameters: BTreeMap<&str, String> =
        study.session.parameters().iter().map(|(name, value)| (name, value.to_string())).collect();
    let overlay =
        study.inputs.overlay.as_ref().map(|o| (&o.parameters, &o.scope.statement, &o.exemptions));
    let incident = match &request.target {
        Target::Incident(id) => id.as_str(),
        _ => "",
    };
    let decides = json!({
        "schema": "report/1",
        "kind": request.target.word(),
        "incident": incident,
        "organisation": study.inputs.organisation,
        "origin": study.checkpoint.origin,
        "size": study.checkpoint.size,
        "root": study.checkpoint.root.to_string(),
        "pack": study.pack.digest,
        "parameters": parameters,
        "overlay": overlay,
        "integrity": study.inputs.integrity,
        "seed": study.inputs.sample_seed,
        "from": window.from.to_string(),
        "to": window.to.to_string(),
        "as_of": study.session.as_of().to_string(),
        "zone": study.session.zone().name(),
        "tool": TOOL,
    });
    Ok(hash::hex(&canon::bytes(&decides)?))
}

/// The whole population of each control, the rows that other tables cite, and all queries.
fn add_rows(files: &mut Files, study: &Study<'_>) -> Result<(), Error> {
    for (control, evaluation) in &study.controls {
        files.insert(rows_path(control), rows_file(evaluation)?);
        files.insert(sql_path(control), evaluation.sql.clone().into_bytes());
        files.insert(
            format!("queries/{}.count.sql", control.id),
            evaluation.count_sql.clone().into_bytes(),
        );
    }
    for (name, sql) in &study.queries {
        files.insert(format!("queries/report/{name}.sql"), sql.clone().into_bytes());
        let lines: Vec<Value> = study.rows(name).iter().map(citing).collect();
        files.insert(format!("rows/{name}.ndjson"), lines_of(&lines)?);
    }
    Ok(())
}

/// A row of a table cites one entry of the log, where a control's item cites a list of them.
fn citing(row: &Row) -> Value {
    let mut row = row.clone();
    for name in ["seq", "event_id"] {
        if let Some(one) = row.remove(name).filter(|v| !v.is_null()) {
            row.insert(name.to_owned(), json!([one]));
        }
    }
    json!(row)
}

/// The bytes of a control's rows file: one item a line, in canonical form.
pub(crate) fn rows_file(evaluation: &Evaluation) -> Result<Vec<u8>, Error> {
    lines_of::<Item>(&evaluation.items)
}

fn lines_of<T: serde::Serialize>(rows: &[T]) -> Result<Vec<u8>, Error> {
    let mut out = Vec::new();
    for row in rows {
        out.extend(canon::document(row)?);
    }
    Ok(out)
}

/// Where the rows of a control are.
pub(crate) fn rows_path(control: &Control) -> String {
    format!("rows/{}.ndjson", control.id)
}

/// Where the query of a control is.
pub(crate) fn sql_path(control: &Control) -> String {
    format!("queries/{}.sql", control.id)
}

fn metrics(study: &Study<'_>) -> Value {
    let window = study.session.window();
    json!({
        "checkpoint": format!("{}@{}", study.checkpoint.origin, study.checkpoint.size),
        "as_of": study.session.as_of().to_string(),
        "window": { "from": window.from.to_string(), "to": window.to.to_string() },
        "tz": study.session.zone().name(),
        "rows": study.metrics,
    })
}

const DISCLAIMER: &str = "This report is evidence, not an opinion. It states what the log holds, how each population was \
made and what each test found, so that an auditor can repeat it and form an opinion. It does not say that anyone is compliant, \
and it cannot show what a source never sent.";

const SIMULATED: &str = "Demonstration on a simulated clock: these events are made up, and nothing on this page is evidence.";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Log, request, targets};
    use crate::verify_bundle;

    #[tokio::test]
    async fn a_report_is_the_same_bytes_twice() {
        let log = Log::new();
        for target in targets() {
            let request = request(target);
            let first = assemble(&request, &log.session().await, &log.inputs()).await.unwrap();
            let second = assemble(&request, &log.session().await, &log.inputs()).await.unwrap();
            for (path, bytes) in &first.0 {
                assert!(second.0.get(path) == Some(bytes), "{path} of {:?}", request.target);
            }
            assert_eq!(first.1, second.1);
        }
    }

    #[tokio::test]
    async fn what_is_written_holds_and_no_byte_of_it_can_change() {
        let log = Log::new();
        let (files, summary) =
            assemble(&request(Target::Soc2), &log.session().await, &log.inputs()).await.unwrap();
        let dir = tempfile::tempdir().unwrap();
        let out = dir.path().join("soc2");
        bundle::write(&files, &out).unwrap();
        let found = verify_bundle(&out, &log.keys()).unwrap();
        assert_eq!(found.findings, []);
        assert!(
            found.rows_proved == summary.rows_proved
                && found.pages_compared
                && found.rows_proved > 100
        );
        for (path, bytes) in &files {
            let mut changed = bytes.clone();
            let middle = changed.len() / 2;
            match changed.get_mut(middle) {
                Some(byte) => *byte ^= 1,
                None => changed.push(b'\n'),
            }
            std::fs::write(out.join(path), &changed).unwrap();
            let found = verify_bundle(&out, &log.keys()).unwrap();
            assert!(!found.holds(), "{path} was changed");
            std::fs::write(out.join(path), bytes).unwrap();
        }
        std::fs::write(out.join("rows/more.ndjson"), "").unwrap();
        assert_eq!(codes(&out, &log), ["extra"]);
        std::fs::remove_file(out.join("rows/more.ndjson")).unwrap();
        std::fs::remove_file(out.join(bundle::CHECKPOINT)).unwrap();
        assert_eq!(codes(&out, &log), ["missing"]);
    }

    #[tokio::test]
    async fn a_signer_who_lies_is_found_by_proofs_rows_and_pages() {
        let log = Log::new();
        let (files, summary) =
            assemble(&request(Target::Soc2), &log.session().await, &log.inputs()).await.unwrap();
        let proof = files.keys().find(|path| path.starts_with("proofs/")).unwrap().clone();
        let other = files.keys().filter(|path| path.starts_with("proofs/")).nth(1).unwrap().clone();
        let text = |path: &str| String::from_utf8(files[path].clone()).unwrap();
        for (path, bytes, want) in [
            (proof.as_str(), text(&other), "proof"),
            ("report.html", text("report.html").replace("exceptions", "exception"), "page"),
            (
                "rows/CHG-02.ndjson",
                text("rows/CHG-02.ndjson").replace("\"fail\"", "\"pass\""),
                "report",
            ),
            (
                "rows/CHG-02.ndjson",
                text("rows/CHG-02.ndjson").replace("native:CHG-02:", "native:CHG-05:"),
                "cited",
            ),
            ("queries/CHG-02.sql", "select 1".to_owned(), "report"),
            (REPORT, text(REPORT).replace("\"size\":", "\"size\":1"), "report"),
        ] {
            let mut lies = files.clone();
            lies.insert(path.to_owned(), bytes.into_bytes());
            lies.remove(bundle::MANIFEST);
            lies.remove(bundle::ENVELOPE);
            bundle::seal(&mut lies, &summary.report_id, &log).unwrap();
            let dir = tempfile::tempdir().unwrap();
            let out = dir.path().join("soc2");
            bundle::write(&lies, &out).unwrap();
            let found = codes(&out, &log);
            assert!(found.contains(&want), "{path}: {found:?}, not {want}");
        }
    }

    #[tokio::test]
    async fn a_folder_is_never_written_over_and_a_strange_key_opens_nothing() {
        let log = Log::new();
        let dir = tempfile::tempdir().unwrap();
        let out = dir.path().join("incident");
        let request = request(Target::Incident("i-good".to_owned()));
        generate(&request, &log.session().await, &log.inputs(), &out).await.unwrap();
        assert!(generate(&request, &log.session().await, &log.inputs(), &out).await.is_err());
        assert!(verify_bundle(&out, &log.keys()).unwrap().holds());
        let strange =
            backtrail_ledger::key::FileSigner::from_seed("ledger.example/shop", &[8; 32]).unwrap();
        let keys = [backtrail_ledger::key::Signer::vkey(&strange).clone()];
        let found = verify_bundle(&out, &keys).unwrap();
        assert_eq!(found.findings.iter().map(|f| f.code).collect::<Vec<_>>(), ["signature"]);
    }

    #[tokio::test]
    async fn an_incident_that_is_not_there_makes_no_folder() {
        let log = Log::new();
        let dir = tempfile::tempdir().unwrap();
        let request = request(Target::Incident("nothing".to_owned()));
        let out = dir.path().join("incident");
        let error =
            generate(&request, &log.session().await, &log.inputs(), &out).await.unwrap_err();
        assert!(error.to_string().contains("no incident `nothing`") && !out.exists());
    }

    fn codes(out: &Path, log: &Log) -> Vec<&'static str> {
        verify_bundle(out, &log.keys()).unwrap().findings.into_iter().map(|f| f.code).collect()
    }
}
