//! Deployment Hook: how a deployment goes, and who approves it.

use backtrail_schemas::{Draft, Reject};

use super::{Hook, account, required_time, time};
use crate::facts::{When, put_text, put_tier};
use crate::node::Node;

/// What a status of a deployment says: the kind of event and the phase; `None` for a status that is not known.
///
/// `blocked` waits for an approval. `skipped` is a job that will not run.
pub(super) fn fact(status: &str) -> Option<(&'static str, &'static str)> {
    Some(match status {
        "created" => ("deployment", "queued"),
        "running" => ("deployment", "started"),
        "success" => ("deployment", "succeeded"),
        "failed" => ("deployment", "failed"),
        "canceled" | "skipped" => ("deployment", "cancelled"),
        "blocked" => ("approval", "requested"),
        "approved" => ("approval", "approved"),
        "rejected" => ("approval", "rejected"),
        _ => return None,
    })
}

pub(super) fn changed(node: &Node<'_>, hook: &Hook<'_, '_>) -> Result<Draft, Reject> {
    let status = node.get("status");
    let name = status.required_text()?;
    let Some((kind, phase)) = fact(name) else {
        return Err(status.unknown("unknown_type", "is not a status of a deployment"));
    };
    let id = node.get("deployment_id").required_id()?;
    let decided = time(&node.at(&["approval", "created_at"]))?;
    let decided = decided.filter(|_| matches!(name, "approved" | "rejected"));
    let (key, when) = if let Some(at) = decided {
        (approval_key(&id, at), When::event(at))
    } else {
        let at = required_time(&node.get("status_changed_at"))?;
        (format!("deployment:{id}:{name}"), When::state(at))
    };
    let mut draft = hook.draft(kind, phase, &key, when);
    put_deployment(&mut draft, node, hook, &id)?;
    if kind == "approval" {
        put_approval(&mut draft, node, hook, phase)?;
    } else {
        draft.event.put("outcome", name);
        hook.put_actor(&mut draft, &node.get("user"))?;
    }
    Ok(draft)
}

/// The REST API gives no number of an approval, so its time tells it from others of the same deployment.
pub(super) fn approval_key(deployment: &str, at: backtrail_schemas::Timestamp) -> String {
    format!("deployment:{deployment}:approval:{at}")
}

/// A deployment's number is unique on its server only.
pub(super) fn deployment_id(host: &str, id: &str) -> String {
    format!("{host}/{id}")
}

fn put_deployment(
    draft: &mut Draft,
    node: &Node<'_>,
    hook: &Hook<'_, '_>,
    id: &str,
) -> Result<(), Reject> {
    draft.event.put("deployment_id", deployment_id(&hook.facts.instance, id));
    draft.event.put_some("environment", node.get("environment").text()?);
    put_tier(draft);
    draft.event.put_some("environment_tier", tier(&node.get("environment_tier"))?);
    draft.event.put_some("commit_sha", commit(node)?);
    draft.event.put_some("ref", node.get("ref").text()?);
    put_text(draft, "url", &node.get("deployable_url"))
}

/// The tier that GitLab states: its words are ours.
pub(super) fn tier(node: &Node<'_>) -> Result<Option<&'static str>, Reject> {
    let known = ["production", "staging", "testing", "development", "other"];
    match node.text()? {
        None => Ok(None),
        Some(text) => match known.into_iter().find(|word| *word == text) {
            Some(word) => Ok(Some(word)),
            None => Err(node.unknown("bad_value", "is not a tier of an environment")),
        },
    }
}

/// The whole hash stands in the commit's address; the hook itself states its beginning only, which names no commit.
fn commit<'a>(node: &Node<'a>) -> Result<Option<&'a str>, Reject> {
    let short = node.get("short_sha").text()?.unwrap_or_default();
    let whole = node.get("commit_url").text()?.and_then(|url| url.rsplit_once("/-/commit/"));
    let is_whole = |sha: &str| sha.len() >= 40 && sha.bytes().all(|b| b.is_ascii_hexdigit());
    Ok(whole.map(|(_, sha)| sha).filter(|sha| sha.starts_with(short) && is_whole(sha)))
}

/// Who asked and who decided: where both are one account, the same pseudonym shows it.
fn put_approval(
    draft: &mut Draft,
    node: &Node<'_>,
    hook: &Hook<'_, '_>,
    phase: &str,
) -> Result<(), Reject> {
    let host = &hook.facts.instance;
    let approval = node.get("approval");
    let rule = approval.get("approval_rule");
    draft.people.extend(account(&node.get("user"), host)?.map(|(who, _)| ("requester", who)));
    draft.people.extend(account(&node.get("approver"), host)?.map(|(who, _)| ("approver", who)));
    draft.event.put_some("approvals_required", rule.get("required_approvals").integer()?);
    // A rule for one account describes itself by that person's name.
    if !rule.get("user_id").exists() {
        draft.event.put_some("approver_role", rule.get("access_level_description").text()?);
    }
    if phase != "requested" {
        draft.event.put("decision", phase);
    }
    put_text(draft, "comment", &approval.get("comment"))
}
