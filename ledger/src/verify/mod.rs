//! Checks a whole ledger against a key that the auditor holds, and believes nothing that it finds there.
//!
//! The order is that of section 12 of `docs/ledger-format.md`: key, head, witnesses, tail, chain, rows, root, tiles,
//! statistics, vault and quarantine, files that do not belong. Everything that does not hold is a [`Finding`]; the exit code is that of the
//! most severe one.

mod heads;
mod rows;
mod stores;
mod witnesses;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde::Serialize;

use crate::checkpoint::Checkpoint;
use crate::erasure::Erasures;
use crate::error::{Error, Kind};
use crate::key::{Vkey, is_demo};
use crate::limits::FINDINGS_MAX;
use crate::policy::Policy;
use crate::state::{self, State};
use crate::storage::{Local, Storage};
use crate::tlog::{Hash, TileBuilder};
use crate::writer::{CHECKPOINT, note_path, size_of};

/// How much is read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// The signed head only.
    Head,
    /// Also rows, tree, tiles, the chain of segments, and which files there are.
    Structure,
    /// Also statistics and indexes of segments, the vault and the quarantine.
    #[default]
    Content,
}

impl Level {
    fn word(self) -> &'static str {
        match self {
            Self::Head => "head",
            Self::Structure => "structure",
            Self::Content => "content",
        }
    }
}

/// What the auditor brings.
#[derive(Clone, Debug, Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is a question of its own")]
pub struct VerifyOptions {
    /// The keys of the log, from another place than the ledger.
    pub keys: Vec<Vkey>,
    /// A signed note of this log that the auditor holds.
    pub since: Option<String>,
    /// The witnesses that the auditor knows, and how many of them must have signed.
    pub policy: Option<Policy>,
    /// How much to read.
    pub level: Level,
    /// Whether a head that nothing outside vouches for is a finding.
    pub require_anchor: bool,
    /// Whether the vault is withheld.
    pub without_vault: bool,
    /// Whether the public demo key is acceptable.
    pub demo: bool,
    /// Whether the keys were found in the ledger that they are to vouch for.
    pub keys_from_ledger: bool,
}

/// One thing that does not hold.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// A stable word for the kind of finding.
    pub code: &'static str,
    /// The exit code of its kind.
    pub exit: u8,
    /// The row, if it is about one.
    pub index: Option<u64>,
    /// The file, if it is about one.
    pub file: Option<String>,
    /// The offset in the file, if it is known.
    pub offset: Option<u64>,
    /// What a person should read.
    pub message: String,
}

/// What was found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Report {
    /// 0 if everything that was read holds, else the code of the most severe finding.
    pub exit: u8,
    /// `witnessed` if the policy's quorum cosigned the head, else `note` if the auditor brought one, else `none`.
    pub anchor: &'static str,
    /// The log.
    pub origin: String,
    /// The size of its head.
    pub size: u64,
    /// The root of its head, base64.
    pub root: String,
    /// What was read: `head`, `structure`, `content`.
    pub levels: Vec<&'static str>,
    /// What was not read, in words.
    pub coverage: Vec<String>,
    /// Everything that does not hold, at most a thousand.
    pub findings: Vec<Finding>,
}

/// How often a verification begins again because a writer moved the head meanwhile.
const ATTEMPTS: usize = 5;

/// Exit codes from the most to the least severe.
const SEVERITY: &[u8] = &[12, 13, 10, 11, 17, 16, 14, 20, 30, 40];

/// Checks the ledger in `dir`. With a note that the auditor holds, only what came after it is read; if that does not
/// settle everything, all of it is.
pub fn verify(dir: &Path, options: &VerifyOptions) -> Report {
    let store = Local::new(dir);
    if options.since.is_some() && options.level > Level::Head {
        let report = verify_from(&store, options, true);
        if report.exit == 0 {
            return report;
        }
    }
    verify_from(&store, options, false)
}

fn verify_from(store: &Local, options: &VerifyOptions, only_new: bool) -> Report {
    let head = || store.read_if_any(CHECKPOINT).ok().flatten();
    let mut attempt = 0;
    loop {
        attempt += 1;
        let before = head();
        let mut check = Check::new(store, options);
        check.only_new = only_new;
        if let Err(stop) = check.run() {
            check.error("unreadable", &stop);
        }
        // A running writer moves rows and tiles while they are read; the head has moved then, too.
        if check.findings.is_empty() || attempt == ATTEMPTS || head() == before {
            return check.report();
        }
    }
}

/// A verification that goes on.
pub(crate) struct Check<'a> {
    store: &'a Local,
    options: &'a VerifyOptions,
    /// Whether rows are read only as far back as the note that the auditor holds asks for.
    only_new: bool,
    /// The size of that note, if it has one that counts.
    since: u64,
    head: Option<Checkpoint>,
    /// Whether the policy's quorum cosigned the head.
    witnessed: bool,
    /// Cosignatures that no witness of the policy made.
    unknown_cosignatures: usize,
    /// Sizes whose root is claimed somewhere: by a note, a commit frame, a footer, the auditor.
    claims: BTreeMap<u64, Vec<Claim>>,
    /// Signed heads, until the rows have told who may sign them.
    heads: heads::Heads,
    findings: Vec<Finding>,
    coverage: Vec<String>,
    /// What the log says is no longer in the vault.
    erasures: Erasures,
}

/// "The first so many rows have this root", and who says so.
#[derive(Clone, Debug)]
pub(crate) struct Claim {
    root: Hash,
    by: String,
    code: &'static str,
    exit: u8,
}

impl<'a> Check<'a> {
    fn new(store: &'a Local, options: &'a VerifyOptions) -> Self {
        Self {
            store,
            options,
            only_new: false,
            since: 0,
            head: None,
            witnessed: false,
            unknown_cosignatures: 0,
            claims: BTreeMap::new(),
            heads: heads::Heads::default(),
            findings: Vec::new(),
            coverage: Vec::new(),
            erasures: Erasures::default(),
        }
    }

    fn run(&mut self) -> Result<(), Error> {
        self.check_keys();
        let head = self.read_head()?;
        self.head = Some(head.clone());
        self.check_since(&head);
        self.check_anchor(&head)?;
        if self.options.level == Level::Head {
            self.coverage.push("rows, files and vault were not read".to_owned());
            self.judge_by_pinned();
            return Ok(());
        }
        self.read_kept_notes(&head)?;
        self.check_state(&head)?;
        let files = self.store.list("")?;
        let expected = rows::check(self, &head, &files);
        // Also when the rows end early: a head that nobody trusted signed is the more severe finding.
        self.judge_heads(&head, expected.is_ok());
        self.check_files(&files, &expected?);
        Ok(())
    }

    fn check_keys(&mut self) {
        if !self.options.demo && self.options.keys.iter().any(is_demo) {
            self.add(Finding::new(
                "demo_key",
                40,
                "the key is the public demo key: anybody can sign with it",
            ));
        }
        if self.options.keys_from_ledger {
            self.add(Finding::new(
                "key_from_ledger",
                40,
                "the key came with the ledger: whoever replaced one replaced both",
            ));
        }
    }

    fn read_head(&mut self) -> Result<Checkpoint, Error> {
        let bytes = self.store.read_all(CHECKPOINT)?;
        match self.open_note(&bytes, "head", Some(CHECKPOINT)) {
            Ok(head) => Ok(head),
            Err(error) => {
                self.add(Finding::new("head", 12, error.to_string()).file(CHECKPOINT));
                Err(Error::new(Kind::Reject, "without a signed head nothing else can be checked"))
            }
        }
    }

    fn check_since(&mut self, head: &Checkpoint) {
        let Some(note) = &self.options.since else { return };
        match self.open_note(note.as_bytes(), "since", None) {
            Err(error) => {
                self.add(Finding::new("since", 12, format!("the note that you hold: {error}")));
            }
            Ok(brought) if brought.size > head.size => {
                let message =
                    format!("you hold a head of {} rows, the log has {}", brought.size, head.size);
                self.add(Finding::new("rolled_back", 13, message));
            }
            Ok(brought) => {
                // Whether another key could sign it then, older rows say.
                if self.only_new && self.newest_note_is_pinned() {
                    self.since = brought.size;
                }
                self.claim(brought.size, brought.root, "the note that you hold", "split_view", 13);
            }
        }
    }

    fn read_kept_notes(&mut self, head: &Checkpoint) -> Result<(), Error> {
        self.claim(head.size, head.root, CHECKPOINT, "root", 11);
        for (path, _) in self.store.list("checkpoints")? {
            let Some(size) = size_of(&path).filter(|size| *size >= self.since) else { continue };
            match self.open_note(&self.store.read_all(&path)?, "kept_note", Some(&path)) {
                Ok(kept) if kept.size == size && size <= head.size => {
                    self.claim(size, kept.root, &path, "kept_note", 13);
                    // Those of the head were checked with it.
                    if size < head.size {
                        self.check_cosignatures(&kept)?;
                    }
                }
                Ok(kept) if kept.size == size => {
                    let message =
                        format!("a signed head of {size} rows is kept, the log has {}", head.size);
                    self.add(Finding::new("rolled_back", 13, message).file(&path));
                }
                Ok(_) => self.add(
                    Finding::new("kept_note", 12, "the note is of another size than its name")
                        .file(&path),
                ),
                Err(error) => {
                    self.add(Finding::new("kept_note", 12, error.to_string()).file(&path));
                }
            }
        }
        Ok(())
    }

    fn check_state(&mut self, head: &Checkpoint) -> Result<(), Error> {
        match State::read(self.store) {
            Ok(None) => self.add(
                Finding::new(
                    "state",
                    30,
                    "missing: a copy is read-only until its head is confirmed",
                )
                .file(state::PATH),
            ),
            Ok(Some(state)) if state.head.origin != head.origin => {
                self.add(Finding::new("state", 13, "it is of another log").file(state::PATH));
            }
            Ok(Some(state)) if state.head.size < head.size => {
                let message =
                    format!("it knows of {} rows, the head has {}", state.head.size, head.size);
                self.add(Finding::new("state", 13, message).file(state::PATH));
            }
            // A larger head was about to be signed when the writer stopped; the rows for it are in the tail.
            Ok(Some(state)) => {
                self.claim(state.head.size, state.head.root, state::PATH, "state", 13);
            }
            Err(error) if error.kind() == Kind::Tampered => {
                self.add(Finding::new("state", 11, error.to_string()).file(state::PATH));
            }
            Err(error) => return Err(error),
        }
        Ok(())
    }

    /// Files that do not belong, and files that should be there.
    fn check_files(&mut self, files: &[(String, u64)], expected: &BTreeSet<String>) {
        let passed_over = |path: &str| {
            path == "state/lock"
                || path.starts_with("state/index/")
                || path.starts_with("state/tmp/")
                || has_extension(path, "cut")
                || has_extension(path, "sock")
        };
        let vault = |path: &str| path.starts_with("vault/") && self.options.without_vault;
        let there: BTreeSet<&str> = files.iter().map(|(path, _)| path.as_str()).collect();
        let mut found = Vec::new();
        for path in there
            .iter()
            .filter(|path| !expected.contains(**path) && !passed_over(path) && !vault(path))
        {
            found.push(
                Finding::new("foreign_file", 11, "this file is not part of the log").file(path),
            );
        }
        for path in expected.iter().filter(|path| !there.contains(path.as_str())) {
            found.push(Finding::new("missing_file", 30, "this file should be there").file(path));
        }
        for finding in found {
            self.add(finding);
        }
    }

    pub(crate) fn claim(&mut self, size: u64, root: Hash, by: &str, code: &'static str, exit: u8) {
        self.claims.entry(size).or_default().push(Claim { root, by: by.to_owned(), code, exit });
    }

    /// Compares the root of the first `size` rows, which are `rows`, with what is claimed of it.
    pub(crate) fn settle(&mut self, size: u64, rows: &TileBuilder) {
        let Some(claims) = self.claims.remove(&size) else { return };
        let root = rows.frontier().root();
        for claim in claims {
            if claim.root != root {
                let message = format!(
                    "{} says that the first {size} rows have root {}; they have {root}",
                    claim.by, claim.root
                );
                self.add(Finding::new(claim.code, claim.exit, message));
            }
        }
    }

    /// What a writer leaves between two steps, or when it was interrupted: nothing that the head covers, and no reader
    /// looks at it.
    pub(crate) fn leftover(&mut self, path: &str, what: &str) {
        self.coverage.push(format!("{path}: {what}; the head does not cover it"));
    }

    pub(crate) fn add(&mut self, finding: Finding) {
        if self.findings.len() < FINDINGS_MAX {
            self.findings.push(finding);
        }
    }

    /// An error that ended a part of the check.
    pub(crate) fn error(&mut self, code: &'static str, error: &Error) {
        let exit = if error.kind() == Kind::Tampered { 11 } else { 30 };
        self.add(Finding::new(code, exit, error.to_string()));
    }

    fn report(mut self) -> Report {
        if self.unknown_cosignatures > 0 {
            let unknown = self.unknown_cosignatures;
            self.coverage
                .push(format!("{unknown} cosignatures are by witnesses that no policy names"));
        }
        let unsettled: Vec<_> = std::mem::take(&mut self.claims).into_iter().collect();
        if self.findings.is_empty() && self.options.level > Level::Head {
            for (size, claims) in unsettled {
                for claim in claims {
                    let message = format!(
                        "{} names a head of {size} rows, which the log does not have",
                        claim.by
                    );
                    self.add(Finding::new(claim.code, claim.exit, message));
                }
            }
        }
        let worst = SEVERITY.iter().find(|exit| self.findings.iter().any(|f| f.exit == **exit));
        let levels = [Level::Head, Level::Structure, Level::Content];
        Report {
            exit: worst.copied().unwrap_or(0),
            anchor: match self.options.since {
                _ if self.witnessed => "witnessed",
                Some(_) => "note",
                None => "none",
            },
            origin: self.head.as_ref().map(|h| h.origin.clone()).unwrap_or_default(),
            size: self.head.as_ref().map_or(0, |h| h.size),
            root: self.head.as_ref().map(|h| h.root.to_string()).unwrap_or_default(),
            levels: levels
                .into_iter()
                .filter(|l| *l <= self.options.level)
                .map(Level::word)
                .collect(),
            coverage: self.coverage,
            findings: self.findings,
        }
    }
}

impl Finding {
    pub(crate) fn new(code: &'static str, exit: u8, message: impl Into<String>) -> Self {
        Self { code, exit, index: None, file: None, offset: None, message: message.into() }
    }

    pub(crate) fn file(mut self, path: &str) -> Self {
        self.file = Some(path.to_owned());
        self
    }

    pub(crate) fn row(mut self, index: u64) -> Self {
        self.index = Some(index);
        self
    }
}

fn has_extension(path: &str, extension: &str) -> bool {
    Path::new(path).extension().is_some_and(|found| found == extension)
}

/// The path of a kept note.
pub(crate) fn kept(size: u64) -> String {
    note_path(size)
}
