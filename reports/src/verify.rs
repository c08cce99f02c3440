//! Checks an evidence bundle offline, with nothing but the folder and a public key.
//!
//! Written apart from the maker: it starts at the signature and believes only what follows from it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::path::{Path, PathBuf};

use backtrail_ledger::checkpoint::{Checkpoint, TlogProof};
use backtrail_ledger::key::Vkey;
use backtrail_ledger::tlog::leaf_hash;
use backtrail_schemas::rows::Rows;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use serde::Serialize;
use serde_json::Value;

use crate::bundle::{self, CHECKPOINT, ENVELOPE, EVENTS, MANIFEST, Manifest, REPORT};
use crate::error::Error;
use crate::generate::TOOL;
use crate::limits::{BUNDLE_FILE_BYTES_MAX, BUNDLE_FILES_MAX};
use crate::model::Report;
use crate::{canon, dsse, hash, html, markdown};

/// What the check of a bundle came to. It holds if there are no findings.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Verification {
    /// The report, if its manifest is signed.
    pub report_id: Option<String>,
    /// The checkpoint, as `origin@size`, if it is signed.
    pub checkpoint: Option<String>,
    /// How many files were compared with the manifest.
    pub files: usize,
    /// How many cited rows were proved to be in the log.
    pub rows_proved: usize,
    /// Whether the pages were rendered again and compared; not possible with another version of the tool.
    pub pages_compared: bool,
    /// Everything that does not hold.
    pub findings: Vec<Finding>,
}

impl Verification {
    /// Whether everything holds.
    pub fn holds(&self) -> bool {
        self.findings.is_empty()
    }

    fn add(&mut self, code: &'static str, file: &str, message: impl Into<String>) {
        self.findings.push(Finding { code, file: file.to_owned(), message: message.into() });
    }
}

/// One thing that does not hold.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// `signature`, `manifest`, `missing`, `extra`, `changed`, `checkpoint`, `proof`, `row`, `cited`, `report` or `page`.
    pub code: &'static str,
    /// The file.
    pub file: String,
    /// What a person should read.
    pub message: String,
}

/// Checks the bundle in `dir`: signature, manifest, every file, checkpoint, every proof, every row against its leaf,
/// every cited row, the counts of the report, and the pages.
///
/// # Errors
/// The folder cannot be read at all.
pub fn verify_bundle(dir: &Path, keys: &[Vkey]) -> Result<Verification, Error> {
    let mut found = Verification::default();
    let Some(manifest) = signed_manifest(dir, keys, &mut found) else { return Ok(found) };
    found.report_id = Some(manifest.report_id.clone());
    check_files(dir, &manifest, &mut found)?;
    if !found.holds() {
        // What follows reads files that are known to be what was signed.
        return Ok(found);
    }
    let checkpoint = check_checkpoint(dir, keys, &mut found);
    let events = check_events(dir, keys, checkpoint.as_ref(), &mut found);
    check_rows(dir, &manifest, &events, &mut found);
    check_report(dir, &manifest, checkpoint.as_ref(), &events, &mut found);
    Ok(found)
}

fn signed_manifest(dir: &Path, keys: &[Vkey], found: &mut Verification) -> Option<Manifest> {
    let mut opened = |file: &str, code| match read(&dir.join(file)) {
        Ok(bytes) => Some(bytes),
        Err(error) => {
            found.add(code, file, error.to_string());
            None
        }
    };
    let bytes = opened(MANIFEST, "manifest")?;
    let envelope = opened(ENVELOPE, "signature")?;
    let statement = match dsse::open(&envelope, keys) {
        Ok(statement) => statement,
        Err(error) => {
            found.add("signature", ENVELOPE, error.to_string());
            return None;
        }
    };
    let manifest: Option<Manifest> = serde_json::from_slice(&bytes).ok();
    let canonical = |m: &Manifest| canon::document(m).is_ok_and(|canonical| canonical == bytes);
    let Some(manifest) = manifest.filter(canonical) else {
        found.add("manifest", MANIFEST, "is not a manifest in canonical form");
        return None;
    };
    let wanted = canon::bytes(&bundle::statement(&manifest, &bytes));
    if wanted.is_ok_and(|wanted| wanted == statement) {
        return Some(manifest);
    }
    found.add("signature", ENVELOPE, "the signed statement is about other files");
    None
}

/// Every file of the manifest is there and unchanged, and nothing else is.
fn check_files(dir: &Path, manifest: &Manifest, found: &mut Verification) -> Result<(), Error> {
    let mut there = BTreeSet::new();
    walk(dir, dir, &mut there, found)?;
    there.remove(MANIFEST);
    there.remove(ENVELOPE);
    if !manifest.files.is_sorted_by(|a, b| a.path < b.path) {
        found.add("manifest", MANIFEST, "paths are not in order, or one is there twice");
    }
    for entry in &manifest.files {
        found.files += 1;
        if !there.remove(&entry.path) {
            found.add("missing", &entry.path, "is in the manifest and not in the folder");
            continue;
        }
        match read(&dir.join(&entry.path)) {
            Err(error) => found.add("missing", &entry.path, error.to_string()),
            Ok(bytes) if bytes.len() as u64 != entry.bytes || hash::hex(&bytes) != entry.sha256 => {
                found.add("changed", &entry.path, "is not the file that was signed");
            }
            Ok(_) => {}
        }
    }
    for path in there {
        found.add("extra", &path, "is in the folder and not in the manifest");
    }
    Ok(())
}

fn walk(
    root: &Path,
    dir: &Path,
    there: &mut BTreeSet<String>,
    found: &mut Verification,
) -> Result<(), Error> {
    for entry in dir.read_dir().map_err(|e| Error::io(dir, e))? {
        let path = entry.map_err(|e| Error::io(dir, e))?.path();
        let name =
            path.strip_prefix(root).ok().and_then(Path::to_str).map(|p| p.replace('\\', "/"));
        let kind = path.symlink_metadata().map_err(|e| Error::io(&path, e))?.file_type();
        match name {
            Some(_) if kind.is_dir() => walk(root, &path, there, found)?,
            Some(name) if kind.is_file() && there.len() < BUNDLE_FILES_MAX => {
                there.insert(name);
            }
            _ => found.add(
                "extra",
                &path.display().to_string(),
                "is neither a file nor a folder of a bundle",
            ),
        }
    }
    Ok(())
}

fn read(path: &PathBuf) -> Result<Vec<u8>, Error> {
    let data = path.symlink_metadata().map_err(|e| Error::io(path, e))?;
    if !data.is_file() || data.len() > BUNDLE_FILE_BYTES_MAX {
        return Err(Error::tampered(format!("{} is not a file of a bundle", path.display())));
    }
    std::fs::read(path).map_err(|e| Error::io(path, e))
}

fn check_checkpoint(dir: &Path, keys: &[Vkey], found: &mut Verification) -> Option<Checkpoint> {
    let note = read(&dir.join(CHECKPOINT)).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    let opened = note.ok_or_else(|| "is missing or not text".to_owned());
    match opened.and_then(|note| Checkpoint::open(&note, keys).map_err(|e| e.to_string())) {
        Ok((checkpoint, _)) => {
            found.checkpoint = Some(format!("{}@{}", checkpoint.origin, checkpoint.size));
            Some(checkpoint)
        }
        Err(why) => {
            found.add("checkpoint", CHECKPOINT, why);
            None
        }
    }
}

/// Every row of the events file is the leaf that its proof is about. Gives the event ids by position.
fn check_events(
    dir: &Path,
    keys: &[Vkey],
    checkpoint: Option<&Checkpoint>,
    found: &mut Verification,
) -> BTreeMap<i64, String> {
    let mut events = BTreeMap::new();
    let leaves = match leaves(&dir.join(EVENTS)) {
        Ok(leaves) => leaves,
        Err(error) => {
            found.add("row", EVENTS, error.to_string());
            return events;
        }
    };
    for Leaf { seq, event_id, bytes } in leaves {
        let file = bundle::proof_path(seq.unsigned_abs());
        match check_proof(&dir.join(&file), seq, &bytes, keys, checkpoint) {
            Ok(()) => found.rows_proved += 1,
            Err(why) => found.add("proof", &file, why),
        }
        if events.insert(seq, event_id).is_some() {
            found.add("row", EVENTS, format!("entry {seq} is there twice"));
        }
    }
    events
}

struct Leaf {
    seq: i64,
    event_id: String,
    bytes: Vec<u8>,
}

fn leaves(path: &Path) -> Result<Vec<Leaf>, Error> {
    let wrong = |e: &dyn std::fmt::Display| Error::tampered(format!("{EVENTS}: {e}"));
    let file = File::open(path).map_err(|e| Error::io(path, e))?;
    let reader = ParquetRecordBatchReaderBuilder::try_new(file).map_err(|e| wrong(&e))?;
    let reader = reader.build().map_err(|e| wrong(&e))?;
    let mut out = Vec::new();
    for batch in reader {
        let rows = Rows::new(&batch.map_err(|e| wrong(&e))?).map_err(|e| wrong(&e))?;
        for row in 0..rows.len() {
            let event = rows.event(row).map_err(|e| wrong(&e))?;
            out.push(Leaf {
                seq: rows.seq(row),
                event_id: event.text("event_id").unwrap_or_default().to_owned(),
                bytes: rows.leaf(row).map_err(|e| wrong(&e))?,
            });
        }
    }
    Ok(out)
}

fn check_proof(
    path: &PathBuf,
    seq: i64,
    leaf: &[u8],
    keys: &[Vkey],
    checkpoint: Option<&Checkpoint>,
) -> Result<(), String> {
    let text = read(path).map_err(|e| e.to_string())?;
    let text = String::from_utf8(text).map_err(|_| "is not text".to_owned())?;
    let proof: TlogProof = text.parse().map_err(|e: backtrail_ledger::Error| e.to_string())?;
    if i64::try_from(proof.index) != Ok(seq) {
        return Err(format!("is about entry {}", proof.index));
    }
    let proved = proof.verify(&leaf_hash(leaf), keys).map_err(|e| e.to_string())?;
    if Some(&proved) == checkpoint { Ok(()) } else { Err("ends in another checkpoint".to_owned()) }
}

/// Every row that cites an entry cites one that was proved, by its position and its id.
fn check_rows(
    dir: &Path,
    manifest: &Manifest,
    events: &BTreeMap<i64, String>,
    found: &mut Verification,
) {
    for entry in
        manifest.files.iter().filter(|e| e.path.strip_prefix("rows/").is_some_and(is_ndjson))
    {
        let Ok(text) = read(&dir.join(&entry.path)).map(String::from_utf8) else { continue };
        for (number, line) in (1..).zip(text.unwrap_or_default().lines()) {
            if let Err(why) = check_citations(line, events) {
                found.add("cited", &entry.path, format!("line {number}: {why}"));
            }
        }
    }
}

fn is_ndjson(name: &str) -> bool {
    name.strip_suffix(".ndjson").is_some()
}

fn check_citations(line: &str, events: &BTreeMap<i64, String>) -> Result<(), String> {
    let row: Value = serde_json::from_str(line).map_err(|e| e.to_string())?;
    let list = |name: &str| row.get(name).and_then(Value::as_array).cloned().unwrap_or_default();
    let (seq, ids) = (list("seq"), list("event_id"));
    if seq.len() != ids.len() {
        return Err("as many positions as ids are cited in a good row".to_owned());
    }
    for (seq, id) in seq.iter().zip(&ids) {
        let known = seq.as_i64().and_then(|seq| events.get(&seq));
        if known.map(String::as_str) != id.as_str() || known.is_none() {
            return Err(format!("cites entry {seq} as {id}, which is not among the proved rows"));
        }
    }
    Ok(())
}

/// The report is about this checkpoint, its counts are those of the rows, and its pages say what it says.
fn check_report(
    dir: &Path,
    manifest: &Manifest,
    checkpoint: Option<&Checkpoint>,
    events: &BTreeMap<i64, String>,
    found: &mut Verification,
) {
    let report =
        read(&dir.join(REPORT)).ok().and_then(|b| serde_json::from_slice::<Report>(&b).ok());
    let Some(report) = report else {
        return found.add("report", REPORT, "is not a report of this version");
    };
    let cover = &report.cover;
    let same = checkpoint.is_some_and(|c| {
        (&c.origin, c.size, &c.root.to_string()) == (&cover.origin, cover.size, &cover.root)
    });
    if !same {
        found.add("report", REPORT, "names another checkpoint than the signed one");
    }
    if cover.report_id != manifest.report_id {
        found.add("report", REPORT, "is not the report that the manifest names");
    }
    for control in &report.controls {
        check_control(dir, control, events, found);
    }
    if cover.tool != TOOL {
        return;
    }
    found.pages_compared = true;
    for (file, page) in
        [("report.html", html::render(&report)), ("report.md", markdown::render(&report))]
    {
        let there = manifest.files.iter().any(|entry| entry.path == file);
        let bytes = read(&dir.join(file)).unwrap_or_default();
        if there && page.ok().as_deref().map(str::as_bytes) != Some(&bytes[..]) {
            found.add("page", file, "does not say what the report says");
        }
    }
}

fn check_control(
    dir: &Path,
    control: &crate::model::ControlResult,
    events: &BTreeMap<i64, String>,
    found: &mut Verification,
) {
    let rows = read(&dir.join(&control.ipe.rows_file)).unwrap_or_default();
    let sql = read(&dir.join(&control.ipe.sql_file)).unwrap_or_default();
    if hash::hex(&rows) != control.ipe.rows_sha256 || hash::hex(&sql) != control.ipe.sql_sha256 {
        found.add(
            "report",
            REPORT,
            format!("{}: rows or query are not those of the report", control.id),
        );
    }
    let mut counted: BTreeMap<String, usize> = BTreeMap::new();
    for line in String::from_utf8_lossy(&rows).lines() {
        let row: Value = serde_json::from_str(line).unwrap_or_default();
        *counted.entry(row["status"].as_str().unwrap_or_default().to_owned()).or_default() += 1;
    }
    let count = |word: &str| counted.get(word).copied().unwrap_or_default();
    let c = &control.counts;
    let stated = [c.pass, c.fail, c.exempt, c.not_applicable, c.population];
    let from_rows = ["pass", "fail", "exempt", "not_applicable"].map(count);
    if stated[..4] != from_rows || stated[4] != counted.values().sum::<usize>() {
        found.add(
            "report",
            REPORT,
            format!("{}: its counts are not those of its rows", control.id),
        );
    }
    let shown = control.exceptions.iter().chain(&control.exempted).flat_map(|item| &item.seq);
    for seq in shown.filter(|seq| !events.contains_key(*seq)) {
        found.add(
            "cited",
            REPORT,
            format!("{}: entry {seq} is not among the proved rows", control.id),
        );
    }
}
