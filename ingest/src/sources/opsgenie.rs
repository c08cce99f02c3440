//! Opsgenie: webhooks about alerts, and alerts and incidents as the REST API lists them.
//!
//! An alert is a signal. It is an incident only if it has the shop's tag for one; Opsgenie's own incidents are objects
//! apart. A closed alert never opens again: the next one has its alias.

use backtrail_schemas::{Delivery, Draft, Identity, Mapped, Reject, Timestamp};
use serde_json::Value;

use crate::context::Context;
use crate::conventions::labelled;
use crate::facts::{Facts, When, put_actor, put_label, put_severity, put_text};
use crate::mapper::{Mapper, gathered, ignored, refused};
use crate::node::Node;
use crate::snapshot::{Actor, Snapshot};

pub(crate) const MAPPER: Mapper =
    Mapper { name: "opsgenie", yaml: false, claims: |_| false, looks, map };

fn looks(body: &Value) -> bool {
    let listed = body.get("data").filter(|data| data.is_array()).unwrap_or(body);
    let first = listed.as_array().map_or(Some(listed), |list| list.first());
    first.is_some_and(|one| {
        let webhook = one["action"].is_string() && one["alert"]["alertId"].is_string();
        webhook || (one["tinyId"].is_string() && one["message"].is_string())
    })
}

fn map(body: &Value, _: &Delivery, context: &Context) -> Mapped {
    let root = Node::root(body);
    let data = root.get("data");
    let top = if data.exists() { data } else { root };
    match top.items() {
        Ok(list) if list.is_empty() => ignored("an empty list"),
        Ok(list) => gathered(list.iter().map(|one| element(one, context))),
        Err(_) => element(&top, context),
    }
}

fn element(node: &Node<'_>, context: &Context) -> Mapped {
    let drafts = if node.get("action").exists() {
        match node.get("action").text() {
            Ok(Some(action)) if QUIET.contains(&action) => {
                return ignored(format!("{action} changes neither alert nor incident"));
            }
            _ => webhook(node, context),
        }
    } else if node.get("impactStartDate").exists() || node.get("impactedServices").exists() {
        incident(node, context)
    } else {
        listed_alert(node, context)
    };
    match drafts {
        Ok(drafts) => Mapped { drafts, ..Mapped::default() },
        Err(reject) => refused(reject),
    }
}

/// Actions after which the alert is what it was.
const QUIET: &[&str] = &[
    "AddNote",
    "AddTags",
    "RemoveTags",
    "AddDetails",
    "RemoveDetails",
    "AddRecipient",
    "AddTeam",
    "AddResponder",
    "AssignOwnership",
    "TakeOwnership",
    "Snooze",
    "UnSnooze",
    "UpdateDescription",
    "UpdateMessage",
    "CustomAction",
];

/// What an action says of an alert, and of an incident: phases, and the state that the signal is in.
fn phases(action: &Node<'_>) -> Result<(&'static str, &'static str, &'static str), Reject> {
    Ok(match action.required_text()? {
        "Create" => ("breached", "detected", "breached"),
        "Acknowledge" => ("sample", "acknowledged", "breached"),
        "UnAcknowledge" => ("sample", "unacknowledged", "breached"),
        "Escalate" | "EscalateNext" | "EscalateToNext" => ("sample", "escalated", "breached"),
        "UpdatePriority" => ("sample", "severity_changed", "breached"),
        "Close" => ("recovered", "resolved", "ok"),
        // Nobody says that the trouble is over, nor that there was none.
        "Delete" => ("no_data", "annotated", "no_data"),
        _ => return Err(action.unknown("unmapped_type", "is not an action that is read")),
    })
}

fn webhook(node: &Node<'_>, context: &Context) -> Result<Vec<Draft>, Reject> {
    let action = node.get("action");
    let (of_alert, of_incident, state) = phases(&action)?;
    let about = node.get("alert").required_object()?;
    let alert = Alert::read(&about, "alertId", context)?;
    let at = match action.text()? {
        Some("Create") => about.get("createdAt").epoch()?,
        _ => about.get("updatedAt").epoch()?,
    };
    let at = at.ok_or_else(|| about.get("updatedAt").missing())?;
    let facts = facts(action.text()?, context);
    let mut draft = alert.draft(&facts, (of_alert, of_incident, state), When::event(at))?;
    put_actor(&mut draft, account(&about.get("username"))?);
    put_text(&mut draft, "comment", &about.get("note"))?;
    alert.put_details(&mut draft)?;
    Ok(vec![draft])
}

/// An alert of the REST API: that it began, and when it was taken and closed.
fn listed_alert(node: &Node<'_>, context: &Context) -> Result<Vec<Draft>, Reject> {
    let alert = Alert::read(node, "id", context)?;
    let facts = facts(Some("rest/alert"), context);
    let created = node.get("createdAt").required_time()?;
    let began = alert.draft(&facts, ("breached", "detected", "breached"), When::event(created))?;
    let mut drafts = vec![began];
    let report = node.get("report");
    let mut later = |field: &str, who: &str, phases, otherwise: Option<When>| {
        let after = report.get(field).integer()?.and_then(|ms| ms.checked_mul(1000));
        let at = after.and_then(|us| Timestamp::from_micros(created.micros().checked_add(us)?));
        let derived = at.map(|at| When { at, basis: "derived" });
        if let Some(when) = derived.or(otherwise) {
            let mut draft = alert.draft(&facts, phases, when)?;
            put_actor(&mut draft, account(&report.get(who))?);
            drafts.push(draft);
        }
        Ok(())
    };
    later("ackTime", "acknowledgedBy", ("sample", "acknowledged", "breached"), None)?;
    let status = node.get("status");
    match status.required_text()? {
        "open" => {}
        "closed" => {
            let changed = node.get("updatedAt").time()?.map(When::state);
            later("closeTime", "closedBy", ("recovered", "resolved", "ok"), changed)?;
        }
        _ => return Err(status.unknown("unmapped_state", "is not a status of an alert")),
    }
    Ok(drafts)
}

/// An incident of the REST API. The end of impact is its mitigation; when it was resolved is not said, only when the
/// record last changed.
fn incident(node: &Node<'_>, context: &Context) -> Result<Vec<Draft>, Reject> {
    let facts = facts(Some("rest/incident"), context);
    let id = node.get("id").required_id()?;
    let changed = node.get("updatedAt").required_time()?;
    let mut record = Snapshot::new(&facts, id.clone(), id);
    record.mark("started", node.get("impactStartDate").time()?.map(When::event), None);
    record.mark("detected", Some(When::event(node.get("createdAt").required_time()?)), None);
    record.mark("mitigated", node.get("impactEndDate").time()?.map(When::event), None);
    let status = node.get("status");
    let ended = match status.required_text()? {
        "open" => None,
        "resolved" => Some("resolved"),
        "closed" => Some("closed"),
        _ => return Err(status.unknown("unmapped_state", "is not a status of an incident")),
    };
    if let Some(phase) = ended {
        record.mark(phase, Some(When::state(changed)), None);
    }
    let tags = node.get("tags").texts()?;
    record.drafts(changed, &[], |draft| {
        put_severity(draft, node.get("priority").text()?);
        draft.event.put_some("reported_started_at", node.get("impactStartDate").time()?);
        draft.event.put_some("reported_mitigated_at", node.get("impactEndDate").time()?);
        draft.event.put_some("reported_detected_at", node.get("createdAt").time()?);
        context.labels.put_place_from_tags(draft, &tags);
        put_text(draft, "title", &node.get("message"))?;
        put_text(draft, "message", &node.get("description"))?;
        put_text(draft, "url", &node.at(&["links", "web"]))
    })
}

fn facts<'c>(event_type: Option<&str>, context: &'c Context) -> Facts<'c> {
    let event_type = event_type.map(str::to_owned);
    // A webhook does not name its account.
    let instance = context.instance().to_owned();
    Facts { source: MAPPER.name, instance, event_id: None, event_type, context }
}

struct Alert<'a> {
    node: Node<'a>,
    id: String,
    tags: Vec<&'a str>,
    incident: bool,
    context: &'a Context,
}

impl<'a> Alert<'a> {
    fn read(node: &Node<'a>, id: &str, context: &'a Context) -> Result<Self, Reject> {
        let tags = node.get("tags").texts()?;
        let incident = labelled(tags.iter().copied(), &context.labels.incident);
        let id = node.get(id).required_id()?;
        Ok(Self { node: node.clone(), id, tags, incident, context })
    }

    /// A row of the signal, or of the incident that the alert is by its tag.
    fn draft(
        &self,
        facts: &Facts<'_>,
        (of_alert, of_incident, state): (&str, &str, &str),
        when: When,
    ) -> Result<Draft, Reject> {
        let key = format!("alert:{}:{}", self.id, when.at.micros());
        let mut draft = if self.incident {
            let mut draft = facts.draft("incident", of_incident, &key, when);
            draft.event.put("incident_id", self.id.as_str());
            if of_incident == "detected" || of_incident == "severity_changed" {
                put_severity(&mut draft, self.node.get("priority").text()?);
            }
            draft
        } else {
            let mut draft = facts.draft("health", of_alert, &key, when);
            let alias = self.node.get("alias").text()?;
            draft.event.put("signal", alias.unwrap_or(&self.id));
            draft.event.put("signal_kind", "alert");
            draft.event.put("signal_state", state);
            put_label(&mut draft, "alert_id", &self.id)?;
            draft
        };
        self.context.labels.put_place_from_tags(&mut draft, &self.tags);
        put_text(&mut draft, "title", &self.node.get("message"))?;
        Ok(draft)
    }

    /// The details that a webhook brings at creation, by the same labels as tags.
    fn put_details(&self, draft: &mut Draft) -> Result<(), Reject> {
        let details = self.node.get("details");
        let object = details.value().and_then(Value::as_object);
        if details.exists() && object.is_none() {
            return Err(details.refuse("wrong_type", "is no object"));
        }
        self.context.labels.put_place(draft, |label| object?.get(label)?.as_str());
        Ok(())
    }
}

/// Accounts are known by e-mail address, which webhooks and lists both give; anything else is an integration.
fn account(node: &Node<'_>) -> Result<Option<Actor>, Reject> {
    Ok(node.text()?.map(|name| {
        if name.contains('@') {
            let directory = MAPPER.name.to_owned();
            let person = Identity::Person { directory, id: name.to_owned(), name: None };
            (person, Some("human"))
        } else {
            (Identity::Bot(name.to_owned()), Some("automation"))
        }
    }))
}
