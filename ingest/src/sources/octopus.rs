//! Octopus Deploy: subscription webhooks, and the REST lists of deployments and releases.
//!
//! Octopus marks no rollback: it is the deployment of an older release.

use backtrail_schemas::{Delivery, Draft, Identity, Mapped, Reject};
use serde_json::Value;

use crate::context::Context;
use crate::facts::{Facts, When, put_actor, put_label, put_text, put_tier};
use crate::mapper::{Mapper, gathered, ignored, refused};
use crate::node::Node;

pub(crate) const MAPPER: Mapper =
    Mapper { name: "octopus", yaml: false, claims: |_| false, looks, map };

/// What the webhooks are called in their own `EventType`; the event's category says what happened.
const SUBSCRIPTION: &str = "SubscriptionPayload";

/// Categories about documents and users, which carry no fact.
const SILENT: &[&str] = &["Created", "Modified", "Deleted", "LoginSucceeded", "LoginFailed"];

/// Default names of deployments: this, the environment, and `(#2)` from the second to the same place on.
const DEPLOY_TO: &str = "Deploy to ";

fn looks(body: &Value) -> bool {
    let first = body.as_array().map_or(Some(body), |list| list.first());
    let listed = |v: &Value| kind_of(v).is_some();
    first.is_some_and(|v| {
        (v["EventType"] == SUBSCRIPTION && v["Payload"].is_object())
            || listed(v)
            || v["Items"].as_array().and_then(|list| list.first()).is_some_and(listed)
    })
}

/// The document that a listed object is, by the form of its id.
fn kind_of(body: &Value) -> Option<&str> {
    let (kind, number) = body["Id"].as_str()?.split_once('-')?;
    let known = matches!(kind, "Deployments" | "Releases") && body["ProjectId"].is_string();
    (known && number.bytes().all(|b| b.is_ascii_digit())).then_some(kind)
}

fn map(body: &Value, _: &Delivery, context: &Context) -> Mapped {
    let root = Node::root(body);
    let page = root.get("Items");
    let list = if page.exists() { page } else { root.clone() };
    match list.items() {
        Ok(elements) if elements.is_empty() => ignored("an empty list"),
        Ok(elements) => gathered(elements.iter().map(|e| element(e, context))),
        Err(_) => element(&root, context),
    }
}

fn element(node: &Node<'_>, context: &Context) -> Mapped {
    let draft = match node.value().and_then(kind_of) {
        Some("Deployments") => deployment(node, context).map(Some),
        Some(_) => release(node, context).map(Some),
        None => event(node, context),
    };
    match draft {
        Ok(Some(draft)) => Mapped { drafts: vec![draft], ..Mapped::default() },
        Ok(None) => ignored("an event about a document or a user"),
        Err(reject) => refused(reject),
    }
}

/// A subscription's event.
fn event(node: &Node<'_>, context: &Context) -> Result<Option<Draft>, Reject> {
    let payload = node.get("Payload").required_object()?;
    let event = payload.get("Event").required_object()?;
    let category = event.get("Category");
    let name = category.required_text()?;
    let (kind, phase) = match name {
        "DeploymentQueued" => ("deployment", "queued"),
        "DeploymentStarted" => ("deployment", "started"),
        "DeploymentResumed" => ("deployment", "resumed"),
        "DeploymentSucceeded" => ("deployment", "succeeded"),
        "DeploymentFailed" => ("deployment", "failed"),
        "TaskCanceled" if related(&event, "Deployments")?.is_some() => ("deployment", "cancelled"),
        "GuidedFailureInterruptionRaised" => ("deployment", "paused"),
        "ManualInterventionInterruptionRaised" => ("approval", "requested"),
        _ if SILENT.contains(&name) => return Ok(None),
        _ => return Err(category.unknown("unmapped_type", "carries no fact that the log keeps")),
    };
    let id = event.get("Id").required_id()?;
    let facts = facts(payload.get("ServerUri").text()?, Some(id.clone()), name, context);
    let when = When::event(event.get("Occurred").required_time()?);
    let mut draft = facts.draft(kind, phase, &id, when);
    let deployment = related(&event, "Deployments")?;
    draft
        .event
        .put("deployment_id", deployment.ok_or_else(|| event.get("RelatedDocumentIds").missing())?);
    draft.event.put_some("service", named(&event, "Projects")?);
    draft.event.put_some("environment", named(&event, "Environments")?);
    put_tier(&mut draft);
    draft.event.put_some("version", named(&event, "Releases")?);
    draft.event.put_some("pipeline_run_id", related(&event, "ServerTasks")?);
    put_ids(&mut draft, [related(&event, "Projects")?, related(&event, "Environments")?])?;
    let who =
        account(&event.get("UserId"), &event.get("Username"), &event.get("IsService"), &facts)?;
    if kind == "approval" {
        draft.people.extend(who.map(|(who, _)| ("requester", who)));
    } else {
        draft.event.put("outcome", name);
        put_actor(&mut draft, who);
    }
    put_text(&mut draft, "message", &event.get("Message"))?;
    Ok(Some(draft))
}

/// The id of the only related document of a kind.
fn related<'a>(event: &Node<'a>, kind: &str) -> Result<Option<&'a str>, Reject> {
    let mut found = None;
    for node in event.get("RelatedDocumentIds").parts()? {
        let id = node.required_text()?;
        if id.split_once('-').is_some_and(|(of, _)| of == kind) && found.replace(id).is_some() {
            return Err(node.refuse("bad_value", "is the second document of its kind"));
        }
    }
    Ok(found)
}

/// How the message calls the document of a kind that it refers to. Places are counted in UTF-16, as the server's
/// language does.
fn named(event: &Node<'_>, kind: &str) -> Result<Option<String>, Reject> {
    let message: Vec<u16> =
        event.get("Message").text()?.unwrap_or_default().encode_utf16().collect();
    for reference in event.get("MessageReferences").parts()? {
        let id = reference.get("ReferencedDocumentId").text()?.unwrap_or_default();
        if id.split_once('-').is_none_or(|(of, _)| of != kind) {
            continue;
        }
        let place = |key| {
            let node = reference.get(key);
            let number = node.integer()?.ok_or_else(|| node.missing())?;
            usize::try_from(number).map_err(|_| node.refuse("bad_value", "is negative"))
        };
        let (start, length) = (place("StartIndex")?, place("Length")?);
        let text = start.checked_add(length).and_then(|end| message.get(start..end));
        let text = text.and_then(|units| String::from_utf16(units).ok()).filter(|t| !t.is_empty());
        return text
            .map(Some)
            .ok_or_else(|| reference.refuse("bad_value", "lies outside the message"));
    }
    Ok(None)
}

/// A listed deployment says who asked for it, and when. How it went is its task's.
fn deployment(node: &Node<'_>, context: &Context) -> Result<Draft, Reject> {
    let id = node.get("Id").required_text()?;
    let facts = facts(None, None, "rest/deployment", context);
    let when = When::event(node.get("Created").required_time()?);
    let mut draft = facts.draft("deployment", "queued", id, when);
    draft.event.put("deployment_id", id);
    draft.event.put_some("environment", node.get("Name").text()?.and_then(place_in));
    put_tier(&mut draft);
    // The changes since what ran there before, release by release; the last is the one that is deployed.
    if let Some(last) = node.get("Changes").items()?.last() {
        draft.event.put_some("version", last.get("Version").text()?);
    }
    draft.event.put_some("pipeline_run_id", node.get("TaskId").text()?);
    put_ids(&mut draft, [node.get("ProjectId").text()?, node.get("EnvironmentId").text()?])?;
    let by = [node.get("DeployedById"), node.get("DeployedBy"), node.get("IsService")];
    put_actor(&mut draft, account(&by[0], &by[1], &by[2], &facts)?);
    put_text(&mut draft, "comment", &node.get("Comments"))?;
    Ok(draft)
}

/// The environment in a deployment's default name.
fn place_in(name: &str) -> Option<&str> {
    let place = name.strip_prefix(DEPLOY_TO)?;
    let counted = place.rsplit_once(" (#").filter(|(_, rest)| {
        rest.strip_suffix(')')
            .is_some_and(|n| !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit()))
    });
    Some(counted.map_or(place, |(place, _)| place)).filter(|place| !place.is_empty())
}

/// A release is a version that can be deployed.
fn release(node: &Node<'_>, context: &Context) -> Result<Draft, Reject> {
    let facts = facts(None, None, "rest/release", context);
    let when = When::event(node.get("Assembled").required_time()?);
    let mut draft = facts.draft("artifact", "published", node.get("Id").required_text()?, when);
    draft.event.put("version", node.get("Version").required_text()?);
    put_ids(&mut draft, [node.get("ProjectId").text()?, None])?;
    if let [build] = node.get("BuildInformation").items()?.as_slice() {
        draft.event.put_some("commit_sha", build.get("VcsCommitNumber").text()?);
        draft.event.put_some("repository", build.get("VcsRoot").text()?);
    }
    Ok(draft)
}

/// Lists name projects and environments by their ids only, so both forms keep these.
fn put_ids(draft: &mut Draft, [project, environment]: [Option<&str>; 2]) -> Result<(), Reject> {
    for (label, id) in [("project_id", project), ("environment_id", environment)] {
        if let Some(id) = id {
            put_label(draft, label, id)?;
        }
    }
    Ok(())
}

fn facts<'c>(
    server: Option<&str>,
    event_id: Option<String>,
    name: &str,
    context: &'c Context,
) -> Facts<'c> {
    let host = server.and_then(|url| url.split_once("://")).map(|(_, rest)| rest);
    let host = host.and_then(|rest| rest.split('/').next()).filter(|host| !host.is_empty());
    Facts {
        source: MAPPER.name,
        instance: host.unwrap_or(context.instance()).to_owned(),
        event_id,
        event_type: Some(name.to_owned()),
        context,
    }
}

/// `users-system` is the server itself; accounts marked as services are automation too.
fn account(
    id: &Node<'_>,
    name: &Node<'_>,
    service: &Node<'_>,
    facts: &Facts<'_>,
) -> Result<Option<(Identity, Option<&'static str>)>, Reject> {
    let Some(id) = id.id()? else { return Ok(None) };
    let name = name.text()?.map(str::to_owned);
    if id.eq_ignore_ascii_case("users-system") || service.boolean()? == Some(true) {
        return Ok(Some((Identity::Bot(name.unwrap_or(id)), Some("automation"))));
    }
    let directory = format!("octopus:{}", facts.instance);
    Ok(Some((Identity::Person { directory, id, name }, None)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_default_name_holds_the_environment() {
        for (name, want) in [
            ("Deploy to Kiln (EU)", Some("Kiln (EU)")),
            ("Deploy to Kiln (#12)", Some("Kiln")),
            ("Deploy to Kiln (#)", Some("Kiln (#)")),
            ("Deploy to ", None),
            ("Nightly", None),
        ] {
            assert_eq!(place_in(name), want, "{name}");
        }
    }
}
