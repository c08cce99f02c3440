//! What becomes of a submission: checks, comparison with what is known, pseudonyms.
//!
//! Nothing here touches files: [`crate::writer`] carries out what these functions decide.

pub(crate) mod admit;
pub(crate) mod compare;
pub(crate) mod people;

use backtrail_schemas::{Delivery, Mapped};

/// A delivery and what a mapper made of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Submission {
    /// What was received.
    pub delivery: Delivery,
    /// What it says.
    pub mapped: Mapped,
}

/// Names a delivery in quarantine: 32 hex digits, the same for the same bytes of the same source.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct QuarantineId(pub String);

/// What became of one draft.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It is row `seq`.
    Accepted {
        /// The row.
        seq: u64,
        /// Its event.
        event_id: String,
    },
    /// Row `seq` already says it.
    Duplicate {
        /// The row that was there first.
        seq: u64,
        /// Its event.
        event_id: String,
    },
    /// It only adds what was unknown; row `seq` is the amendment.
    Amended {
        /// The row of the amendment.
        seq: u64,
        /// The event that is amended.
        event_id: String,
    },
    /// It contradicts row `seq`, which counts; the delivery is in quarantine.
    Conflict {
        /// The row that was there first.
        seq: u64,
        /// Its event.
        event_id: String,
    },
}

/// What became of one submission.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Receipt {
    /// One for each draft that became, or is, part of the log, in order; drafts that were rejected have none.
    pub outcomes: Vec<Outcome>,
    /// Where the delivery lies, if something in it was rejected or contradicts the log.
    pub quarantined: Option<QuarantineId>,
    /// Whether the delivery carries no fact for the log.
    pub ignored: bool,
}
