//! DORA deployments and failures, as they are sent to Datadog's API and as it lists them. Times are nanoseconds on their
//! way there; newer lists write them as text.

use backtrail_schemas::id::event_id;
use backtrail_schemas::{Delivery, Draft, Mapped, Reject, Timestamp};
use serde_json::Value;

use super::MAPPER;
use crate::facts::{Facts, When, put_label, put_severity, put_text, put_tier};
use crate::limits::TEXT_BYTES_MAX;
use crate::mapper::{ignored, refused};
use crate::node::Node;

/// The type of an event on its way to Datadog, which does not name it: a deployment has one service, a failure a list.
pub(super) fn unnamed(data: &Value) -> Option<&'static str> {
    let said = &data["attributes"];
    if !said["started_at"].is_number() {
        return None;
    }
    match (&said["service"], &said["services"]) {
        (Value::String(_), _) => Some("dora_deployment"),
        (_, Value::Array(_)) => Some("dora_failure"),
        _ => None,
    }
}

/// A deployment. Datadog is told of those that ended well.
pub(super) fn deployment(node: &Node<'_>, facts: &Facts<'_>) -> Result<Vec<Draft>, Reject> {
    let said = node.get("attributes").required_object()?;
    let service = said.get("service").required_text()?;
    let id = match node.get("id").id()? {
        Some(id) => Some(id),
        None => said.get("id").id()?,
    };
    let mut drafts = Vec::new();
    for (phase, field) in [("started", "started_at"), ("succeeded", "finished_at")] {
        let Some(at) = instant(&said.get(field))? else { continue };
        let key = match &id {
            Some(id) => deployment_key(id),
            None => key_by_content(service, &said, at)?,
        };
        let mut draft = facts.draft("deployment", phase, &key, When::event(at));
        draft.event.put_some("deployment_id", id.as_deref());
        draft.event.put("service", service);
        put_change(&mut draft, &said)?;
        drafts.push(draft);
    }
    let Some(last) = drafts.last() else { return Err(said.get("started_at").missing()) };
    let remedy = said.get("remediation");
    if let (Some(at), Some("rollback")) =
        (last.event.timestamp("occurred_at"), remedy.get("type").text()?)
    {
        // Nothing says when that was noted; the list says it every time that it is read.
        drafts.push(rollback(node, &remedy, "listed", When::state(at), facts)?);
    }
    Ok(drafts)
}

fn instant(node: &Node<'_>) -> Result<Option<Timestamp>, Reject> {
    let written = node.value().and_then(Value::as_str).is_some_and(|text| text.contains('T'));
    if written { node.time() } else { node.epoch() }
}

fn deployment_key(id: &str) -> String {
    format!("deployment:{id}")
}

/// What tells a deployment that has no id from the others.
fn key_by_content(service: &str, said: &Node<'_>, at: Timestamp) -> Result<String, Reject> {
    let texts = [said.get("env"), said.get("version"), said.at(&["git", "commit_sha"])];
    let mut key = format!("deployment:{service}");
    for node in &texts {
        key.push(':');
        key.push_str(node.text()?.unwrap_or_default());
    }
    Ok(format!("{key}:{}", at.micros()))
}

fn put_change(draft: &mut Draft, said: &Node<'_>) -> Result<(), Reject> {
    let git = said.get("git");
    draft.event.put_some("environment", said.get("env").text()?);
    put_tier(draft);
    draft.event.put_some("version", said.get("version").text()?);
    draft.event.put_some("team", said.get("team").text()?);
    draft.event.put_some("commit_sha", git.get("commit_sha").text()?);
    draft.event.put_some("repository", git.either(["repository_url", "repository_id"]).text()?);
    Ok(())
}

/// A failure, once per service that it names. Datadog calls it an incident too.
pub(super) fn failure(node: &Node<'_>, facts: &Facts<'_>) -> Result<Vec<Draft>, Reject> {
    let said = node.get("attributes").required_object()?;
    let services = said.get("services").texts()?;
    let started = said.get("started_at");
    let began = instant(&started)?.ok_or_else(|| started.missing())?;
    let own = match node.get("id").id()? {
        Some(id) => Some(id),
        None => said.get("id").id()?,
    };
    // One that has no id is known by what fails and since when.
    let id = own.unwrap_or_else(|| format!("{}:{}", services.join("+"), began.micros()));
    if id.len() > TEXT_BYTES_MAX {
        return Err(said.get("services").refuse("too_large", "names too long to tell failures by"));
    }
    let mut drafts = Vec::new();
    for service in if services.is_empty() { vec![""] } else { services } {
        for (phase, field) in [("started", "started_at"), ("resolved", "finished_at")] {
            let Some(at) = instant(&said.get(field))? else { continue };
            let key = format!("failure:{id}:{service}:{}", at.micros());
            let mut draft = facts.draft("incident", phase, &key, When::event(at));
            draft.event.put("incident_id", id.as_str());
            draft.event.put_some("service", Some(service).filter(|s| !s.is_empty()));
            draft.event.put_some("environment", said.get("env").text()?);
            put_tier(&mut draft);
            draft.event.put_some("team", said.get("team").text()?);
            put_severity(&mut draft, said.get("severity").text()?);
            put_text(&mut draft, "title", &said.get("name"))?;
            drafts.push(draft);
        }
    }
    Ok(drafts)
}

/// What a deployment turned out to be: an amendment to the deployment that put it right, which was a rollback. The
/// request says neither when that was nor where, so it can be no row of its own.
pub(super) fn patch(node: &Node<'_>, delivery: &Delivery, facts: &Facts<'_>) -> Mapped {
    let said = node.get("attributes");
    let remedy = said.get("remediation");
    let ty = remedy.get("type");
    match ty.text() {
        Ok(Some("rollback")) => When::receipt(&remedy, delivery)
            .and_then(|when| rollback(node, &remedy, "patch", when, facts))
            .map_or_else(refused, |draft| Mapped { drafts: vec![draft], ..Mapped::default() }),
        Ok(Some("rollforward")) => ignored("a roll-forward: a deployment like any other"),
        Ok(None) if !remedy.exists() => ignored(
            "says that a deployment failed or did not; which incident it caused is not said",
        ),
        Ok(_) => refused(ty.unknown("bad_value", "is neither rollback nor rollforward")),
        Err(reject) => refused(reject),
    }
}

/// The amendment of what put the deployment at `node` right, as a patch or a list says it.
fn rollback(
    node: &Node<'_>,
    remedy: &Node<'_>,
    said_by: &str,
    when: When,
    facts: &Facts<'_>,
) -> Result<Draft, Reject> {
    let failed = node.get("id").required_id()?;
    let remedied_by = remedy.get("id").required_id()?;
    let amended = event_id(
        MAPPER.name,
        &facts.instance,
        &deployment_key(&remedied_by),
        "deployment",
        "succeeded",
    );
    let key = format!("{said_by}:{failed}:{remedied_by}");
    let mut draft = facts.draft("correction", "amended", &key, when);
    draft.event.put("amends_event_id", amended);
    draft.event.put("rollback_id", format!("datadog:{remedied_by}"));
    draft.event.put("rollback_of", failed);
    draft.event.put("mechanism", "redeploy");
    draft.event.put("recognised_by", "explicit");
    put_label(&mut draft, "remediation", "rollback")?;
    Ok(draft)
}
