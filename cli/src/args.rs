//! The arguments of every command. Each flag's help is its documentation; each command's help ends with two examples.

mod emit;
mod poll;
mod report;
mod sources;
mod upkeep;

use std::path::PathBuf;

use clap::builder::styling::{AnsiColor, Styles};
use clap::{Args, Parser, Subcommand, ValueEnum};
pub(crate) use emit::{Emit, ReceiptFormat};
pub(crate) use poll::Poll;
pub(crate) use report::{IncidentReport, Report, ReportCommon, ReportFormat, ReportVerify};

pub(crate) use sources::{RulesArg, Sources, SourcesAction};
pub(crate) use upkeep::{Backup, Compact, Doctor, Erase, Restore, Retain};

const STYLES: Styles = Styles::styled()
    .header(AnsiColor::Green.on_default().bold())
    .usage(AnsiColor::Green.on_default().bold())
    .literal(AnsiColor::Cyan.on_default().bold())
    .placeholder(AnsiColor::Cyan.on_default());

/// Rollback analytics and audit evidence from a signed, append-only log.
#[derive(Debug, Parser)]
#[command(name = "backtrail", version, styles = STYLES, propagate_version = true)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What every command reads.
#[derive(Debug, Args)]
pub(crate) struct Global {
    /// The config file; without it `backtrail.toml` in this folder, if there is one.
    #[arg(long, global = true, env = "BACKTRAIL_CONFIG", value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// The ledger folder.
    #[arg(long, global = true, env = "BACKTRAIL_LEDGER", value_name = "DIR")]
    pub(crate) ledger: Option<PathBuf>,
}

/// One command.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// The whole way on bundled samples, offline: ledger, metrics, reports.
    #[command(after_help = "Examples:\n  backtrail demo\n  backtrail demo /tmp/trial")]
    Demo(Demo),
    /// Makes a new ledger and its keys, and prints the key to publish.
    #[command(
        after_help = "Examples:\n  backtrail init ./ledger --origin ledger.acme.example/prod\n  backtrail init ./ledger --origin acme.example/prod --recovery-key-out ./recovery.key"
    )]
    Init(Init),
    /// Reads deliveries into the ledger and counts what became of them.
    #[command(
        after_help = "Examples:\n  backtrail ingest --ledger ./ledger deliveries/\n  kubectl get rollouts -A -o json | backtrail ingest --ledger ./ledger --source argo-rollouts -"
    )]
    Ingest(Ingest),
    /// Records one fact that no source sends: a verification, a runbook, a drill, a decision, a postmortem …
    #[command(
        after_help = "Examples:\n  backtrail emit verification passed --ledger ./ledger --field check_name=smoke --field deployment_id=shop-412 --field actor=bot:ci --event-id smoke-412\n  backtrail emit incident decided --ledger ./ledger --field incident_id=INC-7 --field actor=mei --text reason='error budget burnt' --dry-run"
    )]
    Emit(Emit),
    /// Asks a source's API for what changed, and tells what its pushes missed.
    #[command(
        after_help = "Examples:\n  backtrail poll github --ledger ./ledger --since 2026-01-01\n  backtrail poll pagerduty --ledger ./ledger --fail-on missed"
    )]
    Poll(Poll),
    /// Prints a made-up history as NDJSON, the same for the same seed.
    #[command(
        after_help = "Examples:\n  backtrail generate --seed 1 --events 1000 > history.ndjson\n  backtrail generate --seed 1 --events 1000 --shape vendor | backtrail ingest --ledger ./ledger -"
    )]
    Generate(Generate),
    /// Lists the sources: what is read, how it is authenticated, how a rollback is recognised.
    #[command(
        after_help = "Examples:\n  backtrail sources\n  backtrail sources show own-cd > my-cd.toml",
        args_conflicts_with_subcommands = true
    )]
    Sources(Sources),
    /// Deliveries that were authenticated but not understood: lists them, shows one, maps them again.
    #[command(subcommand)]
    Quarantine(Quarantine),
    /// Whose account is whose: lists accounts with their pseudonyms, links those of one person.
    #[command(subcommand)]
    People(People),
    /// Checks a whole ledger against a key that you hold.
    #[command(
        after_help = "Examples:\n  backtrail verify ./ledger --vkey ./ledger.vkey\n  backtrail verify ./ledger --vkey ./ledger.vkey --since last-month.note --json\n  backtrail verify ./ledger --vkey ./ledger.vkey --compare mine.note theirs.note"
    )]
    Verify(Verify),
    /// Writes the proof that one event is in the log.
    #[command(
        after_help = "Examples:\n  backtrail prove --ledger ./ledger github:0f0e… > event.tlog-proof\n  backtrail prove --ledger ./ledger 17 --leaf event.json > event.tlog-proof"
    )]
    Prove(Prove),
    /// Checks such a proof, without the ledger.
    #[command(
        after_help = "Examples:\n  backtrail verify-proof event.tlog-proof --leaf event.json --vkey ./ledger.vkey\n  backtrail verify-proof p.tlog-proof --leaf e.json --vkey ./ledger.vkey && echo in the log"
    )]
    VerifyProof(VerifyProof),
    /// Writes the log's contents in other forms.
    #[command(subcommand)]
    Export(Export),
    /// Makes the unsealed tail a sealed Parquet segment.
    #[command(
        after_help = "Examples:\n  backtrail seal --ledger ./ledger\n  backtrail seal --ledger ./ledger --key ./ledger.key"
    )]
    Seal(Seal),
    /// The keys that sign for the ledger: lists, adds and retires them, and recovers from the loss of one.
    #[command(subcommand)]
    Keys(Keys),
    /// Makes large segments of small neighbouring ones; rows and proofs stay.
    #[command(
        after_help = "Examples:\n  backtrail compact --ledger ./ledger\n  backtrail compact --ledger ./ledger --key ./ledger.key"
    )]
    Compact(Compact),
    /// Erases texts, deliveries and identities from the vault; rows, proofs and metrics stay.
    #[command(
        after_help = "Examples:\n  backtrail erase --ledger ./ledger --event github:0f0e… --reason \"a secret in a comment\" --ticket SEC-12\n  backtrail erase --ledger ./ledger --person person:4k… --with-events --reason \"right to erasure\""
    )]
    Erase(Erase),
    /// Prunes the oldest segments, never more than the log's policy lets go; proofs and the ledger's own entries stay.
    #[command(
        after_help = "Examples:\n  backtrail retain --ledger ./ledger --policy\n  backtrail retain --ledger ./ledger --before 2020-01-01"
    )]
    Retain(Retain),
    /// Copies the ledger to a folder, or what is new to an older copy, also while it is written to.
    #[command(
        after_help = "Examples:\n  backtrail backup --ledger ./ledger /mnt/backup/ledger\n  backtrail backup --ledger ./ledger /mnt/backup/ledger && cp ledger/checkpoint /mnt/elsewhere/"
    )]
    Backup(Backup),
    /// Makes a ledger of a backup: to be read, or, once its head is confirmed, to go on with.
    #[command(
        after_help = "Examples:\n  backtrail restore /mnt/backup/ledger ./ledger\n  backtrail restore /mnt/backup/ledger ./ledger --confirm /mnt/elsewhere/checkpoint --key ./ledger.key"
    )]
    Restore(Restore),
    /// Says what is wrong with a ledger, its key and its machine, and what to run.
    #[command(
        after_help = "Examples:\n  backtrail doctor --ledger ./ledger\n  backtrail doctor --ledger ./ledger --backup /mnt/backup/ledger --json"
    )]
    Doctor(Doctor),
    /// Has the newest head cosigned by the policy's witnesses, and copies it to the anchors.
    #[command(
        after_help = "Examples:\n  backtrail anchor --ledger ./ledger\n  backtrail anchor --config /etc/backtrail.toml"
    )]
    Anchor(Anchor),
    /// Serves as a witness for somebody else's log.
    #[command(subcommand)]
    Witness(Witness),
    /// Holds the ledger: publishes, seals, appends for other commands, and serves the log to other people's tools.
    #[command(
        after_help = "Examples:\n  backtrail serve --ledger ./ledger --listen 127.0.0.1:8477\n  backtrail serve --config backtrail.toml --check"
    )]
    Serve(Serve),
    /// Asks the ledger in SQL: one query, a file, or a prompt.
    #[command(
        after_help = "Examples:\n  backtrail sql --ledger ./ledger \"select * from rollbacks\"\n  backtrail sql --ledger ./ledger --file monthly.sql --format csv"
    )]
    Sql(Sql),
    /// Prints the metrics table; `metrics list` and `metrics explain NAME` print definitions.
    #[command(
        after_help = "Examples:\n  backtrail metrics --ledger ./ledger --period 2026-09\n  backtrail metrics explain mttr",
        args_conflicts_with_subcommands = true
    )]
    Metrics(Metrics),
    /// Prints one incident's timeline with durations.
    #[command(
        after_help = "Examples:\n  backtrail timeline --ledger ./ledger INC-7\n  backtrail timeline --ledger ./ledger INC-7 --format markdown"
    )]
    Timeline(Timeline),
    /// Writes a report folder with evidence, proofs, manifest and signature, or checks one.
    #[command(subcommand)]
    Report(Report),
    /// Lists, shows and checks the controls of the pack.
    #[command(subcommand)]
    Controls(Controls),
    /// Prints the completions of a shell.
    #[command(
        after_help = "Examples:\n  backtrail completions bash > ~/.local/share/bash-completion/completions/backtrail\n  backtrail completions zsh > ~/.zfunc/_backtrail"
    )]
    Completions {
        /// The shell.
        shell: clap_complete::Shell,
    },
    /// Writes a man page for each command.
    #[command(
        after_help = "Examples:\n  backtrail man ~/.local/share/man/man1\n  backtrail man ./man && man -l ./man/backtrail-ingest.1"
    )]
    Man {
        /// The folder to write them into; it is made if it is not there.
        dir: PathBuf,
    },
}

/// How rows are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// Aligned columns for a person.
    Table,
    /// RFC 4180.
    Csv,
    /// One JSON array.
    Json,
    /// One JSON object a line.
    Ndjson,
    /// A Markdown table.
    Markdown,
    /// A Parquet file on stdout.
    Parquet,
}

/// A command that only prints rows.
#[derive(Debug, Args)]
pub(crate) struct Formatted {
    /// How to print; by default a table on a terminal, else CSV.
    #[arg(long, value_name = "FORMAT")]
    pub(crate) format: Option<Format>,
}

/// The key that signs.
#[derive(Debug, Args)]
pub(crate) struct KeyArg {
    /// The signing key; by default `LEDGER.key` beside the ledger folder.
    #[arg(long, env = "BACKTRAIL_KEY", value_name = "FILE")]
    pub(crate) key: Option<PathBuf>,
}

/// Which rows an answer is computed from. Printed with every report, so that it can be asked again.
#[derive(Debug, Default, Args)]
pub(crate) struct At {
    /// The checkpoint: a size, or a file with a signed note; by default the newest.
    #[arg(long, value_name = "SIZE|NOTE")]
    pub(crate) checkpoint: Option<String>,
    /// Hide events recorded later than this instant.
    #[arg(long, value_name = "TIME")]
    pub(crate) as_of: Option<String>,
    /// The IANA time zone in which calendar periods are cut.
    #[arg(long, value_name = "ZONE")]
    pub(crate) tz: Option<String>,
    /// A named parameter of the definitions, such as `reopen_window=12h`; may be repeated.
    #[arg(long = "param", value_name = "NAME=VALUE")]
    pub(crate) parameters: Vec<String>,
    /// `2026`, `2026-Q3`, `2026-10` or `FROM..TO`; by default the last complete month.
    #[arg(long, value_name = "PERIOD")]
    pub(crate) period: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Demo {
    /// The folder to make.
    #[arg(default_value = "backtrail-demo")]
    pub(crate) dir: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct Init {
    /// The ledger folder to make.
    pub(crate) dir: PathBuf,
    /// The log's name in every checkpoint, for ever: a host name you own and a path.
    #[arg(long, value_name = "NAME")]
    pub(crate) origin: String,
    /// Where to write the signing key; by default `DIR.key` beside the ledger.
    #[arg(long, value_name = "FILE")]
    pub(crate) key: Option<PathBuf>,
    /// Where to write the recovery key, once: keep it offline.
    #[arg(long, value_name = "FILE")]
    pub(crate) recovery_key_out: Option<PathBuf>,
    /// How long rows are kept, for ever: an ISO 8601 duration of years, months, weeks and days.
    #[arg(long, default_value = "P6Y", value_name = "DURATION")]
    pub(crate) retention: String,
    /// Take times from deliveries instead of the clock. For trials only: it marks the ledger for ever.
    #[arg(long)]
    pub(crate) simulated_clock: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Ingest {
    /// Files, folders, archives, or `-` for stdin.
    #[arg(required = true, value_name = "PATH")]
    pub(crate) paths: Vec<PathBuf>,
    /// The source, or `auto` to recognise each delivery.
    #[arg(long, default_value = "auto", value_name = "NAME")]
    pub(crate) source: String,
    /// A column of the place that deliveries leave open, such as service=shop for a `helm history`; may be repeated. It is
    /// stronger than `[sources.NAME] defaults`.
    #[arg(long = "default", value_name = "COLUMN=VALUE")]
    pub(crate) defaults: Vec<String>,
    /// Whose the deliveries are that do not say it themselves: `source_instance`, and part of their event ids. It is stronger
    /// than `[sources.NAME] instance`; that of one of several accounts brings its defaults and labels, too.
    #[arg(long, value_name = "NAME")]
    pub(crate) instance: Option<String>,
    /// Show the events and write nothing.
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// `json` for the counts as one object, `ndjson` for one receipt per event, printed once it is durable.
    #[arg(long, value_name = "FORMAT")]
    pub(crate) format: Option<IngestFormat>,
    /// When a receipt is given: once the event is durable, or once a checkpoint covers it; then with the proof.
    #[arg(long, value_name = "LEVEL", default_value = "durable")]
    pub(crate) ack: Ack,
    /// Exit with 1 if anything was quarantined.
    #[arg(long, value_name = "WHAT")]
    pub(crate) fail_on: Option<IngestFailOn>,
    #[command(flatten)]
    pub(crate) rules: RulesArg,
    #[command(flatten)]
    pub(crate) key: KeyArg,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum IngestFormat {
    /// A line of counts.
    Text,
    /// The counts as one JSON object.
    Json,
    /// One receipt per event, then nothing else.
    Ndjson,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Ack {
    /// On this host's disk.
    Durable,
    /// Below a signed checkpoint; each receipt has its C2SP tlog-proof as `proof`. Needs `--format ndjson`.
    Published,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum IngestFailOn {
    /// At least one delivery was quarantined.
    Quarantine,
}

#[derive(Debug, Args)]
pub(crate) struct Generate {
    /// The seed; the same seed gives the same bytes.
    #[arg(long)]
    pub(crate) seed: u64,
    /// How many events.
    #[arg(long)]
    pub(crate) events: u64,
    /// Native events, or recorded deliveries of vendors.
    #[arg(long, default_value = "native")]
    pub(crate) shape: Shape,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Shape {
    /// One native event a line.
    Native,
    /// One recorded delivery a line.
    Vendor,
}

#[derive(Debug, Subcommand)]
pub(crate) enum People {
    /// The accounts that the vault knows, with their pseudonyms.
    #[command(
        after_help = "Examples:\n  backtrail people list --ledger ./ledger\n  backtrail people list --ledger ./ledger --format json"
    )]
    List(Formatted),
    /// Says in the log that two accounts are one person: separation of duties is judged by persons.
    #[command(
        after_help = "Examples:\n  backtrail people link mei-lf mei@lanternfish.example --ledger ./ledger\n  backtrail people link person:7doom3tqyf7vtu5dyimlcon6pm mei-lf --ledger ./ledger"
    )]
    Link(Link),
}

#[derive(Debug, Args)]
pub(crate) struct Link {
    /// An account: its pseudonym, id or name.
    pub(crate) account: String,
    /// Another account of the same person.
    pub(crate) same_as: String,
    #[command(flatten)]
    pub(crate) key: KeyArg,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Quarantine {
    /// The deliveries in quarantine, with their reasons, and what a retry made of them.
    #[command(
        after_help = "Examples:\n  backtrail quarantine list --ledger ./ledger\n  backtrail quarantine list --ledger ./ledger --format json"
    )]
    List(Formatted),
    /// One delivery with its headers and body, and why it was not understood.
    #[command(
        after_help = "Examples:\n  backtrail quarantine show 3f0c --ledger ./ledger\n  backtrail quarantine show 3f0c --ledger ./ledger --json > delivery.ndjson"
    )]
    Show(QuarantineShow),
    /// Maps deliveries in quarantine again, after an upgrade, appends what is understood now, and says in the log what became of each.
    #[command(
        after_help = "Examples:\n  backtrail quarantine retry --ledger ./ledger\n  backtrail quarantine retry 3f0c --ledger ./ledger --format json"
    )]
    Retry(QuarantineRetry),
}

#[derive(Debug, Args)]
pub(crate) struct QuarantineShow {
    /// The delivery's id, or the beginning of it.
    pub(crate) id: String,
    /// Print it as a recorded delivery, which `ingest` reads.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct QuarantineRetry {
    /// The deliveries' ids, or the beginnings of them; by default all that are open.
    #[arg(value_name = "ID")]
    pub(crate) ids: Vec<String>,
    /// `json` for the counts as one object.
    #[arg(long, value_name = "FORMAT")]
    pub(crate) format: Option<CountsFormat>,
    #[command(flatten)]
    pub(crate) key: KeyArg,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum CountsFormat {
    /// A line of counts.
    Text,
    /// The counts as one JSON object.
    Json,
}

#[derive(Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of the command line")]
pub(crate) struct Verify {
    /// The ledger folder.
    pub(crate) dir: PathBuf,
    /// The log's public key: the key text itself or a file that holds it.
    #[arg(long, value_name = "KEY|FILE")]
    pub(crate) vkey: Option<String>,
    /// A signed note of this log that you already hold: what it covers must be a prefix.
    #[arg(long, value_name = "NOTE")]
    pub(crate) since: Option<PathBuf>,
    /// The witnesses that you know and how many of them must have signed: a C2SP tlog-policy. Its log lines stand in for
    /// --vkey.
    #[arg(long, value_name = "FILE")]
    pub(crate) policy: Option<PathBuf>,
    /// Two signed notes: whether one log can have shown both. DIR is the ledger, or an export, of the larger one.
    #[arg(long, num_args = 2, value_names = ["NOTE", "NOTE"], conflicts_with_all = ["since", "level"])]
    pub(crate) compare: Vec<PathBuf>,
    /// Where to write the proof, if it cannot.
    #[arg(long, default_value = "split-view.proof", requires = "compare", value_name = "FILE")]
    pub(crate) proof_out: PathBuf,
    /// How much to read.
    #[arg(long, default_value = "content")]
    pub(crate) level: Level,
    /// Accept only a log that something outside it vouches for.
    #[arg(long)]
    pub(crate) require_anchor: bool,
    /// The vault is elsewhere or withheld: do not check it.
    #[arg(long)]
    pub(crate) without_vault: bool,
    /// Accept the public demo key.
    #[arg(long)]
    pub(crate) demo: bool,
    /// Print the report as JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Level {
    /// The newest checkpoint only.
    Head,
    /// Also files, tiles and the chain of segments.
    Structure,
    /// Also every row, statistic and commitment.
    Content,
}

#[derive(Debug, Args)]
pub(crate) struct Prove {
    /// The event's id, or its position.
    pub(crate) event: String,
    /// Also write the leaf, the exact bytes that are proved.
    #[arg(long, value_name = "FILE")]
    pub(crate) leaf: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct VerifyProof {
    /// The `.tlog-proof` file, or the proof of a split view that `verify --compare` wrote.
    pub(crate) proof: PathBuf,
    /// The leaf: the exact bytes. A split view has none.
    #[arg(long, value_name = "FILE")]
    pub(crate) leaf: Option<PathBuf>,
    /// The log's public key: the key text itself or a file that holds it.
    #[arg(long, value_name = "KEY|FILE")]
    pub(crate) vkey: String,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Export {
    /// The leaves as canonical NDJSON, in order.
    #[command(
        after_help = "Examples:\n  backtrail export events --ledger ./ledger > events.ndjson\n  backtrail export events --ledger ./ledger | sha256sum"
    )]
    Events,
    /// The log as C2SP tlog-tiles, for other people's tools; run again, it adds what is new.
    #[command(
        after_help = "Examples:\n  backtrail export tiles ./public --ledger ./ledger\n  backtrail export tiles ./public && rsync -a ./public/ web:/srv/log/"
    )]
    Tiles {
        /// The folder to write `checkpoint`, `tile/` and `tile/entries/` into.
        dir: PathBuf,
    },
}

#[derive(Debug, Args)]
pub(crate) struct Seal {
    #[command(flatten)]
    pub(crate) key: KeyArg,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Keys {
    /// Every key that the log ever had, with the sizes of the heads that it may sign.
    #[command(
        after_help = "Examples:\n  backtrail keys list --ledger ./ledger\n  backtrail keys list --ledger ./ledger --format json"
    )]
    List(Formatted),
    /// Makes a key for the ledger and prints the public one; the log does not know of it yet.
    #[command(
        after_help = "Examples:\n  backtrail keys new ./next.key --ledger ./ledger\n  backtrail keys new ./hot-standby.key --ledger ./ledger"
    )]
    New {
        /// Where to write the private key.
        file: PathBuf,
    },
    /// Adds a key, in the words of the current ones; from then on both sign.
    #[command(
        after_help = "Examples:\n  backtrail keys add --ledger ./ledger\n  backtrail keys add --ledger ./ledger ./token.vkey"
    )]
    Add(KeysAdd),
    /// Retires a key, in the words of the others: it signs no later head.
    #[command(
        after_help = "Examples:\n  backtrail keys retire --ledger ./ledger 0a1b2c3d\n  backtrail keys retire --ledger ./ledger ./old.vkey"
    )]
    Retire(KeysRetire),
    /// Prints what the recovery key must sign when a key was lost or stolen.
    #[command(
        after_help = "Examples:\n  backtrail keys statement compromised 0a1b2c3d --ledger ./ledger > stolen.txt\n  backtrail keys statement added ./next.vkey --ledger ./ledger > added.txt"
    )]
    Statement(KeysStatement),
    /// Signs what is on stdin: a signer for another machine, or a statement with the recovery key.
    #[command(
        after_help = "Examples:\n  backtrail keys sign --key ./recovery.key --statement < stolen.txt > stolen.note\n  ssh signer backtrail keys sign --key ledger.key < bytes"
    )]
    Sign(KeysSign),
    /// Enters statements that the recovery key signed, and goes on with the keys that remain.
    #[command(
        after_help = "Examples:\n  backtrail keys compromise --ledger ./ledger --key ./next.key added.note stolen.note\n  backtrail keys compromise --ledger ./ledger stolen.note"
    )]
    Compromise(KeysCompromise),
}

#[derive(Debug, Args)]
pub(crate) struct KeysAdd {
    /// The public key, as text or file, of a signer elsewhere; by default a new one is made and put into the key file.
    #[arg(value_name = "VKEY|FILE")]
    pub(crate) vkey: Option<String>,
    #[command(flatten)]
    pub(crate) key: KeyArg,
}

#[derive(Debug, Args)]
pub(crate) struct KeysRetire {
    /// The public key, as text or file, or its id of eight digits.
    #[arg(value_name = "VKEY|FILE|ID")]
    pub(crate) which: String,
    #[command(flatten)]
    pub(crate) key: KeyArg,
}

#[derive(Debug, Args)]
pub(crate) struct KeysStatement {
    /// What is said.
    pub(crate) action: KeyAction,
    /// The public key, as text or file, or the id of one of the log's.
    #[arg(value_name = "VKEY|FILE|ID")]
    pub(crate) which: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum KeyAction {
    /// It signs from now on.
    Added,
    /// It signs no longer.
    Retired,
    /// It was lost or stolen.
    Compromised,
}

#[derive(Debug, Args)]
pub(crate) struct KeysSign {
    /// The file with the private key.
    #[arg(long, env = "BACKTRAIL_KEY", value_name = "FILE")]
    pub(crate) key: PathBuf,
    /// Sign only a statement about a key, and print it as a note.
    #[arg(long)]
    pub(crate) statement: bool,
}

#[derive(Debug, Args)]
pub(crate) struct KeysCompromise {
    /// The signed statements, the one that adds the next key first.
    #[arg(required = true, value_name = "NOTE")]
    pub(crate) notes: Vec<PathBuf>,
    #[command(flatten)]
    pub(crate) key: KeyArg,
}

#[derive(Debug, Args)]
pub(crate) struct Anchor {
    #[command(flatten)]
    pub(crate) key: KeyArg,
}

#[derive(Debug, Args)]
pub(crate) struct Serve {
    /// The address and port to listen on; port 0 takes a free one. By default `[serve] listen`, else 127.0.0.1:8477.
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) listen: Option<String>,
    /// Only check the config, the ledger's folder and the key.
    #[arg(long)]
    pub(crate) check: bool,
    #[command(flatten)]
    pub(crate) key: KeyArg,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Witness {
    /// Makes a witness's folder and key, and prints the key to publish.
    #[command(
        after_help = "Examples:\n  backtrail witness init ./witness --name witness.example.org/w1\n  backtrail witness init ./witness --name witness.example.org/w1 --key /etc/witness.key"
    )]
    Init {
        /// The folder to make.
        dir: PathBuf,
        /// The witness's name in every cosignature, for ever: a host name you own and a path.
        #[arg(long, value_name = "NAME")]
        name: String,
        /// Where to write the key; by default `DIR.key` beside the folder.
        #[arg(long, value_name = "FILE")]
        key: Option<PathBuf>,
    },
    /// Trusts a log's key; a running witness needs no restart.
    #[command(
        after_help = "Examples:\n  backtrail witness add-log ./witness ledger.vkey\n  backtrail witness add-log ./witness example.org+0a1b2c3d+AX… --origin example.org/log"
    )]
    AddLog {
        /// The witness's folder.
        dir: PathBuf,
        /// The log's public key: the key text itself or a file that holds it.
        #[arg(value_name = "KEY|FILE")]
        vkey: String,
        /// The log's origin, if it is not the name of the key.
        #[arg(long, value_name = "ORIGIN")]
        origin: Option<String>,
    },
    /// Answers C2SP tlog-witness requests.
    #[command(
        after_help = "Examples:\n  backtrail witness serve ./witness\n  backtrail witness serve ./witness --listen 127.0.0.1:7380"
    )]
    Serve {
        /// The witness's folder.
        dir: PathBuf,
        /// The address and port; port 0 takes a free one.
        #[arg(long, default_value = "127.0.0.1:7380", value_name = "ADDRESS")]
        listen: std::net::SocketAddr,
        /// The key; by default `DIR.key` beside the folder.
        #[arg(long, value_name = "FILE")]
        key: Option<PathBuf>,
    },
}

#[derive(Debug, Args)]
pub(crate) struct Sql {
    /// The query; without it, and without a file, a prompt.
    pub(crate) query: Option<String>,
    /// A file with one query.
    #[arg(long, value_name = "FILE", conflicts_with = "query")]
    pub(crate) file: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) at: At,
    #[command(flatten)]
    pub(crate) formatted: Formatted,
}

#[derive(Debug, Args)]
pub(crate) struct Metrics {
    #[command(subcommand)]
    pub(crate) action: Option<MetricsAction>,
    /// Only this service.
    #[arg(long)]
    pub(crate) service: Option<String>,
    /// Only these metrics; may be repeated.
    #[arg(long = "metric", value_name = "NAME")]
    pub(crate) names: Vec<String>,
    /// The dimension to break down by, such as `service` or `severity`.
    #[arg(long, value_name = "DIM")]
    pub(crate) by: Option<String>,
    #[command(flatten)]
    pub(crate) at: At,
    #[command(flatten)]
    pub(crate) formatted: Formatted,
}

#[derive(Debug, Subcommand)]
pub(crate) enum MetricsAction {
    /// Every metric, with its question and unit.
    List(Formatted),
    /// One metric's definition and SQL.
    Explain {
        /// The metric.
        name: String,
    },
}

#[derive(Debug, Args)]
pub(crate) struct Timeline {
    /// The incident.
    pub(crate) incident: String,
    #[command(flatten)]
    pub(crate) at: At,
    #[command(flatten)]
    pub(crate) formatted: Formatted,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Controls {
    /// Every control, with its statement.
    #[command(
        after_help = "Examples:\n  backtrail controls list\n  backtrail controls list --format markdown"
    )]
    List(Formatted),
    /// One control: statement, procedure, SQL.
    #[command(
        after_help = "Examples:\n  backtrail controls show CHG-02\n  backtrail controls show RBK-03"
    )]
    Show {
        /// The control's id.
        id: String,
    },
    /// Checks that every control's SQL keeps the rules for evidence.
    #[command(
        after_help = "Examples:\n  backtrail controls lint\n  backtrail controls lint && echo clean"
    )]
    Lint,
}
