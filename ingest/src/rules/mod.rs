//! Sources that a rule file describes: TOML that says which deliveries it claims and which fields go to which columns.
//!
//! `docs/rules.md` is the format. A file is parsed once, strictly ([`Rule::parse`]); then it maps like a mapper of code:
//! it never panics, never drops, never guesses. Some are bundled; users name their own.

mod at;
mod event;
mod parse;
mod place;
mod time;
mod value;

use std::sync::{Arc, LazyLock};

use backtrail_schemas::{Delivery, Mapped, Reject};
use serde_json::Value;

pub use self::at::RuleError;
use self::event::{Event, Ignore};
use self::place::{Condition, Place, Places, Scope, all_hold};
use crate::context::Context;
use crate::limits::RULE_FILES_MAX;
use crate::mapper::{gathered, refused};
use crate::node::Node;
use crate::table::{Source, sources};

/// One source, as a rule file describes it.
#[derive(Debug)]
pub struct Rule {
    /// The file and the line of the name, for messages.
    file: String,
    line: usize,
    /// The whole file.
    text: String,
    name: String,
    meaning: [String; 5],
    /// What the headers of a delivery must say to be this source's; none claims nothing.
    headers: Vec<Condition>,
    /// What the body must hold.
    body: Vec<Condition>,
    instance: Option<Places>,
    event_id: Option<Places>,
    event_type: Option<Places>,
    /// The lists whose elements have blocks of their own.
    lists: Vec<Place>,
    events: Vec<Event>,
    ignores: Vec<Ignore>,
}

impl PartialEq for Rule {
    fn eq(&self, other: &Self) -> bool {
        (&self.file, &self.text) == (&other.file, &other.text)
    }
}

impl Eq for Rule {}

impl Rule {
    /// The name in column `source`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The file, as it was named.
    pub fn file(&self) -> &str {
        &self.file
    }

    /// What it reads, for people.
    pub fn meaning(&self) -> Source<'_> {
        let [reads, natural_key, authentication, rollback, cannot_tell] = &self.meaning;
        Source { name: &self.name, reads, natural_key, authentication, rollback, cannot_tell }
    }

    pub(crate) fn claims(&self, delivery: &Delivery) -> bool {
        !self.headers.is_empty()
            && all_hold(&self.headers, &scope(&Value::Null, &headers(delivery)))
    }

    pub(crate) fn looks(&self, body: &Value) -> bool {
        !self.body.is_empty() && all_hold(&self.body, &scope(body, &Value::Null))
    }

    /// Every fact that a block finds in the body or in an element of a list. What no block is for is rejected: the body,
    /// if any block is about bodies, and each element.
    pub(crate) fn map(&self, body: &Value, delivery: &Delivery, context: &Context) -> Mapped {
        let headers = headers(delivery);
        let scope = scope(body, &headers);
        let mut parts: Vec<Mapped> = Vec::new();
        for list in &self.lists {
            match self.elements(list, &scope, delivery, context) {
                Ok(elements) => parts.extend(elements),
                Err(reject) => parts.push(refused(reject)),
            }
        }
        if parts.is_empty() || self.is_about_bodies() {
            let part = self.part(None, &scope, delivery, context);
            parts.push(part.unwrap_or_else(|| refused(self.unmapped(None, &scope))));
        }
        gathered(parts)
    }

    /// Whether some block is about the body; else only elements of lists are asked for.
    fn is_about_bodies(&self) -> bool {
        let mut each =
            self.events.iter().map(|e| &e.each).chain(self.ignores.iter().map(|i| &i.each));
        each.any(Option::is_none)
    }

    /// What becomes of the elements of a list, if it has any.
    fn elements(
        &self,
        list: &Place,
        scope: &Scope<'_>,
        delivery: &Delivery,
        context: &Context,
    ) -> Result<Option<Mapped>, Reject> {
        let elements = list.node(scope).items()?;
        if elements.is_empty() {
            return Ok(None);
        }
        Ok(Some(gathered(elements.into_iter().map(|element| {
            let one = Scope { element: Some(element), ..scope.clone() };
            let part = self.part(Some(list), &one, delivery, context);
            part.unwrap_or_else(|| refused(self.unmapped(Some(list), &one)))
        }))))
    }

    /// What the blocks for the body, or for the elements of `list`, make of one; nothing if none is for it.
    fn part(
        &self,
        list: Option<&Place>,
        scope: &Scope<'_>,
        delivery: &Delivery,
        context: &Context,
    ) -> Option<Mapped> {
        let mut mapped = Mapped::default();
        let mut found = false;
        for event in self.events.iter().filter(|event| event.each.as_ref() == list) {
            let Some(phase) = event.phase_of(scope) else { continue };
            found = true;
            match event.draft(phase, self, scope, delivery, context) {
                Ok(draft) => mapped.drafts.push(draft),
                Err(reject) => mapped.rejects.push(reject),
            }
        }
        if !found {
            let mut ignores = self.ignores.iter().filter(|ignore| ignore.each.as_ref() == list);
            let ignore = ignores.find(|ignore| all_hold(&ignore.when, scope))?;
            mapped.ignored = Some(ignore.because.clone());
        }
        Some(mapped)
    }

    /// Why no block is for the body, or for an element of `list`: a word that no block knows, or its type.
    fn unmapped(&self, list: Option<&Place>, scope: &Scope<'_>) -> Reject {
        let mut events = self.events.iter().filter(|event| event.each.as_ref() == list);
        let word = events.find_map(|event| event.unknown_word(scope));
        let ty = self.event_type.as_ref().map(|places| places.node(scope)).filter(Node::exists);
        let none = format!("is for no rule of `{}`", self.name);
        match (word, ty, &scope.element) {
            (Some(word), _, _) => word.unknown("unmapped_state", &none),
            (None, _, Some(element)) => element.refuse("unmapped_type", &none),
            (None, Some(ty), None) => ty.unknown("unmapped_type", &none),
            (None, None, None) => scope.body.refuse("unmapped_type", &none),
        }
    }
}

fn headers(delivery: &Delivery) -> Value {
    delivery.headers.iter().map(|(k, v)| (k.clone(), Value::from(v.as_str()))).collect()
}

fn scope<'a>(body: &'a Value, headers: &'a Value) -> Scope<'a> {
    Scope { body: Node::root(body), headers: Node::named(headers, "header"), element: None }
}

/// The sources that a user describes; their names are unlike each other and unlike those that are built in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rules(Arc<Vec<Rule>>);

impl Rules {
    /// Takes rule files together.
    ///
    /// # Errors
    /// Two have one name, a name belongs to a source that is built in, or there are more than [`RULE_FILES_MAX`].
    pub fn new(rules: Vec<Rule>) -> Result<Self, RuleError> {
        for (at, rule) in rules.iter().enumerate() {
            let (what, hint) = if at >= RULE_FILES_MAX {
                (format!("is one file more than {RULE_FILES_MAX}"), "name fewer rule files")
            } else if sources().iter().any(|s| s.name == rule.name) {
                let what = format!("`{}` is a source that is built in", rule.name);
                (what, "choose another name; `backtrail sources` lists those that are taken")
            } else if let Some(other) = rules[..at].iter().find(|other| other.name == rule.name) {
                (format!("`{}` is the name in {} too", rule.name, other.file), "rename one")
            } else {
                continue;
            };
            return Err(RuleError {
                file: rule.file.clone(),
                line: rule.line,
                key: "name".to_owned(),
                what,
                hint: hint.to_owned(),
            });
        }
        Ok(Self(Arc::new(rules)))
    }

    /// The rules, in the order in which they were named.
    pub fn iter(&self) -> impl Iterator<Item = &Rule> {
        self.0.iter()
    }
}

/// The bundled rule files.
const BUNDLED: &[(&str, &str)] = &[
    ("jenkins.toml", include_str!("../../rules/jenkins.toml")),
    ("spinnaker.toml", include_str!("../../rules/spinnaker.toml")),
    ("harness.toml", include_str!("../../rules/harness.toml")),
    ("terraform.toml", include_str!("../../rules/terraform.toml")),
    ("incident-io.toml", include_str!("../../rules/incident-io.toml")),
    ("rootly.toml", include_str!("../../rules/rootly.toml")),
    ("firehydrant.toml", include_str!("../../rules/firehydrant.toml")),
    ("squadcast.toml", include_str!("../../rules/squadcast.toml")),
    ("grafana-irm.toml", include_str!("../../rules/grafana-irm.toml")),
    ("sentry.toml", include_str!("../../rules/sentry.toml")),
];

/// A commented rule file to begin with; it is no source by itself.
const EXAMPLE: (&str, &str) = ("own-cd", include_str!("../../rules/own-cd.toml"));

/// The sources that are built in as rule files.
pub fn bundled() -> &'static [Rule] {
    static PARSED: LazyLock<Vec<Rule>> = LazyLock::new(|| {
        let parsed = |(file, text): &(&str, &str)| {
            Rule::parse(file, text).expect("a test parses every bundled rule file")
        };
        BUNDLED.iter().map(parsed).collect()
    });
    &PARSED
}

/// The text of the bundled rule file of a source, or of the example `own-cd`, to copy and change.
pub fn text(name: &str) -> Option<&'static str> {
    let texts = bundled().iter().map(|rule| (rule.name(), rule.text.as_str())).chain([EXAMPLE]);
    texts.into_iter().find(|(known, _)| *known == name).map(|(_, text)| text)
}

/// The names that [`text`] knows.
pub fn names() -> impl Iterator<Item = &'static str> {
    bundled().iter().map(Rule::name).chain([EXAMPLE.0])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_bundled_file_parses_and_is_named_like_its_source() {
        for (file, text) in BUNDLED.iter().chain(&[EXAMPLE]) {
            let rule = Rule::parse(file, text).unwrap_or_else(|e| panic!("{e}\nhint: {}", e.hint));
            assert_eq!(rule.name(), file.trim_end_matches(".toml"));
        }
    }
}
