//! CDEvents 0.3 to 0.5, and the approval subject of the 0.6 draft, in any CloudEvents mode or bare.
//!
//! The vocabulary has no started or failed deployment: those come from pipeline and task runs that say in `customData`
//! which service and environment they deploy to.

mod delivery;
mod work;

use backtrail_schemas::{Delivery, Draft, Identity, Mapped, Reject};
use data_encoding::BASE64;
use serde_json::Value;

use super::cloudevents;
use crate::context::Context;
use crate::conventions::Conventions;
use crate::facts::{Facts, When, put_tier};
use crate::mapper::{Mapper, gathered, ignored, refused};
use crate::node::Node;
use crate::words::package;

pub(crate) const MAPPER: Mapper = Mapper { name: "cdevents", yaml: false, claims, looks, map };

/// The versions of the specification whose shapes are read: `context.version` up to 0.4, `context.specversion` since.
const VERSIONS: &[&str] = &["0.3", "0.4", "0.5", "0.6"];

/// Types of the specification that state nothing of what the log keeps; `*` is any predicate.
const QUIET: &[(&str, &str)] = &[
    ("artifact", "downloaded"),
    ("artifact", "packaged"),
    ("artifact", "signed"),
    ("branch", "*"),
    ("build", "*"),
    ("change", "*"),
    ("environment", "modified"),
    ("repository", "*"),
    ("service", "published"),
    ("testcaserun", "queued"),
    ("testoutput", "*"),
    ("testsuiterun", "queued"),
];

/// In an envelope the type tells; of several in a batch one is enough, since the others are read all the same.
pub(super) fn claims(delivery: &Delivery) -> bool {
    let named = delivery.header("ce-type").is_some_and(is_type);
    let body =
        || std::str::from_utf8(&delivery.body).is_ok_and(|text| text.contains("\"dev.cdevents"));
    named || (cloudevents::is_structured(delivery) && body())
}

fn looks(body: &Value) -> bool {
    let first = body.as_array().map_or(Some(body), |list| list.first());
    let bare = |v: &Value| v["context"]["type"].is_string() && v["subject"].is_object();
    let cloud = |v: &Value| v["type"].as_str().is_some_and(is_type);
    first.is_some_and(|v| bare(v) || cloud(v))
}

/// Whether an event of this type is one of CDEvents.
pub(super) fn is_type(name: &str) -> bool {
    name.starts_with("dev.cdevents")
}

/// A batch gives per element: one bad element does not take the others with it.
fn map(body: &Value, delivery: &Delivery, context: &Context) -> Mapped {
    let root = Node::root(body);
    match root.items() {
        Ok(elements) if elements.is_empty() => ignored("an empty batch"),
        Ok(elements) => {
            gathered(elements.iter().map(|e| cloudevents::element(e, delivery, context)))
        }
        Err(_) => cloudevents::element(&root, delivery, context),
    }
}

/// One event, bare or in an envelope.
pub(super) fn element(node: &Node<'_>, context: &Context) -> Mapped {
    let encoded = node.get("data_base64");
    let mapped = if node.get("context").exists() {
        cdevent(node, context)
    } else if encoded.exists() {
        decoded(&encoded).and_then(|data| cdevent(&Node::root(&data), context))
    } else if node.get("data").exists() {
        cdevent(&node.get("data"), context)
    } else {
        Err(node.get("data").missing())
    };
    mapped.unwrap_or_else(refused)
}

fn decoded(node: &Node<'_>) -> Result<Value, Reject> {
    let bytes = BASE64
        .decode(node.required_text()?.as_bytes())
        .map_err(|_| node.refuse("bad_value", "is not base64"))?;
    backtrail_schemas::json::parse(&bytes).map_err(|e| node.refuse("bad_json", &e.to_string()))
}

/// What the events of all subjects have in common.
struct CdEvent<'a, 'c> {
    facts: Facts<'c>,
    id: String,
    when: When,
    subject: Node<'a>,
    content: Node<'a>,
    severity: Node<'a>,
    conventions: Conventions,
    chain_id: Option<String>,
}

fn cdevent(node: &Node<'_>, context: &Context) -> Result<Mapped, Reject> {
    let head = node.get("context").required_object()?;
    let ty = head.get("type");
    let name = ty.required_text()?;
    if name.starts_with("dev.cdeventsx.") {
        return Err(ty.unknown("unmapped_type", "is a custom event"));
    }
    let Some((subject, predicate)) = parts(name) else {
        return Err(ty.unknown("unknown_type", "is not a CDEvents type"));
    };
    if QUIET.iter().any(|(s, p)| *s == subject && (*p == predicate || *p == "*")) {
        return Ok(ignored(format!("{subject}.{predicate} states nothing that the log keeps")));
    }
    let version = if head.get("specversion").exists() {
        head.get("specversion")
    } else {
        head.get("version")
    };
    let stated = version.required_text()?;
    if !VERSIONS.iter().any(|v| stated.strip_prefix(v).is_some_and(|rest| rest.starts_with('.'))) {
        return Err(version.unknown("unsupported_version", "is not a version that is read"));
    }
    let id = head.get("id").required_id()?;
    let event = CdEvent {
        facts: Facts {
            source: MAPPER.name,
            instance: head.get("source").required_text()?.to_owned(),
            event_id: Some(id.clone()),
            event_type: Some(name.to_owned()),
            context,
        },
        id,
        when: When::event(head.get("timestamp").required_time()?),
        subject: node.get("subject").required_object()?,
        content: node.at(&["subject", "content"]),
        severity: node.at(&["customData", "severity"]),
        conventions: Conventions::read(node.get("customData").value()),
        chain_id: head.get("chainId").id()?,
    };
    if matches!(subject, "pipelinerun" | "taskrun") && !event.names_place() {
        return Ok(ignored("a run that names no service and environment is no deployment"));
    }
    let draft = match subject {
        "service" => delivery::service(&event, predicate)?,
        "pipelinerun" | "taskrun" => delivery::run(&event, subject, predicate)?,
        "artifact" => delivery::artifact(&event, predicate)?,
        "environment" => delivery::environment(&event, predicate)?,
        "incident" => work::incident(&event, predicate)?,
        "ticket" => work::ticket(&event, predicate)?,
        "testcaserun" => work::test_run(&event, "testCase", predicate)?,
        "testsuiterun" => work::test_run(&event, "testSuite", predicate)?,
        "approval" => work::approval(&event, predicate)?,
        _ => None,
    };
    match draft {
        Some(draft) => Ok(Mapped { drafts: vec![draft], ..Mapped::default() }),
        None => Err(ty.unknown("unmapped_type", "carries no fact that the log keeps")),
    }
}

/// Subject and predicate of `dev.cdevents.<subject>.<predicate>.<version>`; the version of the type does not matter.
fn parts(name: &str) -> Option<(&str, &str)> {
    let (subject, rest) = name.strip_prefix("dev.cdevents.")?.split_once('.')?;
    let (predicate, version) = rest.split_once('.')?;
    (!subject.is_empty() && !predicate.is_empty() && !version.is_empty())
        .then_some((subject, predicate))
}

impl CdEvent<'_, '_> {
    /// Whether `customData` says which service it is about, and where.
    fn names_place(&self) -> bool {
        ["service", "environment"].iter().all(|key| self.conventions.get(key).is_some())
    }

    /// A draft with what every subject may state: chain, environment, region, change.
    fn draft(&self, kind: &str, phase: &str) -> Result<Draft, Reject> {
        let mut draft = self.facts.draft(kind, phase, &self.id, self.when);
        draft.event.put_some("chain_id", self.chain_id.as_deref());
        let environment = self.content.at(&["environment", "id"]).id()?;
        draft.event.put_some("environment", environment);
        self.conventions.put(
            &mut draft,
            &["environment", "region", "change_id", "deployment_id", "incident_id"],
        );
        put_tier(&mut draft);
        Ok(draft)
    }

    /// The artifact, with the version label and digest that its package URL holds.
    fn put_artifact(&self, draft: &mut Draft) -> Result<(), Reject> {
        let node = self.content.get("artifactId");
        if let Some(purl) = node.text()? {
            let package =
                package(purl).ok_or_else(|| node.refuse("bad_value", "is not a package URL"))?;
            draft.event.put("artifact_purl", purl);
            draft.event.put_some("version", package.version);
            draft.event.put_some("artifact_digest", package.digest);
        }
        self.conventions.put(draft, &["version", "artifact_digest", "commit_sha", "committed_at"]);
        Ok(())
    }

    /// An account of this source. CDEvents does not say whether it is a human's.
    fn person(&self, node: &Node<'_>) -> Result<Option<Identity>, Reject> {
        let directory = format!("cdevents:{}", self.facts.instance);
        Ok(node.text()?.map(|id| Identity::Person { directory, id: id.to_owned(), name: None }))
    }

    fn put_person(
        &self,
        draft: &mut Draft,
        column: &'static str,
        node: &Node<'_>,
    ) -> Result<(), Reject> {
        draft.people.extend(self.person(node)?.map(|who| (column, who)));
        Ok(())
    }

    /// A link: `uri` since 0.4, `url` before.
    fn put_link(&self, draft: &mut Draft) -> Result<(), Reject> {
        let link =
            [self.content.get("uri"), self.content.get("url")].into_iter().find(Node::exists);
        link.map_or(Ok(()), |node| crate::facts::put_text(draft, "url", &node))
    }
}
