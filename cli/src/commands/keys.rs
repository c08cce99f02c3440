//! `init` and `seal`: what needs the signing key and no deliveries.

use std::ops::{Deref, DerefMut};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use backtrail_ledger::socket::Client;
use backtrail_ledger::{
    Appender, Clock, DEMO_SEED, FileSigner, InitOptions, Kind, Ledger, Signer, Snapshot, Vkey,
    retention,
};

use crate::args::{Global, Init, Seal};
use crate::clock::{Beginning, SystemClock};
use crate::config::{Config, beside};
use crate::exit::{CANNOT_WRITE, Failure, TRY_LATER, USAGE, unwritable};
use crate::output::{Out, say};
use crate::outside::Outside;
use crate::signers;

/// `init`
pub(crate) fn init(args: &Init) -> Result<(), Failure> {
    if args.dir.exists() {
        return Err(Failure::new(
            CANNOT_WRITE,
            format_args!("{} exists already", args.dir.display()),
        )
        .hint("name a folder that does not exist; a ledger is never overwritten"));
    }
    if !retention::is_duration(&args.retention) {
        let what = format_args!("`{}` is no duration", args.retention);
        return Err(Failure::new(USAGE, what).hint("write it like P6Y, P1Y6M or P90D"));
    }
    let key_path = args.key.clone().unwrap_or_else(|| beside(&args.dir, "key"));
    refuse_inside(&key_path, &args.dir)?;
    let signer = FileSigner::generate(&args.origin)?;
    let recovery =
        args.recovery_key_out.as_ref().map(|_| FileSigner::generate(&args.origin)).transpose()?;
    let options = InitOptions {
        simulated_clock: args.simulated_clock.then_some(DEMO_SEED),
        retention: args.retention.clone(),
        recovery_key: recovery.as_ref().map(|key| key.vkey().clone()),
        ..InitOptions::default()
    };
    let vkey = signer.vkey().to_string();
    if let Some(path) = &args.recovery_key_out {
        refuse_inside(path, &args.dir)?;
    }
    // Keys first: a key without a ledger is harmless, a ledger whose key was never written is lost.
    signer.save(&key_path)?;
    if let (Some(recovery), Some(path)) = (&recovery, &args.recovery_key_out) {
        recovery.save(path)?;
    }
    let vkey_path = beside(&args.dir, "vkey");
    std::fs::write(&vkey_path, format!("{vkey}\n")).map_err(|e| unwritable(&vkey_path, &e))?;
    let clock: Arc<dyn Clock> =
        if args.simulated_clock { Arc::new(Beginning) } else { Arc::new(SystemClock::default()) };
    Ledger::init(&args.dir, &options, Box::new(signer), clock)?;
    say(format_args!(
        "made {} for {}; the signing key is {}",
        args.dir.display(),
        args.origin,
        key_path.display()
    ));
    match &args.recovery_key_out {
        Some(path) => {
            say(format_args!("the recovery key is {}: move it offline now", path.display()));
        }
        None => say(
            "no recovery key was made: a lost signing key will end this log (see --recovery-key-out)",
        ),
    }
    say("publish this key where auditors look for it:");
    let mut out = Out::new();
    out.line(vkey)?;
    out.finish()
}

pub(crate) fn refuse_inside(key: &Path, dir: &Path) -> Result<(), Failure> {
    if key.starts_with(dir) {
        return Err(Failure::new(
            CANNOT_WRITE,
            format_args!("{} lies inside the ledger", key.display()),
        )
        .hint("a ledger is handed to others: keep its keys elsewhere"));
    }
    Ok(())
}

/// `seal`
pub(crate) fn seal(global: &Global, args: &Seal) -> Result<(), Failure> {
    let config = Config::read(global)?;
    let dir = config.ledger(global)?;
    let mut ledger = appender(&config, &dir, args.key.key.as_ref())?;
    ledger.seal()?;
    let head = ledger.publish()?;
    ledger.submit(&Outside::read(&config)?, &dir)?;
    let mut out = Out::new();
    out.line(format_args!("sealed; size {}, root {}", head.size, head.root))?;
    out.finish()
}

/// What appends to a ledger.
pub(crate) enum Writer {
    /// This process.
    Own(Box<Ledger>),
    /// The server that holds it.
    Server(Client),
}

impl Deref for Writer {
    type Target = dyn Appender;

    fn deref(&self) -> &Self::Target {
        match self {
            Self::Own(ledger) => &**ledger,
            Self::Server(client) => client,
        }
    }
}

impl DerefMut for Writer {
    fn deref_mut(&mut self) -> &mut Self::Target {
        match self {
            Self::Own(ledger) => &mut **ledger,
            Self::Server(client) => client,
        }
    }
}

impl Writer {
    /// The keys that sign for the ledger, which lies in `dir`.
    pub(crate) fn keys(&self, dir: &Path) -> Result<Vec<Vkey>, Failure> {
        Ok(match self {
            Self::Own(ledger) => current(ledger),
            Self::Server(_) => Snapshot::open(dir, None)?.keys()?.current().cloned().collect(),
        })
    }

    /// Has the published head cosigned; a server sees to its heads itself.
    pub(crate) fn submit(&mut self, outside: &Outside, dir: &Path) -> Result<(), Failure> {
        let Self::Own(ledger) = self else { return Ok(()) };
        submit(outside, dir, ledger)
    }
}

/// Has the published head of `ledger`, in `dir`, cosigned.
pub(crate) fn submit(outside: &Outside, dir: &Path, ledger: &mut Ledger) -> Result<(), Failure> {
    let keys = current(ledger);
    outside.submit(dir, &keys, |size, lines| ledger.add_cosignatures(size, lines)).map(drop)
}

/// The keys that sign for `ledger` now.
pub(crate) fn current(ledger: &Ledger) -> Vec<Vkey> {
    ledger.keys().current().cloned().collect()
}

/// What appends to the ledger at `dir`: the server that writes it, if one answers, else this process. Only the latter needs
/// the key.
pub(crate) fn appender(
    config: &Config,
    dir: &Path,
    key: Option<&PathBuf>,
) -> Result<Writer, Failure> {
    match Client::connect(dir) {
        Ok(client) => Ok(Writer::Server(client)),
        Err(e) if e.kind() == Kind::Missing => Ok(Writer::Own(Box::new(open(config, dir, key)?))),
        // Somebody listens and does not answer: the lock names the process.
        Err(unanswered) => match open(config, dir, key) {
            Ok(ledger) => Ok(Writer::Own(Box::new(ledger))),
            Err(locked) if locked.exit == TRY_LATER => {
                Err(Failure::new(TRY_LATER, format_args!("{}; {unanswered}", locked.message))
                    .hint("wait for it, or stop it"))
            }
            Err(other) => Err(other),
        },
    }
}

/// Opens the ledger at `dir` for writing, unless somebody outside knows more of the log than it does.
pub(crate) fn open(config: &Config, dir: &Path, key: Option<&PathBuf>) -> Result<Ledger, Failure> {
    let signers = signers::all(config, dir, key)?;
    // Before the ledger is opened: opening it may already sign a head.
    Outside::read(config)?.consult(dir, &signers::vkeys(&signers))?;
    Ledger::open(dir, signers, Arc::new(SystemClock::default())).map_err(|error| {
        let failure = Failure::from(error);
        if failure.exit == TRY_LATER && Client::connect(dir).is_ok() {
            return failure.hint(
                "a server holds the ledger, and this needs it alone: stop the server, run this, start the server again",
            );
        }
        if dir.join("state/head").exists() {
            return failure;
        }
        failure.hint(format_args!(
            "`backtrail restore {} --confirm NOTE` with the newest note that the log signed, from another place",
            dir.display()
        ))
    })
}
