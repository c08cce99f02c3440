//! What outsiders know of the log: witnesses, asked over HTTP, and folders that keep copies of heads.
//!
//! Before a ledger is opened for writing they are asked what they hold ([`Outside::consult`]): a ledger that was restored
//! from an old backup, or rewritten, contradicts them and must not sign again. After a head is published, witnesses
//! cosign it ([`Outside::submit`]); [`Outside::copy`] brings it to the folders.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use backtrail_ledger::policy::PolicyWitness;
use backtrail_ledger::storage::{Local, Storage};
use backtrail_ledger::witness::client::{Submission, Verdict, monitoring_path};
use backtrail_ledger::{Checkpoint, Note, NoteSignature, Policy, Vkey};
use ureq::Agent;

use crate::agent::{agent, why};
use crate::config::{Anchor, Config, Git};
use crate::exit::{BAD_INPUT, Failure, ROLLED_BACK, unreadable};
use crate::output::say;
use crate::signers::LogKeys;

/// How long one request to a witness may take, connection and all: a writer waits for it when it starts.
const REQUEST_MAX: Duration = Duration::from_secs(10);

/// The longest answer of a witness, in bytes: a note of the ledger's own bound.
const ANSWER_BYTES_MAX: u64 = 1 << 20;

/// How often a witness is asked again because its head, or ours, moved meanwhile.
const ATTEMPTS: usize = 3;

/// How many notes of a folder are tried, from the largest down, until one is by a key of the log: whoever may write there could
/// bury the true ones under others.
const NOTES_TRIED_MAX: usize = 100;

/// How long a git command may take, in steps of [`GIT_STEP`].
const GIT_STEPS_MAX: u32 = 600;
const GIT_STEP: Duration = Duration::from_millis(100);

/// Everybody outside who is configured.
pub(crate) struct Outside {
    witnesses: Vec<(PolicyWitness, String)>,
    anchors: Vec<Anchor>,
    agent: Agent,
}

/// Reads a tlog-policy.
pub(crate) fn read_policy(path: &Path) -> Result<Policy, Failure> {
    let bytes = std::fs::read(path).map_err(|e| unreadable(path, &e))?;
    Policy::parse(&bytes).map_err(|e| {
        Failure::new(BAD_INPUT, format_args!("{}: {e}", path.display()))
            .hint("the form is that of c2sp.org/tlog-policy")
    })
}

impl Outside {
    /// Those whom the config names: witnesses of the policy that have a URL, and anchors.
    pub(crate) fn read(config: &Config) -> Result<Self, Failure> {
        let policy = config.policy().map(|path| read_policy(&path)).transpose()?;
        let witnesses = policy.iter().flat_map(|policy| policy.witnesses().to_vec());
        let witnesses = witnesses.filter_map(|witness| {
            let url = witness.url.as_ref()?.trim_end_matches('/').to_owned();
            Some((witness, url))
        });
        let witnesses: Vec<_> = witnesses.collect();
        // Where nobody is asked, it does not matter who is trusted.
        let agent =
            if witnesses.is_empty() { Agent::new_with_defaults() } else { agent(REQUEST_MAX)? };
        Ok(Self { witnesses, anchors: config.anchors(), agent })
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.witnesses.len() + self.anchors.len()
    }

    /// Asks everybody what they hold of the log in `dir`, for which `own` are about to sign. Whoever cannot be asked is named
    /// in a warning.
    pub(crate) fn consult(&self, dir: &Path, own: &[Vkey]) -> Result<(), Failure> {
        if self.len() == 0 {
            return Ok(());
        }
        let keys = &LogKeys::read(dir, own)?;
        let asked = thread::scope(|scope| {
            let ask = |(witness, url)| scope.spawn(move || self.ask(witness, url, dir, keys));
            let running: Vec<_> = self.witnesses.iter().map(|(w, url)| ask((w, url))).collect();
            running.into_iter().map(joined).collect::<Vec<_>>()
        });
        for answer in asked {
            if let Some(warning) = answer? {
                say(format_args!("warning: {warning}"));
            }
        }
        for anchor in &self.anchors {
            for warning in look(anchor, dir, keys)? {
                say(format_args!("warning: {warning}"));
            }
        }
        Ok(())
    }

    /// Asks one witness: the head that it shows, or else what it answers to ours.
    fn ask(
        &self,
        witness: &PolicyWitness,
        url: &str,
        dir: &Path,
        keys: &LogKeys,
    ) -> Result<Option<String>, Failure> {
        let by = called(witness);
        let shown = match self.get(&format!("{url}/{}", monitoring_path(keys.origin()))) {
            Err(error) => return Ok(Some(format!("{by} cannot be asked what it knows: {error}"))),
            Ok((200, _, body)) => keys.open(&body),
            Ok(_) => None,
        };
        if let Some(known) = shown {
            // Ours is read after the answer: whatever a witness has was published before.
            Submission::read(dir, &keys.all())?.confirm(&known, &by)?;
            return Ok(None);
        }
        // A witness need not show anything; its answer to a submission tells as much.
        let mut submission = Submission::read(dir, &keys.all())?;
        for _ in 0..ATTEMPTS {
            match self.submit_to(witness, url, &submission)? {
                Verdict::Contradiction(what) => {
                    let now = Submission::read(dir, &keys.all())?;
                    if now.head() == submission.head() {
                        return Err(rolled_back(&by, &what));
                    }
                    // Another process published meanwhile.
                    submission = now;
                }
                Verdict::Unavailable(why) => {
                    return Ok(Some(format!("{by} cannot be asked what it knows: {why}")));
                }
                Verdict::Cosigned(_) | Verdict::From(_) => return Ok(None),
            }
        }
        Ok(Some(format!("{by} cannot be asked what it knows: the log grows too fast")))
    }

    /// Has the published head, signed by one of `keys`, cosigned, and hands its size and the cosignatures to `add`. Witnesses that cannot be reached
    /// are named in a warning, and counted.
    pub(crate) fn submit(
        &self,
        dir: &Path,
        keys: &[Vkey],
        add: impl FnOnce(u64, &[NoteSignature]) -> Result<bool, backtrail_ledger::Error>,
    ) -> Result<usize, Failure> {
        if self.witnesses.is_empty() {
            return Ok(0);
        }
        let submission = Submission::read(dir, keys)?;
        let stored = submission.cosignatures()?;
        let missing = self.witnesses.iter().filter(|(witness, _)| {
            !stored.iter().any(|line| line.holds(&submission.note().text, &witness.key))
        });
        let verdicts = thread::scope(|scope| {
            let submission = &submission;
            let running: Vec<_> = missing
                .map(|(w, url)| {
                    (called(w), scope.spawn(move || self.submit_to(w, url, submission)))
                })
                .collect();
            running.into_iter().map(|(by, thread)| (by, joined(thread))).collect::<Vec<_>>()
        });
        let mut lines = Vec::new();
        let mut contradiction = None;
        let mut unreached = 0;
        for (by, verdict) in verdicts {
            match verdict? {
                Verdict::Cosigned(line) => lines.push(line),
                Verdict::Contradiction(what) => contradiction = Some(rolled_back(&by, &what)),
                Verdict::Unavailable(why) => {
                    unreached += 1;
                    say(format_args!("warning: {by} did not cosign: {why}"));
                }
                Verdict::From(_) => {}
            }
        }
        add(submission.head().size, &lines)?;
        contradiction.map_or(Ok(unreached), Err)
    }

    /// Submits to one witness, again from the size that it names.
    fn submit_to(
        &self,
        witness: &PolicyWitness,
        url: &str,
        submission: &Submission,
    ) -> Result<Verdict, Failure> {
        let url = format!("{url}/add-checkpoint");
        let mut old = submission.cosigned_by(&witness.key)?;
        for _ in 0..ATTEMPTS {
            let answer = self.post(&url, &submission.request(old)?);
            let verdict = match answer {
                Ok((status, kind, body)) => {
                    submission.judge(&witness.key, old, status, &kind, &body)
                }
                Err(error) => Verdict::Unavailable(error),
            };
            match verdict {
                Verdict::From(known) => old = known,
                other => return Ok(other),
            }
        }
        Ok(Verdict::Unavailable("it names another size each time".to_owned()))
    }

    /// Copies the cosigned head to every anchor; how many could not be reached.
    pub(crate) fn copy(&self, dir: &Path, keys: &[Vkey]) -> Result<usize, Failure> {
        let submission = Submission::read(dir, keys)?;
        let mut note = submission.note().clone();
        note.signatures.extend(submission.cosignatures()?);
        let mut unreached = 0;
        for anchor in &self.anchors {
            if let Err(why) = put(anchor, &submission, &note)? {
                unreached += 1;
                say(format_args!("warning: {} has no copy: {why}", anchor.path.display()));
            }
        }
        Ok(unreached)
    }

    fn get(&self, url: &str) -> Result<(u16, String, String), String> {
        self.agent.get(url).call().map_err(|e| why(&e)).and_then(read)
    }

    fn post(&self, url: &str, body: &str) -> Result<(u16, String, String), String> {
        let request = self.agent.post(url).content_type("text/plain; charset=utf-8");
        request.send(body).map_err(|e| why(&e)).and_then(read)
    }
}

/// Status, content type without parameters, and body of an answer.
fn read(mut answer: ureq::http::Response<ureq::Body>) -> Result<(u16, String, String), String> {
    let kind = answer.headers().get("content-type").and_then(|kind| kind.to_str().ok());
    let kind = kind.unwrap_or_default().split(';').next().unwrap_or_default().trim().to_owned();
    let body = answer.body_mut().with_config().limit(ANSWER_BYTES_MAX).read_to_string();
    Ok((answer.status().as_u16(), kind, body.map_err(|e| e.to_string())?))
}

fn joined<T>(thread: thread::ScopedJoinHandle<'_, Result<T, Failure>>) -> Result<T, Failure> {
    thread.join().unwrap_or_else(|_| Err(Failure::bug("asking a witness panicked")))
}

fn called(witness: &PolicyWitness) -> String {
    format!("the witness `{}`", witness.key.name())
}

fn rolled_back(by: &str, what: &str) -> Failure {
    Failure::new(ROLLED_BACK, format_args!("{by} contradicts the ledger: {what}")).hint(
        "sign nothing more; keep the folder as it is and see \"Witnesses and anchors\" in docs/operations.md",
    )
}

/// The name of a note in an anchor.
fn note_name(size: u64) -> String {
    format!("{size:020}.note")
}

/// Compares the largest head in an anchor with the ledger; what could not be looked at comes back as warnings.
fn look(anchor: &Anchor, dir: &Path, keys: &LogKeys) -> Result<Vec<String>, Failure> {
    let by = format!("the anchor {}", anchor.path.display());
    let mut warnings = Vec::new();
    if anchor.git == Some(Git::Push)
        && let Err(why) = git(&anchor.path, &["pull", "--quiet", "--ff-only"])
    {
        warnings.push(format!("{by} may be out of date: {why}"));
    }
    let names = match notes(&anchor.path) {
        Ok(names) => names,
        Err(error) => {
            warnings.push(format!("{by} cannot be read: {error}"));
            return Ok(warnings);
        }
    };
    for path in names.iter().rev().take(NOTES_TRIED_MAX) {
        let text = match std::fs::metadata(path) {
            Ok(found) if found.len() <= ANSWER_BYTES_MAX => std::fs::read_to_string(path).ok(),
            _ => None,
        };
        let Some(known) = text.and_then(|text| keys.open(&text)) else {
            warnings.push(format!("{} is not signed by a key of the log", path.display()));
            continue;
        };
        Submission::read(dir, &keys.all())?.confirm(&known, &by)?;
        break;
    }
    Ok(warnings)
}

/// The notes in a folder, the smallest first.
fn notes(folder: &Path) -> std::io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let size: Option<u64> = name.strip_suffix(".note").and_then(|size| size.parse().ok());
        if size.is_some_and(|size| note_name(size) == name) {
            found.push(path);
        }
    }
    found.sort_unstable();
    Ok(found)
}

/// Puts the head into one anchor. A file that is there is never replaced: it must be of the same head.
fn put(
    anchor: &Anchor,
    submission: &Submission,
    note: &Note,
) -> Result<Result<(), String>, Failure> {
    if !anchor.path.is_dir() {
        return Ok(Err("there is no such folder".to_owned()));
    }
    let name = note_name(submission.head().size);
    let path = anchor.path.join(&name);
    if let Ok(there) = std::fs::read_to_string(&path) {
        if !there.parse().is_ok_and(|there: Note| there.text == note.text) {
            let what = format!("it has another head in {name} than ours");
            return Err(rolled_back(&format!("the anchor {}", anchor.path.display()), &what));
        }
    } else {
        let file = [(name.clone(), note.to_string().into_bytes())];
        if let Err(error) = Local::new(&anchor.path).create(&file) {
            return Ok(Err(error.to_string()));
        }
    }
    Ok(match anchor.git {
        None => Ok(()),
        Some(mode) => commit(&anchor.path, &name, submission.head(), mode),
    })
}

fn commit(clone: &Path, name: &str, head: &Checkpoint, mode: Git) -> Result<(), String> {
    git(clone, &["add", "--", name])?;
    if git(clone, &["diff", "--cached", "--quiet", "--", name]).is_err() {
        let message = format!("Head of {} rows of {}", head.size, head.origin);
        git(clone, &["commit", "--quiet", "--message", &message, "--", name])?;
    }
    if mode == Git::Push { git(clone, &["push", "--quiet"]) } else { Ok(()) }
}

/// Runs git in a clone, without questions and not for ever.
fn git(clone: &Path, arguments: &[&str]) -> Result<(), String> {
    let said = |e: std::io::Error| format!("cannot run git: {e}");
    let mut child = Command::new("git")
        .arg("-C")
        .arg(clone)
        .args(arguments)
        .env("GIT_TERMINAL_PROMPT", "0")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .spawn()
        .map_err(said)?;
    for _ in 0..GIT_STEPS_MAX {
        match child.try_wait().map_err(said)? {
            Some(status) if status.success() => return Ok(()),
            Some(status) => return Err(format!("git {}: {status}", arguments[0])),
            None => thread::sleep(GIT_STEP),
        }
    }
    // It may end by itself just now; then there is nothing to kill.
    let _ = child.kill();
    child.wait().map_err(said)?;
    Err(format!("git {} took too long", arguments[0]))
}
