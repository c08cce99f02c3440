//! Jira and Jira Service Management: webhooks about issues that are incidents or changes, and the approvals in them.
//!
//! What an issue is follows from its type, or from the shop's label for incidents. What happened follows from the items
//! of the changelog; the category of the new status says whether the work is done, since names are the shop's own.

use backtrail_schemas::{Delivery, Draft, Identity, Mapped, Reject, Timestamp};
use serde_json::Value;

use crate::context::Context;
use crate::conventions::labelled;
use crate::facts::{Facts, When, put_actor, put_label, put_severity, put_text};
use crate::mapper::{Mapper, ignored, refused};
use crate::node::Node;
use crate::snapshot::Actor;

pub(crate) const MAPPER: Mapper = Mapper { name: "jira", yaml: false, claims, looks, map };

/// The names of Service Management's own issue types begin so.
const SYSTEM_TYPE: &str = "[System] ";

/// Events about other things than issues, by how their names begin.
const QUIET: &[&str] = &[
    "comment_",
    "worklog_",
    "issuelink_",
    "issue_property_",
    "attachment_",
    "sprint_",
    "board_",
    "project_",
    "user_",
    "version_",
    "jira:version_",
    "jira:worklog_",
    "option_",
];

fn claims(delivery: &Delivery) -> bool {
    delivery.header("x-atlassian-webhook-identifier").is_some()
}

fn looks(body: &Value) -> bool {
    let event = body["webhookEvent"].as_str();
    event.is_some_and(|e| e.starts_with("jira:") || QUIET.iter().any(|quiet| e.starts_with(quiet)))
}

fn map(body: &Value, delivery: &Delivery, context: &Context) -> Mapped {
    let root = Node::root(body);
    let event = root.get("webhookEvent");
    match event.required_text() {
        Err(reject) => refused(reject),
        Ok("jira:issue_created" | "jira:issue_updated" | "jira:issue_deleted") => {
            match issue(&root, delivery, context) {
                Ok(drafts) if drafts.is_empty() => ignored(
                    "an issue or change of it that is neither incident, change nor approval",
                ),
                Ok(drafts) => Mapped { drafts, ..Mapped::default() },
                Err(reject) => refused(reject),
            }
        }
        Ok(name) if QUIET.iter().any(|quiet| name.starts_with(quiet)) => {
            ignored("an event about something else than an issue")
        }
        Ok(_) => refused(event.unknown("unmapped_type", "is not an event that is read")),
    }
}

fn issue(root: &Node<'_>, delivery: &Delivery, context: &Context) -> Result<Vec<Draft>, Reject> {
    let issue = Issue::read(root, delivery, context)?;
    let mut drafts = Vec::new();
    for (phase, key, when) in issue.happened()? {
        let mut draft = issue.facts.draft(issue.kind().unwrap_or("incident"), phase, &key, when);
        put_actor(&mut draft, account(&root.get("user"), &issue.facts.instance)?);
        issue.put(&mut draft, context)?;
        drafts.push(draft);
    }
    drafts.extend(issue.approvals()?);
    Ok(drafts)
}

struct Issue<'a> {
    root: &'a Node<'a>,
    fields: Node<'a>,
    id: String,
    key: &'a str,
    labels: Vec<&'a str>,
    incident: bool,
    change: bool,
    /// The label for incidents, put on (true) or taken off by this event.
    relabelled: Option<bool>,
    /// The site.
    host: Option<&'a str>,
    facts: Facts<'a>,
}

impl<'a> Issue<'a> {
    fn read(root: &'a Node<'a>, delivery: &Delivery, context: &'a Context) -> Result<Self, Reject> {
        let issue = root.get("issue").required_object()?;
        let fields = issue.get("fields").required_object()?;
        let ty = fields.at(&["issuetype", "name"]).text()?.unwrap_or_default();
        let ty = ty.strip_prefix(SYSTEM_TYPE).unwrap_or(ty);
        let labels = fields.get("labels").texts()?;
        let wanted = &context.labels.incident;
        let by_type = ty.eq_ignore_ascii_case(wanted);
        let link = issue.get("self").text()?.and_then(|url| url.strip_prefix("https://"));
        let host = link.and_then(|rest| rest.split('/').next()).filter(|host| !host.is_empty());
        let mut relabelled = None;
        for item in root.at(&["changelog", "items"]).parts()? {
            if item.get("field").text()? == Some("labels") && !by_type {
                let had = |end: &str| {
                    let text = item.get(end).text()?.unwrap_or_default();
                    Ok::<_, Reject>(labelled(text.split(' '), wanted))
                };
                let (before, after) = (had("fromString")?, had("toString")?);
                relabelled = (before != after).then_some(after);
            }
        }
        Ok(Self {
            root,
            id: issue.get("id").required_id()?,
            key: issue.get("key").required_text()?,
            incident: by_type || labelled(labels.iter().copied(), wanted),
            change: ty.eq_ignore_ascii_case("change"),
            labels,
            fields,
            relabelled,
            host,
            facts: Facts {
                source: MAPPER.name,
                instance: host.unwrap_or(context.instance()).to_owned(),
                event_id: delivery.header("x-atlassian-webhook-identifier").map(str::to_owned),
                event_type: root.get("webhookEvent").text()?.map(str::to_owned),
                context,
            },
        })
    }

    fn kind(&self) -> Option<&'static str> {
        match (self.incident, self.change) {
            (true, _) => Some("incident"),
            (false, true) => Some("change"),
            _ => None,
        }
    }

    /// What this event says: phase, natural key and time of each fact.
    fn happened(&self) -> Result<Vec<(&'static str, String, When)>, Reject> {
        let name = self.root.get("webhookEvent").required_text()?;
        if name == "jira:issue_created" {
            let created = self.fields.get("created");
            let at = created.zoned_time()?.ok_or_else(|| created.missing())?;
            let phase = match self.kind() {
                Some("incident") => "reported",
                Some(_) => "created",
                None => return Ok(Vec::new()),
            };
            return Ok(vec![(phase, format!("issue:{}:created", self.id), When::event(at))]);
        }
        let when = When::event(self.changed_at()?);
        if name == "jira:issue_deleted" {
            // That the record is gone does not say that nothing happened.
            let incident = self.kind() == Some("incident");
            let deleted = ("annotated", format!("issue:{}:deleted", self.id), when);
            return Ok(incident.then_some(deleted).into_iter().collect());
        }
        let log = self.root.get("changelog");
        let mut happened = Vec::new();
        for phase in self.phases(&log)? {
            happened.push((phase, format!("changelog:{}", log.get("id").required_id()?), when));
        }
        Ok(happened)
    }

    fn phases(&self, log: &Node<'_>) -> Result<Vec<&'static str>, Reject> {
        let mut phases = Vec::new();
        match self.relabelled {
            Some(true) => phases.push("reported"),
            Some(false) => phases.push("cancelled"),
            None => {}
        }
        for item in log.get("items").parts()? {
            let phase = match (item.get("field").text()?, self.kind()) {
                (Some("status"), Some("incident")) => Some(self.status_of_incident(&item, log)?),
                (Some("status"), Some(_)) => self.done()?.then_some("closed"),
                (Some("priority"), Some("incident")) => Some("severity_changed"),
                _ => None,
            };
            phases.extend(phase);
        }
        Ok(phases)
    }

    fn status_of_incident(&self, item: &Node<'_>, log: &Node<'_>) -> Result<&'static str, Reject> {
        let name = item.get("toString").text()?.unwrap_or_default().to_ascii_lowercase();
        let category = self.fields.at(&["status", "statusCategory", "key"]);
        Ok(match (category.required_text()?, name.as_str()) {
            ("done", "canceled" | "cancelled") => "cancelled",
            ("done", "closed") => "closed",
            ("done", _) => "resolved",
            (_, "reopened") => "reopened",
            _ if resolution_cleared(log)? => "reopened",
            ("indeterminate", _) => "acknowledged",
            _ => "annotated",
        })
    }

    fn done(&self) -> Result<bool, Reject> {
        let category = self.fields.at(&["status", "statusCategory", "key"]);
        Ok(category.required_text()? == "done")
    }

    /// When the event happened: in milliseconds, else when the issue changed last, which is this event.
    fn changed_at(&self) -> Result<Timestamp, Reject> {
        let stamp = self.root.get("timestamp");
        let at = match stamp.value() {
            Some(Value::Number(_)) => stamp.epoch()?,
            _ => self.fields.get("updated").zoned_time()?,
        };
        at.ok_or_else(|| stamp.missing())
    }

    fn put(&self, draft: &mut Draft, context: &Context) -> Result<(), Reject> {
        let fields = &self.fields;
        let incident = draft.event.text("kind") == Some("incident");
        draft.event.put(if incident { "incident_id" } else { "change_id" }, self.key);
        if incident {
            put_severity(draft, fields.at(&["priority", "name"]).text()?);
            draft.event.put_some("reported_detected_at", fields.get("created").zoned_time()?);
        } else {
            draft.event.put_some("outcome", fields.at(&["resolution", "name"]).text()?);
        }
        if let [component] = fields.get("components").items()?.as_slice() {
            draft.event.put_some("service", component.get("name").text()?);
        }
        context.labels.put_place_from_tags(draft, &self.labels);
        if let Some(status) = fields.at(&["status", "name"]).text()? {
            put_label(draft, "status", status)?;
        }
        put_text(draft, "title", &fields.get("summary"))?;
        if let Some(host) = self.host {
            let url = format!("https://{host}/browse/{}", self.key);
            draft.texts.push(("url", url));
        }
        Ok(())
    }

    /// The approvals of Service Management, which lie in a field that each site numbers for itself.
    fn approvals(&self) -> Result<Vec<Draft>, Reject> {
        let fields = self.fields.value().and_then(Value::as_object);
        let names = fields.into_iter().flatten().filter(|(_, value)| is_approvals(value));
        let mut drafts = Vec::new();
        for (name, _) in names {
            for approval in self.fields.get(name).parts()? {
                drafts.extend(self.approval(&approval)?);
            }
        }
        Ok(drafts)
    }

    fn approval(&self, node: &Node<'_>) -> Result<Vec<Draft>, Reject> {
        let id = node.get("id").required_id()?;
        let made = |phase, part: usize, when| {
            let key = format!("approval:{}:{id}:{part}", self.id);
            let mut draft = self.facts.draft("approval", phase, &key, when);
            draft.event.put("approval_id", format!("{}/{id}", self.key));
            draft.event.put("change_id", self.key);
            draft
        };
        let requested = date(&node.get("createdDate"))?;
        let mut drafts = vec![made("requested", 0, When::event(requested))];
        let decision = node.get("finalDecision");
        let (phase, word) = match decision.required_text()? {
            "pending" => return Ok(drafts),
            "approved" => ("approved", "approved"),
            "declined" => ("rejected", "declined"),
            _ => return Err(decision.unknown("unmapped_state", "is not a decision")),
        };
        let when = When::event(date(&node.get("completedDate"))?);
        for (part, approver) in self.deciders(node, word)?.into_iter().enumerate() {
            let mut draft = made(phase, part, when);
            draft.event.put("decision", phase);
            draft.people.extend(approver.map(|(who, _)| ("approver", who)));
            drafts.push(draft);
        }
        Ok(drafts)
    }

    /// Who decided so, in an order that does not depend on the list's; one unknown when the list names nobody.
    fn deciders(&self, node: &Node<'_>, word: &str) -> Result<Vec<Option<Actor>>, Reject> {
        let mut who = Vec::new();
        for one in node.get("approvers").parts()? {
            if one.get("approverDecision").text()? == Some(word) {
                who.extend(account(&one.get("approver"), &self.facts.instance)?.map(Some));
            }
        }
        who.sort();
        Ok(if who.is_empty() { vec![None] } else { who })
    }
}

fn resolution_cleared(log: &Node<'_>) -> Result<bool, Reject> {
    for item in log.get("items").parts()? {
        let cleared = item.get("fromString").exists() && !item.get("toString").exists();
        if item.get("field").text()? == Some("resolution") && cleared {
            return Ok(true);
        }
    }
    Ok(false)
}

fn is_approvals(value: &Value) -> bool {
    let first = value.as_array().and_then(|list| list.first());
    first.is_some_and(|one| one["approvers"].is_array() && one["finalDecision"].is_string())
}

/// A date of Service Management, which writes it in several forms.
fn date(node: &Node<'_>) -> Result<Timestamp, Reject> {
    let at = match node.get("epochMillis").epoch()? {
        Some(at) => Some(at),
        None => node.get("iso8601").zoned_time()?,
    };
    at.ok_or_else(|| node.missing())
}

/// A cloud account, which is the same on all sites; a server's user otherwise.
fn account(node: &Node<'_>, instance: &str) -> Result<Option<Actor>, Reject> {
    let name = node.get("displayName").text()?.map(str::to_owned);
    let cloud = node.get("accountId").text()?;
    let own = node.get("key").text()?.or(node.get("name").text()?);
    let (directory, id) = match (cloud, own) {
        (Some(id), _) => ("atlassian".to_owned(), id),
        (None, Some(id)) => (format!("{}:{instance}", MAPPER.name), id),
        (None, None) => return Ok(None),
    };
    if node.get("accountType").text()? == Some("app") {
        let name = name.unwrap_or_else(|| id.to_owned());
        return Ok(Some((Identity::Bot(name), Some("automation"))));
    }
    Ok(Some((Identity::Person { directory, id: id.to_owned(), name }, Some("human"))))
}
