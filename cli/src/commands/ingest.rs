//! `ingest`: deliveries into the ledger, counted.

use std::io::Read;

use backtrail_ingest::run::{self, Options, Totals};
use backtrail_ingest::{Context, Rule, Rules, sources};
use backtrail_ledger::{Ledger, Outcome, Prover, Receipt, Submission};
use backtrail_schemas::columns::{Type, column as column_of};
use backtrail_schemas::{Draft, Identity};
use serde_json::json;

use crate::args::{Ack, Global, Ingest, IngestFormat};
use crate::config::Config;
use crate::exit::{Failure, NO, USAGE};
use crate::output::{Out, say, talks_to_terminal};
use crate::outside::Outside;
use crate::{mapping, session};

/// `ingest`
pub(crate) fn ingest(global: &Global, args: &Ingest) -> Result<(), Failure> {
    let receipts = args.format == Some(IngestFormat::Ndjson);
    if args.ack == Ack::Published && !receipts {
        return Err(Failure::new(USAGE, "--ack published gives proofs, which only receipts hold")
            .hint("add --format ndjson"));
    }
    let config = Config::read(global)?;
    let context = mapping::context(&config, &args.rules.rules)?;
    check_source(&args.source, &context.rules)?;
    let instance = args.instance.as_deref().map(mapping::instance).transpose()?;
    let context = Context { defaults: defaults(&args.defaults)?, instance, ..context };
    if args.dry_run {
        return dry_run(args, context);
    }
    let dir = config.ledger(global)?;
    let mut ledger = super::keys::appender(&config, &dir, args.key.key.as_ref())?;
    let context = Context { simulated_clock: ledger.simulated_clock(), ..context };
    let prover = (args.ack == Ack::Published).then(|| Prover::new(&dir));
    let mut teller = Teller::new(receipts, prover);
    let totals = run::run(
        &mut *ledger,
        &options(args, context),
        &mut std::io::stdin().lock(),
        &mut |submission, receipt| teller.tell(submission, receipt),
    )?;
    teller.finish(&totals, args.format)?;
    ledger.submit(&Outside::read(&config)?, &dir)?;
    if totals.quarantined > 0 {
        say(format_args!(
            "warning: {} of {} deliveries are in quarantine",
            totals.quarantined, totals.deliveries
        ));
        say("hint: `backtrail quarantine list` shows why");
    }
    if args.fail_on.is_some() && totals.quarantined > 0 { Err(Failure::silent(NO)) } else { Ok(()) }
}

/// The columns of `--default`.
fn defaults(pairs: &[String]) -> Result<Vec<(&'static str, String)>, Failure> {
    let one = |pair: &String| match pair.split_once('=') {
        Some((name, text)) => mapping::default(name, text),
        None => Err(Failure::new(USAGE, format_args!("`{pair}` is not COLUMN=VALUE"))
            .hint("write it like --default service=shop")),
    };
    pairs.iter().map(one).collect()
}

fn check_source(name: &str, own: &Rules) -> Result<(), Failure> {
    let names = || sources().iter().map(|s| s.name).chain(own.iter().map(Rule::name));
    if name == "auto" || names().any(|known| known == name) {
        return Ok(());
    }
    let near = session::nearest(name, names());
    Err(Failure::new(USAGE, format_args!("`{name}` is not a source"))
        .hint(format_args!("did you mean {near}? `backtrail sources` lists them")))
}

fn options(args: &Ingest, context: Context) -> Options {
    Options {
        paths: args.paths.clone(),
        source: Some(args.source.clone()),
        context,
        publish_first: args.ack == Ack::Published,
    }
}

/// Shows the events that would be appended, and what would be quarantined.
fn dry_run(args: &Ingest, context: Context) -> Result<(), Failure> {
    let mut out = Out::new();
    let totals =
        run::dry_run(&options(args, context), &mut std::io::stdin().lock(), &mut |_, mapped| {
            for draft in &mapped.drafts {
                out.line(draft_json(draft))?;
            }
            for reject in &mapped.rejects {
                say(format_args!("quarantined: {}: {}", reject.code, reject.reason));
            }
            if let Some(why) = mapped.ignored.as_ref().filter(|_| mapped.rejects.is_empty()) {
                say(format_args!("ignored: {why}"));
            }
            Ok::<(), Failure>(())
        })?;
    out.finish()?;
    say(line_of(&totals));
    Ok(())
}

/// The columns of a draft, and what only the vault would keep: its texts, and who its people are.
pub(super) fn draft_json(draft: &Draft) -> serde_json::Value {
    let mut columns: serde_json::Map<_, _> =
        draft.event.iter().map(|(name, value)| (name.to_owned(), value.to_json())).collect();
    columns.extend(draft.texts.iter().map(|(field, text)| ((*field).to_owned(), json!(text))));
    for (column, who) in &draft.people {
        let who = match who {
            Identity::Person { id, .. } => id.clone(),
            Identity::Bot(name) => format!("bot:{name}"),
            Identity::Vendor(name) => format!("vendor:{name}"),
        };
        match columns.get_mut(*column) {
            None if column_of(column).is_some_and(|c| c.ty == Type::StringList) => {
                columns.insert((*column).to_owned(), json!([who]));
            }
            Some(serde_json::Value::Array(list)) => list.push(json!(who)),
            _ => drop(columns.insert((*column).to_owned(), json!(who))),
        }
    }
    columns.into()
}

/// Ingests recorded deliveries that are in memory; the line of counts.
pub(crate) fn lines(
    ledger: &mut Ledger,
    lines: impl Iterator<Item = &'static [u8]>,
) -> Result<String, Failure> {
    let context = Context { simulated_clock: true, ..Context::file() };
    let options = Options {
        paths: vec![backtrail_ingest::read::STDIN.into()],
        source: None,
        context,
        publish_first: false,
    };
    let mut bytes = lines.flat_map(|line| [line, b"\n"]);
    let mut stdin = Chunks { current: &[], rest: &mut bytes };
    let totals = run::run(ledger, &options, &mut stdin, &mut |_, _| Ok::<(), Failure>(()))?;
    Ok(line_of(&totals))
}

/// Slices read one after the other.
struct Chunks<'a> {
    current: &'static [u8],
    rest: &'a mut dyn Iterator<Item = &'static [u8]>,
}

impl Read for Chunks<'_> {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        while self.current.is_empty() {
            match self.rest.next() {
                Some(next) => self.current = next,
                None => return Ok(0),
            }
        }
        self.current.read(into)
    }
}

/// The counts in one line; deliveries and events each add up.
pub(super) fn line_of(t: &Totals) -> String {
    let understood = t.deliveries - t.quarantined - t.ignored;
    let deliveries = format!(
        "{} deliveries = {understood} understood + {} quarantined + {} ignored",
        t.deliveries, t.quarantined, t.ignored
    );
    let events = format!(
        "{} events = {} accepted + {} duplicate + {} amended + {} conflict",
        t.events, t.accepted, t.duplicate, t.amended, t.conflict
    );
    match t.checkpoint {
        Some(size) => format!("{deliveries}; {events}; checkpoint {size}"),
        None => format!("{deliveries}; {events}; nothing written"),
    }
}

/// Prints receipts as they become durable, or progress for a person.
struct Teller {
    receipts: bool,
    prover: Option<Prover>,
    progress: Option<indicatif::ProgressBar>,
}

impl Teller {
    fn new(receipts: bool, prover: Option<Prover>) -> Self {
        let progress = (talks_to_terminal() && !receipts).then(|| {
            let bar = indicatif::ProgressBar::new_spinner();
            bar.set_style(
                indicatif::ProgressStyle::with_template("{spinner} {pos} deliveries, {per_sec}")
                    .expect("a constant template"),
            );
            bar
        });
        Self { receipts, prover, progress }
    }

    /// Receipts are flushed at once: whoever reads one may rely on it.
    fn tell(&mut self, _: &Submission, receipt: &Receipt) -> Result<(), Failure> {
        if let Some(bar) = &self.progress {
            bar.inc(1);
        }
        if !self.receipts {
            return Ok(());
        }
        let mut out = Out::new();
        for outcome in &receipt.outcomes {
            let mut receipt = receipt_json(outcome);
            if let Some(prover) = &mut self.prover {
                let seq = receipt["seq"].as_u64().expect("a receipt has its row");
                receipt["proof"] = prover.proof(seq)?.to_string().into();
            }
            out.line(receipt)?;
        }
        out.finish()
    }

    fn finish(&mut self, totals: &Totals, format: Option<IngestFormat>) -> Result<(), Failure> {
        if let Some(bar) = self.progress.take() {
            bar.finish_and_clear();
        }
        let mut out = Out::new();
        match format {
            Some(IngestFormat::Ndjson) => {}
            Some(IngestFormat::Json) => out.with(|stdout| writeln!(stdout, "{}", json!(totals)))?,
            Some(IngestFormat::Text) | None => out.line(line_of(totals))?,
        }
        out.finish()
    }
}

/// One line of receipts.
pub(crate) fn receipt_json(outcome: &Outcome) -> serde_json::Value {
    let (outcome, seq, event_id) = match outcome {
        Outcome::Accepted { seq, event_id } => ("accepted", seq, event_id),
        Outcome::Duplicate { seq, event_id } => ("duplicate", seq, event_id),
        Outcome::Amended { seq, event_id } => ("amended", seq, event_id),
        Outcome::Conflict { seq, event_id } => ("conflict", seq, event_id),
    };
    json!({ "event_id": event_id, "outcome": outcome, "seq": seq })
}
