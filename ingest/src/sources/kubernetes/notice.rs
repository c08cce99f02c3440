//! One `Event` of the cluster about a deployment. It names no revision.

use backtrail_schemas::{Mapped, Reject};

use super::deployment::phase_of;
use super::{facts, short};
use crate::context::Context;
use crate::facts::{When, put_text};
use crate::kube::Notice;
use crate::mapper::ignored;
use crate::node::Node;

/// The fact that the event states, if it is about a deployment.
pub(super) fn read(node: &Node<'_>, context: &Context) -> Result<Mapped, Reject> {
    let notice = Notice::read(node)?;
    let kind = notice.about.get("kind");
    match kind.required_text()? {
        "Deployment" => {}
        "Application" => {
            return Err(kind.unknown("unmapped_type", "is read with --source argocd"));
        }
        other => {
            let other = short(other);
            return Ok(ignored(format!("an event about a {other}, not about a Deployment")));
        }
    }
    let reason = notice.reason.required_text()?;
    let (kind, phase) = match (reason, phase_of(reason)) {
        (_, Some(phase)) => ("deployment", phase),
        // The API that `kubectl rollout undo` used before Kubernetes 1.16.
        ("DeploymentRollback", _) => ("rollback", "started"),
        ("DeploymentRollbackRevisionNotFound" | "DeploymentRollbackTemplateUnchanged", _) => {
            return Ok(ignored("a rollback was asked for and there was nothing to do"));
        }
        ("ScalingReplicaSet" | "SelectingAll", _) => {
            return Ok(ignored("scaling happens without a change of version too"));
        }
        _ => return Err(notice.reason.unknown("unmapped_type", "is not a reason that is read")),
    };
    let facts = facts(node, reason, context)?;
    let mut draft = facts.draft(kind, phase, &notice.key, When::event(notice.at));
    draft.event.put("service", notice.about.get("name").required_text()?);
    draft.event.put_some("service_namespace", notice.about.get("namespace").text()?);
    put_text(&mut draft, "message", &notice.message)?;
    if phase == "failed" {
        draft.event.put("error_type", reason);
    }
    if kind == "rollback" {
        draft.event.put("rollback_id", notice.key.as_str());
        draft.event.put("recognised_by", "explicit");
        draft.event.put("mechanism", "revision_undo");
    }
    Ok(Mapped { drafts: vec![draft], ..Mapped::default() })
}
