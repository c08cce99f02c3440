//! A made-up log in memory: the events of all fixtures, with a tree, a signed head and proofs.

use backtrail_ledger::checkpoint::{Checkpoint, TlogProof};
use backtrail_ledger::key::{FileSigner, Signer as _, Vkey, sign_checkpoint};
use backtrail_ledger::note::Note;
use backtrail_ledger::tlog::{Hash, inclusion_proof, leaf_hash, root_of};
use backtrail_query::{Options, Period, Session, Source};
use backtrail_schemas::{Event, Timestamp, leaf, rows};

use crate::error::Error;
use crate::fixture;
use crate::generate::{Inputs, Request, Target};
use crate::integrity::Integrity;
use crate::{Prover, Signer, pack};

pub(crate) struct Log {
    events: Vec<Event>,
    leaves: Vec<Vec<u8>>,
    hashes: Vec<Hash>,
    note: Note,
    note_text: String,
    signer: FileSigner,
}

impl Log {
    pub(crate) fn new() -> Self {
        let controls = pack::core().controls.iter();
        let mut events: Vec<Event> =
            controls.flat_map(|c| fixture::events(&c.id, c.fixture_events).unwrap()).collect();
        events.sort_by_key(|e| e.timestamp("recorded_at"));
        let leaves: Vec<Vec<u8>> = events.iter().map(|e| leaf::encode(e).unwrap()).collect();
        let hashes: Vec<Hash> = leaves.iter().map(|bytes| leaf_hash(bytes)).collect();
        let signer = FileSigner::from_seed("ledger.example/shop", &[7; 32]).unwrap();
        let size = hashes.len() as u64;
        let root = root_of(size, &hashes).unwrap();
        let checkpoint = Checkpoint { origin: "ledger.example/shop".to_owned(), size, root };
        let note = sign_checkpoint(&checkpoint, &signer).unwrap();
        let note_text = note.to_string();
        Self { events, leaves, hashes, note, note_text, signer }
    }

    pub(crate) fn keys(&self) -> Vec<Vkey> {
        vec![self.signer.vkey().clone()]
    }

    pub(crate) async fn session(&self) -> Session {
        let source = Source {
            origin: "ledger.example/shop".to_owned(),
            size: self.events.len() as u64,
            checkpoint: self.note.text.clone(),
            tail: vec![rows::to_batch(0, &self.events).unwrap()],
            simulated_clock: true,
            ..Source::default()
        };
        let as_of = Timestamp::parse_rfc3339("2026-11-05T00:00:00Z").unwrap();
        let options = Options { as_of: Some(as_of), ..Options::default() };
        let period = Period::parse("2026-10", options.zone).unwrap();
        Session::open(source, Options { period: Some(period), ..options }).await.unwrap()
    }

    pub(crate) fn inputs(&self) -> Inputs<'_> {
        let all = ["head", "structure", "content"];
        let integrity = Integrity {
            anchor: "none".to_owned(),
            levels: all.map(str::to_owned).to_vec(),
            vault: true,
            ..Integrity::default()
        };
        Inputs {
            prover: self,
            signer: self,
            integrity,
            organisation: "Example Ltd <b>&".to_owned(),
            overlay: None,
            sample_seed: "the auditor's text".to_owned(),
        }
    }
}

pub(crate) fn request(target: Target) -> Request {
    Request { target, html: true, markdown: true }
}

/// Every report.
pub(crate) fn targets() -> Vec<Target> {
    vec![Target::Soc2, Target::Hipaa, Target::Monthly, Target::Incident("i-good".to_owned())]
}

impl Prover for Log {
    fn leaf(&self, seq: u64) -> Result<Vec<u8>, Error> {
        let leaf = self.leaves.get(usize::try_from(seq).unwrap_or(usize::MAX));
        leaf.cloned().ok_or_else(|| Error::tampered(format!("no entry {seq}")))
    }

    fn proof(&self, seq: u64) -> Result<String, Error> {
        let hashes = inclusion_proof(seq, self.hashes.len() as u64, &self.hashes).unwrap();
        let proof = TlogProof { index: seq, extra: None, hashes, checkpoint: self.note.clone() };
        Ok(proof.to_string())
    }

    fn checkpoint_note(&self) -> &str {
        &self.note_text
    }
}

impl Signer for Log {
    fn key_id(&self) -> String {
        self.signer.vkey().to_string()
    }

    fn sign(&self, bytes: &[u8]) -> Result<Vec<u8>, Error> {
        Ok(backtrail_ledger::key::Signer::sign(&self.signer, bytes).unwrap().to_vec())
    }
}
