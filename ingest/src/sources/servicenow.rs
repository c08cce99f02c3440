//! ServiceNow: rows of the tables `incident`, `change_request` and `sysapproval_approver`, as the Table API gives them.
//!
//! A row is changed in place. Times are UTC without a zone, but only as values: what is displayed is in the user's zone,
//! so a query is to ask for `sysparm_display_value=all` (or `false`). A field is a text, a reference (`link`, `value`), or
//! a pair of `value` and `display_value`.

use backtrail_schemas::{Delivery, Draft, Identity, Mapped, Reject, Timestamp};
use serde_json::Value;

use crate::context::Context;
use crate::facts::{Facts, When, put_actor, put_label, put_severity};
use crate::mapper::{Mapper, gathered, ignored, refused};
use crate::node::Node;
use crate::snapshot::{Actor, Snapshot};

pub(crate) const MAPPER: Mapper =
    Mapper { name: "servicenow", yaml: false, claims: |_| false, looks, map };

fn looks(body: &Value) -> bool {
    let result = body.get("result").unwrap_or(body);
    let first = result.as_array().map_or(Some(result), |list| list.first());
    first.is_some_and(|row| {
        let named = row.get("number").is_some() || row.get("sysapproval").is_some();
        row.get("sys_id").is_some() && named
    })
}

fn map(body: &Value, _: &Delivery, context: &Context) -> Mapped {
    let root = Node::root(body);
    let result = root.get("result");
    let top = if result.exists() { result } else { root };
    match top.items() {
        Ok(rows) if rows.is_empty() => ignored("an empty list"),
        Ok(rows) => gathered(rows.iter().map(|row| element(row, context))),
        Err(_) => element(&top, context),
    }
}

fn element(node: &Node<'_>, context: &Context) -> Mapped {
    let row = Row { node };
    let drafts = row.table().and_then(|table| {
        let facts = Facts {
            source: MAPPER.name,
            instance: row.instance(context),
            event_id: None,
            event_type: Some(table.to_owned()),
            context,
        };
        match table {
            "incident" => incident(&row, &facts, context),
            "change_request" => change(&row, &facts),
            _ => approval(&row, &facts),
        }
    });
    drafts.map_or_else(refused, |drafts| Mapped { drafts, ..Mapped::default() })
}

fn incident(row: &Row<'_>, facts: &Facts<'_>, context: &Context) -> Result<Vec<Draft>, Reject> {
    let changed = row.required_time("sys_updated_on")?;
    let state = row.state("state")?;
    let mut record = Snapshot::new(
        facts,
        row.required("sys_id")?.to_owned(),
        row.required("number")?.to_owned(),
    );
    let at = |field| Ok::<_, Reject>(row.time(field)?.map(When::event));
    let opened = match at("opened_at")? {
        Some(when) => Some(when),
        None => at("sys_created_on")?,
    };
    record.mark("reported", opened, row.person("opened_by", facts)?);
    record.mark("acknowledged", at("work_start")?, None);
    record.mark("reopened", at("reopened_time")?, row.person("reopened_by", facts)?);
    record.mark("resolved", at("resolved_at")?, row.person("resolved_by", facts)?);
    record.mark("closed", at("closed_at")?, row.person("closed_by", facts)?);
    if state == "8" {
        record.mark("cancelled", Some(When::state(changed)), None);
    }
    let service = row.shown("business_service")?.or(row.shown("cmdb_ci")?);
    record.drafts(changed, service.as_slice(), |draft| {
        // Priority is what the desk works by; the column `severity` keeps its default unless somebody edits it.
        let severity = row.value("priority")?.or(row.value("severity")?);
        put_severity(draft, severity);
        draft.event.put_some(
            "detected_by",
            row.value("contact_type")?.and_then(|how| {
                matches!(how, "monitoring" | "event" | "integration").then_some("monitor")
            }),
        );
        draft.event.put_some("reported_detected_at", opened.map(|when| when.at));
        draft.event.put_some("reported_resolved_at", row.time("resolved_at")?);
        draft.event.put_some("change_id", row.reference("caused_by")?);
        draft.event.put_some("duplicate_of", row.reference("parent_incident")?);
        context.labels.put_place(draft, |name| row.shown(&format!("u_{name}")).ok().flatten());
        for field in ["state", "close_code", "business_service", "cmdb_ci"] {
            if let Some(text) = row.value(field)? {
                put_label(draft, field, text)?;
            }
        }
        row.put_text(draft, "title", "short_description")
    })
}

/// A change request: made, scheduled while that is its state, closed.
fn change(row: &Row<'_>, facts: &Facts<'_>) -> Result<Vec<Draft>, Reject> {
    let id = row.required("sys_id")?;
    let number = row.required("number")?;
    let changed = row.required_time("sys_updated_on")?;
    let state = row.state("state")?;
    let made = |phase, when: When| {
        let key = format!("change_request:{id}:{}", when.at.micros());
        let mut draft = facts.draft("change", phase, &key, when);
        draft.event.put("change_id", number);
        draft
    };
    let opened = row.time("opened_at")?.or(row.time("sys_created_on")?);
    let mut created =
        made("created", When::event(opened.ok_or_else(|| row.node.get("opened_at").missing())?));
    created.people.extend(row.person("requested_by", facts)?.map(|(who, _)| ("requester", who)));
    let mut drafts = vec![created];
    let closed = row.time("closed_at")?.map(When::event);
    let later = match state {
        "-2" | "-1" => Some(made("scheduled", When::state(changed))),
        "3" | "4" => Some(made("closed", closed.unwrap_or(When::state(changed)))),
        _ => None,
    };
    if let Some(mut draft) = later {
        put_change(&mut draft, row)?;
        if draft.event.text("phase") == Some("closed") {
            let cancelled = (state == "4").then_some("cancelled");
            draft.event.put_some("outcome", row.value("close_code")?.or(cancelled));
            let by = row.person("closed_by", facts)?;
            put_actor(&mut draft, by);
        }
        drafts.push(draft);
    }
    Ok(drafts)
}

fn put_change(draft: &mut Draft, row: &Row<'_>) -> Result<(), Reject> {
    let ty = row.value("type")?.map(str::to_ascii_lowercase);
    match ty.as_deref() {
        None => {}
        Some(ty @ ("standard" | "normal" | "emergency")) => {
            draft.event.put("change_type", ty);
        }
        Some(other) => put_label(draft, "type", other)?,
    }
    draft.event.put_some("risk", row.shown("risk")?.or(row.value("risk")?));
    draft.event.put_some("valid_from", row.time("start_date")?);
    draft.event.put_some("valid_to", row.time("end_date")?);
    draft.event.put_some("service", row.shown("business_service")?.or(row.shown("cmdb_ci")?));
    let plan = row.value("backout_plan")?;
    if row.node.get("backout_plan").exists() {
        draft.event.put("has_backout_plan", plan.is_some());
    }
    for field in ["state", "approval", "cab_required"] {
        if let Some(text) = row.value(field)? {
            put_label(draft, field, text)?;
        }
    }
    row.put_text(draft, "backout_plan", "backout_plan")?;
    row.put_text(draft, "title", "short_description")
}

/// One approver's part in an approval. It was decided when the row last changed, which nobody but an administrator does
/// again.
fn approval(row: &Row<'_>, facts: &Facts<'_>) -> Result<Vec<Draft>, Reject> {
    let id = row.required("sys_id")?;
    let subject = row.node.get("sysapproval");
    let change = row.reference("sysapproval")?.ok_or_else(|| subject.missing())?;
    let changed = row.required_time("sys_updated_on")?;
    let made = |phase, when: When| {
        let key = format!("sysapproval_approver:{id}:{}", when.at.micros());
        let mut draft = facts.draft("approval", phase, &key, when);
        draft.event.put("approval_id", id);
        draft.event.put("change_id", change);
        draft
    };
    let mut drafts = Vec::new();
    if let Some(at) = row.time("sys_created_on")? {
        drafts.push(made("requested", When::event(at)));
    }
    let state = row.node.get("state");
    let phase = match row.value("state")?.ok_or_else(|| state.missing())? {
        "requested" | "not requested" | "not_required" => None,
        "approved" => Some(("approved", "approved")),
        "rejected" => Some(("rejected", "rejected")),
        "cancelled" => Some(("revoked", "revoked")),
        _ => return Err(state.refuse("unmapped_state", "is not a state of an approval")),
    };
    if let Some((phase, decision)) = phase {
        let mut draft = made(phase, When::state(changed));
        draft.event.put("decision", decision);
        let group = row.shown("group")?;
        draft.event.put_some("approver_role", group);
        if group == Some(CAB) {
            draft.event.put("cab", true);
        }
        draft.people.extend(row.person("approver", facts)?.map(|(who, _)| ("approver", who)));
        row.put_text(&mut draft, "comment", "comments")?;
        drafts.push(draft);
    }
    if drafts.is_empty() { Err(row.node.get("sys_created_on").missing()) } else { Ok(drafts) }
}

/// The group that ServiceNow brings along for its change advisory board.
const CAB: &str = "CAB Approval";

/// A row of a table, whose fields have three forms.
struct Row<'a> {
    node: &'a Node<'a>,
}

impl<'a> Row<'a> {
    /// The table: by the row's class, else by its number or what it approves.
    fn table(&self) -> Result<&'static str, Reject> {
        let class = self.value("sys_class_name")?;
        let number = self.value("number")?.unwrap_or_default();
        Ok(match class {
            Some("incident") => "incident",
            Some("change_request") => "change_request",
            Some("sysapproval_approver") => "sysapproval_approver",
            None if self.node.get("sysapproval").exists() => "sysapproval_approver",
            None if number.starts_with("INC") => "incident",
            None if number.starts_with("CHG") => "change_request",
            _ => {
                let what = "is neither an incident, a change request nor an approval; hint: query one \
                            of these tables, with sys_class_name";
                return Err(self.node.refuse("unmapped_type", what));
            }
        })
    }

    /// The instance, by its host name in any link.
    fn instance(&self, context: &Context) -> String {
        let fields = self.node.value().and_then(Value::as_object).into_iter().flatten();
        let mut links = fields.filter_map(|(_, field)| field.get("link")?.as_str());
        let host = links.find_map(|link| link.strip_prefix("https://")?.split('/').next());
        host.filter(|host| !host.is_empty()).unwrap_or(context.instance()).to_owned()
    }

    fn cell(&self, field: &str) -> Node<'a> {
        let node = self.node.get(field);
        if node.value().is_some_and(Value::is_object) { node.get("value") } else { node }
    }

    fn value(&self, field: &str) -> Result<Option<&'a str>, Reject> {
        self.cell(field).text()
    }

    /// What people see of a reference. A bare reference shows nothing.
    fn shown(&self, field: &str) -> Result<Option<&'a str>, Reject> {
        let node = self.node.get(field);
        let text = if node.value().is_some_and(Value::is_object) {
            node.get("display_value").text()?
        } else if field.starts_with("u_") {
            node.text()?
        } else {
            None
        };
        Ok(text)
    }

    /// The number of the record referred to, where the query asked for it; else its internal id.
    fn reference(&self, field: &str) -> Result<Option<&'a str>, Reject> {
        Ok(self.shown(field)?.or(self.value(field)?))
    }

    fn required(&self, field: &str) -> Result<&'a str, Reject> {
        self.cell(field).required_text()
    }

    fn time(&self, field: &str) -> Result<Option<Timestamp>, Reject> {
        self.cell(field).utc_time()
    }

    fn required_time(&self, field: &str) -> Result<Timestamp, Reject> {
        self.time(field)?.ok_or_else(|| self.cell(field).missing())
    }

    /// The state as its number. A word is what was displayed, and then times are in somebody's zone.
    fn state(&self, field: &str) -> Result<&'a str, Reject> {
        let node = self.cell(field);
        let text = node.required_text()?;
        if text.parse::<i32>().is_err() {
            let what = "is no number, so the times beside it may be in a user's zone; hint: query with \
                        sysparm_display_value=all";
            return Err(node.refuse("unmapped_state", what));
        }
        Ok(text)
    }

    fn person(&self, field: &str, facts: &Facts<'_>) -> Result<Option<Actor>, Reject> {
        let Some(id) = self.value(field)? else { return Ok(None) };
        let directory = format!("{}:{}", MAPPER.name, facts.instance);
        let name = self.shown(field)?.map(str::to_owned);
        Ok(Some((Identity::Person { directory, id: id.to_owned(), name }, None)))
    }

    fn put_text(&self, draft: &mut Draft, field: &'static str, from: &str) -> Result<(), Reject> {
        crate::facts::put_text(draft, field, &self.cell(from))
    }
}
