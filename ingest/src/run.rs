//! From paths to rows: read, map, append, count.

use std::io::Read;
use std::path::PathBuf;

use backtrail_ledger::{Appender, Outcome, Receipt, Submission};
use backtrail_schemas::{Delivery, Mapped};
use serde::Serialize;

use crate::context::Context;
use crate::error::Error;
use crate::limits::{BATCH_BYTES_MAX, BATCH_DELIVERIES_MAX};
use crate::read::{self, Found};

/// What is read, and how.
#[derive(Clone, Debug)]
pub struct Options {
    /// Files, folders, archives, or `-`.
    pub paths: Vec<PathBuf>,
    /// The source of deliveries that do not say it themselves; `None` or `auto` asks for recognition.
    pub source: Option<String>,
    /// What is known of all of them.
    pub context: Context,
    /// Whether a checkpoint must cover a delivery before `told` gets its receipt.
    pub publish_first: bool,
}

/// What became of all deliveries.
///
/// Each delivery counts once: as `quarantined` if anything in it was rejected or contradicts the log (its other events
/// are in the log all the same), else as `ignored` if it carries nothing for the log, else as one that was understood
/// wholly. `events` are those that are, or were already, part of the log, with the contradictions:
/// `accepted + duplicate + amended + conflict`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Totals {
    /// Deliveries read.
    pub deliveries: u64,
    /// Events that they hold.
    pub events: u64,
    /// Events that are rows now.
    pub accepted: u64,
    /// Events that were rows before.
    pub duplicate: u64,
    /// Events that added to a row what it had left open.
    pub amended: u64,
    /// Events that contradict a row.
    pub conflict: u64,
    /// Deliveries of which something lies in quarantine.
    pub quarantined: u64,
    /// Deliveries without anything for the log.
    pub ignored: u64,
    /// The size of the checkpoint that covers all of it; `None` without a ledger.
    pub checkpoint: Option<u64>,
}

impl Totals {
    /// Counts one delivery more.
    pub fn count(&mut self, receipt: &Receipt) {
        self.deliveries += 1;
        self.quarantined += u64::from(receipt.quarantined.is_some());
        self.ignored += u64::from(receipt.quarantined.is_none() && receipt.ignored);
        for outcome in &receipt.outcomes {
            self.events += 1;
            match outcome {
                Outcome::Accepted { .. } => self.accepted += 1,
                Outcome::Duplicate { .. } => self.duplicate += 1,
                Outcome::Amended { .. } => self.amended += 1,
                Outcome::Conflict { .. } => self.conflict += 1,
            }
        }
    }

    /// Counts a delivery that is only shown. Nobody knows what is in the log already, so each draft counts as accepted.
    pub fn count_mapped(&mut self, mapped: &Mapped) {
        let events = mapped.drafts.len() as u64;
        self.deliveries += 1;
        self.events += events;
        self.accepted += events;
        self.quarantined += u64::from(!mapped.rejects.is_empty());
        self.ignored += u64::from(mapped.rejects.is_empty() && mapped.ignored.is_some());
    }
}

/// Reads every delivery, makes it part of the ledger, and publishes. `told` gets each delivery with its receipt, in
/// order and only once it is durable, or, with [`Options::publish_first`], published.
///
/// # Errors
/// A path or the ledger failed, or `told` did. What was told of before is durable; running it again gives duplicates
/// for that.
pub fn run<E: From<Error>>(
    ledger: &mut dyn Appender,
    options: &Options,
    stdin: &mut dyn Read,
    told: &mut dyn FnMut(&Submission, &Receipt) -> Result<(), E>,
) -> Result<Totals, E> {
    let mut batch = Batch {
        ledger,
        told,
        totals: Totals::default(),
        waiting: Vec::new(),
        bytes: 0,
        publish_first: options.publish_first,
    };
    read::deliveries(&options.paths, options.source.as_deref(), stdin, &mut |found: Found| {
        let (delivery, mapped) = found.mapped(&options.context);
        batch.push(Submission { delivery, mapped })
    })?;
    batch.flush()?;
    let mut totals = batch.totals;
    totals.checkpoint = Some(batch.ledger.publish().map_err(Error::Ledger)?.size);
    Ok(totals)
}

/// Reads and maps every delivery without a ledger. `told` gets each with its drafts and rejects.
///
/// # Errors
/// A path failed, or `told` did.
pub fn dry_run<E: From<Error>>(
    options: &Options,
    stdin: &mut dyn Read,
    told: &mut dyn FnMut(&Delivery, &Mapped) -> Result<(), E>,
) -> Result<Totals, E> {
    let mut totals = Totals::default();
    read::deliveries(&options.paths, options.source.as_deref(), stdin, &mut |found: Found| {
        let (delivery, mapped) = found.mapped(&options.context);
        totals.count_mapped(&mapped);
        told(&delivery, &mapped)
    })?;
    Ok(totals)
}

/// Submissions that wait for their common flush.
struct Batch<'a, E> {
    ledger: &'a mut dyn Appender,
    told: &'a mut dyn FnMut(&Submission, &Receipt) -> Result<(), E>,
    totals: Totals,
    waiting: Vec<Submission>,
    bytes: usize,
    publish_first: bool,
}

impl<E: From<Error>> Batch<'_, E> {
    fn push(&mut self, submission: Submission) -> Result<(), E> {
        self.bytes += submission.delivery.body.len();
        self.waiting.push(submission);
        if self.waiting.len() >= BATCH_DELIVERIES_MAX || self.bytes >= BATCH_BYTES_MAX {
            self.flush()?;
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<(), E> {
        let submissions = std::mem::take(&mut self.waiting);
        self.bytes = 0;
        let receipts = self.ledger.append(submissions.clone()).map_err(Error::Ledger)?;
        if self.publish_first {
            self.ledger.publish().map_err(Error::Ledger)?;
        }
        assert!(receipts.len() == submissions.len(), "the ledger gives one receipt per submission");
        for (submission, receipt) in submissions.iter().zip(&receipts) {
            self.totals.count(receipt);
            (self.told)(submission, receipt)?;
        }
        Ok(())
    }
}
