//! `report`: evidence folders, and their offline check.

use std::path::Path;

use backtrail_ledger::verify::{self, VerifyOptions};
use backtrail_ledger::{Signer, Snapshot, Vkey};
use backtrail_query::Session;
use backtrail_reports::{
    Inputs, Integrity, IntegrityFinding, Overlay, Request, Summary, Target, pack,
};
use tokio::runtime::Runtime;

use crate::args::{Global, IncidentReport, Report, ReportCommon, ReportFormat, ReportVerify};
use crate::config::Config;
use crate::exit::{Failure, NO, NO_INPUT, unreadable};
use crate::output::{Out, say};
use crate::outside::Outside;
use crate::{session, vkeys};

/// `report soc2|hipaa|monthly|incident` and `report verify`
pub(crate) fn report(global: &Global, what: &Report) -> Result<(), Failure> {
    match what {
        Report::Soc2(args) => issue(global, Target::Soc2, &args.common),
        Report::Hipaa(args) => issue(global, Target::Hipaa, &args.common),
        Report::Monthly(args) => issue(global, Target::Monthly, &args.common),
        Report::Incident(IncidentReport { incident, common }) => {
            issue(global, Target::Incident(incident.clone()), common)
        }
        Report::Verify(args) => check(args),
    }
}

fn issue(global: &Global, target: Target, args: &ReportCommon) -> Result<(), Failure> {
    let config = Config::read(global)?;
    let dir = config.ledger(global)?;
    let signer = crate::signers::one(&config, &dir, args.key.key.as_ref())?;
    // Before anything is signed: a report of a log that was rolled back would be evidence of what did not happen.
    let outside = Outside::read(&config)?;
    outside.consult(&dir, std::slice::from_ref(signer.vkey()))?;
    let snapshot = session::snapshot(&dir, &args.at)?;
    let (runtime, session) = session::over(&snapshot, &config, &args.at)?;
    let overlay = config.overlay(args.overlay.as_ref()).map(|path| overlay(&path)).transpose()?;
    let summary = make(&Order {
        runtime: &runtime,
        session: &session,
        snapshot: &snapshot,
        signer: &*signer,
        integrity: integrity(&dir, signer.vkey()),
        organisation: config.organisation.name.as_deref().unwrap_or("(not named)"),
        overlay,
        request: request(target, &args.formats),
        out: &args.out,
    })?;
    let mut ledger = super::keys::appender(&config, &dir, args.key.key.as_ref())?;
    let manifest = args.out.join("manifest.json");
    let manifest = std::fs::read(&manifest).map_err(|e| unreadable(&manifest, &e))?;
    let digest = hex(&backtrail_ledger::sha256(&manifest).0);
    let fields = [("manifest_sha256", digest.as_str()), ("report_id", summary.report_id.as_str())];
    ledger.issue_report(&snapshot.note(), &fields)?;
    ledger.submit(&outside, &dir)?;
    let mut out = Out::new();
    out.line(format_args!("{}", told(&summary, &args.out)))?;
    out.finish()?;
    match args.fail_on {
        Some(_) if summary.exceptions > 0 => {
            Err(Failure::new(NO, format_args!("{} exceptions", summary.exceptions))
                .hint(format_args!("read them in {}", args.out.join("report.json").display())))
        }
        _ => Ok(()),
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |text, b| text + &format!("{b:02x}"))
}

/// One line about a report that was made.
pub(crate) fn told(summary: &Summary, out: &Path) -> String {
    format!(
        "{}: {} files, {} rows proved, {} exceptions in {} controls",
        out.display(),
        summary.files.len(),
        summary.rows_proved,
        summary.exceptions,
        summary.controls.len()
    )
}

/// Everything that a report is made from.
pub(crate) struct Order<'a> {
    pub(crate) runtime: &'a Runtime,
    pub(crate) session: &'a Session,
    pub(crate) snapshot: &'a Snapshot,
    pub(crate) signer: &'a dyn Signer,
    pub(crate) integrity: Integrity,
    pub(crate) organisation: &'a str,
    pub(crate) overlay: Option<Overlay>,
    pub(crate) request: Request,
    pub(crate) out: &'a Path,
}

/// Makes the report's folder.
pub(crate) fn make(order: &Order<'_>) -> Result<Summary, Failure> {
    let inputs = Inputs {
        prover: &LogProver { note: order.snapshot.note(), snapshot: order.snapshot },
        signer: &ManifestSigner(order.signer),
        integrity: order.integrity.clone(),
        organisation: order.organisation.to_owned(),
        overlay: order.overlay.clone(),
        sample_seed: String::new(),
    };
    let made = backtrail_reports::generate(&order.request, order.session, &inputs, order.out);
    Ok(order.runtime.block_on(made)?)
}

/// What is asked of the reports crate.
pub(crate) fn request(target: Target, formats: &[ReportFormat]) -> Request {
    Request {
        target,
        html: formats.contains(&ReportFormat::Html),
        markdown: formats.contains(&ReportFormat::Md),
    }
}

/// The overlay of control packs in the file `path`.
pub(crate) fn overlay(path: &Path) -> Result<Overlay, Failure> {
    let text = std::fs::read_to_string(path).map_err(|e| unreadable(path, &e))?;
    Ok(Overlay::parse(&text, pack::core())?)
}

/// The verifier's findings, as the control about integrity prints them.
pub(crate) fn integrity(dir: &Path, key: &Vkey) -> Integrity {
    let demo = backtrail_ledger::is_demo(key);
    let report = verify::verify(
        dir,
        &VerifyOptions { keys: vec![key.clone()], demo, ..VerifyOptions::default() },
    );
    Integrity {
        exit: report.exit,
        anchor: report.anchor.to_string(),
        levels: report.levels.iter().map(ToString::to_string).collect(),
        vault: true,
        findings: report
            .findings
            .iter()
            .map(|f| IntegrityFinding {
                code: f.code.to_string(),
                exit: f.exit,
                message: f.message.clone(),
            })
            .collect(),
    }
}

/// Proofs from the ledger's reader.
struct LogProver<'a> {
    snapshot: &'a Snapshot,
    note: String,
}

impl backtrail_reports::Prover for LogProver<'_> {
    fn leaf(&self, seq: u64) -> Result<Vec<u8>, backtrail_reports::Error> {
        self.snapshot.leaf(seq).map_err(|e| backtrail_reports::Error::tampered(e.to_string()))
    }

    fn proof(&self, seq: u64) -> Result<String, backtrail_reports::Error> {
        let proof = self.snapshot.inclusion_proof(seq);
        proof.map(|p| p.to_string()).map_err(|e| backtrail_reports::Error::tampered(e.to_string()))
    }

    fn checkpoint_note(&self) -> &str {
        &self.note
    }
}

/// The log's key, signing manifests.
struct ManifestSigner<'a>(&'a dyn Signer);

impl backtrail_reports::Signer for ManifestSigner<'_> {
    fn key_id(&self) -> String {
        self.0.vkey().to_string()
    }

    fn sign(&self, bytes: &[u8]) -> Result<Vec<u8>, backtrail_reports::Error> {
        let signature = self.0.sign(bytes);
        signature.map(|s| s.to_vec()).map_err(|e| backtrail_reports::Error::reject(e.to_string()))
    }
}

/// `report verify`
fn check(args: &ReportVerify) -> Result<(), Failure> {
    if !args.dir.is_dir() {
        return Err(Failure::new(NO_INPUT, format_args!("{} is not a folder", args.dir.display()))
            .hint("give the report's folder"));
    }
    let found = backtrail_reports::verify_bundle(&args.dir, &vkeys::read(&args.vkey)?)?;
    let mut out = Out::new();
    if args.json {
        out.line(serde_json::to_string_pretty(&found).map_err(Failure::bug)?)?;
    } else {
        for f in &found.findings {
            out.line(format_args!("{} {}: {}", f.code, f.file, f.message))?;
        }
        let verdict = if found.holds() { "holds" } else { "does NOT hold" };
        out.line(format_args!(
            "{verdict}: {} files, {} rows proved to be in the log",
            found.files, found.rows_proved
        ))?;
    }
    out.finish()?;
    if !found.holds() {
        return Err(Failure::silent(NO)
            .hint("do not rely on this folder: ask its sender for the one that was issued"));
    }
    if !found.pages_compared {
        say("the pages were made by another version of the tool and were not rendered again");
    }
    Ok(())
}
