//! Ledgers to test with: a fixed key, a simulated clock, made-up submissions.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use backtrail_ledger::{Clock, FileSigner, InitOptions, Ledger, Signer, Submission, Vkey};
use backtrail_schemas::{Delivery, Draft, Identity, Mapped, Reject, Timestamp, id};

pub(crate) const ORIGIN: &str = "ledger.example/test";

/// A clock that stands still.
pub(crate) struct Fixed(pub(crate) Timestamp);

impl Clock for Fixed {
    fn now(&self) -> Timestamp {
        self.0
    }
}

pub(crate) fn at(text: &str) -> Timestamp {
    Timestamp::parse_rfc3339(text).unwrap()
}

pub(crate) fn clock() -> Arc<dyn Clock> {
    Arc::new(Fixed(at("2026-10-01T00:00:00Z")))
}

pub(crate) fn signer() -> Box<FileSigner> {
    Box::new(FileSigner::from_seed(ORIGIN, &[7; 32]).unwrap())
}

pub(crate) fn vkey() -> Vkey {
    signer().vkey().clone()
}

pub(crate) fn simulated() -> InitOptions {
    InitOptions { simulated_clock: Some([9; 32]), ..InitOptions::default() }
}

pub(crate) struct Folder {
    pub(crate) dir: tempfile::TempDir,
}

impl Folder {
    pub(crate) fn new() -> Self {
        Self { dir: tempfile::tempdir().unwrap() }
    }

    pub(crate) fn ledger(&self) -> PathBuf {
        self.dir.path().join("ledger")
    }

    pub(crate) fn init(&self) -> Ledger {
        Ledger::init(&self.ledger(), &simulated(), signer(), clock()).unwrap()
    }

    pub(crate) fn open(&self) -> Ledger {
        Ledger::open(&self.ledger(), signer(), clock()).unwrap()
    }
}

/// Deployment `n` of service `shop`, by one of three people, with a title.
pub(crate) fn draft(n: u64) -> Draft {
    let mut draft = Draft::new("deployment", "succeeded");
    let event_id = id::event_id("test", "shop", &n.to_string(), "deployment", "succeeded");
    draft.event.put("event_id", event_id).put("source", "test").put("source_instance", "shop");
    draft.event.put("occurred_at", received(n)).put("time_basis", "source_event");
    draft
        .event
        .put("service", "shop")
        .put("deployment_id", format!("d{n}"))
        .put("version", format!("v{}", n / 2));
    draft.event.put_attribute("team", "blue").unwrap();
    draft.people.push(("actor", person(n % 3)));
    draft.texts.push(("title", format!("Release no. {n}: Grüße")));
    draft
}

pub(crate) fn person(n: u64) -> Identity {
    Identity::Person {
        directory: "github".into(),
        id: n.to_string(),
        name: Some(format!("Person {n}")),
    }
}

pub(crate) fn received(n: u64) -> Timestamp {
    at("2026-10-02T00:00:00Z").plus_seconds(n.cast_signed()).unwrap()
}

pub(crate) fn of(draft: Draft, n: u64) -> Submission {
    let mut delivery = Delivery {
        source: Some("test".into()),
        received_at: Some(received(n)),
        ..Delivery::default()
    };
    delivery.headers.insert("content-type".into(), "application/json".into());
    delivery.body = format!(r#"{{"n":{n}}}"#).into_bytes();
    Submission { delivery, mapped: Mapped { drafts: vec![draft], ..Mapped::default() } }
}

pub(crate) fn submission(n: u64) -> Submission {
    of(draft(n), n)
}

pub(crate) fn rejected(n: u64) -> Submission {
    let mut submission = submission(n);
    submission.mapped.drafts.clear();
    submission
        .mapped
        .rejects
        .push(Reject { reason: "`x` is not a type".into(), code: "unknown_type".into() });
    submission
}

/// All regular files of a folder, as relative paths.
pub(crate) fn files(dir: &Path) -> Vec<String> {
    use backtrail_ledger::storage::{Local, Storage as _};
    Local::new(dir).list("").unwrap().into_iter().map(|(path, _)| path).collect()
}

/// The files that `verify` answers for: all but the lock, and the index that the writer makes from the others.
pub(crate) fn covered(dir: &Path) -> Vec<String> {
    let answered = |path: &String| path != "state/lock" && !path.starts_with("state/index/");
    files(dir).into_iter().filter(answered).collect()
}

/// Makes `to` a copy of the ledger in `from`, and of nothing else.
pub(crate) fn copy(from: &Path, to: &Path) {
    let _ = std::fs::remove_dir_all(to);
    for path in files(from) {
        let target = to.join(&path);
        std::fs::create_dir_all(target.parent().unwrap()).unwrap();
        std::fs::copy(from.join(&path), target).unwrap();
    }
}
