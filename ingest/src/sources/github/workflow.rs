//! Workflow runs, from webhooks and from the REST list: a deployment by the workflow's name, else a check of a commit.

use backtrail_schemas::{Draft, Mapped, Reject};

use super::Hook;
use crate::facts::{When, put_actor, put_text, put_tier};
use crate::mapper::ignored;
use crate::node::Node;

/// Webhook `workflow_run`: a run was requested, began or ended.
pub(super) fn run(node: &Node<'_>, hook: &Hook<'_>) -> Result<Mapped, Reject> {
    let run = node.get("workflow_run").required_object()?;
    let action = node.get("action");
    let steps: &[Step] = match action.required_text()? {
        "requested" => &[Step::Requested],
        "in_progress" => &[Step::Begun],
        "completed" => &[Step::Ended],
        _ => return Err(action.unknown("unmapped_type", "is not an action of a run that is read")),
    };
    facts(&run, pipeline(&run, &node.get("workflow"))?, steps, hook)
}

/// One element of the REST list of runs: the same facts as far as the run has come.
pub(super) fn listed(node: &Node<'_>, hook: &Hook<'_>) -> Result<Mapped, Reject> {
    let status = node.get("status");
    let steps: &[Step] = match status.required_text()? {
        "completed" => &[Step::Begun, Step::Ended],
        "in_progress" => &[Step::Begun],
        "queued" | "requested" | "waiting" | "pending" => &[Step::Requested],
        _ => return Err(status.unknown("unknown_type", "is not a status of a run")),
    };
    facts(node, pipeline(node, &node.get("workflow"))?, steps, hook)
}

/// The name of a run's workflow. A run's own `name` is that, too, unless the workflow has a `run-name:`: then it is the title of this
/// one run, which may have anything in it, and the workflow's file stands for its name.
pub(super) fn pipeline<'a>(run: &Node<'a>, workflow: &Node<'a>) -> Result<Option<&'a str>, Reject> {
    if let Some(name) = workflow.get("name").text()? {
        return Ok(Some(name));
    }
    let (name, title) = (run.get("name").text()?, run.get("display_title").text()?);
    if name.is_some() && name != title {
        return Ok(name);
    }
    Ok(run.get("path").text()?.and_then(|path| path.split('@').next()))
}

#[derive(Clone, Copy)]
enum Step {
    Requested,
    Begun,
    Ended,
}

fn facts(
    run: &Node<'_>,
    pipeline: Option<&str>,
    steps: &[Step],
    hook: &Hook<'_>,
) -> Result<Mapped, Reject> {
    let convention = pipeline.and_then(Convention::read);
    let mut drafts = Vec::new();
    for step in steps {
        match &convention {
            Some(convention) => drafts.extend(convention.drafts(run, *step, hook)?),
            None => drafts.extend(check(run, pipeline, *step, hook)?),
        }
    }
    for draft in &mut drafts {
        draft.event.put_some("pipeline", pipeline);
    }
    if drafts.is_empty() {
        return Ok(ignored("a run that did not begin yet, and deploys nothing by its name"));
    }
    Ok(Mapped { drafts, ..Mapped::default() })
}

/// How a run or a job that deploys ended, as the phase of a deployment.
pub(super) fn end(conclusion: &Node<'_>) -> Result<&'static str, Reject> {
    Ok(match conclusion.required_text()? {
        "success" => "succeeded",
        "failure" | "timed_out" | "startup_failure" => "failed",
        "cancelled" | "skipped" | "stale" => "cancelled",
        _ => {
            return Err(conclusion.unknown("unmapped_state", "does not say how a deployment ended"));
        }
    })
}

/// A run that deploys nothing checks a commit.
fn check(
    run: &Node<'_>,
    pipeline: Option<&str>,
    step: Step,
    hook: &Hook<'_>,
) -> Result<Option<Draft>, Reject> {
    let conclusion = run.get("conclusion");
    let phase = match step {
        Step::Requested => return Ok(None),
        Step::Begun => "started",
        Step::Ended => match conclusion.required_text()? {
            "success" => "passed",
            "failure" | "timed_out" | "startup_failure" => "failed",
            "neutral" | "action_required" => "inconclusive",
            "cancelled" | "skipped" | "stale" => "skipped",
            _ => return Err(conclusion.unknown("unknown_type", "is not a conclusion of a run")),
        },
    };
    let mut draft = draft(run, step, "verification", phase, hook)?;
    draft.event.put_some("check_name", pipeline);
    if matches!(step, Step::Ended) {
        draft.event.put_some("check_result", conclusion.text()?);
    }
    Ok(Some(draft))
}

/// A workflow whose name says what it deploys where: `Deploy [SERVICE] to ENVIRONMENT`, `Rollback [SERVICE] in
/// ENVIRONMENT`. Its jobs should name no `environment:`, since GitHub reports those deployments itself.
#[derive(Debug, PartialEq, Eq)]
struct Convention<'a> {
    rollback: bool,
    service: Option<&'a str>,
    environment: &'a str,
}

impl<'a> Convention<'a> {
    fn read(name: &'a str) -> Option<Self> {
        let words: Vec<&str> = name.split_whitespace().collect();
        let (verb, service, link, environment) = match words.as_slice() {
            [verb, link, environment] => (verb, None, link, environment),
            [verb, service, link, environment] => (verb, Some(*service), link, environment),
            _ => return None,
        };
        let is = |word: &str, wanted: &str| word.eq_ignore_ascii_case(wanted);
        let rollback = is(verb, "rollback") && is(link, "in");
        let deploy = is(verb, "deploy") && is(link, "to");
        (rollback || deploy).then_some(Self { rollback, service, environment })
    }

    /// Every attempt is a deployment of its own: to run an old workflow again is the usual way back.
    fn drafts(&self, run: &Node<'_>, step: Step, hook: &Hook<'_>) -> Result<Vec<Draft>, Reject> {
        let (phase, of_rollback) = match step {
            Step::Requested => ("queued", "requested"),
            Step::Begun => ("started", "started"),
            Step::Ended => {
                let phase = end(&run.get("conclusion"))?;
                (phase, phase)
            }
        };
        let id = format!("run:{}", attempt(run)?);
        let kinds = [("deployment", phase), ("rollback", of_rollback)];
        let mut drafts = Vec::new();
        let kinds = if self.rollback { &kinds[..] } else { &kinds[..1] };
        for (kind, phase) in kinds {
            let mut draft = draft(run, step, kind, phase, hook)?;
            draft.event.put("deployment_id", id.as_str());
            draft.event.put_some("service", self.service);
            draft.event.put("environment", self.environment);
            put_tier(&mut draft);
            if matches!(step, Step::Ended) {
                draft.event.put_some("outcome", run.get("conclusion").text()?);
            }
            if self.rollback {
                draft.event.put("rollback_id", format!("github:{id}"));
                draft.event.put("recognised_by", "convention");
            }
            if *kind == "rollback" {
                draft.event.put("mechanism", "redeploy");
                draft.event.put_some("to_version", run.get("head_sha").text()?);
            }
            drafts.push(draft);
        }
        Ok(drafts)
    }
}

/// The run's number and attempt: running it again keeps the number.
fn attempt(run: &Node<'_>) -> Result<String, Reject> {
    let attempt = run.get("run_attempt").id()?.unwrap_or_else(|| "1".to_owned());
    Ok(format!("{}:{attempt}", run.get("id").required_id()?))
}

fn draft(
    run: &Node<'_>,
    step: Step,
    kind: &str,
    phase: &str,
    hook: &Hook<'_>,
) -> Result<Draft, Reject> {
    let when = match step {
        Step::Ended => When::state(run.get("updated_at").required_time()?),
        Step::Requested | Step::Begun => When::state(run.get("run_started_at").required_time()?),
    };
    let key = format!("workflow_run:{}", attempt(run)?);
    let mut draft = hook.facts.draft(kind, phase, &key, when);
    draft.event.put("service", hook.repository_name());
    draft.event.put("repository", hook.repository_url());
    draft.event.put("pipeline_run_id", run.get("id").required_id()?);
    draft.event.put_some("commit_sha", run.get("head_sha").text()?);
    draft.event.put_some("ref", run.get("head_branch").text()?);
    draft.event.put_some("committed_at", run.at(&["head_commit", "timestamp"]).time()?);
    let who = match hook.account(&run.get("triggering_actor"))? {
        Some(who) => Some(who),
        None => hook.account(&run.get("actor"))?,
    };
    put_actor(&mut draft, who);
    put_text(&mut draft, "url", &run.get("html_url"))?;
    Ok(draft)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_whole_convention_makes_a_deployment() {
        let read =
            |rollback, service, environment| Some(Convention { rollback, service, environment });
        for (name, want) in [
            ("Deploy to production", read(false, None, "production")),
            ("deploy basket to eu-1", read(false, Some("basket"), "eu-1")),
            ("Rollback basket in production", read(true, Some("basket"), "production")),
            ("Deploy", None),
            ("Deploy docs", None),
            ("Deploy the new docs to production", None),
            ("Rollback to production", None),
            ("Test and deploy to production", None),
        ] {
            assert_eq!(Convention::read(name), want, "{name}");
        }
    }
}
