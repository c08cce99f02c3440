//! Argo CD: `Application` objects as `kubectl`, the API, a watch or a notification give them, and the cluster's events
//! about them.
//!
//! An application is a state. Its history says which releases went live, its operation how the last sync goes; both say
//! when, so every later snapshot of the same mark is the same fact.

mod application;
mod release;

use backtrail_schemas::{Delivery, Draft, Identity, Mapped, Reject};
use serde_json::Value;

use crate::context::Context;
use crate::facts::{Facts, When, put_actor, put_text};
use crate::kube::{Notice, objects, shown};
use crate::mapper::{Mapper, gathered, ignored, refused};
use crate::node::Node;

pub(crate) const MAPPER: Mapper =
    Mapper { name: "argocd", yaml: true, claims: |_| false, looks, map };

/// What Argo CD's server writes into an event where it knows no user.
const NOBODY: &str = "Unknown user";

fn looks(body: &Value) -> bool {
    let carried = carried(body).unwrap_or(body);
    let ours = |o: &&Value| is_application(o) || is_notice(o);
    let known =
        |o: &&Value| ours(o) || matches!(o["kind"].as_str(), Some("AppProject" | "ApplicationSet"));
    let objects = shown(carried);
    is_ours(&carried["apiVersion"], "ApplicationList", &carried["kind"])
        || objects.iter().any(ours) && objects.iter().all(known)
}

/// The application in a notification, or in the API's stream.
fn carried(body: &Value) -> Option<&Value> {
    [&body["app"], &body["result"]["application"]].into_iter().find(|v| is_application(v))
}

fn is_ours(group: &Value, wanted: &str, kind: &Value) -> bool {
    group.as_str().is_some_and(|g| g.starts_with("argoproj.io/")) && kind.as_str() == Some(wanted)
}

/// The API leaves kind and version out.
fn is_application(object: &Value) -> bool {
    let shape = object["metadata"]["name"].is_string()
        && object["spec"]["destination"].is_object()
        && object["spec"]["project"].is_string();
    is_ours(&object["apiVersion"], "Application", &object["kind"])
        || object.get("kind").is_none() && shape
}

fn is_notice(object: &Value) -> bool {
    let about = |key: &str| {
        let about = &object[key];
        is_ours(&about["apiVersion"], "Application", &about["kind"])
    };
    object["kind"] == "Event" && (about("involvedObject") || about("regarding"))
}

fn map(body: &Value, _: &Delivery, context: &Context) -> Mapped {
    let root = Node::root(body);
    let carried =
        [root.get("app"), root.at(&["result", "application"])].into_iter().find(Node::exists);
    match objects(&carried.unwrap_or(root)) {
        Ok(objects) if objects.is_empty() => ignored("an empty list"),
        Ok(objects) => gathered(objects.iter().map(|object| element(object, context))),
        Err(reject) => refused(reject),
    }
}

fn element(node: &Node<'_>, context: &Context) -> Mapped {
    let kind = node.get("kind");
    let drafts = match kind.text() {
        Ok(Some("Event")) => return notice(node, context).unwrap_or_else(refused),
        Ok(Some("AppProject" | "ApplicationSet")) => {
            return ignored("its applications say what was deployed");
        }
        Ok(Some("Application")) => application::facts_of(node, context),
        Ok(None) if node.value().is_some_and(is_application) => {
            application::facts_of(node, context)
        }
        Ok(Some(_)) => Err(kind.unknown("unmapped_type", "is not a kind that is read")),
        Ok(None) => Err(kind.missing()),
        Err(reject) => Err(reject),
    };
    match drafts {
        Ok(drafts) if drafts.is_empty() => ignored("no sync and no health is reported yet"),
        Ok(drafts) => Mapped { drafts, ..Mapped::default() },
        Err(reject) => refused(reject),
    }
}

/// An event of the cluster about an application. Only that a person asked for a rollback is not in the application.
fn notice(node: &Node<'_>, context: &Context) -> Result<Mapped, Reject> {
    let notice = Notice::read(node)?;
    if notice.about.get("kind").required_text()? != "Application" {
        return Ok(ignored("an event that is not about an application"));
    }
    match notice.reason.required_text()? {
        "OperationStarted" => {}
        "OperationCompleted" | "ResourceCreated" | "ResourceUpdated" | "ResourceDeleted"
        | "ResourceActionRan" | "StatusRefreshed" => {
            return Ok(ignored("the application itself says it with its times"));
        }
        _ => return Err(notice.reason.unknown("unmapped_type", "is not a reason that is read")),
    }
    let message = notice.message.required_text()?;
    let Some((user, target)) = message.split_once("initiated rollback to ") else {
        return Ok(ignored("the application itself says when a sync began"));
    };
    if target.is_empty() || !target.bytes().all(|b| b.is_ascii_digit()) {
        return Err(notice.message.refuse("bad_value", "does not end in the id of a deployment"));
    }
    let facts = facts(node, "OperationStarted", context)?;
    let uid = notice.about.get("uid").required_text()?;
    let key = format!("{uid}:{}", notice.key);
    let mut draft = facts.draft("rollback", "requested", &key, When::event(notice.at));
    draft.event.put("rollback_id", rollback_id(uid, target));
    draft.event.put("recognised_by", "explicit");
    draft.event.put("mechanism", "redeploy");
    draft.event.put("trigger", "manual");
    draft.event.put("service", notice.about.get("name").required_text()?);
    put_text(&mut draft, "message", &notice.message)?;
    put_actor(&mut draft, user_of(user.trim()));
    Ok(Mapped { drafts: vec![draft], ..Mapped::default() })
}

fn facts<'c>(node: &Node<'_>, kind: &str, context: &'c Context) -> Result<Facts<'c>, Reject> {
    crate::kube::facts(MAPPER.name, node, kind, context)
}

/// One per entry of the history that is returned to: each rollback makes a later entry of the same release.
fn rollback_id(uid: &str, target: &str) -> String {
    format!("{uid}:to:{target}")
}

/// Who a user of Argo CD is; a project's token names its role, and is no person.
fn user_of(name: &str) -> Option<(Identity, Option<&'static str>)> {
    match name {
        "" | NOBODY => None,
        token if token.starts_with("proj:") => {
            Some((Identity::Bot(token.to_owned()), Some("automation")))
        }
        id => {
            let directory = MAPPER.name.to_owned();
            Some((Identity::Person { directory, id: id.to_owned(), name: None }, None))
        }
    }
}

/// Who began an operation, as `initiatedBy` says.
fn put_initiator(draft: &mut Draft, by: &Node<'_>) -> Result<(), Reject> {
    let user = by.get("username").text()?;
    if by.get("automated").boolean()? == Some(true) {
        put_actor(draft, Some((Identity::Bot("argocd".to_owned()), Some("automation"))));
    } else if let Some(user) = user {
        put_actor(draft, user_of(user));
    }
    if draft.event.text("kind") == Some("rollback") && user.is_some() {
        draft.event.put("trigger", "manual");
    }
    Ok(())
}
