//! GitLab: webhooks of deployments, incidents and feature flags, and the REST lists of deployments,
//! environments and issues.
//!
//! GitLab marks no rollback: its button runs the old deployment's job again, which is a new deployment of an old commit.

mod deployment;
mod incident;
mod listed;

use backtrail_schemas::{Delivery, Draft, Identity, Mapped, Reject, Timestamp};
use serde_json::Value;

use crate::context::Context;
use crate::facts::{Facts, When, put_actor};
use crate::mapper::{Mapper, gathered, ignored, refused};
use crate::node::Node;

pub(crate) const MAPPER: Mapper = Mapper { name: "gitlab", yaml: false, claims, looks, map };

/// The host of gitlab.com's ids; a server of one's own has others.
const PUBLIC_HOST: &str = "gitlab.com";

/// Kinds of hook that are known and carry no fact, and why.
const SILENT: &[(&str, &str)] = &[
    ("pipeline", "a pipeline; the deployments that it makes come by Deployment Hook"),
    ("build", "a job; the deployment that it makes comes by Deployment Hook"),
    ("release", "a release; what of it runs where comes by Deployment Hook"),
    ("push", "a push"),
    ("tag_push", "a pushed tag"),
    ("merge_request", "a merge request"),
    ("note", "a comment"),
    ("wiki_page", "a page of the wiki"),
    ("emoji", "a reaction"),
    ("access_token", "a token that expires"),
];

fn claims(delivery: &Delivery) -> bool {
    ["x-gitlab-event", "x-gitlab-instance"].iter().any(|name| delivery.header(name).is_some())
}

fn looks(body: &Value) -> bool {
    let first = body.as_array().map_or(Some(body), |list| list.first());
    first.is_some_and(|v| is_hook(v) || listed::shape(v).is_some())
}

fn is_hook(body: &Value) -> bool {
    let project = body["project"]["path_with_namespace"].is_string();
    body["object_kind"].is_string() && (project || body["project_id"].is_number())
}

fn map(body: &Value, delivery: &Delivery, context: &Context) -> Mapped {
    let root = Node::root(body);
    match root.items() {
        Ok(elements) if elements.is_empty() => ignored("an empty list"),
        Ok(elements) => gathered(elements.iter().map(|e| element(e, delivery, context))),
        Err(_) => element(&root, delivery, context),
    }
}

fn element(node: &Node<'_>, delivery: &Delivery, context: &Context) -> Mapped {
    let kind = node.get("object_kind");
    if let (false, Some(shape)) = (kind.exists(), node.value().and_then(listed::shape)) {
        return listed::element(node, shape, context);
    }
    let name = match kind.required_text() {
        Ok(name) => name,
        Err(reject) => return refused(reject),
    };
    if let Some((_, why)) = SILENT.iter().find(|(silent, _)| *silent == name) {
        return ignored(*why);
    }
    let mapped = match name {
        "deployment" => Hook::new(node, delivery, context)
            .and_then(|hook| deployment::changed(node, &hook))
            .map(|draft| Mapped { drafts: vec![draft], ..Mapped::default() }),
        "issue" | "work_item" => {
            Hook::new(node, delivery, context).and_then(|hook| incident::changed(node, &hook))
        }
        "feature_flag" => Hook::new(node, delivery, context)
            .and_then(|hook| incident::flag_turned(node, &hook, delivery))
            .map(|draft| Mapped { drafts: vec![draft], ..Mapped::default() }),
        _ => Err(kind.unknown("unmapped_type", "is not a kind of hook that is read")),
    };
    mapped.unwrap_or_else(refused)
}

/// What the hooks of one project have in common.
struct Hook<'a, 'c> {
    facts: Facts<'c>,
    /// The project's name in its address, which is taken for the service.
    service: &'a str,
    repository: Option<&'a str>,
}

impl<'a, 'c> Hook<'a, 'c> {
    /// Ids are unique per server: its host is the instance.
    fn new(node: &Node<'a>, delivery: &Delivery, context: &'c Context) -> Result<Self, Reject> {
        let project = node.get("project").required_object()?;
        let path = project.get("path_with_namespace").required_text()?;
        let address = project.get("web_url");
        let host = host_of(address.required_text()?)
            .ok_or_else(|| address.refuse("bad_value", "is not an address with a host"))?;
        let event_id = ["idempotency-key", "x-gitlab-event-uuid"]
            .iter()
            .find_map(|name| delivery.header(name));
        let facts = Facts {
            source: MAPPER.name,
            instance: host.to_owned(),
            event_id: event_id.map(str::to_owned),
            event_type: node.get("object_kind").text()?.map(str::to_owned),
            context,
        };
        let service = path.rsplit('/').next().unwrap_or(path);
        Ok(Self { facts, service, repository: address.text()? })
    }

    fn draft(&self, kind: &str, phase: &str, key: &str, when: When) -> Draft {
        let mut draft = self.facts.draft(kind, phase, key, when);
        draft.event.put("service", self.service);
        draft.event.put_some("repository", self.repository);
        draft
    }

    fn put_actor(&self, draft: &mut Draft, node: &Node<'_>) -> Result<(), Reject> {
        put_actor(draft, account(node, &self.facts.instance)?);
        Ok(())
    }
}

/// An account of the server at `host`. GitLab does not say of an account whether a human uses it, but it names the
/// accounts of access tokens itself.
fn account(
    node: &Node<'_>,
    host: &str,
) -> Result<Option<(Identity, Option<&'static str>)>, Reject> {
    let login = node.get("username").text()?;
    let Some(id) = node.get("id").id()?.or(login.map(str::to_owned)) else { return Ok(None) };
    let bot = node.get("bot").boolean()? == Some(true) || login.is_some_and(is_bot);
    if bot {
        let name = login.map_or(id, str::to_owned);
        return Ok(Some((Identity::Bot(name), Some("automation"))));
    }
    let directory =
        if host == PUBLIC_HOST { "gitlab".to_owned() } else { format!("gitlab:{host}") };
    Ok(Some((Identity::Person { directory, id, name: login.map(str::to_owned) }, None)))
}

/// `project_12_bot_…` and `group_12_bot_…` belong to access tokens, `alert-bot` to GitLab's own alert management.
fn is_bot(login: &str) -> bool {
    let of_token = ["project_", "group_"].iter().any(|prefix| {
        let rest = login.strip_prefix(prefix).unwrap_or_default();
        let number = rest.bytes().take_while(u8::is_ascii_digit).count();
        number > 0 && rest[number..].starts_with("_bot")
    });
    of_token || login == ALERT_BOT
}

/// Who opens incidents for alerts.
const ALERT_BOT: &str = "alert-bot";

/// The host, with the port where one is given, of an http address.
fn host_of(url: &str) -> Option<&str> {
    let rest = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"))?;
    rest.split('/').next().filter(|host| !host.is_empty())
}

/// A time in either of the forms that one field is seen with: RFC 3339, and `2026-04-02 09:12:00 +0200` or `… UTC`.
fn time(node: &Node<'_>) -> Result<Option<Timestamp>, Reject> {
    let Some(text) = node.text()? else { return Ok(None) };
    match spaced(text) {
        Some(plain) => Timestamp::parse_rfc3339(&plain)
            .map(Some)
            .map_err(|e| node.refuse("bad_time", &e.to_string())),
        None => node.time(),
    }
}

fn required_time(node: &Node<'_>) -> Result<Timestamp, Reject> {
    time(node)?.ok_or_else(|| node.missing())
}

/// The RFC 3339 form of `date time zone`.
fn spaced(text: &str) -> Option<String> {
    let mut parts = text.split(' ');
    let (date, clock, zone) = (parts.next()?, parts.next()?, parts.next()?);
    if parts.next().is_some() {
        return None;
    }
    let zone = match zone {
        "UTC" => "Z".to_owned(),
        _ => format!("{}:{}", zone.get(..3)?, zone.get(3..)?),
    };
    Some(format!("{date}T{clock}{zone}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn both_forms_of_a_time_are_one_instant() {
        for text in [
            "2026-04-02 09:12:00 +0200",
            "2026-04-02T07:12:00.000+00:00",
            "2026-04-02 07:12:00 UTC",
        ] {
            let value = json!(text);
            let at = required_time(&Node::root(&value)).unwrap();
            assert_eq!(at.to_string(), "2026-04-02T07:12:00.000000Z", "{text}");
        }
        for text in ["2026-04-02 09:12:00", "2026-04-02 09:12:00 CEST", "2026-04-02 09:12:00 é00"]
        {
            let value = json!(text);
            assert_eq!(required_time(&Node::root(&value)).unwrap_err().code, "bad_time", "{text}");
        }
    }

    #[test]
    fn accounts_of_tokens_are_automation() {
        assert!(["project_12_bot_a1", "group_7_bot", "alert-bot"].iter().all(|l| is_bot(l)));
        assert!(
            ["project_bot", "mira", "project_12_robot", "group_x_bot"].iter().all(|l| !is_bot(l))
        );
    }
}
