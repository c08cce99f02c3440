//! One webhook: an event with its own time and words, or the call of a gate, which has neither.

use backtrail_schemas::{Delivery, Draft, Mapped, Reject, Timestamp};

use super::halt::Halt;
use super::{MAPPER, PHASES, put_rollback, release_id};
use crate::context::Context;
use crate::conventions::Conventions;
use crate::facts::{Facts, When, put_text, put_tier};
use crate::mapper::ignored;
use crate::node::Node;

/// What the webhook states.
pub(super) fn read(
    node: &Node<'_>,
    delivery: &Delivery,
    context: &Context,
) -> Result<Mapped, Reject> {
    let phase = node.get("phase");
    if !PHASES.contains(&phase.required_text()?) {
        return Err(phase.unknown("unknown_type", "is not a phase of a canary"));
    }
    let message = node.at(&["metadata", "eventMessage"]).text()?;
    let marks = match message {
        Some(message) => told(message),
        None => ended(phase.required_text()?),
    };
    if marks.is_empty() {
        let what = if message.is_some() { "no mark of a release" } else { "a question of a gate" };
        return Ok(ignored(format!("{what} in phase {}", phase.required_text()?)));
    }
    let hook = Hook::read(node, message, delivery, context)?;
    let drafts = marks.iter().map(|(kind, mark)| hook.draft(kind, mark));
    Ok(Mapped { drafts: drafts.collect::<Result<_, _>>()?, ..Mapped::default() })
}

type Marks = &'static [(&'static str, &'static str)];

/// What Flagger's message says, by how it begins. Its other messages are free words about what it waits for.
fn told(message: &str) -> Marks {
    const SAID: &[(&str, Marks)] = &[
        ("New revision detected!", &[("deployment", "started")]),
        ("Initialization done!", &[("deployment", "succeeded")]),
        ("Starting canary analysis for ", &[("deployment", "progressed")]),
        ("Advance ", &[("deployment", "progressed")]),
        ("Routing all traffic to ", &[("deployment", "progressed")]),
        ("Stop traffic mirroring and route ", &[("deployment", "progressed")]),
        ("Copying ", &[("deployment", "progressed")]),
        ("Promoting ", &[("deployment", "progressed")]),
        ("Promotion completed! Routing all traffic to primary", &[("deployment", "live")]),
        ("Promotion completed!", &[("deployment", "succeeded")]),
        ("Rolling back ", &[("rollback", "started")]),
        ("Canary failed!", &[("deployment", "failed"), ("rollback", "succeeded")]),
    ];
    match Halt::read(message) {
        Some(Halt::Waits) => &[("deployment", "paused")],
        Some(Halt::NoData { .. }) => &[("health", "no_data")],
        Some(Halt::Breach { .. }) => &[("health", "breached")],
        None => SAID.iter().find(|(start, _)| message.starts_with(start)).map_or(&[], |(_, m)| m),
    }
}

/// What the phase says that a gate is called with after the release; before, a gate is asked and told nothing.
fn ended(phase: &str) -> Marks {
    match phase {
        "Succeeded" => &[("deployment", "succeeded")],
        "Failed" => &[("deployment", "failed"), ("rollback", "succeeded")],
        _ => &[],
    }
}

struct Hook<'a, 'c> {
    node: Node<'a>,
    facts: Facts<'c>,
    said: Conventions,
    message: Option<&'a str>,
    when: When,
    id: String,
    /// The checksum of what is released.
    checksum: Option<&'a str>,
}

impl<'a, 'c> Hook<'a, 'c> {
    fn read(
        node: &Node<'a>,
        message: Option<&'a str>,
        delivery: &Delivery,
        context: &'c Context,
    ) -> Result<Self, Reject> {
        let (name, namespace) =
            (node.get("name").required_text()?, node.get("namespace").required_text()?);
        let checksum = node.get("checksum").text()?;
        Ok(Self {
            facts: Facts {
                source: MAPPER.name,
                instance: context.instance().to_owned(),
                event_id: None,
                event_type: Some(node.get("phase").required_text()?.to_owned()),
                context,
            },
            when: when(&node.at(&["metadata", "timestamp"]), delivery)?,
            said: Conventions::read(node.get("metadata").value()),
            id: release_id(Some(namespace), name, checksum, context),
            node: node.clone(),
            message,
            checksum,
        })
    }

    fn draft(&self, kind: &str, phase: &str) -> Result<Draft, Reject> {
        let at = self.when.at;
        let key = format!("{}:{}:{at}", self.id, self.message.unwrap_or_default());
        let mut draft = self.facts.draft(kind, phase, &key, self.when);
        draft.event.put("service", self.node.get("name").required_text()?);
        draft.event.put("service_namespace", self.node.get("namespace").required_text()?);
        self.said.put(&mut draft, &["service", "environment", "region"]);
        put_tier(&mut draft);
        put_text(&mut draft, "message", &self.node.at(&["metadata", "eventMessage"]))?;
        match kind {
            "health" => {
                if let Some(halt) = self.message.and_then(Halt::read) {
                    halt.put(&mut draft);
                }
                return Ok(draft);
            }
            "rollback" => {
                let id = format!("{}:rollback", self.id);
                put_rollback(&mut draft, &id, &self.id);
                draft.event.put_some("from_version", self.said.get("version").or(self.checksum));
                if phase == "started" {
                    // A gate that a person holds; all other reasons are Flagger's own.
                    let by_hand =
                        self.message.is_some_and(|said| said.contains("manual webhook invoked"));
                    draft.event.put("trigger", if by_hand { "manual" } else { "automatic" });
                }
            }
            _ => {
                let failed = (phase == "failed").then_some(self.id.as_str());
                draft.event.put_some("deployment_id", failed);
                draft.event.put_some("version", self.checksum);
                self.said.put(&mut draft, &["version", "artifact_digest", "commit_sha"]);
                draft.event.put_some("traffic_percent", self.message.and_then(weight));
            }
        }
        if phase == "failed" {
            draft.event.put("error_type", "Failed");
        }
        draft.event.put("strategy", "canary");
        draft.event.put_some("outcome", self.node.get("phase").text()?);
        Ok(draft)
    }
}

/// The time that Flagger gives as milliseconds in a text, else when the call arrived.
fn when(node: &Node<'_>, delivery: &Delivery) -> Result<When, Reject> {
    let Some(text) = node.text()? else {
        return When::event_or_receipt(node, delivery).map_err(|missing| {
            let hint = "hint: only webhooks of type event have a time of their own; record when others arrive";
            Reject { reason: format!("{}: {hint}", missing.reason), ..missing }
        });
    };
    let micros = text.parse::<i64>().ok().and_then(|ms| ms.checked_mul(1000));
    let at = micros.and_then(Timestamp::from_micros);
    at.map(When::event).ok_or_else(|| node.refuse("bad_time", "is no number of milliseconds"))
}

/// The share of traffic in `Advance cart.shop canary weight 20`, or all of it.
fn weight(message: &str) -> Option<i64> {
    if message.ends_with("all traffic to canary") {
        return Some(100);
    }
    let (_, number) = message.split_once(" canary weight ")?;
    number.parse().ok().filter(|weight| (0..=100).contains(weight))
}
