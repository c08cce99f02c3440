//! What intake knows of a delivery besides its bytes.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use backtrail_schemas::Reception;
use backtrail_schemas::columns::{COLUMNS, PLACE};

use crate::rules::Rules;

/// How deliveries reach us and how far they are to be believed: the same for every delivery of one run or endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Context {
    /// How the delivery reached us.
    pub mode: Mode,
    /// How it was authenticated: `hmac-sha256`, `token`, `file`, `none` …
    pub authn_method: String,
    /// Whether a signature or secret was checked and held.
    pub authn_verified: bool,
    /// Which of the live secrets it was.
    pub authn_key_id: Option<String>,
    /// Whether the ledger's clock is simulated. Only there may a native event say when it was recorded.
    pub simulated_clock: bool,
    /// Columns of the place (`environment`, `environment_tier`, `region`, `cluster` …) that the configuration states
    /// for every event that does not state them itself.
    pub defaults: Vec<(&'static str, String)>,
    /// What the shop's own labels and tags mean.
    pub labels: Labels,
    /// Whose the deliveries are that do not say it themselves: column `source_instance`, and part of each event id.
    pub instance: Option<String>,
    /// What is configured for single sources and accounts of theirs, by name; [`Context::of`] puts it in place.
    pub sources: Arc<BTreeMap<String, Settings>>,
    /// The sources that the user describes by rule files, besides those that are bundled.
    pub rules: Rules,
}

/// What a shop says of the deliveries of one source, or of one account of several.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// The source. Settings under its own name count where no account is named.
    pub source: String,
    /// As [`Context::instance`], which is stronger and selects the account.
    pub instance: Option<String>,
    /// As [`Context::defaults`], which are stronger.
    pub defaults: Vec<(&'static str, String)>,
    /// As [`Context::labels`], which they replace.
    pub labels: Labels,
}

/// The labels and tags by which a shop says what a source has no field for. Tags are compared without case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Labels {
    /// Columns of the place, each with the labels that name it; the first one present counts.
    pub places: Vec<(&'static str, Vec<String>)>,
    /// The label of an issue, ticket or alert that is an incident.
    pub incident: String,
    /// The tag of a feature flag that is a kill switch.
    pub kill_switch: String,
}

impl Default for Labels {
    fn default() -> Self {
        let named =
            |column, names: &[&str]| (column, names.iter().map(|n| (*n).to_owned()).collect());
        Self {
            places: vec![
                named("service", &["service", "service_name"]),
                named("environment", &["environment", "env"]),
                named("region", &["region"]),
                named("cluster", &["cluster"]),
                named("team", &["team"]),
            ],
            incident: "incident".to_owned(),
            kill_switch: "kill-switch".to_owned(),
        }
    }
}

impl Context {
    /// What a user of this host states, who may append to the ledger: nobody else was asked who that is.
    pub fn attested(like: Self) -> Self {
        Self { mode: Mode::Attested, authn_method: "local".to_owned(), ..like }
    }

    /// Deliveries read from files: nobody authenticated them but whoever may read the files.
    pub fn file() -> Self {
        Self {
            mode: Mode::File,
            authn_method: "file".to_owned(),
            authn_verified: false,
            authn_key_id: None,
            simulated_clock: false,
            defaults: Vec::new(),
            labels: Labels::default(),
            instance: None,
            sources: Arc::default(),
            rules: Rules::default(),
        }
    }

    /// The context of the deliveries of `source`.
    pub(crate) fn of(&self, source: &str) -> Cow<'_, Self> {
        let named = |s: &&Settings| s.source == source && s.instance == self.instance;
        let account = self.instance.as_ref().and_then(|_| self.sources.values().find(named));
        let Some(settings) = account.or_else(|| self.sources.get(source)) else {
            return Cow::Borrowed(self);
        };
        let stated = |name| self.defaults.iter().any(|(column, _)| *column == name);
        let weaker = settings.defaults.iter().filter(|(name, _)| !stated(*name)).cloned();
        Cow::Owned(Self {
            defaults: self.defaults.iter().cloned().chain(weaker).collect(),
            labels: settings.labels.clone(),
            instance: self.instance.clone().or_else(|| settings.instance.clone()),
            ..self.clone()
        })
    }

    /// Whose a delivery is that does not say it itself.
    pub(crate) fn instance(&self) -> &str {
        self.instance.as_deref().unwrap_or("default")
    }

    /// What is configured for a column of the place.
    pub(crate) fn configured(&self, column: &str) -> Option<&str> {
        let found = self.defaults.iter().find(|(name, _)| *name == column);
        found.map(|(_, text)| text.as_str())
    }

    /// The columns that may have a default: those of the place.
    pub fn places() -> impl Iterator<Item = &'static str> {
        COLUMNS.iter().filter(|column| column.group == PLACE).map(|column| column.name)
    }

    /// What is kept with a delivery of `source` that came another way than in a file, or whose instance was told, so that it
    /// can be mapped again as what it was.
    pub fn reception(&self, source: &str) -> Option<Reception> {
        let instance = self.of(source).instance.clone();
        (self.mode != Mode::File || instance.is_some()).then(|| Reception {
            ingest_mode: self.mode.as_str().to_owned(),
            authn_method: self.authn_method.clone(),
            authn_verified: self.authn_verified,
            authn_key_id: self.authn_key_id.clone(),
            instance,
        })
    }

    /// The context of a delivery that was received so; of one from a file, this one. A mode of a later version is that of a
    /// file: it claims the least.
    pub(crate) fn received(&self, reception: Option<&Reception>) -> Self {
        let Some(r) = reception else { return self.clone() };
        let instance = r.instance.clone().or_else(|| self.instance.clone());
        let known = [Mode::Push, Mode::Poll, Mode::Attested, Mode::Derived];
        match known.into_iter().find(|m| m.as_str() == r.ingest_mode) {
            None => Self { instance, ..self.clone() },
            Some(mode) => Self {
                mode,
                authn_method: r.authn_method.clone(),
                authn_verified: r.authn_verified,
                authn_key_id: r.authn_key_id.clone(),
                instance,
                ..self.clone()
            },
        }
    }
}

/// How a delivery reached us: the words of column `ingest_mode` that intake writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// The source sent it.
    Push,
    /// We asked the source.
    Poll,
    /// It was read from a file.
    File,
    /// Somebody of ours stated it.
    Attested,
    /// We concluded it ourselves.
    Derived,
}

impl Mode {
    /// The word in column `ingest_mode`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Push => "push",
            Self::Poll => "poll",
            Self::File => "file",
            Self::Attested => "attested",
            Self::Derived => "derived",
        }
    }
}
