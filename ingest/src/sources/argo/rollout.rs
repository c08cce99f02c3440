//! One `Rollout`: how its current revision goes.
//!
//! An aborted rollout stays `Degraded` until somebody applies another template, though traffic is back on the stable
//! version long before: that is a rollback that succeeded, not an outage.

use backtrail_schemas::{Draft, Reject, Timestamp};

use super::{Around, REVISION, facts};
use crate::context::Context;
use crate::facts::{Facts, When, put_label, put_text};
use crate::kube::{Condition, check_current, condition, identity, put_place, shipped};
use crate::node::Node;
use crate::words::Package;

/// The marks of the current revision that this snapshot shows; none when the controller has not written a status.
pub(super) fn facts_of(
    node: &Node<'_>,
    around: &Around<'_>,
    context: &Context,
) -> Result<Vec<Draft>, Reject> {
    if !node.get("status").exists() {
        return Ok(Vec::new());
    }
    let rollout = Rollout::read(node, around, context)?;
    let mut drafts = Vec::new();
    drafts.extend(rollout.started()?);
    drafts.extend(rollout.paused()?);
    if let Some(at) = rollout.aborted_at()? {
        drafts.extend(rollout.aborted(at)?);
    } else if let Some(at) = rollout.completed_at()? {
        drafts.extend(rollout.completed(at)?);
    } else if let Some((at, reason)) = rollout.failed_at()? {
        let mut draft = rollout.deployment("failed", &format!("{reason}:{at}"), When::state(at))?;
        draft.event.put("error_type", reason);
        put_text(&mut draft, "message", &rollout.progressing.message)?;
        drafts.push(draft);
    } else {
        drafts.extend(rollout.in_flight()?);
    }
    if drafts.is_empty() {
        return Err(rollout
            .status
            .refuse("unmapped_state", "shows no mark with a time of its own"));
    }
    Ok(drafts)
}

struct Rollout<'a, 'c> {
    node: Node<'a>,
    status: Node<'a>,
    around: &'c Around<'a>,
    facts: Facts<'c>,
    name: String,
    /// Revision, or where the annotation is not there the pod template hash.
    revision: Option<String>,
    deployment_id: String,
    hash: Option<String>,
    stable: Option<String>,
    progressing: Condition<'a>,
    package: Package,
    undo: Option<&'static str>,
}

impl<'a, 'c> Rollout<'a, 'c> {
    fn read(node: &Node<'a>, around: &'c Around<'a>, context: &'c Context) -> Result<Self, Reject> {
        let status = node.get("status").required_object()?;
        check_current(node, &status)?;
        let hash = status.get("currentPodHash").id()?;
        let stable = match status.get("stableRS").id()? {
            Some(stable) => Some(stable),
            None => status.at(&["canary", "stableRS"]).id()?,
        };
        let name = node.at(&["metadata", "name"]).required_text()?.to_owned();
        let stated = node.at(&["metadata", "annotations", REVISION]).id()?;
        let distinct = stated.as_ref().or(hash.as_ref());
        let missing = || node.at(&["metadata", "annotations", REVISION]).missing();
        let deployment_id = format!("{}:{}", identity(node)?, distinct.ok_or_else(missing)?);
        let mut rollout = Self {
            node: node.clone(),
            progressing: condition(&status, "Progressing")?,
            facts: facts(node, "Rollout", context)?,
            package: shipped(&node.at(&["spec", "template"]), &name)?,
            revision: stated,
            around,
            status,
            name,
            deployment_id,
            hash,
            stable,
            undo: None,
        };
        rollout.undo = rollout.undone()?;
        Ok(rollout)
    }

    /// A draft about the deployment of this revision.
    fn deployment(&self, phase: &str, mark: &str, when: When) -> Result<Draft, Reject> {
        let mut draft = self.draft("deployment", phase, mark, when)?;
        draft.event.put("deployment_id", self.deployment_id.as_str());
        if let Some(method) = self.undo {
            draft.event.put("rollback_id", self.undo_id());
            draft.event.put("recognised_by", method);
        }
        Ok(draft)
    }

    fn draft(&self, kind: &str, phase: &str, mark: &str, when: When) -> Result<Draft, Reject> {
        let mut draft =
            self.facts.draft(kind, phase, &format!("{}:{mark}", self.deployment_id), when);
        draft.event.put_some("version", self.package.version.as_deref());
        draft.event.put_some("artifact_digest", self.package.digest.as_deref());
        put_place(&mut draft, &self.node, Some(&self.name))?;
        draft.event.put_some("revision", self.revision.as_deref());
        let strategy = self.node.at(&["spec", "strategy"]);
        if strategy.get("canary").exists() {
            draft.event.put("strategy", "canary");
        } else if strategy.get("blueGreen").exists() {
            draft.event.put("strategy", "blue_green");
        }
        if let Some(hash) = &self.hash {
            put_label(&mut draft, "pod_template_hash", hash)?;
        }
        Ok(draft)
    }

    /// The start, only where a time is known to be it: a condition that was true before keeps its old transition time.
    fn started(&self) -> Result<Vec<Draft>, Reject> {
        let stated = self.status.at(&["duration", "rolloutStartedAt"]).time()?;
        let created = match self.progressing.reason {
            Some("NewReplicaSetCreated") => self.progressing.written,
            _ => None,
        };
        let Some(at) = stated.or(created) else { return Ok(Vec::new()) };
        let mark = format!("started:{at}");
        let mut drafts = vec![self.deployment("started", &mark, When::state(at))?];
        if self.undo.is_some() {
            drafts.push(self.undo_draft("started", &mark, at)?);
        }
        Ok(drafts)
    }

    fn paused(&self) -> Result<Vec<Draft>, Reject> {
        let pauses = self.status.get("pauseConditions").parts()?;
        let draft = |pause: &Node<'_>| {
            let (reason, at) =
                (pause.get("reason").required_text()?, pause.get("startTime").required_time()?);
            let mut draft =
                self.deployment("paused", &format!("paused:{reason}:{at}"), When::state(at))?;
            put_label(&mut draft, "pause_reason", reason)?;
            draft.event.put_some("traffic_percent", self.canary_weight()?);
            Ok(draft)
        };
        pauses.iter().map(draft).collect()
    }

    /// When the update was withdrawn. `abort` alone is cleared by a retry; the time and the condition stay until the
    /// controller acts on that.
    fn aborted_at(&self) -> Result<Option<Timestamp>, Reject> {
        let marked = self.status.get("abort").boolean()? == Some(true);
        let node = self.status.get("abortedAt");
        let by_condition = self.progressing.reason == Some("RolloutAborted");
        let at = match node.time()? {
            Some(at) => Some(at),
            None if by_condition => self.progressing.changed,
            None => None,
        };
        if marked && at.is_none() { Err(node.missing()) } else { Ok(at) }
    }

    /// An abort is a deployment that failed and a rollback to the stable version, which has succeeded when no traffic
    /// is left on the new one and the stable one is fully available.
    fn aborted(&self, at: Timestamp) -> Result<Vec<Draft>, Reject> {
        let mark = format!("aborted:{at}");
        let mut failed = self.deployment("failed", &mark, When::state(at))?;
        failed.event.put("error_type", "RolloutAborted");
        put_text(&mut failed, "message", &self.progressing.message)?;
        let mut started = self.abort_draft("started", &mark, When::state(at), at)?;
        put_text(&mut started, "message", &self.progressing.message)?;
        let mut drafts = vec![failed, started];
        if self.is_back()? {
            let available = condition(&self.status, "Available")?;
            let since = available.changed.filter(|_| available.status == Some("True"));
            let back = since.map_or(at, |since| since.max(at));
            let when = When { at: back, basis: "derived" };
            drafts.push(self.abort_draft("succeeded", &format!("back:{back}"), when, at)?);
        }
        Ok(drafts)
    }

    fn abort_draft(
        &self,
        phase: &str,
        mark: &str,
        when: When,
        aborted: Timestamp,
    ) -> Result<Draft, Reject> {
        let mut draft = self.draft("rollback", phase, mark, when)?;
        let from = self.package.version.as_deref().or(self.package.digest.as_deref());
        draft.event.put("rollback_id", format!("{}:abort:{aborted}", self.deployment_id));
        draft.event.put("rollback_of", self.deployment_id.as_str());
        draft.event.put_some("from_version", from);
        draft.event.put_some("to_version", self.version_of(self.stable.as_deref())?);
        draft.event.put("mechanism", "abort");
        draft.event.put("recognised_by", "explicit");
        // The row is about the return; the version that failed is `from_version`.
        draft.event.remove("version");
        draft.event.remove("artifact_digest");
        let run = self.around.failed_run(&self.node, self.revision.as_deref());
        let (signals, expression) = run.map_or(Ok((Vec::new(), None)), super::analysis::blamed)?;
        let automatic = run.is_some() || self.analysis_failed()?;
        let trigger = if automatic { Some("automatic") } else { self.stated_trigger()? };
        draft.event.put_some("trigger", trigger);
        draft.event.put("signals", signals);
        draft.event.put_some("trigger_condition", expression);
        Ok(draft)
    }

    /// Whether an analysis of this update failed, as the rollout itself remembers.
    fn analysis_failed(&self) -> Result<bool, Reject> {
        let runs = [
            ["canary", "currentStepAnalysisRunStatus", "status"],
            ["canary", "currentBackgroundAnalysisRunStatus", "status"],
            ["blueGreen", "prePromotionAnalysisRunStatus", "status"],
            ["blueGreen", "postPromotionAnalysisRunStatus", "status"],
        ];
        for path in runs {
            if matches!(self.status.at(&path).text()?, Some("Failed" | "Error")) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Who withdrew the update, by the condition's message: the controller (an analysis, an experiment, a plugin, the
    /// progress deadline) gives its reason, a person none. After a deadline the message may be written again without it.
    fn stated_trigger(&self) -> Result<Option<&'static str>, Reject> {
        let aborted = self.progressing.reason == Some("RolloutAborted");
        let Some(message) = self.progressing.message.text()?.filter(|_| aborted) else {
            return Ok(None);
        };
        let deadline = self.node.at(&["spec", "progressDeadlineAbort"]).boolean()? == Some(true);
        let revision = message.strip_prefix("Rollout aborted update to revision ");
        Ok(match (revision, message) {
            (Some(revision), _) if revision.contains(": ") => Some("automatic"),
            (Some(_), _) | (None, "Rollout is aborted") if deadline => None,
            (Some(_), _) | (None, "Rollout is aborted") => Some("manual"),
            (None, _) => Some("automatic"),
        })
    }

    /// Whether all traffic is on the stable version and that one has all its replicas.
    fn is_back(&self) -> Result<bool, Reject> {
        let updated = self.status.get("updatedReplicas").integer()?.unwrap_or(0);
        let available = self.status.get("availableReplicas").integer()?.unwrap_or(0);
        let wanted = self.node.at(&["spec", "replicas"]).integer()?.unwrap_or(1);
        let strategy = self.node.at(&["spec", "strategy"]);
        let away = if strategy.get("blueGreen").exists() {
            let active = self.status.at(&["blueGreen", "activeSelector"]).id()?;
            active.is_some() && active == self.stable
        } else if strategy.at(&["canary", "trafficRouting"]).exists() {
            self.canary_weight()? == Some(0)
        } else {
            updated == 0
        };
        Ok(away && self.stable != self.hash && available.saturating_sub(updated) >= wanted)
    }

    /// When the current revision became the stable one.
    fn completed_at(&self) -> Result<Option<Timestamp>, Reject> {
        if self.hash.is_none() || self.stable != self.hash {
            return Ok(None);
        }
        let completed = condition(&self.status, "Completed")?;
        let by_condition = match (completed.status, self.progressing.reason) {
            (Some("True"), _) => completed.changed,
            (_, Some("NewReplicaSetAvailable" | "RolloutCompleted")) => self.progressing.written,
            _ => None,
        };
        Ok(self.status.at(&["duration", "finishedAt"]).time()?.or(by_condition))
    }

    fn completed(&self, at: Timestamp) -> Result<Vec<Draft>, Reject> {
        let mark = format!("completed:{at}");
        let mut drafts = vec![self.deployment("succeeded", &mark, When::state(at))?];
        if self.undo.is_some() {
            drafts.push(self.undo_draft("succeeded", &mark, at)?);
        }
        Ok(drafts)
    }

    /// When and why the controller gave up, if it did without an abort.
    fn failed_at(&self) -> Result<Option<(Timestamp, &'static str)>, Reject> {
        let invalid = condition(&self.status, "InvalidSpec")?;
        Ok(match (invalid.status, self.progressing.reason) {
            (Some("True"), _) => invalid.changed.map(|at| (at, "InvalidSpec")),
            (_, Some("ProgressDeadlineExceeded")) => {
                self.progressing.changed.map(|at| (at, "ProgressDeadlineExceeded"))
            }
            _ => None,
        })
    }

    /// An update that goes on: its latest progress, or that it was resumed.
    fn in_flight(&self) -> Result<Option<Draft>, Reject> {
        let (Some(reason), Some(at)) = (self.progressing.reason, self.progressing.written) else {
            return Ok(None);
        };
        let phase = match reason {
            "RolloutResumed" => "resumed",
            "NewReplicaSetCreated" | "RolloutPaused" => return Ok(None),
            _ if self.progressing.status == Some("True") => "progressed",
            _ => return Ok(None),
        };
        let weight = self.canary_weight()?;
        let shown = weight.map(|w| w.to_string()).unwrap_or_default();
        let mut draft =
            self.deployment(phase, &format!("{reason}:{shown}:{at}"), When::state(at))?;
        draft.event.put_some("traffic_percent", weight);
        Ok(Some(draft))
    }

    /// The share of traffic on the new version, where a traffic router reports it.
    fn canary_weight(&self) -> Result<Option<i64>, Reject> {
        self.status.at(&["canary", "weights", "canary", "weight"]).integer()
    }

    /// How this revision is known to go back to an older template: the controller says so, or its replica set is older
    /// than the stable one that it replaces.
    fn undone(&self) -> Result<Option<&'static str>, Reject> {
        if matches!(
            self.status.at(&["duration", "completionStatus"]).text()?,
            Some("RolledBack" | "FastRolledBack")
        ) {
            return Ok(Some("explicit"));
        }
        if self.stable == self.hash {
            return Ok(None);
        }
        let created =
            |hash: Option<&str>| match hash.and_then(|h| self.around.replica_set(&self.node, h)) {
                Some(set) => set.at(&["metadata", "creationTimestamp"]).time(),
                None => Ok(None),
            };
        let (target, replaced) = (created(self.hash.as_deref())?, created(self.stable.as_deref())?);
        let older =
            matches!((target, replaced), (Some(target), Some(replaced)) if target < replaced);
        Ok(older.then_some("first_live"))
    }

    fn undo_id(&self) -> String {
        format!("{}:undo", self.deployment_id)
    }

    fn undo_draft(&self, phase: &str, mark: &str, at: Timestamp) -> Result<Draft, Reject> {
        let mut draft = self.draft("rollback", phase, mark, When::state(at))?;
        let to = self.package.version.as_deref().or(self.package.digest.as_deref());
        draft.event.put("rollback_id", self.undo_id());
        draft.event.put("deployment_id", self.deployment_id.as_str());
        draft.event.put_some("to_version", to);
        if self.stable != self.hash {
            draft.event.put_some("from_version", self.version_of(self.stable.as_deref())?);
            draft.event.put_some("rollback_of", self.replaced()?);
        }
        draft.event.put("mechanism", "revision_undo");
        draft.event.put_some("recognised_by", self.undo);
        Ok(draft)
    }

    /// The deployment of the stable version, where its replica set came with the rollout.
    fn replaced(&self) -> Result<Option<String>, Reject> {
        let set = self.stable.as_deref().and_then(|hash| self.around.replica_set(&self.node, hash));
        let Some(set) = set else { return Ok(None) };
        let revision = set.at(&["metadata", "annotations", REVISION]).id()?;
        let uid = identity(&self.node)?;
        Ok(revision.map(|revision| format!("{uid}:{revision}")))
    }

    /// The version label of the template with this hash, where its replica set came with the rollout.
    fn version_of(&self, hash: Option<&str>) -> Result<Option<String>, Reject> {
        match hash.and_then(|h| self.around.replica_set(&self.node, h)) {
            Some(set) => {
                shipped(&set.at(&["spec", "template"]), &self.name).map(|p| p.version.or(p.digest))
            }
            None => Ok(None),
        }
    }
}
