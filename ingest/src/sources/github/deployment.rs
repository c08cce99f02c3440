//! Deployments and their statuses, from webhooks and from the REST lists.

use backtrail_schemas::{Draft, Mapped, Reject};

use super::{Hook, workflow};
use crate::conventions::Conventions;
use crate::facts::{When, put_actor, put_text, put_tier};
use crate::mapper::ignored;
use crate::node::Node;

/// The task by which shops that have a rollback button mark it.
const ROLLBACK_TASK: &str = "rollback";

/// Webhook `deployment`: somebody or something asked for a deployment.
pub(super) fn created(node: &Node<'_>, hook: &Hook<'_>) -> Result<Vec<Draft>, Reject> {
    let action = node.get("action");
    if action.text()?.is_some_and(|a| a != "created") {
        return Err(
            action.unknown("unmapped_type", "is not an action of a deployment that is read")
        );
    }
    let mut drafts = listed(&node.get("deployment").required_object()?, hook)?;
    for draft in &mut drafts {
        put_run(draft, node)?;
    }
    Ok(drafts)
}

/// One element of the REST list of deployments: the same fact as the webhook's.
pub(super) fn listed(node: &Node<'_>, hook: &Hook<'_>) -> Result<Vec<Draft>, Reject> {
    let deployment = Deployment::read(node)?;
    let when = When::event(node.get("created_at").required_time()?);
    let key = format!("deployment:{}", deployment.id);
    let environment = node.get("environment").text()?;
    let mut drafts = Vec::new();
    for (kind, phase) in deployment.kinds("queued", "requested") {
        let mut draft = hook.facts.draft(kind, phase, &key, when);
        deployment.put(&mut draft, hook, environment)?;
        put_actor(&mut draft, hook.account(&node.get("creator"))?);
        put_text(&mut draft, "message", &node.get("description"))?;
        drafts.push(draft);
    }
    Ok(drafts)
}

/// Webhook `deployment_status`: how it goes.
pub(super) fn status(node: &Node<'_>, hook: &Hook<'_>) -> Result<Vec<Draft>, Reject> {
    let status = node.get("deployment_status").required_object()?;
    let about = node.get("deployment").required_object()?;
    let deployment = Deployment::read(&about)?;
    let environment = match status.get("environment").text()? {
        Some(name) => Some(name),
        None => about.get("environment").text()?,
    };
    let mut drafts = Vec::new();
    let (phase, of_rollback) = phases(&status)?;
    for (kind, phase) in deployment.kinds(phase, of_rollback) {
        let mut draft = status_draft(&status, kind, phase, hook)?;
        deployment.put(&mut draft, hook, environment)?;
        put_run(&mut draft, node)?;
        drafts.push(draft);
    }
    Ok(drafts)
}

/// One element of the REST list of statuses. It does not hold the deployment, so neither its service (which a
/// convention of the deployment may set) nor its commit is known.
pub(super) fn listed_status(node: &Node<'_>, hook: &Hook<'_>) -> Result<Vec<Draft>, Reject> {
    let url = node.get("deployment_url");
    let id = url.required_text()?.rsplit_once("/deployments/").map(|(_, id)| id);
    let Some(id) = id.filter(|id| !id.is_empty() && id.bytes().all(|b| b.is_ascii_digit())) else {
        return Err(url.refuse("bad_value", "does not end in a deployment's number"));
    };
    let (phase, _) = phases(node)?;
    let mut draft = status_draft(node, "deployment", phase, hook)?;
    draft.event.put("deployment_id", id);
    draft.event.put("repository", hook.repository_url());
    put_environment(&mut draft, node.get("environment").text()?, None);
    Ok(vec![draft])
}

/// Webhook `workflow_job`: how a job goes that deploys. What waits is the deployment that was asked for.
pub(super) fn job(node: &Node<'_>, hook: &Hook<'_>) -> Result<Mapped, Reject> {
    let about = node.get("deployment");
    if !about.exists() {
        return Ok(ignored("a job that deploys nothing"));
    }
    let (action, job) = (node.get("action"), node.get("workflow_job").required_object()?);
    let (at, phase) = match action.required_text()? {
        "queued" | "waiting" => (None, "queued"),
        "in_progress" => (Some(job.get("started_at")), "started"),
        "completed" => (Some(job.get("completed_at")), workflow::end(&job.get("conclusion"))?),
        _ => return Err(action.unknown("unmapped_type", "is not an action of a job that is read")),
    };
    let mut drafts = match at {
        None => listed(&about.required_object()?, hook)?,
        Some(at) => {
            let deployment = Deployment::read(&about.required_object()?)?;
            let key = format!("workflow_job:{}", job.get("id").required_id()?);
            let when = When::event(at.required_time()?);
            let mut drafts = Vec::new();
            for (kind, phase) in deployment.kinds(phase, phase) {
                let mut draft = hook.facts.draft(kind, phase, &key, when);
                deployment.put(&mut draft, hook, about.get("environment").text()?)?;
                draft.event.put_some("outcome", job.get("conclusion").text()?);
                put_text(&mut draft, "url", &job.get("html_url"))?;
                drafts.push(draft);
            }
            drafts
        }
    };
    for draft in &mut drafts {
        draft.event.put_some("pipeline_run_id", job.get("run_id").id()?);
        draft.event.put_some("pipeline", job.get("workflow_name").text()?);
    }
    Ok(Mapped { drafts, ..Mapped::default() })
}

fn status_draft(
    status: &Node<'_>,
    kind: &str,
    phase: &str,
    hook: &Hook<'_>,
) -> Result<Draft, Reject> {
    let key = format!("deployment_status:{}", status.get("id").required_id()?);
    let when = When::event(status.get("created_at").required_time()?);
    let mut draft = hook.facts.draft(kind, phase, &key, when);
    draft.event.put("outcome", status.get("state").required_text()?);
    put_actor(&mut draft, hook.account(&status.get("creator"))?);
    put_text(&mut draft, "message", &status.get("description"))?;
    let log = [status.get("log_url"), status.get("target_url")];
    for node in log {
        if !draft.texts.iter().any(|(field, _)| *field == "url") {
            put_text(&mut draft, "url", &node)?;
        }
    }
    Ok(draft)
}

/// The phase of a deployment in this state, and that of a rollback. `error` is GitHub's own failure; `inactive` says
/// that a later deployment took the place.
fn phases(status: &Node<'_>) -> Result<(&'static str, &'static str), Reject> {
    let state = status.get("state");
    Ok(match state.required_text()? {
        "queued" | "pending" | "waiting" => ("queued", "requested"),
        "in_progress" => ("started", "started"),
        "success" => ("succeeded", "succeeded"),
        "failure" | "error" => ("failed", "failed"),
        "inactive" => ("superseded", NO_PHASE),
        _ => return Err(state.unknown("unknown_type", "is not a state of a deployment")),
    })
}

/// A rollback that a later deployment replaced is still the rollback that it was.
const NO_PHASE: &str = "";

struct Deployment<'a> {
    node: Node<'a>,
    id: String,
    said: Conventions,
    rollback: bool,
}

impl<'a> Deployment<'a> {
    fn read(node: &Node<'a>) -> Result<Self, Reject> {
        let said = Conventions::read(node.get("payload").value());
        let task = node.get("task").text()?;
        Ok(Self {
            id: node.get("id").required_id()?,
            rollback: task == Some(ROLLBACK_TASK) || said.get("rollback_of").is_some(),
            said,
            node: node.clone(),
        })
    }

    /// A deployment is one fact; one that rolls back is a second one.
    fn kinds(
        &self,
        phase: &'static str,
        of_rollback: &'static str,
    ) -> Vec<(&'static str, &'static str)> {
        let mut kinds = vec![("deployment", phase)];
        if self.rollback && of_rollback != NO_PHASE {
            kinds.push(("rollback", of_rollback));
        }
        kinds
    }

    fn put(
        &self,
        draft: &mut Draft,
        hook: &Hook<'_>,
        environment: Option<&str>,
    ) -> Result<(), Reject> {
        let node = &self.node;
        draft.event.put("deployment_id", self.id.as_str());
        draft.event.put("service", hook.repository_name());
        draft.event.put("repository", hook.repository_url());
        draft.event.put_some("commit_sha", node.get("sha").text()?);
        draft.event.put_some("ref", node.get("ref").text()?);
        put_environment(draft, environment, node.get("production_environment").boolean()?);
        self.said.put(
            draft,
            &[
                "service",
                "region",
                "version",
                "artifact_digest",
                "committed_at",
                "change_id",
                "incident_id",
            ],
        );
        if self.rollback {
            draft.event.put("rollback_id", format!("github:{}", self.id));
            draft.event.put("recognised_by", "convention");
            self.said.put(draft, &["rollback_id", "rollback_of"]);
        }
        if draft.event.text("kind") == Some("rollback") {
            let target = ["version", "artifact_digest", "commit_sha"]
                .iter()
                .find_map(|c| draft.event.text(c));
            let target = target.map(str::to_owned);
            draft.event.put_some("to_version", target);
            draft.event.put("mechanism", "redeploy");
        }
        Ok(())
    }
}

/// The flag says yes reliably; it says no of environments that Actions made, whatever their name.
fn put_environment(draft: &mut Draft, name: Option<&str>, production: Option<bool>) {
    draft.event.put_some("environment", name);
    put_tier(draft);
    if production == Some(true) {
        draft.event.put("environment_tier", "production");
    }
}

/// The workflow run that made the deployment, where Actions did.
fn put_run(draft: &mut Draft, node: &Node<'_>) -> Result<(), Reject> {
    let run = node.get("workflow_run");
    draft.event.put_some("pipeline_run_id", run.get("id").id()?);
    draft.event.put_some("pipeline", workflow::pipeline(&run, &node.get("workflow"))?);
    Ok(())
}
