//! The REST lists of deployments, environments and issues. Their elements are states: one can tell several facts.

use backtrail_schemas::{Draft, Mapped, Reject, Timestamp};
use serde_json::Value;

use super::deployment::{approval_key, deployment_id, fact, tier};
use super::{MAPPER, account, host_of, required_time, time};
use crate::context::Context;
use crate::facts::{Facts, When, put_actor, put_text, put_tier};
use crate::mapper::refused;
use crate::node::Node;

/// What an element of a list is.
#[derive(Clone, Copy)]
pub(super) enum Shape {
    Deployment,
    Environment,
    Issue,
}

pub(super) fn shape(body: &Value) -> Option<Shape> {
    let named = |value: &Value| value["name"].is_string() && value["slug"].is_string();
    let deployment = body["iid"].is_number()
        && body["sha"].is_string()
        && body["status"].is_string()
        && named(&body["environment"]);
    let environment = named(body) && body["id"].is_number() && body.get("external_url").is_some();
    let issue =
        body["issue_type"].is_string() && body["iid"].is_number() && body["web_url"].is_string();
    if issue {
        Some(Shape::Issue)
    } else if deployment {
        Some(Shape::Deployment)
    } else if environment {
        Some(Shape::Environment)
    } else {
        None
    }
}

pub(super) fn element(node: &Node<'_>, shape: Shape, context: &Context) -> Mapped {
    match shape {
        Shape::Issue => super::incident::listed(node, context).unwrap_or_else(refused),
        Shape::Environment => environment(node, context)
            .map_or_else(refused, |draft| Mapped { drafts: vec![draft], ..Mapped::default() }),
        Shape::Deployment => {
            Listed::read(node, context).and_then(|l| l.facts()).unwrap_or_else(refused)
        }
    }
}

/// An environment says when it was made, which tells it from one of the same number on another server: none is named.
fn environment(node: &Node<'_>, context: &Context) -> Result<Draft, Reject> {
    let facts = facts(None, "rest/environment", context);
    let at = required_time(&node.get("created_at"))?;
    let key = format!("environment:{}:{at}", node.get("id").required_id()?);
    let when = When::event(at);
    let mut draft = facts.draft("environment", "created", &key, when);
    draft.event.put("environment", node.get("name").required_text()?);
    put_tier(&mut draft);
    draft.event.put_some("environment_tier", tier(&node.get("tier"))?);
    put_text(&mut draft, "url", &node.get("external_url"))?;
    Ok(draft)
}

pub(super) fn facts<'c>(host: Option<&str>, name: &str, context: &'c Context) -> Facts<'c> {
    Facts {
        source: MAPPER.name,
        instance: host.unwrap_or(context.instance()).to_owned(),
        event_id: None,
        event_type: Some(name.to_owned()),
        context,
    }
}

/// The server of a deployment, by the address of its job or of who started it.
fn host<'a>(deployment: &Node<'a>) -> Result<Option<&'a str>, Reject> {
    for address in [deployment.at(&["deployable", "web_url"]), deployment.at(&["user", "web_url"])]
    {
        if let Some(host) = address.text()?.and_then(host_of) {
            return Ok(Some(host));
        }
    }
    Ok(None)
}

struct Listed<'a, 'c> {
    node: Node<'a>,
    job: Node<'a>,
    id: String,
    facts: Facts<'c>,
}

impl<'a, 'c> Listed<'a, 'c> {
    fn read(node: &Node<'a>, context: &'c Context) -> Result<Self, Reject> {
        Ok(Self {
            job: node.get("deployable"),
            id: node.get("id").required_id()?,
            facts: facts(host(node)?, "rest/deployment", context),
            node: node.clone(),
        })
    }

    /// That it was created, that its job began, how it stands, and who approved it. A state that is not known hides
    /// nothing of the rest.
    fn facts(&self) -> Result<Mapped, Reject> {
        let created = required_time(&self.node.get("created_at"))?;
        let mut mapped = Mapped::default();
        mapped.drafts.push(self.deployment("queued", "created", created)?);
        if let Some(at) = time(&self.job.get("started_at"))? {
            mapped.drafts.push(self.deployment("started", "running", at)?);
        }
        match self.standing() {
            Ok(draft) => mapped.drafts.extend(draft),
            Err(reject) => mapped.rejects.push(reject),
        }
        for approval in self.node.get("approvals").parts()? {
            match self.approval(&approval) {
                Ok(draft) => mapped.drafts.push(draft),
                Err(reject) => mapped.rejects.push(reject),
            }
        }
        Ok(mapped)
    }

    fn standing(&self) -> Result<Option<Draft>, Reject> {
        let status = self.node.get("status");
        let name = status.required_text()?;
        let updated = self.node.get("updated_at");
        let draft = match fact(name) {
            Some(("deployment", "queued" | "started")) => return Ok(None),
            Some(("deployment", phase)) => {
                let at = match time(&self.job.get("finished_at"))? {
                    Some(at) => at,
                    None => required_time(&updated)?,
                };
                let mut draft = self.deployment(phase, name, at)?;
                draft.event.put_some("error_type", self.failure(phase)?);
                draft
            }
            Some(("approval", "requested")) => {
                let at = required_time(&updated)?;
                let key = format!("rest:deployment:{}:{name}:{at}", self.id);
                let mut draft = self.facts.draft("approval", "requested", &key, When::state(at));
                self.put(&mut draft)?;
                self.put_person(&mut draft, "requester", &self.node.get("user"))?;
                draft
            }
            _ => return Err(status.unknown("unknown_type", "is not a status of a deployment")),
        };
        Ok(Some(draft))
    }

    fn failure(&self, phase: &str) -> Result<Option<&'a str>, Reject> {
        if phase == "failed" { self.job.get("failure_reason").text() } else { Ok(None) }
    }

    /// A list is asked for again while its elements move on: their times are part of what tells them apart.
    fn deployment(&self, phase: &str, status: &str, at: Timestamp) -> Result<Draft, Reject> {
        let key = format!("rest:deployment:{}:{status}:{at}", self.id);
        let mut draft = self.facts.draft("deployment", phase, &key, When::state(at));
        self.put(&mut draft)?;
        draft.event.put("outcome", status);
        put_actor(&mut draft, account(&self.node.get("user"), &self.facts.instance)?);
        Ok(draft)
    }

    fn approval(&self, node: &Node<'_>) -> Result<Draft, Reject> {
        let status = node.get("status");
        let phase = match status.required_text()? {
            "approved" => "approved",
            "rejected" => "rejected",
            _ => return Err(status.unknown("unknown_type", "is not a decision")),
        };
        let at = required_time(&node.get("created_at"))?;
        let key = approval_key(&self.id, at);
        let mut draft = self.facts.draft("approval", phase, &key, When::event(at));
        self.put(&mut draft)?;
        draft.event.put("decision", phase);
        self.put_person(&mut draft, "requester", &self.node.get("user"))?;
        self.put_person(&mut draft, "approver", &node.get("user"))?;
        put_text(&mut draft, "comment", &node.get("comment"))?;
        Ok(draft)
    }

    fn put_person(
        &self,
        draft: &mut Draft,
        column: &'static str,
        node: &Node<'_>,
    ) -> Result<(), Reject> {
        let who = account(node, &self.facts.instance)?;
        draft.people.extend(who.map(|(who, _)| (column, who)));
        Ok(())
    }

    fn put(&self, draft: &mut Draft) -> Result<(), Reject> {
        let node = &self.node;
        draft.event.put("deployment_id", deployment_id(&self.facts.instance, &self.id));
        let address = self.job.get("web_url");
        let project = address.text()?.and_then(|url| url.split_once("/-/"));
        if let Some((repository, _)) = project {
            draft.event.put("repository", repository);
            draft.event.put_some("service", repository.rsplit('/').next());
        }
        draft.event.put_some("environment", node.at(&["environment", "name"]).text()?);
        put_tier(draft);
        draft.event.put_some("environment_tier", tier(&node.at(&["environment", "tier"]))?);
        draft.event.put_some("commit_sha", node.get("sha").text()?);
        draft.event.put_some("ref", node.get("ref").text()?);
        draft.event.put_some("committed_at", time(&self.job.at(&["commit", "committed_date"]))?);
        draft.event.put_some("pipeline_run_id", self.job.at(&["pipeline", "id"]).id()?);
        put_text(draft, "url", &address)
    }
}
