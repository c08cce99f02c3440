//! Incidents, tickets, test runs, approvals.

use backtrail_schemas::{Draft, Reject};

use super::CdEvent;
use crate::facts::{put_label, put_text};
use crate::words::severity;

/// There is no acknowledged, mitigated or reopened in this vocabulary.
pub(super) fn incident(event: &CdEvent<'_, '_>, predicate: &str) -> Result<Option<Draft>, Reject> {
    // What an incident is called when it opens is its title; at the end the field says what happened.
    let (phase, description) = match predicate {
        "detected" => ("detected", "title"),
        "reported" => ("reported", "title"),
        "resolved" => ("resolved", "message"),
        _ => return Ok(None),
    };
    let mut draft = event.draft("incident", phase)?;
    draft.event.put("incident_id", event.subject.get("id").required_id()?);
    draft.event.put_some("service", event.content.at(&["service", "id"]).id()?);
    event.conventions.put(&mut draft, &["service"]);
    event.put_artifact(&mut draft)?;
    if let Some(label) = event.severity.id()? {
        draft.event.put_some("severity", severity(&label));
        draft.event.put("severity_raw", label);
    }
    put_text(&mut draft, description, &event.content.get("description"))?;
    put_text(&mut draft, "url", &event.content.get("ticketURI"))?;
    Ok(Some(draft))
}

/// `ticketType` says what a ticket is about; types other than changes and tasks are no fact of ours.
pub(super) fn ticket(event: &CdEvent<'_, '_>, predicate: &str) -> Result<Option<Draft>, Reject> {
    let ty = event.content.get("ticketType").text()?.map(str::to_ascii_lowercase);
    let (kind, column) = match ty.as_deref() {
        Some("change" | "change_request") => ("change", "change_id"),
        Some("task" | "action_item") => ("action_item", "action_item_id"),
        _ => return Ok(None),
    };
    let resolution = event.content.get("resolution");
    let phase = match (kind, predicate) {
        (_, "created") => "created",
        ("change", "closed") => "closed",
        ("action_item", "updated") => "updated",
        ("action_item", "closed") => {
            match resolution.required_text()?.to_ascii_lowercase().as_str() {
                "completed" | "done" | "fixed" | "resolved" => "completed",
                "cancelled" | "canceled" | "withdrawn" | "declined" | "duplicate" => "cancelled",
                _ => {
                    return Err(resolution
                        .unknown("bad_value", "is neither a completed nor a cancelled ticket"));
                }
            }
        }
        _ => return Ok(None),
    };
    let mut draft = event.draft(kind, phase)?;
    draft.event.put(column, event.subject.get("id").required_id()?);
    draft.event.put_some("outcome", resolution.text()?);
    draft.event.put_some("team", event.content.get("group").text()?);
    if phase == "completed" {
        draft.event.put("completed_at", event.when.at);
    }
    if let Some(priority) = event.content.get("priority").text()? {
        put_label(&mut draft, "priority", priority)?;
    }
    event.put_person(&mut draft, "requester", &event.content.get("creator"))?;
    event.put_person(&mut draft, "actor", &event.content.get("updatedBy"))?;
    // Of several assignees none is the owner more than the others.
    if let (true, [owner]) =
        (kind == "action_item", event.content.get("assignees").items()?.as_slice())
    {
        event.put_person(&mut draft, "owner", owner)?;
    }
    event.conventions.put(&mut draft, &["service"]);
    put_text(&mut draft, "title", &event.content.get("summary"))?;
    event.put_link(&mut draft)?;
    Ok(Some(draft))
}

/// A run of the test suite or case whose description is at `tested`. Versions up to 0.4 say pass and fail, later ones
/// success and failure.
pub(super) fn test_run(
    event: &CdEvent<'_, '_>,
    tested: &str,
    predicate: &str,
) -> Result<Option<Draft>, Reject> {
    let outcome = event.content.get("outcome");
    let phase = match predicate {
        "started" => "started",
        "skipped" => "skipped",
        "finished" => match outcome.required_text()? {
            "pass" | "success" => "passed",
            "fail" | "failure" => "failed",
            "error" => "inconclusive",
            "cancel" | "cancelled" | "canceled" => "skipped",
            _ => return Err(outcome.unknown("bad_value", "is not an outcome of a test run")),
        },
        _ => return Ok(None),
    };
    let mut draft = event.draft("verification", phase)?;
    let described = event.content.get(tested);
    let name = match described.get("name").text()? {
        Some(name) => Some(name.to_owned()),
        None => described.get("id").id()?,
    };
    draft.event.put_some("check_name", name);
    draft.event.put_some("check_result", outcome.text()?);
    event.conventions.put(&mut draft, &["service", "rollback_id"]);
    put_label(&mut draft, "run_id", &event.subject.get("id").required_id()?)?;
    put_text(&mut draft, "reason", &event.content.get("reason"))?;
    event.put_link(&mut draft)?;
    Ok(Some(draft))
}

/// The 0.6 draft: a decision is in `updated` or `closed`; `closed` without one only says that the request lapsed.
pub(super) fn approval(event: &CdEvent<'_, '_>, predicate: &str) -> Result<Option<Draft>, Reject> {
    let decision = event.content.get("decision");
    let status = event.content.get("status").text()?.map(str::to_ascii_lowercase);
    let phase = match (predicate, decision.text()?.map(str::to_ascii_lowercase).as_deref()) {
        ("created", _) => "requested",
        ("updated" | "closed", Some("approved")) => "approved",
        ("updated" | "closed", Some("rejected" | "denied")) => "rejected",
        ("updated" | "closed", Some("revoked")) => "revoked",
        ("updated" | "closed", Some("expired")) => "expired",
        ("updated" | "closed", Some(_)) => {
            return Err(decision.unknown("bad_value", "is not a decision that is known"));
        }
        ("closed", None) if status.as_deref() == Some("expired") => "expired",
        _ => return Ok(None),
    };
    let mut draft = event.draft("approval", phase)?;
    draft.event.put("approval_id", event.subject.get("id").required_id()?);
    if phase != "requested" {
        draft.event.put("decision", phase);
    }
    event.conventions.put(&mut draft, &["service", "version", "artifact_digest", "rollback_id"]);
    event.put_person(&mut draft, "requester", &event.content.get("requestor"))?;
    event.put_person(&mut draft, "approver", &event.content.get("responder"))?;
    put_text(&mut draft, "url", &event.content.get("approvalDetailsUrl"))?;
    Ok(Some(draft))
}
