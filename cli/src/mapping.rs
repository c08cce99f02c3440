//! What the config says of the deliveries of a source: columns that they leave open, and what their labels mean.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use backtrail_ingest::limits::{INSTANCE_BYTES_MAX, SOURCE_NAME_BYTES_MAX};
use backtrail_ingest::{Context, Labels, Rule, Settings};
use backtrail_schemas::columns::{Role, column};
use serde::Deserialize;

use crate::commands::sources::own_rules;
use crate::config::Config;
use crate::exit::{BAD_INPUT, Failure};
use crate::serve::sources::SourceSection;
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
    let is_known = |name: &str| known().chain(rules.iter().map(Rule::name)).any(|s| s == name);
    let mut sources = BTreeMap::new();
    let describing =
        |(_, section): &(_, &SourceSection)| section.source.is_some() || section.describes();
    for (name, section) in config.sources.iter().filter(describing) {
        let source = section.source.as_ref().unwrap_or(name);
        if !is_known(source) {
            let near = nearest(source, known());
            let what = match &section.source {
                Some(_) => format!("sources.{name}.source: `{source}` is not a source"),
                None => format!("sources.{name} is not a source"),
            };
            return Err(Failure::new(BAD_INPUT, what)
                .hint(format_args!("did you mean {near}? `backtrail sources` lists them")));
        }
        if section.source.is_some() {
            check_account(name, section, is_known(name))?;
        }
        if let Some(text) = &section.instance {
            instance(text).map_err(|e| Failure {
                exit: BAD_INPUT,
                message: format!("sources.{name}.instance: {}", e.message),
                ..e
            })?;
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
        let settings = Settings {
            source: source.clone(),
            instance: section.instance.clone(),
            defaults,
            labels: labels.unwrap_or_default(),
        };
        sources.insert(name.clone(), settings);
    }
    check_accounts(config)?;
    Ok(Context { rules, sources: Arc::new(sources), ..Context::file() })
}

/// Whether `section` can be an account under `name`, which is part of a path and the name of a file.
fn check_account(name: &str, section: &SourceSection, is_source: bool) -> Result<(), Failure> {
    let wrong = |what: &str, hint: &str| {
        Err(Failure::new(BAD_INPUT, format_args!("sources.{name} {what}")).hint(hint))
    };
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    if is_source {
        return wrong("is a source itself", "leave `source` out, or give the account another name");
    }
    if name.is_empty() || name.len() > SOURCE_NAME_BYTES_MAX || !name.bytes().all(plain) {
        return wrong(
            "cannot be the name of an account",
            "small letters, digits and -, at most 40",
        );
    }
    if section.rules.is_some() {
        return wrong("has `rules`", "they belong to the section of the source itself");
    }
    Ok(())
}

/// Several accounts of one source have an instance each, or their ids would meet.
fn check_accounts(config: &Config) -> Result<(), Failure> {
    let mut told = BTreeMap::new();
    for (name, section) in &config.sources {
        let source = section.source.as_ref().unwrap_or(name);
        let shared = config.accounts(source) > 1 || section.source.is_some();
        let taken = told.insert((source, &section.instance), name);
        if shared && (section.instance.is_none() || taken.is_some()) {
            let what = format!("sources.{name} needs an `instance` of its own");
            return Err(Failure::new(BAD_INPUT, what).hint(format_args!(
                "write instance = \"…\": it tells its ids from those of other accounts of {source}"
            )));
        }
    }
    Ok(())
}

/// A text that may be an instance: it is part of event ids, and stands before ids that clash.
pub(crate) fn instance(text: &str) -> Result<String, Failure> {
    let fits = (1..=INSTANCE_BYTES_MAX).contains(&text.len())
        && text == text.trim()
        && !text.chars().any(char::is_control);
    if fits && text != "default" {
        return Ok(text.to_owned());
    }
    let shown: String = text.chars().take(40).filter(|c| !c.is_control()).collect();
    Err(Failure::new(crate::exit::USAGE, format_args!("`{shown}` cannot be an instance")).hint(
        format_args!(
            "1 to {INSTANCE_BYTES_MAX} bytes without space around them; `default` is one that was not told"
        ),
    ))
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
