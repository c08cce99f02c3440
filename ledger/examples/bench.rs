//! `just bench ledger`: what the ledger does in a second, beside what the disk and the processor can do.
//!
//! Every figure is a ratio to a peer that runs in the same minute on the same machine: `fdatasync` of the same bytes, SHA-256
//! of the same bytes by OpenSSL, a plain Parquet file of the same rows.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a program that prints, and may stop"
)]
#![expect(clippy::disallowed_methods, reason = "it measures time")]
#![expect(clippy::cast_precision_loss, reason = "rates are printed with a few digits")]

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use arrow::record_batch::RecordBatch;
use backtrail_ledger::backup::copy;
use backtrail_ledger::verify::{Level, VerifyOptions, verify};
use backtrail_ledger::{
    Clock, Erase, FileSigner, InitOptions, Ledger, SharedLedger, Signer, Snapshot, Submission,
    Vkey, leaf_hash,
};
use backtrail_schemas::{Delivery, Draft, Identity, Mapped, Timestamp, id, rows};
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::WriterProperties;

const ORIGIN: &str = "ledger.example/bench";

struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        let since = SystemTime::UNIX_EPOCH.elapsed().unwrap();
        Timestamp::from_micros(i64::try_from(since.as_micros()).unwrap()).unwrap()
    }
}

fn signer() -> Box<FileSigner> {
    Box::new(FileSigner::from_seed(ORIGIN, &[7; 32]).unwrap())
}

fn vkey() -> Vkey {
    signer().vkey().clone()
}

/// A deployment as a webhook brings it: twenty-odd columns, a person, a title, and a body of 700 bytes.
fn submission(n: u64) -> Submission {
    let mut draft = Draft::new("deployment", "succeeded");
    let key = n.to_string();
    let at =
        Timestamp::from_micros(1_790_000_000_000_000 + (n % 10_000_000).cast_signed() * 1_000_000)
            .unwrap();
    draft
        .event
        .put("event_id", id::event_id("github", "acme", &key, "deployment", "succeeded"))
        .put("source", "github")
        .put("source_instance", "github.com/acme")
        .put("occurred_at", at)
        .put("time_basis", "source_event")
        .put("ingest_mode", "push")
        .put("authn_method", "hmac-sha256")
        .put("authn_verified", true)
        .put("service", format!("service-{}", n % 40))
        .put("environment", "production")
        .put("region", if n.is_multiple_of(2) { "eu" } else { "us" })
        .put("deployment_id", key)
        .put("version", format!("{}.{}.{}", n / 10_000, n / 100 % 100, n % 100))
        .put("commit_sha", format!("{:040x}", n.wrapping_mul(0x9e37_79b9_7f4a_7c15)))
        .put("actor_kind", "human");
    draft.event.put_attribute("team", "payments").unwrap();
    draft.people.push((
        "actor",
        Identity::Person {
            directory: "github".into(),
            id: (n % 97).to_string(),
            name: Some(format!("user-{}", n % 97)),
        },
    ));
    draft.texts.push(("title", format!("Deploy service-{} to production", n % 40)));
    let mut delivery = Delivery { source: Some("github".into()), ..Delivery::default() };
    delivery.headers.insert("x-github-event".into(), "deployment_status".into());
    delivery.body = format!("{{\"n\":{n},\"pad\":\"{}\"}}", "x".repeat(670)).into_bytes();
    Submission { delivery, mapped: Mapped { drafts: vec![draft], ..Mapped::default() } }
}

/// The most memory that this process had, in MiB.
fn peak() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() / 1024
}

/// The processor time that this process had so far, in seconds: unlike the clock, it does not pass while others run.
fn processor() -> f64 {
    let stat = fs::read_to_string("/proc/self/stat").unwrap();
    let behind_name = stat.rsplit_once(')').unwrap().1;
    let ticks = behind_name.split_whitespace().skip(11).take(2);
    ticks.map(|ticks| ticks.parse::<f64>().unwrap()).sum::<f64>() / 100.0
}

fn rate(count: u64, time: Duration) -> f64 {
    count as f64 / time.as_secs_f64()
}

/// The middle one.
fn median(mut of: Vec<f64>) -> f64 {
    of.sort_unstable_by(f64::total_cmp);
    of[of.len() / 2]
}

/// How often a second the disk takes 4 KiB for good.
fn fdatasync(file: &mut fs::File, slice: Duration) -> f64 {
    let block = vec![b'x'; 4096];
    let begin = Instant::now();
    let mut count = 0;
    while begin.elapsed() < slice {
        file.write_all(&block).unwrap();
        file.sync_data().unwrap();
        count += 1;
    }
    rate(count, begin.elapsed())
}

/// Several clients of one writer, each with one batch under way, in turns with the disk alone: both are slower and faster from
/// one second to the next, on a machine that others use too.
fn append(dir: &Path, clients: u64, batch: u64) {
    const TURNS: usize = 12;
    let ledger_dir = dir.join(format!("append-{clients}-{batch}"));
    let options = InitOptions::default();
    let ledger = Ledger::init(&ledger_dir, &options, signer(), Arc::new(SystemClock)).unwrap();
    let ledger = SharedLedger::new(ledger);
    let mut file = fs::File::create(dir.join("fdatasync")).unwrap();
    let (mut alone, mut batches, mut times) = (Vec::new(), Vec::new(), Vec::new());
    let mut next: Vec<u64> = (0..clients).map(|number| number << 40).collect();
    let mut busy = 0.0;
    for _ in 0..TURNS {
        alone.push(fdatasync(&mut file, Duration::from_millis(300)));
        let before = processor();
        let begin = Instant::now();
        let until = begin + Duration::from_millis(700);
        let client = |next: &mut u64| {
            let mut times = Vec::new();
            while Instant::now() < until {
                let submissions = (*next..*next + batch).map(submission).collect();
                *next += batch;
                let sent = Instant::now();
                ledger.append(submissions).unwrap();
                times.push(sent.elapsed());
            }
            times
        };
        let client = &client;
        let turn: Vec<Duration> = thread::scope(|scope| {
            let running: Vec<_> =
                next.iter_mut().map(|next| scope.spawn(move || client(next))).collect();
            running.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
        });
        batches.push(rate(turn.len() as u64, begin.elapsed()));
        busy += processor() - before;
        times.extend(turn);
    }
    times.sort_unstable();
    let at = |q: usize| times[times.len() * q / 100].as_secs_f64() * 1000.0;
    let busy = busy / (times.len() as u64 * batch) as f64 * 1e6;
    let (alone, batches) = (median(alone), median(batches));
    println!(
        "append   {clients:2} clients, batches of {batch:3}: {:8.0} events/s, {batches:6.0} batches/s, p50 {:6.2} ms, p99 {:6.2} ms, {busy:4.0} µs of processor an event; fdatasync of 4 KiB {alone:6.0} a second: {:4.0} %",
        batches * batch as f64,
        at(50),
        at(99),
        100.0 * batches / alone,
    );
    fs::remove_dir_all(ledger_dir).unwrap();
}

/// A ledger of `events` deployments, sealed but for the last.
fn fill(dir: &Path, events: u64) -> Duration {
    let begin = Instant::now();
    let options = InitOptions::default();
    let mut ledger = Ledger::init(dir, &options, signer(), Arc::new(SystemClock)).unwrap();
    for from in (0..events).step_by(4096) {
        ledger.append((from..events.min(from + 4096)).map(submission).collect()).unwrap();
    }
    ledger.publish().unwrap();
    begin.elapsed()
}

fn open(dir: &Path) -> Ledger {
    Ledger::open(dir, signer(), Arc::new(SystemClock)).unwrap()
}

fn timed(what: &str, step: impl FnOnce()) {
    let begin = Instant::now();
    step();
    println!("{what:8} {:.2} s, peak {} MiB", begin.elapsed().as_secs_f64(), peak());
}

/// Opens the ledger of `events` deployments and appends a few more segments: new ones, and then ones that are there.
fn grow(dir: &Path, events: u64) {
    let more = events / 10;
    let mut ledger = open(dir);
    for (what, first) in [("new", events), ("known", 0)] {
        let begin = Instant::now();
        for from in (first..first + more).step_by(4096) {
            ledger
                .append((from..(first + more).min(from + 4096)).map(submission).collect())
                .unwrap();
        }
        println!(
            "grow     {more} {what} events: {:.0} events/s, peak {} MiB",
            rate(more, begin.elapsed()),
            peak()
        );
    }
    ledger.publish().unwrap();
}

/// Seals a few small segments and makes one of them.
fn compact(dir: &Path, events: u64) {
    let mut ledger = open(dir);
    ledger.seal().unwrap();
    let first = 2 * events;
    for from in (first..first + 60_000).step_by(6_000) {
        ledger.append((from..from + 6_000).map(submission).collect()).unwrap();
        ledger.seal().unwrap();
    }
    timed("compact", || assert!(!ledger.compact().unwrap().is_empty()));
}

/// Erases two events of different segments, and a person.
fn erase(dir: &Path) {
    let mut ledger = open(dir);
    let snapshot = Snapshot::open(dir, None).unwrap();
    let (person, _) = snapshot.people().unwrap().swap_remove(0);
    drop(snapshot);
    let id = |n: u64| submission(n).mapped.drafts[0].event.text("event_id").unwrap().to_owned();
    let request = Erase {
        events: vec![id(10), id(100_000)],
        person: Some(person),
        reason: "asked to".into(),
        ticket: None,
    };
    timed("erase", || drop(ledger.erase(&request).unwrap()));
}

/// How long OpenSSL takes for SHA-256 of all leaves, one stream.
fn openssl(dir: &Path) -> (u64, Duration) {
    let snapshot = Snapshot::open(dir, None).unwrap();
    let path = dir.with_extension("leaves");
    let mut out = std::io::BufWriter::new(fs::File::create(&path).unwrap());
    let mut bytes = 0;
    for row in snapshot.leaves() {
        let (_, leaf) = row.unwrap();
        bytes += leaf.len() as u64;
        out.write_all(&leaf).unwrap();
    }
    out.flush().unwrap();
    let begin = Instant::now();
    let status = Command::new("openssl")
        .args(["dgst", "-sha256"])
        .arg(&path)
        .stdout(Stdio::null())
        .status()
        .expect("openssl is installed");
    assert!(status.success());
    let time = begin.elapsed();
    fs::remove_file(path).unwrap();
    (bytes, time)
}

fn check(dir: &Path, what: &str, options: &VerifyOptions, beside: Duration) {
    let begin = Instant::now();
    let report = verify(dir, options);
    let time = begin.elapsed();
    assert_eq!(report.exit, 0, "{:?}", report.findings);
    println!(
        "verify   {what:24}: {:9.0} events/s, {:5.2} × SHA-256 alone, peak {} MiB",
        rate(report.size, time),
        time.as_secs_f64() / beside.as_secs_f64(),
        peak()
    );
}

/// The rows of the first segment again as a plain Parquet file, beside sealing as many.
fn seal(dir: &Path) {
    let rows_of_segment = 65_000;
    let ledger_dir = dir.join("seal");
    let options = InitOptions::default();
    let mut ledger = Ledger::init(&ledger_dir, &options, signer(), Arc::new(SystemClock)).unwrap();
    for from in (0..rows_of_segment).step_by(1000) {
        ledger.append((from..from + 1000).map(submission).collect()).unwrap();
    }
    ledger.publish().unwrap();
    let batch: RecordBatch = Snapshot::open(&ledger_dir, None).unwrap().tail().unwrap();
    let begin = Instant::now();
    let properties = WriterProperties::builder()
        .set_compression(Compression::ZSTD(ZstdLevel::default()))
        .set_max_row_group_row_count(Some(8192))
        .build();
    let file = fs::File::create(dir.join("plain.parquet")).unwrap();
    let mut writer = ArrowWriter::try_new(file, rows::schema(), Some(properties)).unwrap();
    writer.write(&batch).unwrap();
    let file = writer.into_inner().unwrap();
    file.sync_all().unwrap();
    let plain = begin.elapsed();
    let begin = Instant::now();
    ledger.seal().unwrap();
    let sealed = begin.elapsed();
    println!(
        "seal     {} rows in {:.2} s, {:.1} × a plain Parquet file of the same rows ({:.2} s)",
        batch.num_rows(),
        sealed.as_secs_f64(),
        sealed.as_secs_f64() / plain.as_secs_f64(),
        plain.as_secs_f64()
    );
    fs::remove_dir_all(ledger_dir).unwrap();
}

fn proofs(dir: &Path) {
    let snapshot = Snapshot::open(dir, None).unwrap();
    let size = snapshot.size();
    let (mut made, mut checked) = (Vec::new(), Vec::new());
    for at in 0..200 {
        let seq = at * (size / 200);
        let leaf = snapshot.leaf(seq).unwrap();
        let begin = Instant::now();
        let proof = snapshot.inclusion_proof(seq).unwrap();
        made.push(begin.elapsed());
        let begin = Instant::now();
        proof.verify(&leaf_hash(&leaf), &[vkey()]).unwrap();
        checked.push(begin.elapsed());
    }
    made.sort_unstable();
    checked.sort_unstable();
    let ms = |times: &[Duration], q: usize| times[times.len() * q / 100].as_secs_f64() * 1000.0;
    println!(
        "proof    of {size} rows: made in {:.3} ms (p99 {:.3}), checked in {:.3} ms (p99 {:.3})",
        ms(&made, 50),
        ms(&made, 99),
        ms(&checked, 50),
        ms(&checked, 99)
    );
}

/// One part in a process of its own, so that its memory is its own.
fn part(name: &str, dir: &Path, events: u64) {
    let program = std::env::current_exe().unwrap();
    let status = Command::new(program).arg(name).arg(dir).arg(events.to_string()).status();
    assert!(status.unwrap().success(), "{name}");
}

fn main() {
    let args: Vec<String> = std::env::args().collect();
    let number = |at: usize, default: u64| args.get(at).map_or(default, |n| n.parse().unwrap());
    let name = args.get(1).map_or("all", String::as_str);
    let dir =
        args.get(2).map_or_else(|| std::env::temp_dir().join("backtrail-bench"), PathBuf::from);
    let events = number(3, 1_000_000);
    let ledger = dir.join("ledger");
    let keys = VerifyOptions { keys: vec![vkey()], ..VerifyOptions::default() };
    match name {
        "all" => {
            fs::create_dir_all(&dir).unwrap();
            let writing = ["append", "seal", "fill", "open", "grow", "compact", "erase", "copy"];
            let reading = ["verify", "structure", "vault", "proofs"];
            for name in writing.into_iter().chain(reading) {
                part(name, &dir, events);
            }
            fs::remove_dir_all(&dir).unwrap();
        }
        "append" => {
            for (clients, batch) in [(1, 1), (16, 1), (16, 16), (16, 256)] {
                append(&dir, clients, batch);
            }
        }
        "seal" => seal(&dir),
        "fill" => {
            let time = fill(&ledger, events);
            let (rate, peak) = (rate(events, time), peak());
            println!(
                "fill     {events} events in batches of 4096, sealed: {rate:.0} events/s, {:.0} µs of processor an event, peak {peak} MiB",
                processor() / events as f64 * 1e6
            );
        }
        "open" => timed("open", || drop(open(&ledger))),
        "grow" => grow(&ledger, events),
        "compact" => compact(&ledger, events),
        "erase" => erase(&ledger),
        "copy" => {
            let to = dir.join("copy");
            timed("copy", || drop(copy(&ledger, &to).unwrap()));
            timed("copy again", || drop(copy(&ledger, &to).unwrap()));
            fs::remove_dir_all(to).unwrap();
        }
        "verify" => {
            let (_, alone) = openssl(&ledger);
            check(
                &ledger,
                "content without vault",
                &VerifyOptions { without_vault: true, ..keys },
                alone,
            );
        }
        "structure" => {
            let (bytes, alone) = openssl(&ledger);
            println!(
                "openssl  SHA-256 of the leaves, {} MB: {:.2} s, {:.0} MB/s",
                bytes / 1_000_000,
                alone.as_secs_f64(),
                bytes as f64 / 1e6 / alone.as_secs_f64()
            );
            check(&ledger, "structure", &VerifyOptions { level: Level::Structure, ..keys }, alone);
        }
        "vault" => {
            let (_, alone) = openssl(&ledger);
            check(&ledger, "content with vault", &keys, alone);
        }
        "proofs" => proofs(&ledger),
        other => panic!("no part `{other}`"),
    }
}
