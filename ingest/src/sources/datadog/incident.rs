//! Incidents of the incidents API, and the tasks that follow from them. Older clients write the names in camel case.

use backtrail_schemas::{Draft, Identity, Reject};

use super::{MAPPER, user};
use crate::context::Context;
use crate::facts::{Facts, When, put_label, put_severity, put_text};
use crate::node::Node;
use crate::snapshot::Snapshot;

/// An incident with its marks. A stable incident is mitigated since the end of impact; where that is not said, when the
/// record last changed is the latest time that it can have been.
pub(super) fn record(
    node: &Node<'_>,
    facts: &Facts<'_>,
    context: &Context,
) -> Result<Vec<Draft>, Reject> {
    let id = node.get("id").required_id()?;
    let said = node.get("attributes").required_object()?;
    let changed = said.get("modified").required_time()?;
    let event = |node: Node<'_>| Ok::<_, Reject>(node.time()?.map(When::event));
    let mut record = Snapshot::new(facts, id.clone(), id);
    let impact_began = said.either(["customer_impact_start", "customerImpactStart"]);
    let impact_ended = said.either(["customer_impact_end", "customerImpactEnd"]);
    record.mark("started", event(impact_began.clone())?, None);
    let declared_by = user(&said.either(["created_by", "createdBy"]))?;
    record.mark("reported", Some(When::event(said.get("created").required_time()?)), declared_by);
    record.mark("detected", event(said.get("detected"))?, None);
    let state = state(&said)?;
    let stable = state.as_deref() == Some("stable");
    let mitigated = event(impact_ended.clone())?.or(stable.then(|| When::state(changed)));
    record.mark("mitigated", mitigated, None);
    let resolved = event(said.get("resolved"))?;
    let open = matches!(state.as_deref(), Some("active" | "stable"));
    if resolved.is_some() && open {
        record.mark("reopened", Some(When::state(changed)), None);
    }
    let ended = matches!(state.as_deref(), Some("resolved" | "completed"));
    record.mark("resolved", resolved.or(ended.then(|| When::state(changed))), None);
    let services = said.at(&["fields", "services", "value"]).texts()?;
    record.drafts(changed, &services, |draft| {
        put_state(draft, &said, context)?;
        draft.event.put_some("reported_started_at", impact_began.time()?);
        draft.event.put_some("reported_mitigated_at", impact_ended.time()?);
        if let Some(state) = state.as_deref() {
            put_label(draft, "state", state)?;
        }
        let commander = node.at(&["relationships"]).either(["commander_user", "commanderUser"]);
        draft.people.extend(user(&commander)?.map(|(who, _)| ("commander", who)));
        Ok(())
    })
}

fn put_state(draft: &mut Draft, said: &Node<'_>, context: &Context) -> Result<(), Reject> {
    let fields = said.get("fields");
    let severity = match said.get("severity").text()? {
        Some(label) => Some(label),
        None => fields.at(&["severity", "value"]).text()?,
    };
    put_severity(draft, severity);
    draft.event.put_some(
        "detected_by",
        match fields.at(&["detection_method", "value"]).text()? {
            Some("customer") => Some("customer"),
            Some("employee") => Some("person"),
            Some("monitor") => Some("monitor"),
            _ => None,
        },
    );
    draft.event.put_some("reported_detected_at", said.get("detected").time()?);
    draft.event.put_some("reported_resolved_at", said.get("resolved").time()?);
    let impact = said.either(["customer_impacted", "customerImpacted"]).boolean()?;
    draft.event.put_some("customer_impact", impact);
    if said.get("is_test").boolean()? == Some(true) {
        draft.event.put("drill", true);
    }
    if let [team] = fields.at(&["teams", "value"]).texts()?.as_slice() {
        draft.event.put("team", *team);
    }
    let field = |name: &str| fields.get(name).get("value").value()?.as_str();
    context.labels.put_place(draft, field);
    if let Some(number) = said.either(["public_id", "publicId"]).id()? {
        put_label(draft, "public_id", &number)?;
    }
    put_text(draft, "title", &said.get("title"))
}

/// The state, in one of its two places.
fn state(said: &Node<'_>) -> Result<Option<String>, Reject> {
    let node = match said.get("state") {
        own if own.exists() => own,
        _ => said.at(&["fields", "state", "value"]),
    };
    match node.text()? {
        Some(state @ ("active" | "stable" | "resolved" | "completed" | "declared")) => {
            Ok(Some(state.to_owned()))
        }
        None => Ok(None),
        Some(_) => Err(node.unknown("unmapped_state", "is not a state of an incident")),
    }
}

/// A task of an incident: that it was made, as it stands, and when it was done.
pub(super) fn task(node: &Node<'_>, facts: &Facts<'_>) -> Result<Vec<Draft>, Reject> {
    let id = node.get("id").required_id()?;
    let said = node.get("attributes").required_object()?;
    let incident = said.either(["incident_id", "incidentId"]).id()?;
    let completed = said.get("completed").time()?;
    let row = |phase, when: When| {
        let key = format!("task:{id}:{}", when.at.micros());
        let mut draft = facts.draft("action_item", phase, &key, when);
        draft.event.put("action_item_id", id.as_str());
        draft.event.put_some("incident_id", incident.as_deref());
        draft
    };
    let mut drafts = vec![row("created", When::event(said.get("created").required_time()?))];
    let made_by = user(&said.either(["created_by", "createdBy"]))?;
    drafts[0].people.extend(made_by.map(|(who, _)| ("actor", who)));
    let mut state = row("updated", When::state(said.get("modified").required_time()?));
    state.event.put_some("due_at", said.either(["due_date", "dueDate"]).time()?);
    if let [only] = said.get("assignees").items()?.as_slice() {
        state.people.extend(assignee(only)?.map(|who| ("owner", who)));
    }
    put_text(&mut state, "title", &said.get("content"))?;
    drafts.push(state);
    if let Some(at) = completed {
        let mut done = row("completed", When::event(at));
        done.event.put("completed_at", at);
        drafts.push(done);
    }
    Ok(drafts)
}

/// A handle as a text, or an account of a chat.
fn assignee(node: &Node<'_>) -> Result<Option<Identity>, Reject> {
    if let Ok(Some(handle)) = node.text() {
        let id = handle.trim_start_matches('@').to_owned();
        return Ok(Some(Identity::Person { directory: MAPPER.name.to_owned(), id, name: None }));
    }
    let Some(id) = node.get("id").id()? else { return Ok(None) };
    let name = node.get("name").text()?.map(str::to_owned);
    let directory = node.get("source").text()?.unwrap_or(MAPPER.name).to_owned();
    Ok(Some(Identity::Person { directory, id, name }))
}
