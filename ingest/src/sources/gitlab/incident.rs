//! Issue Hook of incidents and their REST list, and Feature Flag Hook.

use backtrail_schemas::{Delivery, Draft, Mapped, Reject, Timestamp};

use super::{ALERT_BOT, Hook, account, host_of, required_time, time};
use crate::context::Context;
use crate::facts::{When, put_actor, put_text};
use crate::mapper::ignored;
use crate::node::Node;

/// One event per change that the hook names; an issue that is no incident carries nothing.
pub(super) fn changed(node: &Node<'_>, hook: &Hook<'_, '_>) -> Result<Mapped, Reject> {
    let issue = node.get("object_attributes").required_object()?;
    let ty = issue.get("type").text()?.unwrap_or("Issue");
    if !ty.eq_ignore_ascii_case("incident") {
        return Ok(ignored("an issue that is no incident"));
    }
    let changes = phases(node, &issue)?;
    if changes.is_empty() {
        return Ok(ignored("a change to an incident that is none of its course"));
    }
    let mut drafts = Vec::new();
    for (phase, at) in changes {
        drafts.push(draft(node, &issue, hook, phase, at)?);
    }
    Ok(Mapped { drafts, ..Mapped::default() })
}

/// One element of the REST list of issues: that it was opened and how it was closed, which the hook's rows state with more, and
/// the incident as it stands.
pub(super) fn listed(issue: &Node<'_>, context: &Context) -> Result<Mapped, Reject> {
    if !issue.get("issue_type").text()?.is_some_and(|ty| ty.eq_ignore_ascii_case("incident")) {
        return Ok(ignored("an issue that is no incident"));
    }
    let address = issue.get("web_url");
    let url = address.required_text()?;
    let no_page = || address.refuse("bad_value", "is not the address of an issue of a project");
    let host = host_of(url).ok_or_else(no_page)?;
    let (repository, _) = url.split_once("/-/").ok_or_else(no_page)?;
    let facts = super::listed::facts(Some(host), "rest/issue", context);
    let id = issue.get("id").required_id()?;
    let opened = required_time(&issue.get("created_at"))?;
    let mark = |phase: &str, at: Timestamp| {
        let mut draft =
            facts.draft("incident", phase, &format!("issue:{id}:{at}"), When::state(at));
        draft.event.put("incident_id", format!("{host}/{id}"));
        draft.event.put("reported_detected_at", opened);
        draft
    };
    let mut reported = mark("reported", opened);
    put_actor(&mut reported, account(&issue.get("author"), host)?);
    let mut drafts = vec![reported];
    if let Some(at) = time(&issue.get("closed_at"))? {
        let moved = issue.get("moved_to_id").id()?;
        // Which issue goes on instead is told by its number in its project only.
        let duplicate = issue.at(&["_links", "closed_as_duplicate_of"]).exists();
        let merged = moved.is_some() || duplicate;
        let mut closed = mark(if merged { "merged" } else { "resolved" }, at);
        closed.event.put_some("duplicate_of", moved.map(|other| format!("{host}/{other}")));
        put_actor(&mut closed, account(&issue.get("closed_by"), host)?);
        drafts.push(closed);
    }
    let mut state = mark("annotated", required_time(&issue.get("updated_at"))?);
    state.event.put("repository", repository);
    state.event.put_some("service", repository.rsplit('/').next());
    if let Some(label) = issue.get("severity").text()? {
        let label = label.to_ascii_lowercase();
        state.event.put_some("severity", severity(&label));
        state.event.put("severity_raw", label);
    }
    put_text(&mut state, "title", &issue.get("title"))?;
    put_text(&mut state, "url", &address)?;
    drafts.push(state);
    Ok(Mapped { drafts, ..Mapped::default() })
}

/// What the hook says happened, and when.
fn phases(node: &Node<'_>, issue: &Node<'_>) -> Result<Vec<(&'static str, Timestamp)>, Reject> {
    let action = issue.get("action");
    let updated = || required_time(&issue.get("updated_at"));
    Ok(match action.required_text()? {
        "open" => vec![("reported", required_time(&issue.get("created_at"))?)],
        "reopen" => vec![("reopened", updated()?)],
        "close" => {
            let at = match time(&issue.get("closed_at"))? {
                Some(at) => at,
                None => updated()?,
            };
            vec![(if succeeded_by(issue)?.is_some() { "merged" } else { "resolved" }, at)]
        }
        "update" => {
            let changes = node.get("changes");
            let status = changes.at(&["escalation_status", "current"]);
            let by_status = match status.text()? {
                None => None,
                Some("triggered") => Some("unacknowledged"),
                Some("acknowledged") => Some("acknowledged"),
                Some("resolved") => Some("resolved"),
                Some("ignored") => Some("cancelled"),
                Some(_) => return Err(status.unknown("unknown_type", "is no escalation status")),
            };
            let by_severity = changes.at(&["severity", "current"]).exists();
            let phases = by_status.into_iter().chain(by_severity.then_some("severity_changed"));
            phases.map(|phase| Ok((phase, updated()?))).collect::<Result<_, Reject>>()?
        }
        _ => return Err(action.unknown("unmapped_type", "is not an action that is read")),
    })
}

/// The issue that goes on in place of one that was closed as a duplicate, or moved: nothing recovered.
fn succeeded_by(issue: &Node<'_>) -> Result<Option<String>, Reject> {
    let duplicate = issue.get("duplicated_to_id").id()?;
    Ok(duplicate.or(issue.get("moved_to_id").id()?))
}

fn draft(
    node: &Node<'_>,
    issue: &Node<'_>,
    hook: &Hook<'_, '_>,
    phase: &str,
    at: Timestamp,
) -> Result<Draft, Reject> {
    let id = issue.get("id").required_id()?;
    let mut draft = hook.draft("incident", phase, &format!("issue:{id}:{at}"), When::state(at));
    let host = &hook.facts.instance;
    draft.event.put("incident_id", format!("{host}/{id}"));
    draft.event.put_some("reported_detected_at", time(&issue.get("created_at"))?);
    if let Some(label) = issue.get("severity").text()? {
        draft.event.put_some("severity", severity(label));
        draft.event.put("severity_raw", label);
    }
    if phase == "merged" {
        let other = succeeded_by(issue)?.map(|other| format!("{host}/{other}"));
        draft.event.put_some("duplicate_of", other);
    }
    if phase == "reported" && node.at(&["user", "username"]).text()? == Some(ALERT_BOT) {
        draft.event.put("detected_by", "monitor");
    }
    hook.put_actor(&mut draft, &node.get("user"))?;
    put_text(&mut draft, "title", &issue.get("title"))?;
    put_text(&mut draft, "url", &issue.get("url"))?;
    Ok(draft)
}

/// GitLab calls them Critical - S1 to Low - S4.
fn severity(label: &str) -> Option<i64> {
    match label {
        "critical" => Some(1),
        "high" => Some(2),
        "medium" => Some(3),
        "low" => Some(4),
        _ => None,
    }
}

/// A flag was turned on or off. The hook has no time, so only when it arrived is known.
pub(super) fn flag_turned(
    node: &Node<'_>,
    hook: &Hook<'_, '_>,
    delivery: &Delivery,
) -> Result<Draft, Reject> {
    let flag = node.get("object_attributes").required_object()?;
    let active = flag.get("active");
    let on = active.boolean()?.ok_or_else(|| active.missing())?;
    let Some(at) = delivery.received_at else {
        return Err(flag.refuse(
            "missing_field",
            "the hook of a flag states no time; hint: record the delivery with its `received_at`",
        ));
    };
    let id = flag.get("id").required_id()?;
    // A flag can be turned again and again: the delivery's own id tells it, without one only its arrival.
    let which = hook.facts.event_id.clone().unwrap_or_else(|| at.to_string());
    let phase = if on { "turned_on" } else { "turned_off" };
    let when = When { at, basis: "receipt" };
    let mut draft = hook.draft("flag", phase, &format!("feature_flag:{id}:{which}"), when);
    draft.event.put("flag", flag.get("name").required_text()?);
    hook.put_actor(&mut draft, &node.get("user"))?;
    Ok(draft)
}
