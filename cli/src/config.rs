//! `backtrail.toml`, and the order of precedence: flag, environment, file.

use std::path::{Path, PathBuf};

use backtrail_ledger::Vkey;
use serde::Deserialize;

use crate::args::Global;
use crate::exit::{BAD_INPUT, Failure, NO_INPUT, unreadable};

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
}

/// `[report]`
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ReportSection {
    overlay: Option<PathBuf>,
    /// The IANA zone in which calendar periods are cut.
    pub(crate) timezone: Option<String>,
}

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
            Failure::new(BAD_INPUT, format_args!("{}: {}", path.display(), e.to_string().trim_end()))
                .hint("the keys are organisation.name, ledger.path, ledger.key, ledger.signer, ledger.signer_vkey, report.overlay, report.timezone")
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

    /// The report overlay, if one is named.
    pub(crate) fn overlay(&self, flag: Option<&PathBuf>) -> Option<PathBuf> {
        flag.cloned().or_else(|| self.report.overlay.as_ref().map(|p| self.base.join(p)))
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

    #[test]
    fn an_unknown_key_is_an_error() {
        assert!(
            toml::from_str::<Config>("[ledger]\npath = 'x'\n[organisation]\nname = 'Acme'").is_ok()
        );
        assert!(toml::from_str::<Config>("[ledger]\npaht = 'x'").is_err());
    }
}
