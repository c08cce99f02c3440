//! `keys`: which keys sign, and how one follows another.

use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use backtrail_ledger::key::sign_note;
use backtrail_ledger::limits::NOTE_BYTES_MAX;
use backtrail_ledger::{
    Action, FileSigner, KeyRing, Ledger, Note, Signer as _, Snapshot, Statement, Vkey,
};
use data_encoding::{BASE64, HEXLOWER};

use super::keys::{open, refuse_inside, submit};
use crate::args::{
    Formatted, Global, KeyAction, Keys, KeysAdd, KeysCompromise, KeysRetire, KeysSign,
    KeysStatement,
};
use crate::clock::SystemClock;
use crate::config::{Config, beside};
use crate::exit::{BAD_INPUT, Failure, USAGE, unreadable, unwritable};
use crate::output::{Out, say};
use crate::outside::Outside;
use crate::{rows, signers, vkeys};

/// `keys …`
pub(crate) fn keys(global: &Global, what: &Keys) -> Result<(), Failure> {
    match what {
        Keys::List(formatted) => list(global, formatted),
        Keys::New { file } => new(global, file),
        Keys::Add(args) => add(global, args),
        Keys::Retire(args) => retire(global, args),
        Keys::Statement(args) => statement(global, args),
        Keys::Sign(args) => sign(args),
        Keys::Compromise(args) => compromise(global, args),
    }
}

fn list(global: &Global, formatted: &Formatted) -> Result<(), Failure> {
    let dir = Config::read(global)?.ledger(global)?;
    let keys = Snapshot::open(&dir, None)?.keys()?;
    let signing = keys.ranges().iter().map(|key| {
        let state = match key.ended {
            None | Some(Action::Added) => "current",
            Some(Action::Retired) => "retired",
            Some(Action::Compromised) => "compromised",
        };
        let until = key.until.map(|until| until.to_string()).unwrap_or_default();
        [state.to_owned(), key.from.to_string(), until, key.vkey.to_string()]
    });
    let recovery = keys
        .recovery()
        .map(|vkey| ["recovery".to_owned(), String::new(), String::new(), vkey.to_string()]);
    let table = rows::of_texts(["state", "from", "until", "vkey"], signing.chain(recovery));
    rows::print(&table, formatted)
}

fn new(global: &Global, file: &Path) -> Result<(), Failure> {
    let dir = Config::read(global)?.ledger(global)?;
    refuse_inside(file, &dir)?;
    let key = FileSigner::generate(&Snapshot::open(&dir, None)?.checkpoint().origin)?;
    key.save(file)?;
    let mut out = Out::new();
    out.line(key.vkey())?;
    out.finish()
}

fn add(global: &Global, args: &KeysAdd) -> Result<(), Failure> {
    let config = Config::read(global)?;
    let dir = config.ledger(global)?;
    let vkey = match &args.vkey {
        Some(given) => one(vkeys::read(given)?, given)?,
        None => next_in_file(&config, &dir, args.key.key.as_ref())?,
    };
    let mut ledger = open(&config, &dir, args.key.key.as_ref())?;
    let row = ledger.add_key(&vkey)?;
    publish(&dir, ledger.keys())?;
    submit(&Outside::read(&config)?, &dir, &mut ledger)?;
    say(format_args!("row {row} adds the key; publish it where auditors look for keys:"));
    let mut out = Out::new();
    out.line(vkey)?;
    out.finish()
}

/// The key in the key file that the log does not know yet, made now unless an earlier run was interrupted.
fn next_in_file(config: &Config, dir: &Path, key: Option<&PathBuf>) -> Result<Vkey, Failure> {
    let path = config.key(key, dir);
    let known = Snapshot::open(dir, None)?.keys()?;
    let elsewhere = config.signer()?.is_some() && !path.exists();
    let mut all = if elsewhere { Vec::new() } else { signers::in_file(&path)? };
    let is_known = |key: &FileSigner| known.ranges().iter().any(|range| range.vkey == *key.vkey());
    if let Some(next) = all.iter().find(|key| !is_known(key)) {
        return Ok(next.vkey().clone());
    }
    let next = FileSigner::generate(known.ranges()[0].vkey.name())?;
    let vkey = next.vkey().clone();
    all.push(next);
    // The key first: a key that the log does not know is harmless, one that was never written is lost.
    FileSigner::save_all(&all, &path)?;
    Ok(vkey)
}

fn retire(global: &Global, args: &KeysRetire) -> Result<(), Failure> {
    let config = Config::read(global)?;
    let dir = config.ledger(global)?;
    let mut ledger = open(&config, &dir, args.key.key.as_ref())?;
    let vkey = known(ledger.keys(), &args.which)?;
    let row = ledger.retire_key(&vkey)?;
    publish(&dir, ledger.keys())?;
    drop_from_file(&config.key(args.key.key.as_ref(), &dir), ledger.keys())?;
    submit(&Outside::read(&config)?, &dir, &mut ledger)?;
    say(format_args!("row {row} retires the key; tell auditors to pin a current one"));
    let mut out = Out::new();
    out.line(vkey)?;
    out.finish()
}

fn statement(global: &Global, args: &KeysStatement) -> Result<(), Failure> {
    let dir = Config::read(global)?.ledger(global)?;
    let snapshot = Snapshot::open(&dir, None)?;
    let (action, vkey) = match args.action {
        KeyAction::Added => (Action::Added, one(vkeys::read(&args.which)?, &args.which)?),
        KeyAction::Retired => (Action::Retired, known(&snapshot.keys()?, &args.which)?),
        KeyAction::Compromised => (Action::Compromised, known(&snapshot.keys()?, &args.which)?),
    };
    let head = snapshot.checkpoint().clone();
    let statement =
        Statement { origin: head.origin, action, vkey, size: head.size, root: head.root };
    let mut out = Out::new();
    out.with(|stdout| write!(stdout, "{statement}"))?;
    out.finish()
}

fn sign(args: &KeysSign) -> Result<(), Failure> {
    let key = FileSigner::load(&args.key).map_err(|error| {
        Failure::from(error).hint("name the file of one private key with --key FILE")
    })?;
    let mut message = Vec::new();
    let stdin = std::io::stdin().lock().take(NOTE_BYTES_MAX as u64 + 1).read_to_end(&mut message);
    stdin.map_err(|e| unreadable(Path::new("-"), &e))?;
    if message.len() > NOTE_BYTES_MAX {
        return Err(Failure::new(BAD_INPUT, "more than a MiB to sign")
            .hint("give the bytes that are to be signed on stdin"));
    }
    let mut out = Out::new();
    if args.statement {
        let text = String::from_utf8(message).unwrap_or_default();
        let statement: Statement = text.parse()?;
        let note = sign_note(statement.to_string(), &[&key])?;
        out.with(|stdout| write!(stdout, "{note}"))?;
    } else {
        out.line(BASE64.encode(&key.sign(&message)?))?;
    }
    out.finish()
}

fn compromise(global: &Global, args: &KeysCompromise) -> Result<(), Failure> {
    let config = Config::read(global)?;
    let dir = config.ledger(global)?;
    let notes = args.notes.iter().map(|path| -> Result<Note, Failure> {
        Ok(std::fs::read_to_string(path).map_err(|e| unreadable(path, &e))?.parse()?)
    });
    let notes = notes.collect::<Result<Vec<Note>, Failure>>()?;
    let all = signers::all(&config, &dir, args.key.key.as_ref())?;
    // A head that somebody outside has and we have not goes on from the stolen key: nothing can follow ours any more.
    let outside = Outside::read(&config)?;
    outside.consult(&dir, &signers::vkeys(&all))?;
    let clock = Arc::new(SystemClock::default());
    let mut ledger = Ledger::open_with_statements(&dir, all, clock, &notes)?;
    publish(&dir, ledger.keys())?;
    drop_from_file(&config.key(args.key.key.as_ref(), &dir), ledger.keys())?;
    submit(&outside, &dir, &mut ledger)?;
    let head = ledger.checkpoint();
    say("tell auditors which key was lost, the statement's size, and to pin a current key");
    let mut out = Out::new();
    out.line(format_args!("goes on; size {}, root {}", head.size, head.root))?;
    out.finish()
}

/// The one key of a text or file.
fn one(mut keys: Vec<Vkey>, given: &str) -> Result<Vkey, Failure> {
    match keys.pop() {
        Some(key) if keys.is_empty() => Ok(key),
        _ => Err(Failure::new(USAGE, format_args!("`{given}` has several public keys"))
            .hint("give the one that is meant")),
    }
}

/// One of the log's keys, by its id, text or file.
fn known(keys: &KeyRing, which: &str) -> Result<Vkey, Failure> {
    let mut fitting = keys.ranges().iter().map(|range| &range.vkey);
    if let Some(key) = fitting.find(|key| HEXLOWER.encode(&key.id()) == which) {
        return Ok(key.clone());
    }
    let named = one(vkeys::read(which)?, which)?;
    let found = keys.ranges().iter().find(|range| range.vkey == named);
    found.map(|range| range.vkey.clone()).ok_or_else(|| {
        Failure::new(BAD_INPUT, format_args!("`{which}` is not a key of this log"))
            .hint("`backtrail keys list` prints them")
    })
}

/// Writes the current keys to `LEDGER.vkey`.
fn publish(dir: &Path, keys: &KeyRing) -> Result<(), Failure> {
    let path = beside(dir, "vkey");
    let lines: Vec<String> = keys.current().map(ToString::to_string).collect();
    std::fs::write(&path, lines.join("\n") + "\n").map_err(|e| unwritable(&path, &e))
}

/// Takes keys that are not current any more out of the key file.
fn drop_from_file(path: &Path, keys: &KeyRing) -> Result<(), Failure> {
    if !path.exists() {
        return Ok(());
    }
    let all = signers::in_file(path)?;
    let ended = |key: &FileSigner| {
        keys.ranges().iter().any(|range| range.vkey == *key.vkey() && range.until.is_some())
    };
    if !all.iter().any(ended) {
        return Ok(());
    }
    let left: Vec<FileSigner> = all.into_iter().filter(|key| !ended(key)).collect();
    if left.is_empty() {
        say(format_args!("{} holds no current key any more: destroy it", path.display()));
        return Ok(());
    }
    FileSigner::save_all(&left, path)?;
    Ok(())
}
