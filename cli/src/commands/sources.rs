//! `sources`: what is read, and the rule files that say so.

use std::io::Read;
use std::path::Path;

use backtrail_ingest::limits::RULE_BYTES_MAX;
use backtrail_ingest::{Rule, RuleError, Rules, Source, rules};

use crate::args::{Global, Sources, SourcesAction};
use crate::config::Config;
use crate::exit::{BAD_INPUT, Failure, USAGE, unreadable};
use crate::output::Out;
use crate::{rows, session};

/// `sources` and `sources show`
pub(crate) fn sources(global: &Global, args: &Sources) -> Result<(), Failure> {
    match &args.action {
        Some(SourcesAction::Show { name }) => show(name),
        None => list(&own_rules(&Config::read(global)?, &args.rules.rules)?, args),
    }
}

fn list(own: &Rules, args: &Sources) -> Result<(), Failure> {
    let names = [
        "source",
        "described_by",
        "reads",
        "natural_key",
        "authentication",
        "rollback_recognised",
        "cannot_tell",
    ];
    let row = |by: &str, s: Source<'_>| {
        [s.name, by, s.reads, s.natural_key, s.authentication, s.rollback, s.cannot_tell]
            .map(str::to_owned)
    };
    let bundled = |name| rules::bundled().iter().any(|rule| rule.name() == name);
    let built_in = backtrail_ingest::sources().iter().map(|s| {
        let by = if bundled(s.name) { "built-in rule file" } else { "built in" };
        row(by, *s)
    });
    let own = own.iter().map(|rule| row(rule.file(), rule.meaning()));
    rows::print(&rows::of_texts(names, built_in.chain(own)), &args.formatted)
}

/// Prints a bundled rule file as it is.
fn show(name: &str) -> Result<(), Failure> {
    let Some(text) = rules::text(name) else {
        let built_in = backtrail_ingest::sources().iter().any(|s| s.name == name);
        let what = if built_in { "is built in without a rule file" } else { "is not a source" };
        let known: Vec<&str> = rules::names().collect();
        return Err(Failure::new(USAGE, format_args!("`{name}` {what}")).hint(format_args!(
            "did you mean {}? There are rule files for {}",
            session::nearest(name, rules::names()),
            known.join(", ")
        )));
    };
    let mut out = Out::new();
    out.with(|stdout| stdout.write_all(text.as_bytes()))?;
    out.finish()
}

/// The rule files that the config and the command line name.
pub(crate) fn own_rules(config: &Config, files: &[std::path::PathBuf]) -> Result<Rules, Failure> {
    let mut rules = Vec::new();
    for (name, path) in config.rules() {
        let rule = parsed(&path)?;
        if rule.name() != name {
            let what = format!("{}: describes `{}`, not `{name}`", path.display(), rule.name());
            return Err(Failure::new(BAD_INPUT, what).hint(format_args!(
                "write [sources.{}] in the config, or rename the source in the file",
                rule.name()
            )));
        }
        rules.push(rule);
    }
    for path in files {
        rules.push(parsed(path)?);
    }
    Ok(Rules::new(rules)?)
}

fn parsed(path: &Path) -> Result<Rule, Failure> {
    let file = std::fs::File::open(path).map_err(|e| unreadable(path, &e))?;
    let mut text = String::new();
    // One byte more than allowed shows that there is more.
    let mut bounded = file.take(RULE_BYTES_MAX as u64 + 1);
    bounded.read_to_string(&mut text).map_err(|e| unreadable(path, &e))?;
    Ok(Rule::parse(&path.display().to_string(), &text)?)
}

impl From<RuleError> for Failure {
    fn from(error: RuleError) -> Self {
        let hint = error.hint.clone();
        Self::new(BAD_INPUT, error).hint(hint)
    }
}
