//! Reviews of deployments that a protection rule holds back.

use backtrail_schemas::{Delivery, Draft, Reject};

use super::Hook;
use crate::facts::{When, put_text, put_tier};
use crate::node::Node;

/// Webhook `deployment_review`: one approval per environment of the run.
pub(super) fn decided(
    node: &Node<'_>,
    hook: &Hook<'_>,
    delivery: &Delivery,
) -> Result<Vec<Draft>, Reject> {
    let action = node.get("action");
    let phase = match action.required_text()? {
        "requested" => "requested",
        "approved" => "approved",
        "rejected" => "rejected",
        _ => {
            return Err(
                action.unknown("unmapped_type", "is not an action of a review that is read")
            );
        }
    };
    let run = node.get("workflow_run").required_object()?;
    let (run_id, attempt) = (run.get("id").required_id()?, run.get("run_attempt").id()?);
    let since = node.get("since");
    let when = When::event_or_receipt(&since, delivery)?;
    // A receipt time is another for each delivery of the same fact, so it is no part of the fact's key.
    let stated = since.text()?.unwrap_or_default();
    let mut drafts = Vec::new();
    for environment in environments(node)? {
        let key = format!(
            "deployment_review:{run_id}:{}:{environment}:{stated}",
            attempt.as_deref().unwrap_or_default(),
        );
        let mut draft = hook.facts.draft("approval", phase, &key, when);
        draft.event.put("approval_id", format!("{run_id}/{environment}"));
        draft.event.put("service", hook.repository_name());
        draft.event.put("environment", environment.as_str());
        put_tier(&mut draft);
        draft.event.put("repository", hook.repository_url());
        draft.event.put("pipeline_run_id", run_id.as_str());
        draft.event.put_some("pipeline", run.get("name").text()?);
        draft.event.put_some("commit_sha", run.get("head_sha").text()?);
        draft.event.put_some("ref", run.get("head_branch").text()?);
        if phase != "requested" {
            draft.event.put("decision", phase);
        }
        draft
            .people
            .extend(hook.account(&node.get("requestor"))?.map(|(who, _)| ("requester", who)));
        draft.people.extend(hook.account(&node.get("approver"))?.map(|(who, _)| ("approver", who)));
        put_text(&mut draft, "comment", &node.get("comment"))?;
        put_text(&mut draft, "url", &run.get("html_url"))?;
        drafts.push(draft);
    }
    Ok(drafts)
}

/// The environment of the review, else those of the jobs that it holds back, each once.
fn environments(node: &Node<'_>) -> Result<Vec<String>, Reject> {
    let one = node.get("environment");
    if let Some(name) = one.text()? {
        return Ok(vec![name.to_owned()]);
    }
    let mut names: Vec<String> = Vec::new();
    for job in node.get("workflow_job_runs").items()? {
        let name = job.get("environment").required_text()?;
        if !names.iter().any(|known| known == name) {
            names.push(name.to_owned());
        }
    }
    if names.is_empty() { Err(one.missing()) } else { Ok(names) }
}
