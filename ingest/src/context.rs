//! What intake knows of a delivery besides its bytes.

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
    /// for every event of the source that does not state them itself.
    pub defaults: Vec<(&'static str, String)>,
    /// What the shop's own labels and tags mean.
    pub labels: Labels,
    /// The sources that the user describes by rule files, besides those that are bundled.
    pub rules: Rules,
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
            rules: Rules::default(),
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
}

impl Mode {
    /// The word in column `ingest_mode`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Push => "push",
            Self::Poll => "poll",
            Self::File => "file",
        }
    }
}
