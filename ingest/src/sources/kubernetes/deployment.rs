//! One `Deployment`: how its current revision goes.

use backtrail_schemas::{Draft, Mapped, Reject, Timestamp};
use serde_json::Value;

use super::{REVISION, Sets, facts, short};
use crate::context::Context;
use crate::facts::{Facts, When, put_label, put_text};
use crate::kube::{check_current, condition, identity, put_place, shipped};
use crate::mapper::ignored;
use crate::node::Node;
use crate::words::Package;

/// What somebody gave as the reason of a change, by `kubectl annotate` or `--record`.
const CAUSE: &str = "kubernetes.io/change-cause";

/// The annotation by which `kubectl rollout restart` makes a template a new one.
const RESTARTED: &str = "kubectl.kubernetes.io/restartedAt";

/// The mark of the current revision that this snapshot shows.
pub(super) fn read(node: &Node<'_>, sets: &Sets<'_>, context: &Context) -> Result<Mapped, Reject> {
    let status = node.get("status");
    if let Some(at) = node.at(&["metadata", "deletionTimestamp"]).time()? {
        return removed(node, When::state(at), context);
    }
    if !status.exists() || !status.get("conditions").exists() {
        return Ok(ignored("the controller has not reported on this deployment yet"));
    }
    if let Err(stale) = check_current(node, &status) {
        // A watch tells of each change before the controller has seen it.
        return Ok(ignored(stale.reason));
    }
    let progressing = condition(&status, "Progressing")?;
    let Some(reason) = progressing.reason else {
        return Ok(ignored("a deployment without a progress deadline does not say how it goes"));
    };
    let phase = phase_of(reason).ok_or_else(|| {
        let conditions = status.get("conditions");
        let what = format!("Progressing has the reason `{}`, which is not read", short(reason));
        conditions.refuse("unknown_type", &what)
    })?;
    // A rollout to no replicas is complete at once, and nothing of it serves.
    let empty = node.at(&["spec", "replicas"]).integer()? == Some(0);
    let phase = if empty && phase == "succeeded" { "progressed" } else { phase };
    // The deadline passed when the condition became false; all others are as of their last word.
    let at = if phase == "failed" { progressing.changed } else { progressing.written };
    let at = at.ok_or_else(|| {
        status.get("conditions").refuse("missing_field", "Progressing has no time")
    })?;
    let deployment = Deployment::read(node, sets, context)?;
    let drafts = deployment.marks(phase, reason, at, &progressing.message)?;
    Ok(Mapped { drafts, ..Mapped::default() })
}

/// The phase that a reason of the condition `Progressing` states.
pub(super) fn phase_of(reason: &str) -> Option<&'static str> {
    Some(match reason {
        "NewReplicaSetCreated" | "FoundNewReplicaSet" => "started",
        "ReplicaSetUpdated" => "progressed",
        "NewReplicaSetAvailable" => "succeeded",
        "ProgressDeadlineExceeded" | "ReplicaSetCreateError" => "failed",
        "DeploymentPaused" => "paused",
        "DeploymentResumed" => "resumed",
        _ => return None,
    })
}

/// That the deployment was deleted.
pub(super) fn removed(node: &Node<'_>, when: When, context: &Context) -> Result<Mapped, Reject> {
    let deployment = Deployment::read(node, &Sets::new(&[]), context)?;
    let mark = format!("removed:{}", when.at);
    let draft = deployment.draft("deployment", "removed", &mark, when)?;
    Ok(Mapped { drafts: vec![draft], ..Mapped::default() })
}

struct Deployment<'a, 'c> {
    node: Node<'a>,
    facts: Facts<'c>,
    name: &'a str,
    revision: Option<String>,
    id: String,
    package: Package,
    back: Option<Back>,
}

/// That the current revision serves an older template again.
struct Back {
    from: Package,
    of: String,
}

impl<'a, 'c> Deployment<'a, 'c> {
    fn read(node: &Node<'a>, sets: &Sets<'_>, context: &'c Context) -> Result<Self, Reject> {
        let name = node.at(&["metadata", "name"]).required_text()?;
        let revision = node.at(&["metadata", "annotations", REVISION]).id()?;
        let uid = identity(node)?;
        let back = match &revision {
            Some(revision) => back(&uid, revision, name, sets.of(node))?,
            None => None,
        };
        Ok(Self {
            id: format!("{uid}:{}", revision.as_deref().unwrap_or("-")),
            package: shipped(&node.at(&["spec", "template"]), name)?,
            facts: facts(node, "Deployment", context)?,
            node: node.clone(),
            name,
            revision,
            back,
        })
    }

    /// The row about the deployment, and where it goes back the row about the rollback.
    fn marks(
        &self,
        phase: &str,
        reason: &str,
        at: Timestamp,
        message: &Node<'_>,
    ) -> Result<Vec<Draft>, Reject> {
        let mark = format!("{reason}:{at}");
        let when = When::state(at);
        let mut deployment = self.draft("deployment", phase, &mark, when)?;
        deployment.event.put("outcome", reason);
        if phase == "failed" {
            deployment.event.put("error_type", reason);
            put_text(&mut deployment, "message", message)?;
        }
        let Some(back) = &self.back else { return Ok(vec![deployment]) };
        let id = format!("{}:undo", self.id);
        deployment.event.put("rollback_id", id.as_str());
        deployment.event.put("recognised_by", "first_live");
        if !matches!(phase, "started" | "succeeded" | "failed") {
            return Ok(vec![deployment]);
        }
        let mut rollback = self.draft("rollback", phase, &mark, when)?;
        let label = |p: &Package| p.version.clone().or_else(|| p.digest.clone());
        rollback.event.put("rollback_id", id);
        rollback.event.put("rollback_of", back.of.as_str());
        rollback.event.put_some("from_version", label(&back.from));
        rollback.event.put_some("to_version", label(&self.package));
        rollback.event.put("mechanism", "revision_undo");
        rollback.event.put("recognised_by", "first_live");
        Ok(vec![deployment, rollback])
    }

    fn draft(&self, kind: &str, phase: &str, mark: &str, when: When) -> Result<Draft, Reject> {
        let mut draft = self.facts.draft(kind, phase, &format!("{}:{mark}", self.id), when);
        draft.event.put("deployment_id", self.id.as_str());
        draft.event.put_some("version", self.package.version.as_deref());
        draft.event.put_some("artifact_digest", self.package.digest.as_deref());
        put_place(&mut draft, &self.node, Some(self.name))?;
        draft.event.put_some("revision", self.revision.as_deref());
        let strategy = match self.node.at(&["spec", "strategy", "type"]).text()? {
            Some("RollingUpdate") => Some("rolling"),
            Some("Recreate") => Some("recreate"),
            _ => None,
        };
        draft.event.put_some("strategy", strategy);
        put_text(&mut draft, "reason", &self.node.at(&["metadata", "annotations", CAUSE]))?;
        if let Some(tool) =
            self.node.at(&["metadata", "labels", "app.kubernetes.io/managed-by"]).text()?
        {
            put_label(&mut draft, "app.kubernetes.io/managed-by", tool)?;
        }
        Ok(draft)
    }
}

/// Whether the set that serves this revision is older than the one that served before it. `kubectl rollout undo` takes
/// the old set up again and only raises its number.
fn back(uid: &str, revision: &str, name: &str, sets: &[Node<'_>]) -> Result<Option<Back>, Reject> {
    let (mut serving, mut before) = (None, None);
    for set in sets {
        let Some(number) = set.at(&["metadata", "annotations", REVISION]).id()? else { continue };
        let Ok(rank) = number.parse::<u64>() else { continue };
        if number == revision {
            serving = Some(set);
        } else if before.as_ref().is_none_or(|(highest, _)| rank > *highest) {
            before = Some((rank, set));
        }
    }
    let (Some(serving), Some((rank, before))) = (serving, before) else { return Ok(None) };
    let created = |set: &Node<'_>| set.at(&["metadata", "creationTimestamp"]).time();
    let older = matches!((created(serving)?, created(before)?), (Some(a), Some(b)) if a < b);
    let next = revision.parse::<u64>().is_ok_and(|revision| rank < revision);
    let same = unrestarted(serving).is_some_and(|template| unrestarted(before) == Some(template));
    if same || !(older && next) {
        return Ok(None);
    }
    let from = shipped(&before.at(&["spec", "template"]), name)?;
    Ok(Some(Back { from, of: format!("{uid}:{rank}") }))
}

/// The template of a set without what `kubectl rollout restart` and the controller add to it: to undo a restart returns
/// to nothing older.
fn unrestarted(set: &Node<'_>) -> Option<Value> {
    let mut template = set.at(&["spec", "template"]).value()?.clone();
    for (part, key) in [("annotations", RESTARTED), ("labels", "pod-template-hash")] {
        let metadata = template.get_mut("metadata").and_then(Value::as_object_mut);
        let Some(metadata) = metadata else { continue };
        let emptied = metadata.get_mut(part).and_then(Value::as_object_mut).is_some_and(|map| {
            map.remove(key);
            map.is_empty()
        });
        if emptied {
            metadata.remove(part);
        }
    }
    Some(template)
}
