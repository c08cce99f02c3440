//! One `[[event]]` of a rule file: when it is there, and what it puts into a draft.

use std::collections::BTreeMap;
use std::fmt::Write;

use backtrail_schemas::columns::Column;
use backtrail_schemas::{Delivery, Draft, Identity, Reject};

use crate::context::Context;
use crate::facts::{Facts, When, put_text, put_tier};
use crate::node::Node;

use super::Rule;
use super::place::{Condition, Place, Places, Scope, all_hold};
use super::time::{Form, received};
use super::value::{Source, word};

/// One `[[event]]`.
#[derive(Debug)]
pub(super) struct Event {
    /// The list whose elements it is about; without one it is about the body.
    pub(super) each: Option<Place>,
    pub(super) when: Vec<Condition>,
    pub(super) kind: &'static str,
    pub(super) phase: Phase,
    /// What makes two deliveries the same fact.
    pub(super) key: Vec<Part>,
    pub(super) time: Time,
    pub(super) columns: Vec<(&'static Column, Source)>,
    pub(super) texts: Vec<(&'static str, Places)>,
    pub(super) people: Vec<(&'static Column, Vec<Who>)>,
}

/// One `[[ignore]]`.
#[derive(Debug)]
pub(super) struct Ignore {
    pub(super) each: Option<Place>,
    pub(super) when: Vec<Condition>,
    pub(super) because: String,
}

/// One part of a key.
#[derive(Debug)]
pub(super) enum Part {
    /// What is at a place.
    At(Places),
    /// When the event happened: what can happen twice.
    Time,
}

/// What happened.
#[derive(Debug)]
pub(super) enum Phase {
    Always(&'static str),
    /// By the word at a place; the block is not for other words.
    Mapped(Places, BTreeMap<String, &'static str>),
}

/// When it happened.
#[derive(Debug)]
pub(super) enum Time {
    /// The time at a place, a duration after it, and what kind of claim it is.
    Read { from: Places, plus: Option<Places>, form: Form, basis: &'static str },
    /// When the delivery arrived.
    Receipt,
}

/// Who it may have been: the first of several whose conditions hold and who is there.
#[derive(Debug)]
pub(super) struct Who {
    pub(super) when: Vec<Condition>,
    pub(super) kind: WhoKind,
    pub(super) id: Places,
    pub(super) name: Option<Places>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum WhoKind {
    Person,
    Bot,
    Vendor,
}

impl Event {
    /// The phase, if the block is for this.
    pub(super) fn phase_of(&self, scope: &Scope<'_>) -> Option<&'static str> {
        if !all_hold(&self.when, scope) {
            return None;
        }
        match &self.phase {
            Phase::Always(phase) => Some(phase),
            Phase::Mapped(places, words) => {
                let word = word(&places.node(scope)).ok().flatten()?;
                words.get(&word).copied()
            }
        }
    }

    /// The word that the block has no phase for, if that alone is why it is not for this.
    pub(super) fn unknown_word<'a>(&self, scope: &Scope<'a>) -> Option<Node<'a>> {
        match &self.phase {
            Phase::Mapped(places, _) if all_hold(&self.when, scope) && !self.when.is_empty() => {
                Some(places.node(scope)).filter(Node::exists)
            }
            _ => None,
        }
    }

    /// The event itself.
    pub(super) fn draft(
        &self,
        phase: &str,
        rule: &Rule,
        scope: &Scope<'_>,
        delivery: &Delivery,
        context: &Context,
    ) -> Result<Draft, Reject> {
        let stated = |places: &Option<Places>| match places {
            Some(places) => places.node(scope).id(),
            None => Ok(None),
        };
        let facts = Facts {
            source: rule.name(),
            instance: stated(&rule.instance)?.unwrap_or_else(|| context.instance().to_owned()),
            event_id: stated(&rule.event_id)?,
            event_type: stated(&rule.event_type)?,
            context,
        };
        let when = self.when(scope, delivery)?;
        let mut draft = facts.draft(self.kind, phase, &self.key(scope, when)?, when);
        for (column, source) in &self.columns {
            source.put(&mut draft, column, scope)?;
        }
        if draft.event.get("environment_tier").is_none() {
            put_tier(&mut draft);
        }
        for (field, places) in &self.texts {
            put_text(&mut draft, field, &places.node(scope))?;
        }
        for (column, candidates) in &self.people {
            put_people(&mut draft, column, candidates, scope, &facts)?;
        }
        Ok(draft)
    }

    /// The parts of the key, each as length and text, so that they do not run together.
    fn key(&self, scope: &Scope<'_>, when: When) -> Result<String, Reject> {
        let mut key = String::new();
        for part in &self.key {
            let text = match part {
                Part::At(places) => {
                    let node = places.node(scope);
                    word(&node)?.ok_or_else(|| node.missing())?
                }
                Part::Time => when.at.micros().to_string(),
            };
            let _ = write!(key, "{}:{text};", text.len());
        }
        Ok(key)
    }

    fn when(&self, scope: &Scope<'_>, delivery: &Delivery) -> Result<When, Reject> {
        match &self.time {
            Time::Read { from, plus, form, basis } => {
                let node = from.node(scope);
                let at = form.read(&node)?.ok_or_else(|| node.missing())?;
                let Some(plus) = plus else { return Ok(When { at, basis }) };
                Ok(When { at: form.later(at, &plus.node(scope))?, basis })
            }
            Time::Receipt => Ok(When { at: received(delivery.received_at)?, basis: "receipt" }),
        }
    }
}

/// Adds the first of the candidates that is there; a list of accounts for a column that holds several.
fn put_people(
    draft: &mut Draft,
    column: &Column,
    candidates: &[Who],
    scope: &Scope<'_>,
    facts: &Facts<'_>,
) -> Result<(), Reject> {
    for who in candidates.iter().filter(|who| all_hold(&who.when, scope)) {
        let node = who.id.node(scope);
        let several = column.ty == backtrail_schemas::columns::Type::StringList
            && node.value().is_some_and(serde_json::Value::is_array);
        let ids: Vec<String> = if several {
            node.items()?.iter().map(Node::required_id).collect::<Result<_, _>>()?
        } else {
            node.id()?.into_iter().collect()
        };
        if ids.is_empty() {
            continue;
        }
        let name = match &who.name {
            Some(places) => places.node(scope).text()?.map(str::to_owned),
            None => None,
        };
        if column.name == "actor" && draft.event.get("actor_kind").is_none() {
            draft.event.put("actor_kind", who.kind.actor_kind());
        }
        let directory = format!("{}:{}", facts.source, facts.instance);
        let identity = |id: String| match who.kind {
            WhoKind::Person => {
                Identity::Person { directory: directory.clone(), id, name: name.clone() }
            }
            WhoKind::Bot => Identity::Bot(id),
            WhoKind::Vendor => Identity::Vendor(id),
        };
        draft.people.extend(ids.into_iter().map(|id| (column.name, identity(id))));
        break;
    }
    Ok(())
}

impl WhoKind {
    fn actor_kind(self) -> &'static str {
        match self {
            Self::Person => "human",
            Self::Bot => "automation",
            Self::Vendor => "vendor",
        }
    }
}
