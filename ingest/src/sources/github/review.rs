//! Reviews of deployments that a protection rule holds back.

use backtrail_schemas::{Delivery, Draft, Reject};

use super::Hook;
use super::workflow::pipeline;
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
        draft.event.put_some("pipeline", pipeline(&run, &node.get("workflow"))?);
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

/// Webhook `deployment_protection_rule`: an app is asked whether a deployment may go on.
pub(super) fn held_back(node: &Node<'_>, hook: &Hook<'_>) -> Result<Vec<Draft>, Reject> {
    let action = node.get("action");
    if action.required_text()? != "requested" {
        return Err(action.unknown("unmapped_type", "is not an action of a rule that is read"));
    }
    let deployment = node.get("deployment").required_object()?;
    let id = deployment.get("id").required_id()?;
    // Each app that guards the environment is asked by a webhook of its own.
    let app = node.at(&["installation", "id"]).id()?.unwrap_or_default();
    let when = When::state(deployment.get("updated_at").required_time()?);
    let key = format!("deployment_protection_rule:{id}:{app}");
    let mut draft = hook.facts.draft("approval", "requested", &key, when);
    draft.event.put("deployment_id", id);
    draft.event.put("service", hook.repository_name());
    draft.event.put("environment", node.get("environment").required_text()?);
    put_tier(&mut draft);
    draft.event.put("repository", hook.repository_url());
    draft.event.put_some("commit_sha", deployment.get("sha").text()?);
    draft.event.put_some("ref", deployment.get("ref").text()?);
    let callback = node.get("deployment_callback_url").required_text()?;
    let run = callback.split_once("/actions/runs/").and_then(|(_, rest)| rest.split('/').next());
    draft.event.put_some("pipeline_run_id", run.filter(|run| !run.is_empty()));
    draft
        .people
        .extend(hook.account(&deployment.get("creator"))?.map(|(who, _)| ("requester", who)));
    Ok(vec![draft])
}

/// The environment of the review, else those of the jobs that it holds back, each once.
fn environments(node: &Node<'_>) -> Result<Vec<String>, Reject> {
    let one = node.get("environment");
    if let Some(name) = one.text()? {
        return Ok(vec![name.to_owned()]);
    }
    let mut names: Vec<String> = Vec::new();
    for job in node.get("workflow_job_runs").parts()? {
        let name = job.get("environment").required_text()?;
        if !names.iter().any(|known| known == name) {
            names.push(name.to_owned());
        }
    }
    if names.is_empty() { Err(one.missing()) } else { Ok(names) }
}
