//! The messages, as JSON. What comes from the other end is checked as anything else that is read.

use std::collections::BTreeMap;

use backtrail_schemas::columns::{TEXT_FIELDS, column};
use backtrail_schemas::{Delivery, Draft, Identity, Mapped, Reception, Reject, leaf};
use data_encoding::BASE64;
use serde::{Deserialize, Serialize};

use crate::erasure::{Erase, Erased};
use crate::error::{Error, Kind};
use crate::intake::{self, QuarantineId};

/// What is asked.
#[derive(Debug, Deserialize, Serialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(super) enum Request {
    Hello,
    Append(Vec<Submission>),
    Publish,
    Seal,
    ConfirmClock,
    IssueReport { checkpoint: String, fields: Vec<(String, String)> },
    Link { pseudonym: String, same_as: String },
    Cosign { size: u64, lines: String },
    Erase(Erase),
}

/// What is answered.
#[derive(Debug, Deserialize, Serialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(super) enum Answer {
    Hello { process: u32, simulated_clock: bool },
    Receipts(Vec<Receipt>),
    Checkpoint(String),
    Row(u64),
    Done,
    Stored(bool),
    Erased(Erased),
    Error { kind: String, message: String },
}

#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Submission {
    received_at: Option<String>,
    source: Option<String>,
    headers: BTreeMap<String, String>,
    body: String,
    origin: String,
    reception: Option<WireReception>,
    drafts: Vec<WireDraft>,
    rejects: Vec<(String, String)>,
    ignored: Option<String>,
}

#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct WireReception {
    ingest_mode: String,
    authn_method: String,
    authn_verified: bool,
    authn_key_id: Option<String>,
    instance: Option<String>,
}

#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct WireDraft {
    event: String,
    people: Vec<(String, Who)>,
    texts: Vec<(String, String)>,
}

#[derive(Debug, Deserialize, Serialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
enum Who {
    Person { directory: String, id: String, name: Option<String> },
    Bot(String),
    Vendor(String),
}

#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Receipt {
    outcomes: Vec<Outcome>,
    quarantined: Option<String>,
    ignored: bool,
}

#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Outcome {
    what: What,
    seq: u64,
    event_id: String,
}

#[derive(Debug, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
enum What {
    Accepted,
    Duplicate,
    Amended,
    Conflict,
}

impl From<&intake::Submission> for Submission {
    /// A draft that has no canonical form becomes the reject that the writer would make of it.
    fn from(submission: &intake::Submission) -> Self {
        let (delivery, mapped) = (&submission.delivery, &submission.mapped);
        let mut rejects = Vec::new();
        let mut drafts = Vec::new();
        for draft in &mapped.drafts {
            match WireDraft::of(draft) {
                Ok(draft) => drafts.push(draft),
                Err(e) => rejects.push((e.to_string(), "invalid_event".to_owned())),
            }
        }
        rejects.extend(mapped.rejects.iter().map(|r| (r.reason.clone(), r.code.to_string())));
        Self {
            received_at: delivery.received_at.map(|at| at.to_string()),
            source: delivery.source.clone(),
            headers: delivery.headers.clone(),
            body: BASE64.encode(&delivery.body),
            origin: delivery.origin.clone(),
            reception: delivery.reception.clone().map(Into::into),
            drafts,
            rejects,
            ignored: mapped.ignored.clone(),
        }
    }
}

impl TryFrom<Submission> for intake::Submission {
    type Error = Error;

    fn try_from(wire: Submission) -> Result<Self, Error> {
        let received_at = wire.received_at.as_deref().map(str::parse).transpose()?;
        let body = BASE64.decode(wire.body.as_bytes());
        let drafts = wire.drafts.into_iter().map(WireDraft::read).collect::<Result<_, _>>()?;
        let reject = |(reason, code): (String, String)| Reject { reason, code: code.into() };
        Ok(Self {
            delivery: Delivery {
                received_at,
                source: wire.source,
                headers: wire.headers,
                body: body.map_err(|_| Error::reject("a body that is not base64"))?,
                origin: wire.origin,
                reception: wire.reception.map(Into::into),
            },
            mapped: Mapped {
                drafts,
                rejects: wire.rejects.into_iter().map(reject).collect(),
                ignored: wire.ignored,
            },
        })
    }
}

impl From<Reception> for WireReception {
    fn from(r: Reception) -> Self {
        let Reception { ingest_mode, authn_method, authn_verified, authn_key_id, instance } = r;
        Self { ingest_mode, authn_method, authn_verified, authn_key_id, instance }
    }
}

impl From<WireReception> for Reception {
    fn from(r: WireReception) -> Self {
        let WireReception { ingest_mode, authn_method, authn_verified, authn_key_id, instance } = r;
        Self { ingest_mode, authn_method, authn_verified, authn_key_id, instance }
    }
}

impl WireDraft {
    fn of(draft: &Draft) -> Result<Self, Error> {
        let event = leaf::encode(&draft.event)?;
        let who = |identity: &Identity| match identity.clone() {
            Identity::Person { directory, id, name } => Who::Person { directory, id, name },
            Identity::Bot(name) => Who::Bot(name),
            Identity::Vendor(name) => Who::Vendor(name),
        };
        Ok(Self {
            event: String::from_utf8(event).expect("a leaf is UTF-8"),
            people: draft.people.iter().map(|(name, w)| ((*name).to_owned(), who(w))).collect(),
            texts: draft.texts.iter().map(|(name, t)| ((*name).to_owned(), t.clone())).collect(),
        })
    }

    fn read(self) -> Result<Draft, Error> {
        let unknown = |name: &str| Error::reject(format!("`{name}` is not a field"));
        let who = |who: Who| match who {
            Who::Person { directory, id, name } => Identity::Person { directory, id, name },
            Who::Bot(name) => Identity::Bot(name),
            Who::Vendor(name) => Identity::Vendor(name),
        };
        let people = self.people.into_iter().map(|(name, identity)| {
            let column = column(&name).ok_or_else(|| unknown(&name))?;
            Ok((column.name, who(identity)))
        });
        let texts = self.texts.into_iter().map(|(name, text)| {
            let field = TEXT_FIELDS.iter().find(|field| **field == name);
            Ok((*field.ok_or_else(|| unknown(&name))?, text))
        });
        Ok(Draft {
            event: leaf::decode(self.event.as_bytes())?,
            people: people.collect::<Result<_, Error>>()?,
            texts: texts.collect::<Result<_, Error>>()?,
        })
    }
}

impl From<intake::Receipt> for Receipt {
    fn from(receipt: intake::Receipt) -> Self {
        let outcome = |outcome| {
            let (what, seq, event_id) = match outcome {
                intake::Outcome::Accepted { seq, event_id } => (What::Accepted, seq, event_id),
                intake::Outcome::Duplicate { seq, event_id } => (What::Duplicate, seq, event_id),
                intake::Outcome::Amended { seq, event_id } => (What::Amended, seq, event_id),
                intake::Outcome::Conflict { seq, event_id } => (What::Conflict, seq, event_id),
            };
            Outcome { what, seq, event_id }
        };
        Self {
            outcomes: receipt.outcomes.into_iter().map(outcome).collect(),
            quarantined: receipt.quarantined.map(|id| id.0),
            ignored: receipt.ignored,
        }
    }
}

impl From<Receipt> for intake::Receipt {
    fn from(wire: Receipt) -> Self {
        let outcome = |Outcome { what, seq, event_id }| match what {
            What::Accepted => intake::Outcome::Accepted { seq, event_id },
            What::Duplicate => intake::Outcome::Duplicate { seq, event_id },
            What::Amended => intake::Outcome::Amended { seq, event_id },
            What::Conflict => intake::Outcome::Conflict { seq, event_id },
        };
        Self {
            outcomes: wire.outcomes.into_iter().map(outcome).collect(),
            quarantined: wire.quarantined.map(QuarantineId),
            ignored: wire.ignored,
        }
    }
}

/// Every kind of error with its word.
const KINDS: &[(Kind, &str)] = &[
    (Kind::Reject, "reject"),
    (Kind::Retry, "retry"),
    (Kind::Reopen, "reopen"),
    (Kind::Locked, "locked"),
    (Kind::Missing, "missing"),
    (Kind::Clock, "clock"),
    (Kind::Tampered, "tampered"),
    (Kind::RolledBack, "rolled_back"),
];

/// The answer that tells of an error.
pub(super) fn failed(error: &Error) -> Answer {
    let word = KINDS.iter().find(|(kind, _)| *kind == error.kind()).map_or("reopen", |(_, w)| w);
    Answer::Error { kind: word.to_owned(), message: error.to_string() }
}

/// The error that an answer tells of.
pub(super) fn error(word: &str, message: &str) -> Error {
    let kind = KINDS.iter().find(|(_, w)| *w == word).map_or(Kind::Reopen, |(kind, _)| *kind);
    Error::new(kind, message)
}
