//! What the tests share: the samples, and results as text.

use std::path::{Path, PathBuf};

use backtrail_ingest::{Context, Error, read};
use backtrail_schemas::{Delivery, Draft, Identity, Mapped, leaf};
use serde_json::{Value, json};

pub(crate) const SOURCES: &[&str] = &[
    "native",
    "cdevents",
    "github",
    "pagerduty",
    "argo-rollouts",
    "alertmanager",
    "grafana",
    "opsgenie",
    "datadog",
    "servicenow",
    "jira",
    "launchdarkly",
    "gitlab",
    "otlp",
    "cloudevents",
    "octopus",
    "argocd",
    "kubernetes",
    "helm",
    "flagger",
    "flux",
];

/// The folders of samples: of sources with a mapper of their own, of bundled rule files, and of the example.
pub(crate) fn folders() -> Vec<&'static str> {
    SOURCES.iter().copied().chain(backtrail_ingest::rules::names()).collect()
}

/// Deliveries from files, where the user has taken the example rule file as it is.
pub(crate) fn context() -> Context {
    let text = backtrail_ingest::rules::text("own-cd").unwrap();
    let example = backtrail_ingest::Rule::parse("own-cd.toml", text).unwrap();
    Context { rules: backtrail_ingest::Rules::new(vec![example]).unwrap(), ..Context::file() }
}

pub(crate) fn crate_folder() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The deliveries below a path, as they are found when nobody names the source.
pub(crate) fn found(path: &Path) -> Vec<read::Found> {
    let mut all = Vec::new();
    let mut keep = |one| {
        all.push(one);
        Ok::<(), Error>(())
    };
    read::deliveries(&[path.to_owned()], None, &mut std::io::empty(), &mut keep).unwrap();
    all
}

/// Every sample delivery, each with its path below the samples folder.
pub(crate) fn samples() -> Vec<(String, Delivery)> {
    let folder = crate_folder().join("tests/samples");
    let named = |one: read::Found| (one.delivery.origin.clone(), one.delivery);
    found(&folder).into_iter().map(named).collect()
}

/// The files of one source's samples, without the headers beside them.
pub(crate) fn sample_files(source: &str) -> Vec<PathBuf> {
    let folder = crate_folder().join("tests/samples").join(source);
    let mut files: Vec<PathBuf> =
        std::fs::read_dir(folder).unwrap().map(|f| f.unwrap().path()).collect();
    files.retain(|f| !f.to_string_lossy().ends_with(".headers.json"));
    files.sort();
    files
}

/// A result as JSON, for snapshots and comparisons.
pub(crate) fn as_json(mapped: &Mapped) -> Value {
    json!({
        "events": mapped.drafts.iter().map(draft).collect::<Vec<_>>(),
        "rejects": mapped.rejects.iter().map(|r| json!({"code": r.code, "reason": r.reason})).collect::<Vec<_>>(),
        "ignored": mapped.ignored,
    })
}

fn draft(draft: &Draft) -> Value {
    let bytes = leaf::encode(&draft.event).unwrap();
    json!({
        "event": serde_json::from_slice::<Value>(&bytes).unwrap(),
        "people": draft.people.iter().map(|(column, who)| json!([column, identity(who)])).collect::<Vec<_>>(),
        "texts": draft.texts.iter().map(|(field, text)| json!([field, text])).collect::<Vec<_>>(),
    })
}

fn identity(who: &Identity) -> String {
    match who {
        Identity::Person { directory, id, name } => {
            format!(
                "{directory} {id}{}",
                name.as_deref().map(|n| format!(" ({n})")).unwrap_or_default()
            )
        }
        Identity::Bot(name) => format!("bot:{name}"),
        Identity::Vendor(name) => format!("vendor:{name}"),
    }
}

/// The ids of a result, sorted.
pub(crate) fn ids(mapped: &Mapped) -> Vec<String> {
    let mut ids: Vec<String> =
        mapped.drafts.iter().map(|d| d.event.text("event_id").unwrap().to_owned()).collect();
    ids.sort();
    ids
}

pub(crate) fn mapped(delivery: &Delivery) -> Mapped {
    static CONTEXT: std::sync::LazyLock<Context> = std::sync::LazyLock::new(context);
    backtrail_ingest::map(delivery, &CONTEXT)
}
