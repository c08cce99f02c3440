//! One `Canary`: how its current release goes.

use backtrail_schemas::{Draft, Mapped, Reject, Timestamp};

use super::checksum::checksum;
use super::{MAPPER, PHASES, put_rollback, release_id};
use crate::context::Context;
use crate::facts::{Facts, When, put_text};
use crate::kube::{Condition, condition, identity, put_place};
use crate::mapper::ignored;
use crate::node::Node;

/// The marks that this snapshot shows.
pub(super) fn read(node: &Node<'_>, context: &Context) -> Result<Mapped, Reject> {
    let status = node.get("status");
    let phase = status.get("phase");
    let Some(said) = phase.text()? else {
        return Ok(ignored("Flagger has not reported on this canary yet"));
    };
    if !PHASES.contains(&said) {
        return Err(phase.unknown("unknown_type", "is not a phase of a canary"));
    }
    let canary = Canary::read(node, context)?;
    let at = canary.since(said)?;
    let drafts = match said {
        "Initializing" => return Ok(ignored("the primary is being made; nothing is released")),
        "Initialized" | "Succeeded" => vec![canary.mark("succeeded", said, at)?],
        "Waiting" | "WaitingPromotion" => vec![canary.mark("paused", said, at)?],
        "Progressing" => canary.progressing()?,
        "Promoting" => vec![canary.mark("progressed", said, at)?],
        "Finalising" => vec![canary.mark("live", said, at)?],
        "Failed" if canary.names_what_serves() => return canary.taken_back(),
        "Failed" => canary.failed(at)?,
        _ => vec![canary.mark("removed", "removed", at)?],
    };
    Ok(Mapped { drafts, ..Mapped::default() })
}

struct Canary<'a, 'c> {
    node: Node<'a>,
    status: Node<'a>,
    facts: Facts<'c>,
    /// The workload that is released.
    service: &'a str,
    /// The hash of the template that is tried, and of the one that serves.
    applied: Option<&'a str>,
    promoted: Option<&'a str>,
    /// The template that is tried with its configurations, as webhooks call it.
    checksum: Option<String>,
    /// The hashes of the configurations that it uses, by name.
    configs: Node<'a>,
    condition: Condition<'a>,
    uid: String,
    /// Of the release, should it fail.
    id: String,
}

impl<'a, 'c> Canary<'a, 'c> {
    fn read(node: &Node<'a>, context: &'c Context) -> Result<Self, Reject> {
        let status = node.get("status");
        let name = node.at(&["metadata", "name"]).required_text()?;
        let namespace = node.at(&["metadata", "namespace"]).text()?;
        let applied = status.get("lastAppliedSpec").text()?;
        let configs = status.get("trackedConfigs");
        let checksum = applied.map(|template| checksum(template, &configs)).transpose()?;
        Ok(Self {
            id: release_id(namespace, name, checksum.as_deref(), context),
            uid: identity(node)?,
            applied,
            checksum,
            configs,
            condition: condition(&status, "Promoted")?,
            service: node.at(&["spec", "targetRef", "name"]).text()?.unwrap_or(name),
            promoted: status.get("lastPromotedSpec").text()?,
            facts: crate::kube::facts(MAPPER.name, node, "Canary", context)?,
            node: node.clone(),
            status,
        })
    }

    /// When the phase began. Flagger writes the status again at every look at a canary that failed; the condition
    /// stays. A gate before the release is asked anew each time, so that its wait began with the release.
    fn since(&self, phase: &str) -> Result<Timestamp, Reject> {
        let condition = &self.condition;
        let stated = if phase == "Waiting" { condition.changed } else { condition.written };
        match stated.filter(|_| condition.reason == Some(phase)) {
            Some(at) => Ok(at),
            None => self.status.get("lastTransitionTime").required_time(),
        }
    }

    fn mark(&self, phase: &str, mark: &str, at: Timestamp) -> Result<Draft, Reject> {
        let key = format!("{}:{mark}:{at}", self.applied.unwrap_or("-"));
        let mut draft = self.draft("deployment", phase, &key, at)?;
        draft.event.put_some("version", self.checksum.as_deref());
        Ok(draft)
    }

    /// The condition began with the phase; the status changes with every step.
    fn progressing(&self) -> Result<Vec<Draft>, Reject> {
        let at = self.status.get("lastTransitionTime").required_time()?;
        let begun = self.condition.changed.filter(|_| self.condition.reason == Some("Progressing"));
        let mut drafts = Vec::new();
        if let Some(begun) = begun {
            drafts.push(self.mark("started", "started", begun)?);
        }
        let weight = self.status.get("canaryWeight").integer()?;
        if begun.is_none() || weight.is_some_and(|weight| weight > 0) {
            let mark = format!("step:{}", weight.unwrap_or(0));
            let mut draft = self.mark("progressed", &mark, at)?;
            draft.event.put_some("traffic_percent", weight);
            drafts.push(draft);
        }
        Ok(drafts)
    }

    /// Flagger writes this phase after it gave the traffic back, unless there was no release before. Shortly before it
    /// tries the next template the canary names that one as failed: the key is without it, so that the first statement
    /// counts.
    fn failed(&self, at: Timestamp) -> Result<Vec<Draft>, Reject> {
        let key = format!("Failed:{at}");
        let mut failed = self.draft("deployment", "failed", &key, at)?;
        failed.event.put("deployment_id", self.id.as_str());
        failed.event.put_some("version", self.checksum.as_deref());
        failed.event.put("error_type", "Failed");
        put_text(&mut failed, "message", &self.condition.message)?;
        let Some(promoted) = self.promoted else { return Ok(vec![failed]) };
        let back = self.status.get("canaryWeight").integer()?.unwrap_or(0) == 0;
        let phase = if back { "succeeded" } else { "started" };
        let mut rollback = self.draft("rollback", phase, &key, at)?;
        put_rollback(&mut rollback, &format!("{}:rollback", self.id), &self.id);
        rollback.event.put_some("from_version", self.checksum.as_deref());
        if self.has_no_configs() {
            rollback.event.put("to_version", checksum(promoted, &self.configs)?);
        }
        rollback.event.put_some("trigger", self.decides_alone()?.then_some("automatic"));
        put_text(&mut rollback, "message", &self.condition.message)?;
        Ok(vec![failed, rollback])
    }

    /// Whether the canary names the template that serves as the one that failed.
    fn names_what_serves(&self) -> bool {
        self.applied.is_some() && self.applied == self.promoted
    }

    /// A release of new configurations alone has the template that serves, too.
    fn taken_back(&self) -> Result<Mapped, Reject> {
        if self.has_no_configs() {
            return Ok(ignored("the template that failed was taken back, and is no longer named"));
        }
        let what =
            "is the template that serves: what failed was taken back, or only a configuration";
        Err(self.status.get("lastAppliedSpec").refuse("unmapped_state", what))
    }

    /// Whether the templates of this canary use no configuration, so that the checksum of the one that serves is known.
    fn has_no_configs(&self) -> bool {
        self.configs.value().and_then(|v| v.as_object()).is_none_or(serde_json::Map::is_empty)
    }

    /// Whether nobody but Flagger can end a release: only a webhook of type `rollback` lets somebody else.
    fn decides_alone(&self) -> Result<bool, Reject> {
        let analysis = self.node.get("spec").either(["analysis", "canaryAnalysis"]);
        let hooks = analysis.get("webhooks").items()?;
        let gated = hooks.iter().any(|h| matches!(h.get("type").text(), Ok(Some("rollback"))));
        Ok(analysis.exists() && !gated)
    }

    fn draft(&self, kind: &str, phase: &str, mark: &str, at: Timestamp) -> Result<Draft, Reject> {
        let mut draft =
            self.facts.draft(kind, phase, &format!("{}:{mark}", self.uid), When::state(at));
        put_place(&mut draft, &self.node, Some(self.service))?;
        draft.event.put("strategy", "canary");
        draft.event.put_some("outcome", self.status.get("phase").text()?);
        Ok(draft)
    }
}
