//! The evidence bundle: a folder that an auditor can check without us.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, RecordBatch};
use backtrail_schemas::{Event, leaf, rows};
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::WriterProperties;
use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::{Prover, Signer, canon, dsse, hash};

/// The list of files; the signature is over it.
pub const MANIFEST: &str = "manifest.json";
/// The signature.
pub const ENVELOPE: &str = "manifest.dsse.json";
/// The signed note of the checkpoint.
pub const CHECKPOINT: &str = "checkpoint.note";
/// The cited rows, each exactly as logged.
pub const EVENTS: &str = "rows/events.parquet";
/// The canonical report.
pub const REPORT: &str = "report.json";

/// The files of a bundle by path, `/` between folders.
pub type Files = BTreeMap<String, Vec<u8>>;

/// `manifest.json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// `manifest/1`.
    pub schema: String,
    /// The report that the bundle belongs to.
    pub report_id: String,
    /// Every file but the manifest and its signature, in order of paths.
    pub files: Vec<Entry>,
}

/// One file of a bundle.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// Where it is.
    pub path: String,
    /// How long it is.
    pub bytes: u64,
    /// Its SHA-256, in hex.
    pub sha256: String,
}

/// Adds what proves the cited rows: the rows themselves, a proof for each, the checkpoint.
///
/// # Errors
/// The log cannot be read, or gives a leaf that is none.
pub fn add_evidence(
    files: &mut Files,
    cited: &BTreeSet<u64>,
    prover: &dyn Prover,
) -> Result<(), Error> {
    files.insert(CHECKPOINT.to_owned(), prover.checkpoint_note().as_bytes().to_vec());
    let mut events = Vec::with_capacity(cited.len());
    for seq in cited {
        let bytes = prover.leaf(*seq)?;
        let event =
            leaf::decode(&bytes).map_err(|e| Error::tampered(format!("entry {seq}: {e}")))?;
        events.push((*seq, event));
        files.insert(proof_path(*seq), prover.proof(*seq)?.into_bytes());
    }
    files.insert(EVENTS.to_owned(), parquet(&events)?);
    Ok(())
}

/// Where the proof of entry `seq` is.
pub fn proof_path(seq: u64) -> String {
    format!("proofs/{seq}.tlog-proof")
}

fn parquet(events: &[(u64, Event)]) -> Result<Vec<u8>, Error> {
    let wrong = |e: &dyn std::fmt::Display| Error::reject(format!("{EVENTS}: {e}"));
    let batch = rows::to_batch(0, events.iter().map(|(_, event)| event)).map_err(|e| wrong(&e))?;
    let mut columns = batch.columns().to_vec();
    let positions =
        events.iter().map(|(seq, _)| i64::try_from(*seq).expect("a log has fewer than 2^63 rows"));
    let seq_column =
        batch.schema_ref().index_of(backtrail_schemas::columns::SEQ).map_err(|e| wrong(&e))?;
    columns[seq_column] = Arc::new(Int64Array::from_iter_values(positions)) as ArrayRef;
    let batch = RecordBatch::try_new(batch.schema(), columns).map_err(|e| wrong(&e))?;
    let properties = WriterProperties::builder()
        .set_created_by("backtrail".to_owned())
        .set_compression(Compression::ZSTD(ZstdLevel::default()))
        .build();
    let mut writer = ArrowWriter::try_new(Vec::new(), batch.schema(), Some(properties))
        .map_err(|e| wrong(&e))?;
    writer.write(&batch).map_err(|e| wrong(&e))?;
    writer.into_inner().map_err(|e| wrong(&e))
}

/// Adds the manifest over everything that is there, and its signature.
///
/// # Errors
/// The signer fails.
pub fn seal(files: &mut Files, report_id: &str, signer: &dyn Signer) -> Result<(), Error> {
    let manifest = manifest(files, report_id);
    let bytes = canon::document(&manifest)?;
    let statement = canon::bytes(&statement(&manifest, &bytes))?;
    let envelope = dsse::sign(&statement, signer)?;
    files.insert(MANIFEST.to_owned(), bytes);
    files.insert(ENVELOPE.to_owned(), envelope);
    Ok(())
}

fn manifest(files: &Files, report_id: &str) -> Manifest {
    let entry = |(path, bytes): (&String, &Vec<u8>)| Entry {
        path: path.clone(),
        bytes: bytes.len() as u64,
        sha256: hash::hex(bytes),
    };
    Manifest {
        schema: "manifest/1".to_owned(),
        report_id: report_id.to_owned(),
        files: files.iter().map(entry).collect(),
    }
}

/// The in-toto statement about a manifest: the manifest and every file are its subjects.
pub fn statement(manifest: &Manifest, manifest_bytes: &[u8]) -> serde_json::Value {
    let subject = |name: &str, sha256: &str| serde_json::json!({ "name": name, "digest": { "sha256": sha256 } });
    let mut subjects = vec![subject(MANIFEST, &hash::hex(manifest_bytes))];
    subjects.extend(manifest.files.iter().map(|file| subject(&file.path, &file.sha256)));
    serde_json::json!({
        "_type": dsse::STATEMENT_TYPE,
        "subject": subjects,
        "predicateType": dsse::PREDICATE_TYPE,
        "predicate": { "report_id": manifest.report_id },
    })
}

/// Writes the bundle as folder `out`: first beside it, then by one rename, so that there is never half of one.
///
/// # Errors
/// `out` is there and not empty, or a file cannot be written.
pub fn write(files: &Files, out: &Path) -> Result<(), Error> {
    if out.read_dir().is_ok_and(|mut entries| entries.next().is_some()) {
        let message =
            format!("{} is not empty: a report is never written over another", out.display());
        return Err(Error::reject(message));
    }
    let name = out.file_name().and_then(|name| name.to_str());
    let name = name.ok_or_else(|| Error::reject(format!("{} names no folder", out.display())))?;
    let partial = out.with_file_name(format!(".{name}.partial"));
    if partial.exists() {
        std::fs::remove_dir_all(&partial).map_err(|e| Error::io(&partial, e))?;
    }
    for (path, bytes) in files {
        let path = partial.join(path);
        let folder = path.parent().expect("a file is in a folder");
        std::fs::create_dir_all(folder).map_err(|e| Error::io(folder, e))?;
        std::fs::write(&path, bytes).map_err(|e| Error::io(&path, e))?;
    }
    if out.exists() {
        std::fs::remove_dir(out).map_err(|e| Error::io(out, e))?;
    }
    std::fs::rename(&partial, out).map_err(|e| Error::io(out, e))
}
