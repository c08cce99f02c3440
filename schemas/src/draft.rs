//! What a mapper makes of a delivery, before the ledger adds its part.

use std::borrow::Cow;
use std::collections::BTreeMap;

use crate::event::Event;
use crate::time::Timestamp;

/// What a source sent us, as received.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Delivery {
    /// When it arrived, if the delivery was recorded; else the clock says.
    pub received_at: Option<Timestamp>,
    /// The source it is said to be from; `None` asks for recognition.
    pub source: Option<String>,
    /// Headers, names in lower case.
    pub headers: BTreeMap<String, String>,
    /// The raw body.
    pub body: Vec<u8>,
    /// How it reached us and who vouched for it; `None` for what was read from a file and of which nothing was said.
    pub reception: Option<Reception>,
    /// Where it was read from, for messages: a file and line.
    pub origin: String,
}

/// How a delivery reached us and who vouched for it: the columns of the same names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reception {
    /// `push` or `poll`; `file` only with an instance.
    pub ingest_mode: String,
    /// How it was authenticated, such as `hmac-sha256`.
    pub authn_method: String,
    /// Whether a signature or secret was checked and held.
    pub authn_verified: bool,
    /// Which of the live secrets it was.
    pub authn_key_id: Option<String>,
    /// Whose it is where it does not say so itself, if the receiver was told: `source_instance`.
    pub instance: Option<String>,
}

impl Delivery {
    /// A header, whatever the case of its name.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(&name.to_ascii_lowercase()).map(String::as_str)
    }
}

/// A person or account as a source knows it. Only the vault keeps it; the leaf gets a pseudonym.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Identity {
    /// A human: the directory that issued the id (such as `github`), the id in it, and the name shown, if known.
    Person {
        /// Where `id` is unique.
        directory: String,
        /// The stable id there.
        id: String,
        /// What to show where the vault may be read.
        name: Option<String>,
    },
    /// Automation, by name; not personal data.
    Bot(String),
    /// A vendor, by name; not personal data.
    Vendor(String),
}

/// One event before the ledger minted pseudonyms, made commitments and set `recorded_at`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Draft {
    /// All columns that the mapper and the intake know. No column that holds people, no commitment, no `recorded_at`.
    pub event: Event,
    /// Columns that hold people, with who it is; several for a list.
    pub people: Vec<(&'static str, Identity)>,
    /// Free texts, by field name of [`crate::columns::TEXT_FIELDS`].
    pub texts: Vec<(&'static str, String)>,
}

impl Draft {
    /// A draft of `kind` and `phase`.
    pub fn new(kind: &str, phase: &str) -> Self {
        Self { event: Event::new(kind, phase), people: Vec::new(), texts: Vec::new() }
    }
}

/// A delivery, or an element of one, that was not understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reject {
    /// What is wrong, where, without secrets or personal data.
    pub reason: String,
    /// A stable word for the class of reason, such as `unknown_type`.
    pub code: Cow<'static, str>,
}

/// What became of one delivery: every fact in it, and everything in it that was not understood.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mapped {
    /// Events.
    pub drafts: Vec<Draft>,
    /// What goes to quarantine.
    pub rejects: Vec<Reject>,
    /// Why a delivery that carries no fact for the log was left out, such as a ping.
    pub ignored: Option<String>,
}
