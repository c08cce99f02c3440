//! What appends to a log: the writer itself, or a process that asks the writer to.

use crate::checkpoint::Checkpoint;
use crate::erasure::{Erase, Erased};
use crate::error::Error;
use crate::intake::{Receipt, Submission};
use crate::note::NoteSignature;
use crate::writer::Ledger;

/// Appends to a log. Each call means what the call of this name of [`Ledger`] means, with its errors.
pub trait Appender {
    /// Makes submissions part of the log and returns one receipt for each, in order; all are durable then.
    fn append(&mut self, submissions: Vec<Submission>) -> Result<Vec<Receipt>, Error>;

    /// Publishes a checkpoint of everything that was appended.
    fn publish(&mut self) -> Result<Checkpoint, Error>;

    /// Seals the rows of the tail into a segment.
    fn seal(&mut self) -> Result<(), Error>;

    /// Appends `ledger/report_issued` with these fields, keeps the checkpoint `note`, and returns the row.
    fn issue_report(&mut self, note: &str, fields: &[(&str, &str)]) -> Result<u64, Error>;

    /// Says that two pseudonyms are one human and returns the row.
    fn link(&mut self, pseudonym: &str, same_as: &str) -> Result<u64, Error>;

    /// Stores cosignatures of the head of `size` rows, unless the log has another head by now.
    fn add_cosignatures(&mut self, size: u64, lines: &[NoteSignature]) -> Result<bool, Error>;

    /// Erases texts, deliveries and identities.
    fn erase(&mut self, request: &Erase) -> Result<Erased, Error>;

    /// Says that the clock is right although it jumped.
    fn confirm_clock(&mut self) -> Result<(), Error>;

    /// Whether the ledger was made with a simulated clock.
    fn simulated_clock(&self) -> bool;
}

impl Appender for Ledger {
    fn append(&mut self, submissions: Vec<Submission>) -> Result<Vec<Receipt>, Error> {
        Self::append(self, submissions)
    }

    fn publish(&mut self) -> Result<Checkpoint, Error> {
        Self::publish(self)
    }

    fn seal(&mut self) -> Result<(), Error> {
        Self::seal(self)
    }

    fn issue_report(&mut self, note: &str, fields: &[(&str, &str)]) -> Result<u64, Error> {
        Self::issue_report(self, note, fields)
    }

    fn link(&mut self, pseudonym: &str, same_as: &str) -> Result<u64, Error> {
        Self::link(self, pseudonym, same_as)
    }

    fn add_cosignatures(&mut self, size: u64, lines: &[NoteSignature]) -> Result<bool, Error> {
        Self::add_cosignatures(self, size, lines)
    }

    fn erase(&mut self, request: &Erase) -> Result<Erased, Error> {
        Self::erase(self, request)
    }

    fn confirm_clock(&mut self) -> Result<(), Error> {
        Self::confirm_clock(self)
    }

    fn simulated_clock(&self) -> bool {
        Self::simulated_clock(self)
    }
}
