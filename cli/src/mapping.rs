//! What the config says of the deliveries of a source: columns that they leave open, and what their labels mean.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use backtrail_ingest::{Context, Labels, Settings};
use backtrail_schemas::columns::{Role, column};
use serde::Deserialize;

use crate::commands::sources::own_rules;
use crate::config::Config;
use crate::exit::{BAD_INPUT, Failure};
use crate::session::nearest;

/// `[sources.NAME.labels]`: the labels and tags by which the shop says what the source has no field for.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct LabelsSection {
    incident: Option<String>,
    kill_switch: Option<String>,
    service: Option<Vec<String>>,
    environment: Option<Vec<String>>,
    region: Option<Vec<String>>,
    cluster: Option<Vec<String>>,
    team: Option<Vec<String>>,
}

/// How deliveries are mapped that `config` speaks of: rule files, also those of `files`, defaults and labels. The way in
/// which they are received is that of files; whoever receives them otherwise says so.
pub(crate) fn context(config: &Config, files: &[PathBuf]) -> Result<Context, Failure> {
    let rules = own_rules(config, files)?;
    let known = || backtrail_ingest::sources().iter().map(|s| s.name);
    let mut sources = BTreeMap::new();
    for (name, section) in config.sources.iter().filter(|(_, section)| section.describes()) {
        if !known().chain(rules.iter().map(|rule| rule.name())).any(|source| source == name) {
            let near = nearest(name, known());
            return Err(Failure::new(BAD_INPUT, format_args!("sources.{name} is not a source"))
                .hint(format_args!("did you mean {near}? `backtrail sources` lists them")));
        }
        let default = |(column, text): (&String, &String)| {
            default(column, text).map_err(|e| Failure {
                exit: BAD_INPUT,
                message: format!("sources.{name}.defaults: {}", e.message),
                ..e
            })
        };
        let defaults = section.defaults.iter().map(default).collect::<Result<_, _>>()?;
        let labels = section.labels.as_ref().map(LabelsSection::read);
        sources.insert(name.clone(), Settings { defaults, labels: labels.unwrap_or_default() });
    }
    Ok(Context { rules, sources: Arc::new(sources), ..Context::file() })
}

/// A column of the place with the value that it has where a delivery does not state it.
pub(crate) fn default(name: &str, text: &str) -> Result<(&'static str, String), Failure> {
    let wrong = |what: String| Failure::new(crate::exit::USAGE, what);
    let Some(place) = Context::places().find(|place| *place == name) else {
        let near = nearest(name, Context::places());
        let all: Vec<&str> = Context::places().collect();
        return Err(wrong(format!("`{name}` is not a column that may have a default"))
            .hint(format_args!("did you mean {near}? There are {}", all.join(", "))));
    };
    if text.is_empty() {
        return Err(wrong(format!("the default of `{name}` is empty")).hint("leave it out"));
    }
    match column(place).map(|column| column.role) {
        Some(Role::Vocabulary(words)) if !words.contains(&text) => {
            Err(wrong(format!("`{text}` is not a word of `{name}`"))
                .hint(format_args!("there are {}", words.join(", "))))
        }
        _ => Ok((place, text.to_owned())),
    }
}

impl LabelsSection {
    /// The labels that count: those that are named, else what is usual.
    fn read(&self) -> Labels {
        let mut labels = Labels::default();
        for (column, names) in &mut labels.places {
            let named = match *column {
                "service" => &self.service,
                "environment" => &self.environment,
                "region" => &self.region,
                "cluster" => &self.cluster,
                "team" => &self.team,
                _ => continue,
            };
            if let Some(named) = named {
                names.clone_from(named);
            }
        }
        if let Some(incident) = &self.incident {
            labels.incident.clone_from(incident);
        }
        if let Some(kill_switch) = &self.kill_switch {
            labels.kill_switch.clone_from(kill_switch);
        }
        labels
    }
}
