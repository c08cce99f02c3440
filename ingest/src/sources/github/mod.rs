//! GitHub: webhooks of deployments, their reviews and protection rules, of workflow runs and jobs, and of releases; the
//! REST lists of deployments, statuses, runs and issues; the rows that `DevLake` keeps of the GraphQL answer.
//!
//! GitHub has no rollback. A deployment is one only by convention: its task is `rollback`, or its payload names what it
//! rolls back; else order decides later.

mod deployment;
mod graphql;
mod issues;
mod release;
mod review;
mod workflow;

use backtrail_schemas::{Delivery, Identity, Mapped, Reject};
use serde_json::Value;

use crate::context::Context;
use crate::facts::Facts;
use crate::mapper::{Mapper, gathered, ignored, refused};
use crate::node::{Node, reject};

pub(crate) const MAPPER: Mapper = Mapper { name: "github", yaml: false, claims, looks, map };

/// The host of github.com's ids; an enterprise server has its own.
const PUBLIC_HOST: &str = "github.com";

fn claims(delivery: &Delivery) -> bool {
    delivery.header("x-github-event").is_some() || delivery.header("x-github-delivery").is_some()
}

fn looks(body: &Value) -> bool {
    let list = body.as_array().or_else(|| body["workflow_runs"].as_array());
    let first = list.map_or(Some(body), |list| list.first());
    first.is_some_and(|v| {
        shape(v).is_some() || (v["repository"]["full_name"].is_string() && v["sender"].is_object())
    })
}

/// The event that a body without headers is, by its shape.
fn shape(body: &Value) -> Option<&'static str> {
    let has = |key: &str| body.get(key).is_some_and(Value::is_object);
    let listed = |key: &str| body[key].as_str().is_some_and(|url| url.contains("/deployments/"));
    let text = |pointer: &str| body.pointer(pointer).is_some_and(Value::is_string);
    let action = body["action"].is_string();
    if has("deployment") && body["deployment_callback_url"].is_string() {
        Some("deployment_protection_rule")
    } else if has("deployment_status") && has("deployment") {
        Some("deployment_status")
    } else if has("workflow_job") && action {
        Some("workflow_job")
    } else if has("deployment") {
        Some("deployment")
    } else if has("workflow_run") && body["since"].is_string() {
        let decided = body.get("reviewers").is_some() || has("approver");
        decided.then_some("deployment_review")
    } else if action && text("/workflow_run/head_sha") {
        Some("workflow_run")
    } else if action && text("/release/tag_name") {
        Some("release")
    } else if listed("deployment_url") && body["state"].is_string() {
        Some("rest/deployment_status")
    } else if listed("statuses_url") && body["sha"].is_string() {
        Some("rest/deployment")
    } else if body["run_attempt"].is_number() && body["head_sha"].is_string() {
        Some("rest/workflow_run")
    } else if body["number"].is_number() && body["labels"].is_array() && text("/repository_url") {
        Some("rest/issue")
    } else if body["DatabaseId"].is_number() && body["CommitOid"].is_string() {
        Some("graphql/deployment")
    } else if body["zen"].is_string() && body.get("hook_id").is_some() {
        Some("ping")
    } else if has("issue") && body["action"].is_string() && body.get("comment").is_none() {
        Some("issues")
    } else {
        None
    }
}

fn map(body: &Value, delivery: &Delivery, context: &Context) -> Mapped {
    let root = Node::root(body);
    let page = root.get("workflow_runs");
    let list = if page.exists() { page } else { root.clone() };
    match list.items() {
        Ok(elements) if elements.is_empty() => ignored("an empty list"),
        Ok(elements) => gathered(elements.iter().map(|e| element(e, delivery, context))),
        Err(_) => element(&root, delivery, context),
    }
}

fn element(node: &Node<'_>, delivery: &Delivery, context: &Context) -> Mapped {
    let shaped = node.value().and_then(shape);
    let Some(name) = delivery.header("x-github-event").or(shaped) else {
        return refused(node.refuse(
            "unmapped_type",
            "is no event that is read; X-GitHub-Event is not there to name it",
        ));
    };
    if name == "ping" {
        return ignored("a ping");
    }
    event(node, name, delivery, context).unwrap_or_else(refused)
}

fn event(
    node: &Node<'_>,
    name: &str,
    delivery: &Delivery,
    context: &Context,
) -> Result<Mapped, Reject> {
    let hook = || Hook::new(node, name, delivery, context);
    let drafts = match name {
        "deployment" => deployment::created(node, &hook()?)?,
        "deployment_status" => deployment::status(node, &hook()?)?,
        "deployment_review" => review::decided(node, &hook()?, delivery)?,
        "issues" => return Ok(issues::changed(node, &hook()?)),
        "deployment_protection_rule" => review::held_back(node, &hook()?)?,
        "rest/deployment" => deployment::listed(node, &hook()?)?,
        "rest/deployment_status" => deployment::listed_status(node, &hook()?)?,
        "graphql/deployment" => graphql::listed(node, &hook()?)?,
        "workflow_job" => return deployment::job(node, &hook()?),
        "workflow_run" => return workflow::run(node, &hook()?),
        "rest/issue" => return issues::listed(node, &hook()?),
        "rest/workflow_run" => return workflow::listed(node, &hook()?),
        "release" => return release::changed(node, &hook()?),
        other => {
            let shown: String = other.chars().take(60).collect();
            let reason = format!("event `{shown}` carries no fact that the log keeps");
            return Err(reject("unmapped_type", reason));
        }
    };
    Ok(Mapped { drafts, ..Mapped::default() })
}

/// What every GitHub delivery has in common.
struct Hook<'c> {
    facts: Facts<'c>,
    host: String,
    /// `owner/name`, as the repository is called now.
    repository: String,
}

impl<'c> Hook<'c> {
    /// Ids are unique per host, and stay when a repository is renamed or moved: the host is the instance.
    fn new(
        node: &Node<'_>,
        name: &str,
        delivery: &Delivery,
        context: &'c Context,
    ) -> Result<Self, Reject> {
        let repository = node.get("repository");
        let urls = [
            repository.get("html_url"),
            node.get("repository_url"),
            node.at(&["Repository", "Url"]),
            node.get("deployment_url"),
            node.get("url"),
        ];
        let mut place = None;
        for url in &urls {
            place = place.or(url.text()?.and_then(host_and_name));
        }
        let (host, from_url) = match place {
            Some((host, name)) => (host, Some(name)),
            None => (
                delivery.header("x-github-enterprise-host").unwrap_or(PUBLIC_HOST).to_owned(),
                None,
            ),
        };
        let full_name = repository.get("full_name");
        let name_now = match full_name.text()? {
            Some(text) => text.to_owned(),
            None => from_url.ok_or_else(|| full_name.missing())?,
        };
        let facts = Facts {
            source: MAPPER.name,
            instance: host.clone(),
            event_id: delivery.header("x-github-delivery").map(str::to_owned),
            event_type: Some(name.to_owned()),
            context,
        };
        Ok(Self { facts, host, repository: name_now })
    }

    /// The repository's page.
    fn repository_url(&self) -> String {
        format!("https://{}/{}", self.host, self.repository)
    }

    /// The service that a repository is taken for, unless a convention names another.
    fn repository_name(&self) -> &str {
        self.repository.rsplit('/').next().unwrap_or(&self.repository)
    }

    /// An account. Its number stays when the login changes.
    fn account(&self, node: &Node<'_>) -> Result<Option<(Identity, Option<&'static str>)>, Reject> {
        if !node.exists() {
            return Ok(None);
        }
        let login = node.get("login").text()?;
        let number = node.get("id").id()?;
        let ty = node.get("type").text()?;
        let Some(id) = number.or(login.map(str::to_owned)) else { return Ok(None) };
        if ty == Some("Bot") || login.is_some_and(|l| l.ends_with("[bot]")) {
            let name = login.map_or(id, str::to_owned);
            return Ok(Some((Identity::Bot(name), Some("automation"))));
        }
        let directory = if self.host == PUBLIC_HOST {
            "github".to_owned()
        } else {
            format!("github:{}", self.host)
        };
        let person = Identity::Person { directory, id, name: login.map(str::to_owned) };
        Ok(Some((person, Some("human").filter(|_| ty == Some("User")))))
    }
}

/// The host and `owner/name` of a page or API address of a repository or what is below it. An enterprise server's API
/// lies below `/api/v3`, the public one has a host of its own.
fn host_and_name(url: &str) -> Option<(String, String)> {
    let (host, path) =
        url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"))?.split_once('/')?;
    let below = path.strip_prefix("api/v3/").unwrap_or(path);
    let below = below.strip_prefix("repos/").unwrap_or(below);
    let mut names = below.split('/').filter(|n| !n.is_empty());
    let (owner, name) = (names.next()?, names.next()?);
    let host = if host == "api.github.com" { PUBLIC_HOST } else { host };
    (!host.is_empty()).then(|| (host.to_owned(), format!("{owner}/{name}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn page_and_api_addresses_name_the_same_repository() {
        for url in [
            "https://github.com/acme/cart",
            "https://api.github.com/repos/acme/cart",
            "https://api.github.com/repos/acme/cart/deployments/42",
        ] {
            assert_eq!(
                host_and_name(url),
                Some(("github.com".into(), "acme/cart".into())),
                "{url}"
            );
        }
        let own = Some(("git.acme.test".to_owned(), "acme/cart".to_owned()));
        assert_eq!(
            host_and_name("https://git.acme.test/api/v3/repos/acme/cart/deployments/1"),
            own
        );
        assert_eq!(host_and_name("https://git.acme.test/acme/cart"), own);
        assert!(
            ["", "https://github.com", "https://github.com/acme", "ssh://x/y/z"]
                .iter()
                .all(|u| host_and_name(u).is_none())
        );
    }
}
