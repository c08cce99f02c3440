//! `backtrail.toml`, and the order of precedence: flag, environment, file.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use backtrail_ledger::Vkey;
use serde::Deserialize;

use crate::args::Global;
use crate::exit::{BAD_INPUT, Failure, NO_INPUT, USAGE, unreadable};
use crate::poll::PollSection;
use crate::serve::limits::{BODY_BYTES, BODY_BYTES_DEFAULT, HEARTBEAT_DEFAULT_S, HEARTBEAT_S};
use crate::serve::logs::LogFormat;
use crate::serve::sources::SourceSection;

/// The config file; every key is optional, an unknown key is an error.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {
    #[serde(default)]
    pub(crate) organisation: Organisation,
    #[serde(default)]
    ledger: LedgerSection,
    #[serde(default)]
    pub(crate) report: ReportSection,
    #[serde(default)]
    pub(crate) serve: ServeSection,
    #[serde(default)]
    pub(crate) sources: BTreeMap<String, SourceSection>,
    /// The folder that relative paths in the file start from.
    #[serde(skip)]
    base: PathBuf,
}

/// `[organisation]`
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Organisation {
    /// The entity named on reports.
    pub(crate) name: Option<String>,
}

/// `[ledger]`
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct LedgerSection {
    path: Option<PathBuf>,
    key: Option<PathBuf>,
    /// A command that signs, with its arguments: it gets the bytes on stdin and prints the signature in base64.
    #[serde(default)]
    signer: Vec<String>,
    /// The public key of `signer`.
    signer_vkey: Option<String>,
    /// A C2SP tlog-policy; its witness lines with a URL are those that are asked.
    policy: Option<PathBuf>,
    #[serde(default, rename = "anchor")]
    anchors: Vec<Anchor>,
}

/// `[[ledger.anchor]]`: a folder, on another disk or host, that keeps a copy of heads.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Anchor {
    pub(crate) path: PathBuf,
    /// The folder is a clone of a git repository.
    pub(crate) git: Option<Git>,
}

/// What to do with a head in a git clone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Git {
    /// Commit it; somebody else fetches.
    Commit,
    /// Pull before reading, commit, and push.
    Push,
}

/// `[report]`
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ReportSection {
    overlay: Option<PathBuf>,
    /// The IANA zone in which calendar periods are cut.
    pub(crate) timezone: Option<String>,
}

/// `[serve]`
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ServeSection {
    listen: Option<String>,
    heartbeat_s: Option<u64>,
    body_bytes_max: Option<usize>,
    /// The form of what the server logs.
    #[serde(default)]
    pub(crate) log: LogFormat,
    tls_certificate: Option<PathBuf>,
    tls_key: Option<PathBuf>,
    /// Who signs the certificates of clients.
    tls_client_ca: Option<PathBuf>,
}

/// Where `serve` listens if nothing says so: this host only.
const LISTEN_DEFAULT: &str = "127.0.0.1:8477";

impl ServeSection {
    /// The address to listen on: flag before file before default.
    pub(crate) fn listen(&self, flag: Option<&str>) -> Result<SocketAddr, Failure> {
        let text = flag.or(self.listen.as_deref()).unwrap_or(LISTEN_DEFAULT);
        text.parse().map_err(|_| {
            let exit = if flag.is_some() { USAGE } else { BAD_INPUT };
            Failure::new(exit, format_args!("`{text}` is not an address and port to listen on"))
                .hint("write it like 127.0.0.1:8477 or [::1]:8477")
        })
    }

    /// The largest body of a delivery, in bytes, as it came and expanded.
    pub(crate) fn body_bytes_max(&self) -> Result<usize, Failure> {
        let bytes = self.body_bytes_max.unwrap_or(BODY_BYTES_DEFAULT);
        if BODY_BYTES.contains(&bytes) {
            return Ok(bytes);
        }
        Err(Failure::new(BAD_INPUT, format_args!("serve.body_bytes_max = {bytes} is out of range"))
            .hint(format_args!("{} to {} bytes", BODY_BYTES.start(), BODY_BYTES.end())))
    }

    /// How long the log may be idle before it shows that it is alive.
    pub(crate) fn heartbeat(&self) -> Result<Duration, Failure> {
        let seconds = self.heartbeat_s.unwrap_or(HEARTBEAT_DEFAULT_S);
        if HEARTBEAT_S.contains(&seconds) {
            return Ok(Duration::from_secs(seconds));
        }
        Err(Failure::new(BAD_INPUT, format_args!("serve.heartbeat_s = {seconds} is out of range"))
            .hint(format_args!("{} to {} seconds", HEARTBEAT_S.start(), HEARTBEAT_S.end())))
    }
}

/// The files of TLS: certificate chain, key, and who signs clients' certificates.
type TlsFiles = (PathBuf, PathBuf, Option<PathBuf>);

/// The file that is read without being asked for.
const DEFAULT_FILE: &str = "backtrail.toml";

impl Config {
    /// Reads the config that `global` names, else `backtrail.toml` in this folder, else nothing.
    pub(crate) fn read(global: &Global) -> Result<Self, Failure> {
        let path = match &global.config {
            Some(path) => path.clone(),
            None if Path::new(DEFAULT_FILE).exists() => PathBuf::from(DEFAULT_FILE),
            None => return Ok(Self::default()),
        };
        let text = std::fs::read_to_string(&path).map_err(|e| unreadable(&path, &e))?;
        let mut config: Self = toml::from_str(&text).map_err(|e| {
            let line = e.span().map_or(1, |span| text[..span.start].matches('\n').count() + 1);
            let what = without_values(e.message());
            Failure::new(BAD_INPUT, format_args!("{}:{line}: {what}", path.display()))
                .hint("docs/configuration.md lists every key")
        })?;
        path.parent().unwrap_or(Path::new("")).clone_into(&mut config.base);
        Ok(config)
    }

    /// The ledger folder that a command works on.
    pub(crate) fn ledger(&self, global: &Global) -> Result<PathBuf, Failure> {
        let configured = self.ledger.path.as_ref().map(|p| self.base.join(p));
        let dir = global.ledger.clone().or(configured).ok_or_else(|| {
            Failure::new(NO_INPUT, "no ledger is named")
                .hint("give --ledger DIR, set BACKTRAIL_LEDGER, or write `[ledger] path` into backtrail.toml")
        })?;
        if !dir.join("checkpoint").is_file() {
            return Err(Failure::new(
                NO_INPUT,
                format_args!("{} is not a ledger: it has no checkpoint", dir.display()),
            )
            .hint(format_args!(
                "make one with `backtrail init {} --origin NAME`, or check the path",
                dir.display()
            )));
        }
        Ok(dir)
    }

    /// The signing key of the ledger at `dir`.
    pub(crate) fn key(&self, flag: Option<&PathBuf>, dir: &Path) -> PathBuf {
        let configured = self.ledger.key.as_ref().map(|p| self.base.join(p));
        flag.cloned().or(configured).unwrap_or_else(|| beside(dir, "key"))
    }

    /// The command that signs and its public key, if the config names one.
    pub(crate) fn signer(&self) -> Result<Option<(Vec<String>, Vkey)>, Failure> {
        let wrong = |message: String| {
            Failure::new(BAD_INPUT, message).hint(
                "`[ledger] signer` is a list such as [\"ssh\", \"signer\", \"backtrail keys sign --key k\"], `signer_vkey` its public key",
            )
        };
        match (&self.ledger.signer[..], &self.ledger.signer_vkey) {
            ([], None) => Ok(None),
            ([], Some(_)) | (_, None) => {
                Err(wrong("`ledger.signer` and `ledger.signer_vkey` go together".to_owned()))
            }
            (command, Some(vkey)) => {
                let vkey = vkey.parse().map_err(|e| wrong(format!("`ledger.signer_vkey`: {e}")))?;
                Ok(Some((command.to_vec(), vkey)))
            }
        }
    }

    /// The policy of the log's witnesses, if one is named.
    pub(crate) fn policy(&self) -> Option<PathBuf> {
        self.ledger.policy.as_ref().map(|p| self.base.join(p))
    }

    /// The folders that keep heads.
    pub(crate) fn anchors(&self) -> Vec<Anchor> {
        let placed =
            |anchor: &Anchor| Anchor { path: self.base.join(&anchor.path), ..anchor.clone() };
        self.ledger.anchors.iter().map(placed).collect()
    }

    /// The sources that rule files describe, by name.
    pub(crate) fn rules(&self) -> impl Iterator<Item = (&str, PathBuf)> {
        let placed = |(name, section): (_, &SourceSection)| {
            Some((name, self.base.join(section.rules.as_ref()?)))
        };
        self.sources.iter().map(|(name, section)| (name.as_str(), section)).filter_map(placed)
    }

    /// The files of TLS, if the server speaks it.
    pub(crate) fn tls(&self) -> Result<Option<TlsFiles>, Failure> {
        let placed = |path: &Option<PathBuf>| path.as_ref().map(|p| self.base.join(p));
        let ServeSection { tls_certificate, tls_key, tls_client_ca, .. } = &self.serve;
        match (placed(tls_certificate), placed(tls_key), placed(tls_client_ca)) {
            (Some(certificate), Some(key), client_ca) => Ok(Some((certificate, key, client_ca))),
            (None, None, None) => Ok(None),
            _ => Err(Failure::new(BAD_INPUT, "`[serve]` has a part of what TLS needs")
                .hint("`tls_certificate` and `tls_key` go together; `tls_client_ca` needs both")),
        }
    }

    /// The source that `[sources.name]` is about, or an account of.
    pub(crate) fn source_of<'a>(&'a self, name: &'a str) -> &'a str {
        self.sources.get(name).and_then(|section| section.source.as_deref()).unwrap_or(name)
    }

    /// How many sections are about `source` or its accounts.
    pub(crate) fn accounts(&self, source: &str) -> usize {
        self.sources.keys().filter(|name| self.source_of(name) == source).count()
    }

    /// The instance that `[sources.name]` is of, if the config says.
    pub(crate) fn instance(&self, name: &str) -> Option<&str> {
        self.sources.get(name)?.instance.as_deref()
    }

    /// How the API of the source or account `name` is asked, if the config says.
    pub(crate) fn poll(&self, name: &str) -> Option<&PollSection> {
        self.sources.get(name)?.poll.as_ref()
    }

    /// After how many seconds without a push `source` is silent, as it is written.
    pub(crate) fn silent_after_s(&self, source: &str) -> Option<i64> {
        self.sources.get(source)?.silent_after_s
    }

    /// The folder that relative paths in the file start from.
    pub(crate) fn base(&self) -> &Path {
        &self.base
    }

    /// The report overlay, if one is named.
    pub(crate) fn overlay(&self, flag: Option<&PathBuf>) -> Option<PathBuf> {
        flag.cloned().or_else(|| self.report.overlay.as_ref().map(|p| self.base.join(p)))
    }
}

/// What is wrong, without the text that is wrong: somebody may have written a secret there.
fn without_values(message: &str) -> String {
    match message.split_once("string \"") {
        Some((before, rest)) => {
            let wanted =
                rest.rsplit_once("\", expected ").map_or("another value", |(_, wanted)| wanted);
            format!("{before}a string, expected {wanted}")
        }
        None => message.to_owned(),
    }
}

/// `LEDGER.<extension>`, beside the ledger folder and never inside it.
pub(crate) fn beside(dir: &Path, extension: &str) -> PathBuf {
    let mut name = dir.components().as_path().as_os_str().to_owned();
    name.push(".");
    name.push(extension);
    PathBuf::from(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_lie_beside_the_ledger() {
        for dir in ["a/ledger", "a/ledger/", "./a/ledger"] {
            assert!(beside(Path::new(dir), "key").ends_with("a/ledger.key"), "{dir}");
        }
    }

    /// The keys that a table takes, from what is said of one that it does not.
    fn keys_of(table: &str) -> Vec<String> {
        let refused = toml::from_str::<Config>(&format!("{table}\nno_such_key = 1")).unwrap_err();
        let message = refused.message().to_owned();
        let known = message.split_once("expected ").unwrap_or_else(|| panic!("{message}")).1;
        known.split('`').skip(1).step_by(2).map(str::to_owned).collect()
    }

    #[test]
    fn every_key_is_documented_and_no_other() {
        let tables = [
            ("organisation", "[organisation]"),
            ("ledger", "[ledger]"),
            ("ledger.anchor", "[[ledger.anchor]]"),
            ("report", "[report]"),
            ("serve", "[serve]"),
            ("sources.NAME", "[sources.NAME]"),
            ("sources.NAME.secrets", "[[sources.NAME.secrets]]"),
            ("sources.NAME.poll", "[sources.NAME.poll]"),
            ("sources.NAME.labels", "[sources.NAME.labels]"),
        ];
        let key = |(name, table): (&str, &str)| -> Vec<String> {
            keys_of(table).into_iter().map(|key| format!("{name}.{key}")).collect()
        };
        let mut known: Vec<String> = tables.into_iter().flat_map(key).collect();
        let page = include_str!("../../docs/configuration.md");
        let rows = page.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next());
        let mut documented: Vec<&str> = rows.filter(|key| key.contains('.')).collect();
        known.sort();
        documented.sort_unstable();
        assert_eq!(documented, known);
        let named = |section: &String| tables.iter().any(|(name, _)| name.starts_with(section));
        assert!(keys_of("").iter().all(named), "a section is missing above");
        let schemes = backtrail_ingest::authenticate::SCHEMES;
        for (word, _) in schemes {
            assert!(page.contains(&format!("| `{word}` | ")), "scheme {word} is not documented");
        }
    }

    #[test]
    fn an_unknown_key_is_an_error() {
        assert!(
            toml::from_str::<Config>("[ledger]\npath = 'x'\n[organisation]\nname = 'Acme'").is_ok()
        );
        assert!(toml::from_str::<Config>("[ledger]\npaht = 'x'").is_err());
    }
}
