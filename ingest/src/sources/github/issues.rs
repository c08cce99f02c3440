//! Issues that are incidents: those with the shop's label for them, by default `incident`.

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
        .map_or_else(refused, |draft| Mapped { drafts: vec![draft], ..Mapped::default() })
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
        "labeled" if about_ours => "reported",
        "labeled" | "unlabeled" if turned.and_then(severity).is_some() => "severity_changed",
        "reopened" => "reopened",
        "closed" => match issue.get("state_reason").text()? {
            Some("not_planned" | "duplicate") => "cancelled",
            _ => "resolved",
        },
        "edited" | "deleted" | "transferred" => "annotated",
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

fn incident(node: &Node<'_>, hook: &Hook<'_>, phase: &str) -> Result<Draft, Reject> {
    let issue = node.get("issue").required_object()?;
    let at = match node.get("action").text()? {
        Some("opened") => issue.get("created_at"),
        Some("closed") => issue.get("closed_at"),
        _ => issue.get("updated_at"),
    };
    let at = at.required_time()?;
    let id = issue.get("id").required_id()?;
    let key = format!("issue:{id}:{}", at.micros());
    let mut draft = hook.facts.draft("incident", phase, &key, When::event(at));
    let number = issue.get("number").required_id()?;
    draft.event.put("incident_id", format!("{}#{number}", hook.repository));
    draft.event.put("repository", hook.repository_url());
    draft.event.put("reported_detected_at", issue.get("created_at").required_time()?);
    let labels = labels(&issue)?;
    if let Some(label) = labels.iter().find(|label| severity(label).is_some()) {
        put_severity(&mut draft, Some(*label));
    }
    // A label `service:…` names the service better than the repository does.
    hook.facts.context.labels.put_place_from_tags(&mut draft, &labels);
    if draft.event.get("service").is_none() {
        draft.event.put("service", hook.repository_name());
    }
    // Only one line of it is read, so that its length does not matter.
    let body = issue.get("body").value().and_then(Value::as_str);
    draft.event.put_some("commit_sha", body.and_then(root_cause));
    put_actor(&mut draft, hook.account(&node.get("sender"))?);
    put_text(&mut draft, "title", &issue.get("title"))?;
    put_text(&mut draft, "url", &issue.get("html_url"))?;
    Ok(draft)
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
