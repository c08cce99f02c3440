//! One `Canary`: how its current release goes.

use backtrail_schemas::{Draft, Mapped, Reject, Timestamp};

use super::{MAPPER, PHASES, put_rollback};
use crate::context::Context;
use crate::facts::{Facts, When, put_text};
use crate::kube::{condition, identity, put_place};
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
    let at = status.get("lastTransitionTime").required_time()?;
    let drafts = match said {
        "Initializing" => return Ok(ignored("the primary is being made; nothing is released")),
        "Initialized" | "Succeeded" => vec![canary.mark("succeeded", said, at)?],
        "Waiting" | "WaitingPromotion" => vec![canary.mark("paused", said, at)?],
        "Progressing" => canary.progressing(at)?,
        "Promoting" => vec![canary.mark("progressed", said, at)?],
        "Finalising" => vec![canary.mark("live", said, at)?],
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
    id: String,
}

impl<'a, 'c> Canary<'a, 'c> {
    fn read(node: &Node<'a>, context: &'c Context) -> Result<Self, Reject> {
        let status = node.get("status");
        let name = node.at(&["metadata", "name"]).required_text()?;
        let applied = status.get("lastAppliedSpec").text()?;
        Ok(Self {
            id: format!("{}:{}", identity(node)?, applied.unwrap_or("-")),
            service: node.at(&["spec", "targetRef", "name"]).text()?.unwrap_or(name),
            promoted: status.get("lastPromotedSpec").text()?,
            facts: crate::kube::facts(MAPPER.name, node, "Canary", context)?,
            node: node.clone(),
            applied,
            status,
        })
    }

    fn mark(&self, phase: &str, mark: &str, at: Timestamp) -> Result<Draft, Reject> {
        let mut draft = self.draft("deployment", phase, &format!("{mark}:{at}"), at)?;
        draft.event.put("deployment_id", self.id.as_str());
        draft.event.put_some("version", self.applied);
        Ok(draft)
    }

    /// The condition began with the phase; the status changes with every step.
    fn progressing(&self, at: Timestamp) -> Result<Vec<Draft>, Reject> {
        let promoted = condition(&self.status, "Promoted")?;
        let begun = promoted.changed.filter(|_| promoted.reason == Some("Progressing"));
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

    /// Flagger writes this phase after it gave the traffic back, unless there was no release before.
    fn failed(&self, at: Timestamp) -> Result<Vec<Draft>, Reject> {
        let message = condition(&self.status, "Promoted")?.message;
        let mut failed = self.mark("failed", "Failed", at)?;
        failed.event.put("error_type", "Failed");
        put_text(&mut failed, "message", &message)?;
        let Some(promoted) = self.promoted.filter(|p| Some(*p) != self.applied) else {
            return Ok(vec![failed]);
        };
        let back = self.status.get("canaryWeight").integer()?.unwrap_or(0) == 0;
        let phase = if back { "succeeded" } else { "started" };
        let mut rollback = self.draft("rollback", phase, &format!("Failed:{at}"), at)?;
        let id = format!("{}:rollback", self.id);
        put_rollback(&mut rollback, &id, &self.id);
        rollback.event.put_some("from_version", self.applied);
        rollback.event.put("to_version", promoted);
        put_text(&mut rollback, "message", &message)?;
        Ok(vec![failed, rollback])
    }

    fn draft(&self, kind: &str, phase: &str, mark: &str, at: Timestamp) -> Result<Draft, Reject> {
        let mut draft =
            self.facts.draft(kind, phase, &format!("{}:{mark}", self.id), When::state(at));
        put_place(&mut draft, &self.node, Some(self.service))?;
        draft.event.put("strategy", "canary");
        draft.event.put_some("outcome", self.status.get("phase").text()?);
        Ok(draft)
    }
}
