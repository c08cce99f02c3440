//! Issues that are incidents, from webhooks and from the REST list: those with the shop's label for them, by default `incident`.

use backtrail_schemas::{Draft, Mapped, Reject};
use serde_json::Value;

use super::Hook;
use crate::conventions::labelled;
use crate::facts::{When, put_actor, put_severity, put_text};
use crate::mapper::{ignored, refused};
use crate::node::Node;
use crate::words::severity;

/// What stands before the commit that caused an incident, on a line of the issue's text.
const ROOT_CAUSE: &str = "root cause:";

/// Webhook `issues`.
pub(super) fn changed(node: &Node<'_>, hook: &Hook<'_>) -> Mapped {
    let phase = match phase(node, &hook.facts.context.labels.incident) {
        Ok(Ok(phase)) => phase,
        Ok(Err(why)) => return ignored(why),
        Err(reject) => return refused(reject),
    };
    incident(node, hook, phase)
        .map_or_else(refused, |drafts| Mapped { drafts, ..Mapped::default() })
}

/// The phase of the incident, or why the delivery says nothing of one.
fn phase(node: &Node<'_>, wanted: &str) -> Result<Result<&'static str, &'static str>, Reject> {
    let action = node.get("action");
    let issue = node.get("issue").required_object()?;
    let turned = node.at(&["label", "name"]).text()?;
    let about_ours = turned.is_some_and(|name| name.eq_ignore_ascii_case(wanted));
    let name = action.required_text()?;
    if name == "unlabeled" && about_ours {
        return Ok(Ok("cancelled"));
    }
    if !labelled(labels(&issue)?, wanted) {
        return Ok(Err("an issue without the label for incidents"));
    }
    Ok(Ok(match name {
        "opened" => "reported",
        // What was over as no incident does not begin again with the label.
        "labeled" if about_ours && closed(&issue)? && end(&issue)? == "cancelled" => "annotated",
        "labeled" if about_ours => "reported",
        "labeled" | "unlabeled" if turned.and_then(severity).is_some() => "severity_changed",
        "reopened" => "reopened",
        "closed" => end(&issue)?,
        "transferred" => "merged",
        // Who deletes the issue of an open incident takes it back; an incident that ended stays one.
        "deleted" if !closed(&issue)? => "cancelled",
        "edited" | "deleted" => "annotated",
        "labeled" | "unlabeled" | "assigned" | "unassigned" | "locked" | "unlocked" | "pinned"
        | "unpinned" | "milestoned" | "demilestoned" | "typed" | "untyped" => {
            return Ok(Err("changes nothing of the incident"));
        }
        _ => {
            return Err(
                action.unknown("unmapped_type", "is not an action of an issue that is read")
            );
        }
    }))
}

fn incident(node: &Node<'_>, hook: &Hook<'_>, phase: &str) -> Result<Vec<Draft>, Reject> {
    let issue = node.get("issue").required_object()?;
    let action = node.get("action").text()?;
    let at = match action {
        Some("opened") => issue.get("created_at"),
        Some("closed") => issue.get("closed_at"),
        _ => issue.get("updated_at"),
    };
    let mut draft = mark(&issue, hook, phase, When::event(at.required_time()?))?;
    put_state(&mut draft, &issue, hook)?;
    put_actor(&mut draft, hook.account(&node.get("sender"))?);
    if phase == "merged" {
        draft.event.put("duplicate_of", moved_to(node)?);
    }
    let mut drafts = vec![draft];
    if action == Some("labeled") && phase != "severity_changed" && closed(&issue)? {
        // Declared after it was over: known since it was written down, as the list has it too.
        let [opened, closed] = ["created_at", "closed_at"].map(|at| issue.get(at).required_time());
        drafts.push(mark(&issue, hook, "reported", When::event(opened?))?);
        drafts.push(mark(&issue, hook, end(&issue)?, When::event(closed?))?);
    }
    Ok(drafts)
}

/// What the issue is called in the repository that it was moved to.
fn moved_to(node: &Node<'_>) -> Result<String, Reject> {
    let number = node.at(&["changes", "new_issue", "number"]).required_id()?;
    let repository = node.at(&["changes", "new_repository", "full_name"]);
    Ok(format!("{}#{number}", repository.required_text()?))
}

/// One element of the REST list of issues: that it was opened and how it was closed, which the webhook's rows state with more,
/// and the issue as it stands.
pub(super) fn listed(issue: &Node<'_>, hook: &Hook<'_>) -> Result<Mapped, Reject> {
    if !labelled(labels(issue)?, &hook.facts.context.labels.incident) {
        return Ok(ignored("an issue without the label for incidents"));
    }
    let opened = When::event(issue.get("created_at").required_time()?);
    let mut reported = mark(issue, hook, "reported", opened)?;
    put_actor(&mut reported, hook.account(&issue.get("user"))?);
    let mut drafts = vec![reported];
    if let Some(at) = issue.get("closed_at").time()? {
        let mut closed = mark(issue, hook, end(issue)?, When::event(at))?;
        put_actor(&mut closed, hook.account(&issue.get("closed_by"))?);
        drafts.push(closed);
    }
    let changed = When::state(issue.get("updated_at").required_time()?);
    let mut state = mark(issue, hook, "annotated", changed)?;
    put_state(&mut state, issue, hook)?;
    drafts.push(state);
    Ok(Mapped { drafts, ..Mapped::default() })
}

/// A step of the incident, with what of it never changes.
fn mark(issue: &Node<'_>, hook: &Hook<'_>, phase: &str, when: When) -> Result<Draft, Reject> {
    let id = issue.get("id").required_id()?;
    let key = format!("issue:{id}:{}", when.at.micros());
    let mut draft = hook.facts.draft("incident", phase, &key, when);
    let number = issue.get("number").required_id()?;
    draft.event.put("incident_id", format!("{}#{number}", hook.repository));
    draft.event.put("repository", hook.repository_url());
    draft.event.put("reported_detected_at", issue.get("created_at").required_time()?);
    Ok(draft)
}

fn put_state(draft: &mut Draft, issue: &Node<'_>, hook: &Hook<'_>) -> Result<(), Reject> {
    let labels = labels(issue)?;
    if let Some(label) = labels.iter().find(|label| severity(label).is_some()) {
        put_severity(draft, Some(*label));
    }
    // A label `service:…` names the service better than the repository does.
    hook.facts.context.labels.put_place_from_tags(draft, &labels);
    if draft.event.get("service").is_none() {
        draft.event.put("service", hook.repository_name());
    }
    // Only one line of it is read, so that its length does not matter.
    let body = issue.get("body").value().and_then(Value::as_str);
    draft.event.put_some("commit_sha", body.and_then(root_cause));
    put_text(draft, "title", &issue.get("title"))?;
    put_text(draft, "url", &issue.get("html_url"))
}

fn closed(issue: &Node<'_>) -> Result<bool, Reject> {
    Ok(issue.get("closed_at").time()?.is_some())
}

/// How a closed issue ended.
fn end(issue: &Node<'_>) -> Result<&'static str, Reject> {
    Ok(match issue.get("state_reason").text()? {
        Some("not_planned" | "duplicate") => "cancelled",
        _ => "resolved",
    })
}

fn labels<'a>(issue: &Node<'a>) -> Result<Vec<&'a str>, Reject> {
    issue.get("labels").parts()?.iter().map(|label| label.get("name").required_text()).collect()
}

/// The commit after `root cause:`, as a whole or short hash.
fn root_cause(body: &str) -> Option<&str> {
    let said = body.lines().find_map(|line| {
        let line = line.trim();
        let head = line.get(..ROOT_CAUSE.len())?;
        head.eq_ignore_ascii_case(ROOT_CAUSE).then(|| line[ROOT_CAUSE.len()..].trim())
    })?;
    let hex = said.bytes().all(|b| b.is_ascii_hexdigit());
    (hex && (7..=64).contains(&said.len())).then_some(said)
}
