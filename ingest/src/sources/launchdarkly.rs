//! LaunchDarkly: webhooks, which are entries of the audit log, and pages of that log.
//!
//! Integrations get the same entry in another dress: `verbKind` and `project` instead of `accesses`.

use backtrail_schemas::{Delivery, Draft, Identity, Mapped, Reject, Timestamp};
use serde_json::Value;

use crate::context::Context;
use crate::conventions::labelled;
use crate::facts::{Facts, When, put_actor, put_label, put_text};
use crate::mapper::{Mapper, gathered, ignored, refused};
use crate::node::Node;
use crate::snapshot::Actor;

pub(crate) const MAPPER: Mapper = Mapper { name: "launchdarkly", yaml: false, claims, looks, map };

/// The action of who changes a flag without the approval that its environment requires.
const BYPASS: &str = "bypassRequiredApproval";

/// Actions on a flag that change nothing that is served. A request of approval is no change, and an entry has no
/// field for which request it is about nor for how it was decided (`AuditLogEntryRep` of LaunchDarkly's API).
const QUIET: &[&str] = &[
    "updateName",
    "updateDescription",
    "updateTag",
    "updateTags",
    "updateMaintainer",
    "updateTemporary",
    "updateFlagCustomProperties",
    "createFlagLink",
    "updateFlagLink",
    "deleteFlagLink",
    "createApprovalRequest",
    "updateApprovalRequest",
    "reviewApprovalRequest",
    "deleteApprovalRequest",
    "updateFlagCodeReferences",
    "updateFlagRuleDescription",
    "updateDeprecated",
    "updateTrackEvents",
    "manageFlagFollowers",
    "createTriggers",
    "updateTriggers",
    "deleteTriggers",
    "updateScheduledChanges",
    "updateExpiringRules",
    "updateExpiringTargets",
    "updateFeatureWorkflows",
];

/// Kinds of entry about other things than flags.
const OTHER_KINDS: &[&str] = &[
    "account",
    "ai-config",
    "application",
    "code-reference-repository",
    "context-kind",
    "destination",
    "domain-verification",
    "environment",
    "experiment",
    "holdout",
    "integration",
    "layer",
    "member",
    "metric",
    "metric-group",
    "pending-request",
    "project",
    "relay-proxy-config",
    "release-pipeline",
    "role",
    "segment",
    "service-account",
    "team",
    "template",
    "token",
    "webhook",
];

fn claims(delivery: &Delivery) -> bool {
    delivery.header("x-ld-signature").is_some()
}

fn looks(body: &Value) -> bool {
    let items = &body["items"];
    let first = items.as_array().map_or(Some(body), |list| list.first());
    first.is_some_and(|one| {
        let changed = one["accesses"].is_array() || one["verbKind"].is_string();
        one["_id"].is_string() && one["kind"].is_string() && changed
    })
}

fn map(body: &Value, _: &Delivery, context: &Context) -> Mapped {
    let root = Node::root(body);
    let items = root.get("items");
    match items.items() {
        Ok(list) if items.exists() && list.is_empty() => ignored("an empty list"),
        Ok(list) if items.exists() => gathered(list.iter().map(|one| entry(one, context))),
        _ => entry(&root, context),
    }
}

fn entry(node: &Node<'_>, context: &Context) -> Mapped {
    let kind = node.get("kind");
    match kind.required_text() {
        Err(reject) => refused(reject),
        Ok("flag") => match flag(node, context) {
            Ok(drafts) if drafts.is_empty() => {
                ignored("a change of a flag that serves nothing else")
            }
            Ok(drafts) => Mapped { drafts, ..Mapped::default() },
            Err(reject) => refused(reject),
        },
        Ok(other) if OTHER_KINDS.contains(&other) => ignored(format!("an entry of kind {other}")),
        Ok(_) => refused(kind.unknown("unmapped_type", "is not a kind of entry that is read")),
    }
}

/// One row for each flag and environment that the entry is about.
fn flag(node: &Node<'_>, context: &Context) -> Result<Vec<Draft>, Reject> {
    let id = node.get("_id").required_id()?;
    let facts = Facts {
        source: MAPPER.name,
        instance: node.get("_accountId").id()?.unwrap_or_else(|| context.instance().to_owned()),
        event_id: Some(id.clone()),
        event_type: node.get("titleVerb").text()?.map(str::to_owned),
        context,
    };
    let when = When::event(happened_at(node)?);
    let mut drafts: Vec<Draft> = Vec::new();
    for target in targets(node)? {
        if QUIET.contains(&target.action) {
            continue;
        }
        let (kind, phase) = match target.action {
            BYPASS => ("override", "used"),
            _ => ("flag", phase(node, &target)?),
        };
        let key = format!("{id}:{}:{}", target.environment.unwrap_or_default(), target.flag);
        let mut draft = facts.draft(kind, phase, &key, when);
        let known =
            drafts.iter_mut().find(|d| d.event.get("event_id") == draft.event.get("event_id"));
        if known.is_some() {
            continue;
        }
        draft.event.put("flag", target.flag);
        draft.event.put_some("environment", target.environment);
        let mut tags = node.get("tags").texts()?;
        tags.extend(node.at(&["currentVersion", "tags"]).texts()?);
        tags.extend(&target.tags);
        if labelled(tags.iter().copied(), &context.labels.kill_switch) {
            draft.event.put("kill_switch", true);
        }
        context.labels.put_place_from_tags(&mut draft, &tags);
        put_label(&mut draft, "action", target.action)?;
        put_label(&mut draft, "project", target.project)?;
        put_actor(&mut draft, actor(node)?);
        put_text(&mut draft, "comment", &node.get("comment"))?;
        put_text(&mut draft, "url", &node.at(&["_links", "site", "href"]))?;
        drafts.push(draft);
    }
    Ok(drafts)
}

/// A flag in an environment, and what was done to it.
struct Target<'a> {
    action: &'a str,
    project: &'a str,
    /// Absent for what concerns all environments.
    environment: Option<&'a str>,
    flag: &'a str,
    tags: Vec<&'a str>,
}

fn targets<'a>(node: &Node<'a>) -> Result<Vec<Target<'a>>, Reject> {
    let accesses = node.get("accesses");
    if !accesses.exists() {
        let project = node.get("project");
        return Ok(vec![Target {
            action: node.get("verbKind").required_text()?,
            project: project.get("key").required_text()?,
            environment: one_environment(project.at(&["environment", "key"]).text()?),
            flag: node.get("key").required_text()?,
            tags: Vec::new(),
        }]);
    }
    accesses.parts()?.iter().map(target).collect()
}

/// Reads a resource such as `proj/shop:env/production;critical:flag/new-till;kill-switch`.
fn target<'a>(access: &Node<'a>) -> Result<Target<'a>, Reject> {
    let resource = access.get("resource");
    let text = resource.required_text()?;
    let names_none = || resource.refuse("bad_value", "names no flag, unlike `proj/…:env/…:flag/…`");
    let (place, flag) = text.split_once(":flag/").ok_or_else(names_none)?;
    let (flag, tags) = flag.split_once(';').unwrap_or((flag, ""));
    if flag.is_empty() {
        return Err(names_none());
    }
    let part = |name: &str| {
        let part = place.split(':').find_map(|part| part.strip_prefix(name)?.strip_prefix('/'))?;
        part.split(';').next().filter(|id| !id.is_empty())
    };
    Ok(Target {
        action: access.get("action").required_text()?,
        project: part("proj").unwrap_or("default"),
        environment: one_environment(part("env")),
        flag,
        tags: tags.split(',').filter(|tag| !tag.is_empty()).collect(),
    })
}

/// `*` and `~` stand for all environments.
fn one_environment(key: Option<&str>) -> Option<&str> {
    key.filter(|key| !matches!(*key, "" | "*" | "~"))
}

/// On or off for the switch itself, by the words of the entry or by both versions of the flag; else a change.
fn phase(node: &Node<'_>, target: &Target<'_>) -> Result<&'static str, Reject> {
    if target.action != "updateOn" {
        return Ok("changed");
    }
    let verb = node.get("titleVerb");
    let words = verb.text()?.unwrap_or_default();
    if words.starts_with("turned on") {
        return Ok("turned_on");
    }
    if words.starts_with("turned off") {
        return Ok("turned_off");
    }
    let environment = target.environment.unwrap_or_default();
    let now = node.at(&["currentVersion", "environments", environment, "on"]).boolean()?;
    match now {
        Some(true) => Ok("turned_on"),
        Some(false) => Ok("turned_off"),
        None => Err(verb.refuse("missing_field", "does not say whether the flag is on or off")),
    }
}

/// Entries may arrive in any order; their date is what counts.
fn happened_at(node: &Node<'_>) -> Result<Timestamp, Reject> {
    let date = node.get("date");
    let at = match date.epoch()? {
        Some(at) => Some(at),
        None => node.at(&["timestamp", "milliseconds"]).epoch()?,
    };
    at.ok_or_else(|| date.missing())
}

/// The member; else the token or the application that acted.
fn actor(node: &Node<'_>) -> Result<Option<Actor>, Reject> {
    let member = node.get("member");
    if let Some(id) = member.get("_id").id()? {
        let name = member.get("email").text()?.map(str::to_owned);
        let directory = MAPPER.name.to_owned();
        return Ok(Some((Identity::Person { directory, id, name }, Some("human"))));
    }
    for other in ["token", "app"] {
        if let Some(name) = node.at(&[other, "name"]).text()? {
            return Ok(Some((Identity::Bot(name.to_owned()), Some("automation"))));
        }
    }
    Ok(None)
}
