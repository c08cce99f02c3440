//! What people are called and what they write is in no column: each such field of each sample is given a mark, one at a
//! time, and the mark is looked for in the canonical bytes.

use std::collections::BTreeSet;

use backtrail_schemas::{Delivery, Identity, Mapped, leaf};
use serde_json::{Value, json};

use crate::mangled::pointers;
use crate::support::{mapped, samples};

/// Steps of a path below which everything is about a person, in lower case without `_` and `-`.
const PEOPLE: &[&str] = &[
    "user",
    "users",
    "username",
    "userid",
    "sender",
    "creator",
    "actor",
    "author",
    "authors",
    "assignee",
    "assignees",
    "owner",
    "reporter",
    "requester",
    "requestor",
    "responder",
    "responders",
    "approver",
    "approvers",
    "agent",
    "acknowledger",
    "acknowledgedby",
    "closedby",
    "createdby",
    "openedby",
    "resolvedby",
    "reopenedby",
    "requestedby",
    "assignedto",
    "lastmodifiedby",
    "laststatuschangeby",
    "runcreatedby",
    "runupdatedby",
    "updatedby",
    "deployedby",
    "deployedbyid",
    "triggeringactor",
    "commanderuser",
    "initiatedby",
    "member",
    "culprits",
    "by",
    "login",
    "email",
    "emailid",
    "displayname",
    "lastmodifieduser",
    "notifiedusers",
    "userstobenotified",
];

/// Members that hold free text, in the same form.
const TEXTS: &[&str] = &[
    "title",
    "summary",
    "description",
    "shortdescription",
    "message",
    "comment",
    "comments",
    "note",
    "notes",
    "body",
    "text",
    "backoutplan",
    "descriptiontext",
    "descriptiontitle",
    "mitigationmessage",
    "resolutionmessage",
    "cancellationmessage",
    "closenotes",
];

/// Where such a field names no person and no text of one.
const OPEN: &[(&str, &str, &str)] = &[
    ("github/deployment/creator/login", "actor", MACHINE),
    ("github/deployment/creator/login", "requester", MACHINE),
    ("github/deployment_status/creator/login", "actor", MACHINE),
    ("incident-io/public_incident.incident_created_v2/creator/workflow/name", "actor", MACHINE),
    ("jira/user/displayName", "actor", MACHINE),
    ("octopus/Items//DeployedBy", "actor", MACHINE),
    ("octopus/Payload/Event/Username", "actor", MACHINE),
    (
        "opsgenie/alert/username",
        "actor",
        "people are known by address, anything else is an integration",
    ),
    (
        "opsgenie/data//report/acknowledgedBy",
        "actor",
        "people are known by address, anything else is an integration",
    ),
    (
        "opsgenie/data//report/closedBy",
        "actor",
        "people are known by address, anything else is an integration",
    ),
    ("own-cd/by/login", "actor", MACHINE),
    (
        "pagerduty//log_entries//service/summary",
        "service",
        "a summary is the name of what it is of",
    ),
    ("pagerduty//service/summary", "service", "a summary is the name of what it is of"),
    ("pagerduty/event/data/service/summary", "service", "a summary is the name of what it is of"),
    ("pagerduty/incident/service/summary", "service", "a summary is the name of what it is of"),
    ("pagerduty/incidents//service/summary", "service", "a summary is the name of what it is of"),
    ("pagerduty/log_entries//service/summary", "service", "a summary is the name of what it is of"),
    (
        "pagerduty/event/data/priority/summary",
        "severity_raw",
        "a summary is the name of what it is of",
    ),
    (
        "pagerduty/incidents//priority/summary",
        "severity_raw",
        "a summary is the name of what it is of",
    ),
    ("pagerduty/event/data/teams//summary", "team", "a summary is the name of what it is of"),
    ("pagerduty/event/agent/summary", "actor", MACHINE),
    ("pagerduty/log_entries//agent/summary", "actor", MACHINE),
    ("sentry/actor/name", "actor", MACHINE),
];

const MACHINE: &str = "the source says that the account is a machine's";

#[test]
fn names_and_texts_are_in_no_column() {
    let allowed: BTreeSet<(String, String)> =
        OPEN.iter().map(|(place, column, _)| ((*place).to_owned(), (*column).to_owned())).collect();
    let (mut open, mut sealed) = (BTreeSet::new(), 0);
    for (name, delivery) in samples() {
        let Ok(body) = serde_json::from_slice::<Value>(&delivery.body) else { continue };
        let source = name.split('/').next().unwrap_or_default();
        for pointer in pointers(&body).into_iter().filter(|pointer| is_personal(pointer)) {
            if !body.pointer(&pointer).is_some_and(Value::is_string) {
                continue;
            }
            for mark in MARKS {
                let mut marked = body.clone();
                *marked.pointer_mut(&pointer).unwrap() = Value::from(*mark);
                let body = marked.to_string().into_bytes();
                let source_named = Some(source.to_owned());
                let mapped = mapped(&Delivery { body, source: source_named, ..delivery.clone() });
                let columns = columns_with(MARK, &mapped);
                sealed += usize::from(columns.is_empty() && !mapped.drafts.is_empty());
                let place = format!("{source}{}", alike(&pointer));
                open.extend(columns.into_iter().map(|column| (place.clone(), column)));
            }
        }
    }
    assert!(sealed > 2_000, "{sealed} events without the mark");
    assert_eq!(open, allowed, "what is open, and what may be");
}

/// What stands for what a person is called or writes: plain, as an address, as a page.
const MARKS: &[&str] = &[
    "Quillon Vanterpool",
    "Quillon Vanterpool@kiln.example",
    "https://kiln.example/Quillon Vanterpool",
];
const MARK: &str = "Quillon Vanterpool";

fn is_personal(pointer: &str) -> bool {
    let plain = |step: &str| step.to_ascii_lowercase().replace(['_', '-'], "");
    let mut steps = pointer.split('/').map(plain);
    let last = plain(pointer.rsplit('/').next().unwrap_or_default());
    TEXTS.contains(&last.as_str()) || steps.any(|step| PEOPLE.contains(&step.as_str()))
}

/// The path, where the elements of a list are alike.
fn alike(pointer: &str) -> String {
    let step = |step: &str| {
        if step.bytes().all(|b| b.is_ascii_digit()) { String::new() } else { step.to_owned() }
    };
    pointer.split('/').map(step).collect::<Vec<_>>().join("/")
}

/// The columns in which `mark` can be read without the vault.
fn columns_with(mark: &str, mapped: &Mapped) -> Vec<String> {
    let mut columns = Vec::new();
    for draft in &mapped.drafts {
        let event: Value = serde_json::from_slice(&leaf::encode(&draft.event).unwrap()).unwrap();
        let cells = event.as_object().into_iter().flatten();
        columns.extend(cells.filter(|(_, v)| v.to_string().contains(mark)).map(|(k, _)| k.clone()));
        let machine = |who: &Identity| match who {
            Identity::Bot(name) | Identity::Vendor(name) => name.contains(mark),
            Identity::Person { .. } => false,
        };
        columns.extend(
            draft.people.iter().filter(|(_, who)| machine(who)).map(|(c, _)| (*c).to_owned()),
        );
    }
    for reject in &mapped.rejects {
        columns.extend(reject.reason.contains(mark).then(|| format!("reject {}", reject.code)));
    }
    columns
}

/// An agent of a kind that is not known may be a person: what it is called is for the vault.
#[test]
fn an_agent_of_an_unknown_kind_is_not_named_in_the_open() {
    let event = |agent: Value| {
        let body = json!({"event": {"id": "E1", "event_type": "incident.acknowledged", "occurred_at": "2026-04-02T09:12:00Z",
            "agent": agent, "data": {"id": "I1", "html_url": "https://kiln.pagerduty.com/incidents/I1"}}});
        let mapped =
            mapped(&Delivery { body: body.to_string().into_bytes(), ..Delivery::default() });
        (
            mapped.drafts[0].people.clone(),
            mapped.drafts[0].event.text("actor_kind").map(str::to_owned),
        )
    };
    for unknown in [
        json!({"id": "P1", "summary": "Mira Sand"}),
        json!({"id": "P1", "summary": "Mira Sand", "type": "guest"}),
    ] {
        let (people, kind) = event(unknown);
        assert!(matches!(&people[0].1, Identity::Person { id, .. } if id == "P1"), "{people:?}");
        assert_eq!(kind, None);
    }
    let (people, kind) =
        event(json!({"id": "S1", "summary": "Heat alarm", "type": "service_reference"}));
    assert_eq!(
        (people[0].1.clone(), kind.as_deref()),
        (Identity::Bot("Heat alarm".to_owned()), Some("automation"))
    );
}
