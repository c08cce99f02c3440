//! Every storage operation of an append, a seal, a recovery, a compaction, an erasure and a pruning fails once, in every way:
//! nothing acknowledged is lost, nothing is there twice, and what was asked for is done in the end.

use std::any::Any;
use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::io;
use std::ops::Range;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

use backtrail_ledger::storage::{Local, Storage};
use backtrail_ledger::verify::{Level, VerifyOptions, verify};
use backtrail_ledger::{Erase, Error, InitOptions, Kind, Ledger, Outcome, Snapshot};
use backtrail_schemas::leaf;

use crate::support::{Folder, clock, copy, draft, files, signer, simulated, submission, vkey};

/// How much of the operation takes place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Effect {
    None,
    Part,
    Whole,
}

/// What the writer is told, or whether it dies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Then {
    InputOutputError,
    NoSpace,
    Crash,
}

/// Which operation, counted from 0, and what happens to it.
#[derive(Clone, Copy, Debug)]
struct Fault {
    at: usize,
    effect: Effect,
    then: Then,
}

/// A disk with one fault. After a crash nothing works, and appended bytes that were not synced are lost.
struct Disk {
    store: Local,
    state: Mutex<State>,
    /// It says that it synced, and did not: what the matrix must find.
    lies: bool,
}

#[derive(Default)]
struct State {
    fault: Option<Fault>,
    /// The operations since the fault was set, and whether each writes.
    done: Vec<bool>,
    dead: bool,
    /// The synced length of files that have more bytes than that.
    synced: HashMap<String, u64>,
}

impl Disk {
    fn new(dir: &Path, lies: bool) -> Arc<Self> {
        Arc::new(Self { store: Local::new(dir), state: Mutex::default(), lies })
    }

    /// From here on operations are counted, and one of them fails.
    fn set(&self, fault: Option<Fault>) {
        let mut state = self.state.lock().unwrap();
        state.fault = fault;
        state.done.clear();
    }

    fn is_dead(&self) -> bool {
        self.state.lock().unwrap().dead
    }

    /// Runs one operation, or what the fault leaves of it.
    fn run<T>(
        &self,
        writes: bool,
        whole: impl FnOnce() -> Result<T, Error>,
        part: impl FnOnce(),
    ) -> Result<T, Error> {
        let failed = |kind: io::ErrorKind| Error::io("use the disk", io::Error::from(kind));
        let fault = {
            let mut state = self.state.lock().unwrap();
            if state.dead {
                return Err(failed(io::ErrorKind::Other));
            }
            state.done.push(writes);
            state.fault.filter(|fault| fault.at + 1 == state.done.len())
        };
        let Some(fault) = fault else { return whole() };
        match fault.effect {
            Effect::None => {}
            Effect::Part => part(),
            Effect::Whole => drop(whole()?),
        }
        match fault.then {
            Then::InputOutputError => Err(failed(io::ErrorKind::Other)),
            Then::NoSpace => Err(failed(io::ErrorKind::StorageFull)),
            Then::Crash => {
                self.crash(fault.effect == Effect::Part);
                Err(failed(io::ErrorKind::Other))
            }
        }
    }

    /// Of what was appended and not synced, half survives or nothing.
    fn crash(&self, half: bool) {
        let mut state = self.state.lock().unwrap();
        state.dead = true;
        for (path, synced) in state.synced.drain() {
            let path = self.store.resolve(&path).unwrap();
            let length = fs::metadata(&path).map_or(0, |found| found.len());
            let kept = if half { synced + length.saturating_sub(synced) / 2 } else { synced };
            if length > kept {
                fs::OpenOptions::new().write(true).open(path).unwrap().set_len(kept).unwrap();
            }
        }
    }
}

impl Storage for Disk {
    fn lock(&self) -> Result<Box<dyn Any + Send + Sync>, Error> {
        self.store.lock()
    }

    fn create(&self, files: &[(String, Vec<u8>)]) -> Result<(), Error> {
        let part = || {
            let (whole, torn) = files.split_at(files.len() / 2);
            let torn =
                torn.first().map(|(path, bytes)| (path.clone(), bytes[..bytes.len() / 2].to_vec()));
            let some: Vec<_> = whole.iter().cloned().chain(torn).collect();
            self.store.create(&some).unwrap();
        };
        self.run(true, || self.store.create(files), part)
    }

    fn append(&self, path: &str, bytes: &[u8]) -> Result<(), Error> {
        let before = self.store.len(path)?;
        self.state.lock().unwrap().synced.entry(path.to_owned()).or_insert(before);
        let part = || self.store.append(path, &bytes[..bytes.len() / 2]).unwrap();
        self.run(true, || self.store.append(path, bytes), part)
    }

    fn sync(&self, paths: &[&str]) -> Result<(), Error> {
        let synced = |paths: &[&str]| {
            let mut state = self.state.lock().unwrap();
            if !self.lies {
                state.synced.retain(|path, _| !paths.contains(&path.as_str()));
            }
        };
        // In part: the rows, and not what they commit to.
        let part = || synced(&paths[paths.len().saturating_sub(1)..]);
        let whole = || {
            synced(paths);
            Ok(())
        };
        self.run(true, whole, part)
    }

    fn replace(&self, path: &str, bytes: &[u8]) -> Result<(), Error> {
        let part = || {
            let torn = self.store.resolve("state/tmp/torn").unwrap();
            fs::create_dir_all(torn.parent().unwrap()).unwrap();
            fs::write(torn, &bytes[..bytes.len() / 2]).unwrap();
        };
        self.run(true, || self.store.replace(path, bytes), part)
    }

    fn list(&self, folder: &str) -> Result<Vec<(String, u64)>, Error> {
        self.run(false, || self.store.list(folder), || {})
    }

    fn len(&self, path: &str) -> Result<u64, Error> {
        self.run(false, || self.store.len(path), || {})
    }

    fn read(&self, path: &str, range: Range<u64>) -> Result<Vec<u8>, Error> {
        self.run(false, || self.store.read(path, range), || {})
    }

    fn remove(&self, path: &str) -> Result<(), Error> {
        self.run(true, || self.store.remove(path), || {})
    }
}

/// What is done to a ledger while the disk has its fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    /// A batch whose rows end the first tile of 256 and begin the second, then a head.
    Append,
    Seal,
    /// Opening after a crash within an append and within a seal.
    Recover,
    Compact,
    Erase,
    Retain,
}

impl Step {
    const ALL: [Self; 6] =
        [Self::Append, Self::Seal, Self::Recover, Self::Compact, Self::Erase, Self::Retain];

    fn is_upkeep(self) -> bool {
        matches!(self, Self::Compact | Self::Erase | Self::Retain)
    }

    /// The deployments of the ledger that it is done to.
    fn filled(self) -> Vec<u64> {
        match self {
            Self::Append | Self::Seal | Self::Recover => {
                (0..20).chain(1000..1000 + FILLED).collect()
            }
            Self::Compact | Self::Erase => OLD.chain(YOUNG).collect(),
            Self::Retain => YOUNG.collect(),
        }
    }
}

/// The deployments of two segments, and those of the tail behind them, which are twenty days younger.
const OLD: Range<u64> = 0..6;
const YOUNG: Range<u64> = 1_728_000..1_728_003;
/// The deployment that is erased.
const ERASED: u64 = 2;

/// The deployments of the batch that is appended, and the one that is appended last.
const BATCH: Range<u64> = 100..110;
/// How many deployments fill the first tile but for five rows.
const FILLED: u64 = 251 - 25;
const LAST: u64 = 120;

/// A ledger for upkeep, or one whose next batch goes over the edge of a tile.
fn base(step: Step) -> Folder {
    let folder = Folder::new();
    if step.is_upkeep() {
        let options = InitOptions { retention: "P7D".into(), ..simulated() };
        let mut ledger = Ledger::init(&folder.ledger(), &options, signer(), clock()).unwrap();
        for n in OLD {
            ledger.append(vec![submission(n)]).unwrap();
            if n % 3 == 2 {
                ledger.seal().unwrap();
            }
        }
        ledger.append(YOUNG.map(submission).collect()).unwrap();
        ledger.publish().unwrap();
        return folder;
    }
    let mut ledger = folder.init();
    ledger.append((0..20).map(submission).collect()).unwrap();
    ledger.seal().unwrap();
    ledger.append((1000..1000 + FILLED).map(submission).collect()).unwrap();
    ledger.publish().unwrap();
    assert_eq!(ledger.size(), 251, "the batch goes over the edge of the first tile");
    drop(ledger);
    if step == Step::Recover {
        let tail = files(&folder.ledger()).into_iter().rfind(|path| path.starts_with("wal/"));
        for path in [tail.unwrap(), "vault/identities".to_owned()] {
            let path = folder.ledger().join(path);
            let mut bytes = fs::read(&path).unwrap();
            bytes.extend_from_slice(&[3; 50]);
            fs::write(path, bytes).unwrap();
        }
        fs::write(folder.ledger().join("wal/00000000000000000251.wal"), b"").unwrap();
    }
    folder
}

/// Does the step as somebody would who tries again, in the same process or another. Whether the batch was acknowledged.
fn persist(disk: &Arc<Disk>, step: Step, fault: Option<Fault>) -> Result<bool, String> {
    let mut acknowledged = false;
    let mut ledger = None;
    if step != Step::Recover {
        let opened = Ledger::open_storage(disk.clone(), signer(), clock());
        ledger = Some(opened.map_err(|e| format!("before the fault: {e}"))?);
    }
    disk.set(fault);
    let mut last = String::new();
    for _ in 0..4 {
        let opened =
            ledger.take().map_or_else(|| Ledger::open_storage(disk.clone(), signer(), clock()), Ok);
        let done = opened.and_then(|mut ledger_| {
            let done = act(&mut ledger_, step, &mut acknowledged);
            if done.as_ref().is_err_and(|e| e.kind() == Kind::Retry) {
                ledger = Some(ledger_);
            }
            done
        });
        match done {
            Ok(()) => return Ok(acknowledged),
            Err(_) if disk.is_dead() => return Ok(acknowledged),
            Err(e) => last = format!("{:?}: {e}", e.kind()),
        }
    }
    Err(format!("it does not recover: {last}"))
}

fn act(ledger: &mut Ledger, step: Step, acknowledged: &mut bool) -> Result<(), Error> {
    match step {
        Step::Append => {
            ledger.append(BATCH.map(submission).collect())?;
            *acknowledged = true;
            ledger.publish().map(drop)
        }
        Step::Seal => ledger.seal(),
        Step::Recover => Ok(()),
        Step::Compact => ledger.compact().map(drop),
        Step::Retain => ledger.retain(None).map(drop),
        Step::Erase => {
            let id = draft(ERASED).event.text("event_id").unwrap().to_owned();
            let request = Erase { events: vec![id], reason: "asked".into(), ..Erase::default() };
            match ledger.erase(&request) {
                // Opening the ledger again may have ended it.
                Err(e) if e.kind() == Kind::Reject => Ok(()),
                other => other.map(drop),
            }
        }
    }
}

/// Whether each event that must be there is there once.
fn count(dir: &Path, step: Step) -> Result<(), String> {
    let snapshot = Snapshot::open(dir, None).map_err(|e| e.to_string())?;
    let mut times: BTreeMap<String, usize> = BTreeMap::new();
    for row in snapshot.leaves() {
        let event = leaf::decode(&row.map_err(|e| e.to_string())?.1).map_err(|e| e.to_string())?;
        *times.entry(event.text("deployment_id").unwrap_or_default().to_owned()).or_default() += 1;
    }
    let wanted = step.filled().into_iter().chain(BATCH).chain([LAST]);
    for n in wanted {
        match times.remove(&format!("d{n}")) {
            Some(1) => {}
            found => return Err(format!("deployment {n} is there {} times", found.unwrap_or(0))),
        }
    }
    Ok(())
}

/// One cell: the fault, and everything that must hold afterwards. Says what does not, or what `verify` does not read.
fn cell(
    base: &Path,
    dir: &Path,
    step: Step,
    fault: Option<Fault>,
    lies: bool,
) -> Result<Vec<String>, String> {
    copy(base, dir);
    let acknowledged = persist(&Disk::new(dir, lies), step, fault)?;
    let holds = |when: &str, level: Level| {
        let report =
            verify(dir, &VerifyOptions { keys: vec![vkey()], level, ..Default::default() });
        let told = format!("{when}: {:#?}", report.findings);
        if report.exit == 0 { Ok(report.coverage) } else { Err(told) }
    };
    holds("before it is opened again", Level::Structure)?;
    let mut ledger = Ledger::open(dir, signer(), clock()).map_err(|e| format!("open: {e}"))?;
    if step.is_upkeep() {
        act(&mut ledger, step, &mut false).map_err(|e| format!("again: {e}"))?;
    }
    let again = ledger.append(BATCH.map(submission).collect()).map_err(|e| e.to_string())?;
    let lost =
        again.iter().any(|receipt| !matches!(receipt.outcomes[..], [Outcome::Duplicate { .. }]));
    if acknowledged && lost {
        return Err("an acknowledged event is lost".to_owned());
    }
    ledger.append(vec![submission(LAST)]).map_err(|e| e.to_string())?;
    ledger.publish().map_err(|e| e.to_string())?;
    ledger.seal().map_err(|e| format!("seal: {e}"))?;
    count(dir, step)?;
    let erased = format!("no. {ERASED}: ");
    let there = |path: &String| {
        let bytes = fs::read(dir.join(path)).unwrap();
        path.starts_with("vault/") && bytes.windows(erased.len()).any(|at| at == erased.as_bytes())
    };
    if step == Step::Erase && files(dir).iter().any(there) {
        return Err("what was erased is there".to_owned());
    }
    holds("at the end", Level::Content)
}

/// All faults of a step: what writes may happen in part or whole, what reads only fails.
fn faults(base: &Path, step: Step) -> Vec<Fault> {
    let folder = tempfile::tempdir().unwrap();
    copy(base, folder.path());
    let disk = Disk::new(folder.path(), false);
    persist(&disk, step, None).unwrap();
    let operations = disk.state.lock().unwrap().done.clone();
    let mut faults = Vec::new();
    for (at, writes) in operations.into_iter().enumerate() {
        // A crash at a read leaves what one before the next write leaves.
        let effects = [Effect::None, Effect::Part, Effect::Whole];
        let thens = [Then::InputOutputError, Then::NoSpace, Then::Crash];
        for effect in &effects[..if writes { 3 } else { 1 }] {
            for then in &thens[..if writes { 3 } else { 1 }] {
                faults.push(Fault { at, effect: *effect, then: *then });
            }
        }
    }
    faults
}

#[test]
fn nothing_acknowledged_is_lost_whatever_fails() {
    let bases = Step::ALL.map(|step| (step, base(step)));
    let cells: Vec<_> = bases
        .iter()
        .flat_map(|(step, base)| {
            let folder = tempfile::tempdir().unwrap();
            let left = cell(&base.ledger(), folder.path(), *step, None, false).unwrap();
            assert!(left.is_empty() || step.is_upkeep(), "{left:?}");
            let faults = faults(&base.ledger(), *step);
            faults.into_iter().map(move |fault| (*step, base.ledger(), fault, left.clone()))
        })
        .collect();
    println!("{} cells", cells.len());
    let next = AtomicUsize::new(0);
    let work = || -> Vec<String> {
        let mut failed = Vec::new();
        while let Some((step, base, fault, left)) = cells.get(next.fetch_add(1, Ordering::Relaxed))
        {
            let folder = tempfile::tempdir().unwrap();
            match cell(base, folder.path(), *step, Some(*fault), false) {
                Ok(other) if other == *left => {}
                Ok(other) => failed.push(format!("{step:?} {fault:?}: {}", other.join("; "))),
                Err(what) => failed.push(format!("{step:?} {fault:?}: {what}")),
            }
        }
        failed
    };
    let failed: Vec<String> = thread::scope(|scope| {
        let threads = thread::available_parallelism().map_or(1, usize::from);
        let running: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        running.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });
    println!("{} cells, {} failed", cells.len(), failed.len());
    assert!(failed.is_empty(), "{failed:#?}");
}

/// The canary: a disk that does not sync what it says it synced loses acknowledged events, and the matrix says so.
#[test]
fn a_disk_that_lies_is_caught() {
    let base = base(Step::Append);
    let crashes = faults(&base.ledger(), Step::Append).into_iter();
    let crashes = crashes.filter(|fault| fault.effect == Effect::None && fault.then == Then::Crash);
    let caught = crashes.filter(|fault| {
        let folder = tempfile::tempdir().unwrap();
        cell(&base.ledger(), folder.path(), Step::Append, Some(*fault), true).is_err()
    });
    assert!(caught.count() > 0);
}
