//! Services, runs, artifacts, environments.

use backtrail_schemas::{Draft, Reject};

use super::CdEvent;
use crate::facts::{put_label, put_text, put_tier};
use crate::node::Node;
use crate::words::package;

/// `deployed` and `upgraded` say that a version is in place; `rolledback` says so of an earlier one. `published` names
/// neither version nor artifact, so it is no fact about a deployment.
pub(super) fn service(event: &CdEvent<'_, '_>, predicate: &str) -> Result<Option<Draft>, Reject> {
    let (kind, phase) = match predicate {
        "deployed" | "upgraded" => ("deployment", "succeeded"),
        "rolledback" => ("rollback", "succeeded"),
        "removed" => ("deployment", "removed"),
        _ => return Ok(None),
    };
    let mut draft = event.draft(kind, phase)?;
    if draft.event.text("environment").is_none() {
        return Err(event.content.at(&["environment", "id"]).missing());
    }
    draft.event.put("service", event.subject.get("id").required_id()?);
    event.conventions.put(&mut draft, &["service"]);
    event.put_artifact(&mut draft)?;
    if kind == "rollback" {
        let target = ["artifact_digest", "version"]
            .iter()
            .find_map(|c| draft.event.text(c))
            .map(str::to_owned);
        draft.event.put_some("to_version", target);
        draft.event.put("rollback_id", format!("{}/{}", event.facts.instance, event.id));
        draft.event.put("recognised_by", "explicit");
        event.conventions.put(&mut draft, &["rollback_id", "rollback_of"]);
    }
    Ok(Some(draft))
}

/// A pipeline or task run that says where it deploys to: `customData.service` and `.environment`.
pub(super) fn run(
    event: &CdEvent<'_, '_>,
    subject: &str,
    predicate: &str,
) -> Result<Option<Draft>, Reject> {
    let outcome = event.content.get("outcome");
    let phase = match predicate {
        "queued" => "queued",
        "started" => "started",
        "finished" => match outcome.required_text()? {
            "success" => "succeeded",
            "failure" | "error" => "failed",
            "cancel" | "cancelled" | "canceled" => "cancelled",
            _ => return Err(outcome.unknown("bad_value", "is not an outcome of a run")),
        },
        _ => return Ok(None),
    };
    let mut draft = event.draft("deployment", phase)?;
    let (name, id) = match subject {
        "taskrun" => ("taskName", event.content.at(&["pipelineRun", "id"])),
        _ => ("pipelineName", event.subject.get("id")),
    };
    draft.event.put_some("pipeline", event.content.get(name).text()?);
    draft.event.put_some("pipeline_run_id", id.id()?);
    draft.event.put_some("outcome", outcome.text()?);
    event.conventions.put(&mut draft, &["service", "rollback_id", "rollback_of"]);
    if event.conventions.get("rollback_of").is_some() {
        draft.event.put("recognised_by", "convention");
    }
    event.put_artifact(&mut draft)?;
    put_text(&mut draft, "message", &event.content.get("errors"))?;
    event.put_link(&mut draft)?;
    Ok(Some(draft))
}

/// An artifact's subject is its package URL.
pub(super) fn artifact(event: &CdEvent<'_, '_>, predicate: &str) -> Result<Option<Draft>, Reject> {
    let phase = match predicate {
        "published" => "published",
        "deleted" => "deleted",
        _ => return Ok(None),
    };
    let mut draft = event.draft("artifact", phase)?;
    let node: Node<'_> = event.subject.get("id");
    let purl = node.required_text()?;
    let found = package(purl).ok_or_else(|| node.refuse("bad_value", "is not a package URL"))?;
    draft.event.put("artifact_purl", purl);
    draft.event.put_some("version", found.version);
    draft.event.put_some("artifact_digest", found.digest);
    event.conventions.put(&mut draft, &["service"]);
    event.put_person(&mut draft, "actor", &event.content.get("user"))?;
    Ok(Some(draft))
}

/// The environment's id is what the other subjects refer to; its name is a label.
pub(super) fn environment(
    event: &CdEvent<'_, '_>,
    predicate: &str,
) -> Result<Option<Draft>, Reject> {
    let phase = match predicate {
        "created" => "created",
        "deleted" => "deleted",
        _ => return Ok(None),
    };
    let mut draft = event.draft("environment", phase)?;
    draft.event.put("environment", event.subject.get("id").required_id()?);
    put_tier(&mut draft);
    if let Some(name) = event.content.get("name").text()? {
        put_label(&mut draft, "name", name)?;
    }
    event.put_link(&mut draft)?;
    Ok(Some(draft))
}
