//! `[sources.NAME]`: who may send, and how they show that it is them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use backtrail_ingest::authenticate::{Authenticator, Key, SCHEMES, Scheme, Secret, default_scheme};
use backtrail_ingest::{Context, Mode};
use serde::Deserialize;

use super::limits::{RATE_DEFAULT_PER_S, RATE_PER_S, SECRET_FILE_BYTES_MAX};
use super::rate::Bucket;
use crate::config::Config;
use crate::exit::{BAD_INPUT, Failure, NO_INPUT, unreadable};
use crate::mapping::{self, LabelsSection};
use crate::poll::PollSection;
use crate::session::nearest;
use crate::silence;

/// One `[sources.NAME]`; NAME is a source of `backtrail sources`, or an account of `source`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SourceSection {
    /// The source of which NAME is an account.
    pub(crate) source: Option<String>,
    /// Whose deliveries are that do not say it themselves.
    pub(crate) instance: Option<String>,
    scheme: Option<String>,
    #[serde(default)]
    secrets: Vec<SecretSection>,
    /// The header of scheme `header`, or another one than Grafana's own.
    header: Option<String>,
    /// The header in which Grafana sends the signed time.
    timestamp_header: Option<String>,
    /// The DNS names and URIs that a client's certificate may have, for scheme `mtls`.
    #[serde(default)]
    clients: Vec<String>,
    /// Who may announce deliveries in the `CloudEvents` handshake.
    #[serde(default)]
    origins: Vec<String>,
    rate_per_s: Option<u32>,
    /// After how many seconds without a push a source that pushed before is called silent.
    pub(crate) silent_after_s: Option<i64>,
    /// Columns of the place that deliveries do not state.
    #[serde(default)]
    pub(crate) defaults: BTreeMap<String, String>,
    pub(crate) labels: Option<LabelsSection>,
    /// The rule file that describes the source.
    pub(crate) rules: Option<PathBuf>,
    /// How its API is asked.
    pub(crate) poll: Option<PollSection>,
}

/// Where a secret is: never in the config itself.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table such as { id = \"2026a\", env = \"NAME\" }")]
pub(crate) struct SecretSection {
    id: String,
    env: Option<String>,
    file: Option<PathBuf>,
}

/// A source that may send.
pub(super) struct Endpoint {
    pub(super) name: &'static str,
    /// What is known of every delivery, but for who sent it.
    pub(super) context: Context,
    pub(super) authenticator: Authenticator,
    pub(super) rate: Bucket,
    pub(super) rate_per_s: u32,
    pub(super) origins: Vec<String>,
    pub(super) silent_after_s: Option<i64>,
}

/// The configured sources that may send, by name. `client_ca` says whether clients' certificates are checked.
pub(super) fn endpoints(
    config: &Config,
    client_ca: bool,
) -> Result<BTreeMap<String, Endpoint>, Failure> {
    let context = Context { mode: Mode::Push, ..mapping::context(config, &[])? };
    let open = config.sources.iter().filter(|(_, section)| section.may_send());
    let one = |(name, section): (&String, &SourceSection)| {
        Ok((name.clone(), section.endpoint(name, config.base(), client_ca, &context)?))
    };
    open.map(one).collect()
}

/// The headers in which sources send secrets, as the config names them: whoever sends one, it is not kept.
pub(super) fn secret_headers(config: &Config) -> BTreeSet<String> {
    let of_scheme =
        |section: &&SourceSection| section.scheme.as_deref() == Some(Scheme::Header.word());
    let sections = config.sources.values().filter(of_scheme);
    sections.filter_map(|section| section.header.as_deref()).map(str::to_ascii_lowercase).collect()
}

impl SourceSection {
    /// A section that only describes a source, or how it is asked, opens nothing. An account is there to send or to be asked.
    fn may_send(&self) -> bool {
        let credentials = !self.secrets.is_empty() || !self.clients.is_empty();
        let mapping_only = self.source.is_none() && self.describes();
        let described = self.rules.is_some() || self.poll.is_some() || mapping_only;
        !described || self.scheme.is_some() || credentials
    }

    /// Whether it says how deliveries are mapped.
    pub(crate) fn describes(&self) -> bool {
        !self.defaults.is_empty() || self.labels.is_some() || self.instance.is_some()
    }

    fn endpoint(
        &self,
        name: &str,
        base: &Path,
        client_ca: bool,
        context: &Context,
    ) -> Result<Endpoint, Failure> {
        let wrong = |what: &str| Failure::new(BAD_INPUT, format_args!("sources.{name} {what}"));
        let built_in = || backtrail_ingest::sources().iter().map(|source| source.name);
        let source = self.source.as_deref().unwrap_or(name);
        let own = context.rules.iter().find(|rule| rule.name() == source);
        // A rule's name is wanted as long as the server runs.
        let own = own.map(|rule| &*rule.name().to_owned().leak());
        let known = built_in().find(|known| *known == source).or(own).ok_or_else(|| {
            let near = nearest(source, built_in());
            wrong("is not a source")
                .hint(format_args!("did you mean {near}? `backtrail sources` lists them"))
        })?;
        let scheme = self.scheme(name, source, &wrong)?;
        if scheme == Scheme::Mtls && !client_ca {
            return Err(wrong("has scheme `mtls`, but no client certificate is checked")
                .hint("name those who sign them in `[serve] tls_client_ca`"));
        }
        if (scheme == Scheme::Mtls) == self.clients.is_empty()
            || (scheme == Scheme::Mtls) != self.secrets.is_empty()
        {
            return Err(wrong("has not what its scheme takes").hint(
                "scheme `mtls` takes `clients = [\"name\"]`, every other `secrets = [{ id = \"a\", env = \"NAME\" }]`",
            ));
        }
        let client = |name: &String| Key { id: name.clone(), secret: Secret::new(name.as_str()) };
        let mut keys: Vec<Key> = self.clients.iter().map(client).collect();
        for (n, secret) in self.secrets.iter().enumerate() {
            if keys.iter().any(|key| key.id == secret.id) {
                return Err(wrong(&format!("has two secrets `{}`", secret.id))
                    .hint("the id is recorded with each event: give each its own"));
            }
            keys.push(secret.read(&format!("sources.{name}.secrets[{n}]"), base)?);
        }
        let (header, timestamp) = (self.header.as_deref(), self.timestamp_header.as_deref());
        let authenticator = Authenticator::new(scheme, header, timestamp, keys)
            .map_err(|what| wrong(&what).hint("see docs/configuration.md, \"Sources\""))?;
        let rate_per_s = self.rate_per_s.unwrap_or(RATE_DEFAULT_PER_S);
        if !RATE_PER_S.contains(&rate_per_s) {
            let range = format!("{} to {} a second", RATE_PER_S.start(), RATE_PER_S.end());
            return Err(wrong("has a rate_per_s that is out of range").hint(range));
        }
        let (rate, origins) = (Bucket::new(rate_per_s), self.origins.clone());
        let silent_after_s = silence::limit(name, self.silent_after_s)?;
        let context = Context { instance: self.instance.clone(), ..context.clone() };
        Ok(Endpoint {
            name: known,
            context,
            authenticator,
            rate,
            rate_per_s,
            origins,
            silent_after_s,
        })
    }

    fn scheme(
        &self,
        name: &str,
        source: &str,
        wrong: &dyn Fn(&str) -> Failure,
    ) -> Result<Scheme, Failure> {
        let words: Vec<&str> = SCHEMES.iter().map(|(word, _)| *word).collect();
        match &self.scheme {
            // What is written there may be a secret in the wrong place.
            Some(word) => Scheme::named(word).ok_or_else(|| {
                let message = format!("sources.{name}.scheme is not the word of a scheme");
                Failure::new(BAD_INPUT, message)
                    .hint(format_args!("the schemes are {}", words.join(", ")))
            }),
            None => default_scheme(source).ok_or_else(|| {
                wrong("needs a `scheme`: this source has none of its own")
                    .hint(format_args!("write scheme = \"bearer\", or one of {}", words.join(", ")))
            }),
        }
    }
}

impl SecretSection {
    /// The secret; `place` is where the config names it. What it names as a variable may be the secret itself.
    fn read(&self, place: &str, base: &Path) -> Result<Key, Failure> {
        let bytes = match (&self.env, &self.file) {
            (Some(variable), None) => {
                #[expect(clippy::disallowed_methods, reason = "secrets come from the environment")]
                let value = std::env::var(variable);
                let missing = format!("{place}.env names no variable that is set");
                let hint = "set it in the environment of the server";
                value.map_err(|_| Failure::new(NO_INPUT, missing).hint(hint))?.into_bytes()
            }
            (None, Some(file)) => {
                let path = base.join(file);
                let found = std::fs::metadata(&path).map_err(|e| unreadable(&path, &e))?;
                if found.len() > SECRET_FILE_BYTES_MAX {
                    let message = format!("{place}: {} is too long", path.display());
                    return Err(Failure::new(BAD_INPUT, message).hint("it holds the secret alone"));
                }
                std::fs::read(&path).map_err(|e| unreadable(&path, &e))?
            }
            _ => {
                return Err(Failure::new(BAD_INPUT, format_args!("{place}: where is it?"))
                    .hint("write either env = \"VARIABLE\" or file = \"PATH\""));
            }
        };
        // An editor's newline at the end is not part of it.
        Ok(Key { id: self.id.clone(), secret: Secret::new(bytes.trim_ascii_end()) })
    }
}
