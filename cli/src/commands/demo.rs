//! `demo`: the whole way on the bundled story, offline, the same bytes every time.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use backtrail_ledger::verify::{self, VerifyOptions};
use backtrail_ledger::{Clock, DEMO_SEED, InitOptions, Ledger, Signer, Snapshot, demo_signer};
use backtrail_query::MetricFilter;
use backtrail_reports::Target;
use backtrail_schemas::Timestamp;

use super::people;
use crate::args::{At, Demo, ReportFormat};
use crate::commands::report::{Order, integrity, make, request, told};
use crate::config::Config;
use crate::exit::{CANNOT_WRITE, Failure, unwritable};
use crate::output::Out;
use crate::{overview, session};

/// The log's name; the domain is reserved for examples.
const ORIGIN: &str = "ledger.lanternfish.example/demo";

/// The incident whose report the demo writes.
const INCIDENT: &str = "QLANTERNI20";

/// `demo`
pub(crate) fn demo(args: &Demo) -> Result<(), Failure> {
    let dir = &args.dir;
    clear(dir)?;
    fs::create_dir_all(dir).map_err(|e| unwritable(dir, &e))?;
    let ledger_dir = dir.join("ledger");
    let mut out = Out::new();
    out.line("Backtrail demo: one quarter of a small, invented organisation. The clock is simulated and the key is public,")?;
    out.line("so this log proves nothing to anybody; yours will.\n")?;
    let counts = fill(dir, &ledger_dir)?;
    out.line(format_args!("ledger   {}: {counts}", ledger_dir.display()))?;
    let vkey = dir.join("vkey");
    out.line(format_args!("verify   {}", verified(&ledger_dir, &vkey)?))?;
    out.line("")?;
    answer(&mut out, dir)?;
    out.line(next_steps(dir))?;
    out.finish()
}

/// Takes away an earlier demo; refuses any other folder that is not empty.
fn clear(dir: &Path) -> Result<(), Failure> {
    let empty = fs::read_dir(dir).map_or(true, |mut entries| entries.next().is_none());
    if empty {
        return Ok(());
    }
    let ours =
        Snapshot::open(&dir.join("ledger"), None).is_ok_and(|s| s.checkpoint().origin == ORIGIN);
    if !ours {
        return Err(Failure::new(
            CANNOT_WRITE,
            format_args!("{} is not empty and not an earlier demo", dir.display()),
        )
        .hint("name another folder: `backtrail demo FOLDER`"));
    }
    fs::remove_dir_all(dir).map_err(|e| unwritable(dir, &e))
}

/// Makes the ledger and ingests the story, in the order in which it was received.
fn fill(dir: &Path, ledger_dir: &Path) -> Result<String, Failure> {
    let signer = demo_signer(ORIGIN)?;
    let vkey = dir.join("vkey");
    fs::write(&vkey, format!("{}\n", signer.vkey())).map_err(|e| unwritable(&vkey, &e))?;
    let options = InitOptions { simulated_clock: Some(DEMO_SEED), ..InitOptions::default() };
    let mut ledger = Ledger::init(ledger_dir, &options, Box::new(signer), Arc::new(DemoClock))?;
    let story = backtrail_samples::story_in_order();
    let counts = super::ingest::lines(&mut ledger, story)?;
    ledger.publish()?;
    let accounts = Snapshot::open(ledger_dir, None)?.accounts()?;
    for (account, same) in backtrail_samples::ACCOUNTS {
        ledger.link(people::find(&accounts, account)?, people::find(&accounts, same)?)?;
    }
    ledger.seal()?;
    ledger.publish()?;
    drop(ledger);
    // The lock names the process that held it; a demo leaves the same bytes each time.
    let lock = ledger_dir.join("state/lock");
    fs::remove_file(&lock).map_err(|e| unwritable(&lock, &e))?;
    Ok(counts)
}

/// The story begins here; later times come from its deliveries.
struct DemoClock;

impl Clock for DemoClock {
    fn now(&self) -> Timestamp {
        Timestamp::parse_rfc3339("2026-07-01T00:00:00Z").expect("a time")
    }
}

fn verified(ledger_dir: &Path, vkey: &Path) -> Result<String, Failure> {
    let keys = crate::vkeys::read(&vkey.to_string_lossy())?;
    let report =
        verify::verify(ledger_dir, &VerifyOptions { keys, demo: true, ..VerifyOptions::default() });
    match report.findings.first() {
        None => Ok(format!(
            "every row, file and commitment holds; size {}, root {}",
            report.size, report.root
        )),
        Some(finding) => Err(Failure::bug(format_args!(
            "the demo's own ledger does not verify: {}",
            finding.message
        ))),
    }
}

/// Prints the quarter's headline numbers and writes all reports; those of one period share a session.
fn answer(out: &mut Out, dir: &Path) -> Result<(), Failure> {
    let ledger_dir = dir.join("ledger");
    let snapshot = Snapshot::open(&ledger_dir, None)?;
    let signer = demo_signer(ORIGIN)?;
    let integrity = integrity(&ledger_dir, signer.vkey());
    for (period, targets) in reports() {
        let (runtime, session) = session::over(&snapshot, &Config::default(), &at(period))?;
        if period == QUARTER {
            let rows = runtime.block_on(session.metrics(&MetricFilter::default()))?;
            overview::print(out, &rows, period)?;
            out.line("")?;
        }
        for target in targets {
            let folder = dir.join("reports").join(target.word());
            let summary = make(&Order {
                runtime: &runtime,
                session: &session,
                snapshot: &snapshot,
                signer: &signer,
                integrity: integrity.clone(),
                organisation: "Lanternfish (invented)",
                overlay: None,
                request: request(target, &[ReportFormat::Html, ReportFormat::Md]),
                out: &folder,
            })?;
            out.line(format_args!("report   {}", told(&summary, &folder)))?;
        }
    }
    Ok(())
}

/// The reports of the demo, by period.
fn reports() -> [(&'static str, Vec<Target>); 2] {
    let quarter = vec![Target::Soc2, Target::Hipaa, Target::Incident(INCIDENT.to_owned())];
    [(QUARTER, quarter), ("2026-09", vec![Target::Monthly])]
}

/// The whole story.
const QUARTER: &str = "2026-Q3";

fn at(period: &str) -> At {
    At {
        checkpoint: None,
        as_of: None,
        tz: None,
        parameters: Vec::new(),
        period: Some(period.to_owned()),
    }
}

fn next_steps(dir: &Path) -> String {
    let dir = dir.display();
    format!(
        "
Open {dir}/reports/monthly/report.html, then try:
  backtrail sql --ledger {dir}/ledger \"select service, trigger, effective_outcome from rollbacks\"
  backtrail timeline --ledger {dir}/ledger {INCIDENT}
  backtrail report verify {dir}/reports/soc2 --vkey {dir}/vkey
  backtrail verify {dir}/ledger --vkey {dir}/vkey --demo"
    )
}
