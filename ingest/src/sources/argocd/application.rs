//! One `Application`: which releases went live, how the last sync goes, its health.

use backtrail_schemas::{Draft, Reject, Timestamp};

use super::release::Release;
use super::{facts, put_initiator, rollback_id};
use crate::context::Context;
use crate::facts::{Facts, When, put_label, put_text};
use crate::kube::{check_history, identity, put_place};
use crate::node::Node;

/// How many entries of the history the controller keeps where the application does not say.
const HISTORY_DEFAULT: i64 = 10;

/// The name that each cluster has for itself: it tells none apart.
const OWN_CLUSTER: &str = "in-cluster";

/// The marks that this snapshot shows.
pub(super) fn facts_of(node: &Node<'_>, context: &Context) -> Result<Vec<Draft>, Reject> {
    let app = Application::read(node, context)?;
    let operation = app.operation()?;
    let mut drafts = Vec::new();
    for at in 0..app.history.len() {
        let asked = operation.as_ref().is_some_and(|o| o.asked && o.entry == Some(at));
        drafts.extend(app.live(at, asked)?);
    }
    if let Some(operation) = operation.filter(|o| !o.dry) {
        drafts.extend(app.operated(&operation)?);
    }
    drafts.extend(app.health()?);
    drafts.extend(app.removed()?);
    Ok(drafts)
}

struct Application<'a, 'c> {
    node: Node<'a>,
    spec: Node<'a>,
    status: Node<'a>,
    facts: Facts<'c>,
    uid: String,
    name: &'a str,
    /// Oldest first; the controller cuts what exceeds its limit.
    history: Vec<Entry<'a>>,
    /// Whether nothing was cut.
    whole: bool,
}

/// A release that went live.
struct Entry<'a> {
    id: String,
    deployment: String,
    release: Release<'a>,
    started: Option<Timestamp>,
    deployed: Timestamp,
    by: Node<'a>,
}

/// The sync that runs or ran last.
struct Operation<'a> {
    node: Node<'a>,
    phase: &'a str,
    started: Timestamp,
    finished: Option<Timestamp>,
    release: Release<'a>,
    dry: bool,
    /// Of chosen resources only: it makes no entry.
    partial: bool,
    /// Whether it has the form that the server gives to a rollback, which is a sync to a stated source, applied without
    /// hooks.
    asked: bool,
    /// The entry of the history that it made.
    entry: Option<usize>,
}

/// One release among the others: what the rows about it share.
struct Subject<'s, 'a> {
    deployment: &'s str,
    /// The id of its entry, once it has one.
    entry: Option<&'s str>,
    release: &'s Release<'a>,
    by: &'s Node<'a>,
    back: Option<Back>,
}

/// That a release goes back to an older one.
struct Back {
    id: String,
    of: String,
    from: Option<String>,
    method: &'static str,
}

impl<'a, 'c> Application<'a, 'c> {
    fn read(node: &Node<'a>, context: &'c Context) -> Result<Self, Reject> {
        let (spec, status) = (node.get("spec"), node.get("status"));
        let uid = identity(node)?;
        let mut history = Vec::new();
        let entries = status.get("history").items()?;
        check_history(&status.get("history"), entries.len())?;
        for entry in entries {
            history.push(Entry::read(&entry, &spec, &uid)?);
        }
        let limit = spec.get("revisionHistoryLimit").integer()?.unwrap_or(HISTORY_DEFAULT);
        let kept = i64::try_from(history.len()).unwrap_or(i64::MAX);
        Ok(Self {
            name: node.at(&["metadata", "name"]).required_text()?,
            whole: kept < limit || history.first().is_some_and(|first| first.id == "0"),
            facts: facts(node, "Application", context)?,
            node: node.clone(),
            spec,
            status,
            uid,
            history,
        })
    }

    /// The sync of the status; none where it never ran, or where it was another operation.
    fn operation(&self) -> Result<Option<Operation<'a>>, Reject> {
        let node = self.status.get("operationState");
        let sync = node.at(&["operation", "sync"]);
        if !sync.exists() {
            return Ok(None);
        }
        let started = node.get("startedAt").required_time()?;
        let finished = node.get("finishedAt").time()?;
        let made = |e: &Entry<'_>| e.started.map_or(finished == Some(e.deployed), |s| s == started);
        let result = Release::read(&node.get("syncResult"), &self.spec)?;
        let release = if result.is_empty() { Release::read(&sync, &self.spec)? } else { result };
        let by = node.at(&["operation", "initiatedBy", "username"]).text()?;
        let sourced = sync.get("source").exists() || sync.get("sources").exists();
        Ok(Some(Operation {
            phase: node.get("phase").required_text()?,
            dry: sync.get("dryRun").boolean()? == Some(true),
            partial: !sync.get("resources").items()?.is_empty(),
            asked: by.is_some() && sourced && sync.at(&["syncStrategy", "apply"]).exists(),
            entry: self.history.iter().rposition(made),
            node,
            started,
            finished,
            release,
        }))
    }

    /// An entry of the history: its sync began, and its release went live.
    fn live(&self, at: usize, asked: bool) -> Result<Vec<Draft>, Reject> {
        let entry = &self.history[at];
        let subject = Subject {
            deployment: &entry.deployment,
            entry: Some(&entry.id),
            release: &entry.release,
            by: &entry.by,
            back: self.back(&entry.release, at, asked),
        };
        let mut drafts = Vec::new();
        if let Some(started) = entry.started {
            let mark = format!("started:{started}");
            drafts.extend(self.both(&subject, "started", &mark, started)?);
        }
        let mark = format!("history:{}", entry.id);
        drafts.extend(self.both(&subject, "live", &mark, entry.deployed)?);
        Ok(drafts)
    }

    /// The sync itself: its start, unless the history tells that too, and its end. It has succeeded when the application
    /// is healthy as well.
    fn operated(&self, operation: &Operation<'a>) -> Result<Vec<Draft>, Reject> {
        let entry = operation.entry.map(|at| &self.history[at]);
        let before = operation.entry.unwrap_or(self.history.len());
        let own = format!("{}:{}", self.uid, operation.started);
        let by = operation.node.at(&["operation", "initiatedBy"]);
        let back = self.back(&operation.release, before, operation.asked);
        let subject = Subject {
            deployment: entry.map_or(&own, |e| &e.deployment),
            entry: entry.map(|e| e.id.as_str()),
            release: &operation.release,
            by: &by,
            back: back.filter(|_| !operation.partial),
        };
        let mut drafts = Vec::new();
        if entry.is_none_or(|e| e.started.is_none()) {
            let mark = format!("started:{}", operation.started);
            drafts.extend(self.both(&subject, "started", &mark, operation.started)?);
        }
        let phase = match operation.phase {
            "Succeeded" if operation.partial => "progressed",
            "Succeeded" if self.healthy()? => "succeeded",
            "Running" | "Terminating" | "Succeeded" => return Ok(drafts),
            "Failed" | "Error" => "failed",
            _ => {
                let node = operation.node.get("phase");
                return Err(node.unknown("unknown_type", "is not a phase of an operation"));
            }
        };
        let at = operation.finished.ok_or_else(|| operation.node.get("finishedAt").missing())?;
        let mark = format!("{}:{}", operation.started, operation.phase);
        for mut draft in self.both(&subject, phase, &mark, at)? {
            draft.event.put("outcome", operation.phase);
            if phase == "failed" {
                draft.event.put("error_type", operation.phase);
                put_text(&mut draft, "message", &operation.node.get("message"))?;
            }
            drafts.push(draft);
        }
        Ok(drafts)
    }

    /// Whether `release`, which follows the first `count` entries, goes back: it was live before the one that it replaces
    /// first was. Where entries were cut, that order is known only of a sync that was asked for as a rollback.
    fn back(&self, release: &Release<'_>, count: usize, asked: bool) -> Option<Back> {
        let earlier = &self.history[..count];
        let replaced = earlier.last()?;
        let first = |wanted: &Release<'_>| earlier.iter().position(|e| e.release == *wanted);
        let older = first(release)? < first(&replaced.release)?;
        let method = match (self.whole, asked) {
            (true, _) => "first_live",
            (false, true) => "convention",
            (false, false) => return None,
        };
        let target = earlier.iter().rfind(|e| older && e.release == *release)?;
        Some(Back {
            id: rollback_id(&self.uid, &target.id),
            of: replaced.deployment.clone(),
            from: replaced.release.label(),
            method,
        })
    }

    /// The row about the deployment, and where it goes back the row about the rollback.
    fn both(
        &self,
        subject: &Subject<'_, '_>,
        phase: &str,
        mark: &str,
        at: Timestamp,
    ) -> Result<Vec<Draft>, Reject> {
        let mut deployment = self.draft("deployment", phase, mark, at)?;
        deployment.event.put("deployment_id", subject.deployment);
        deployment.event.put_some("revision", subject.entry);
        subject.release.put(&mut deployment)?;
        put_initiator(&mut deployment, subject.by)?;
        let Some(back) = &subject.back else { return Ok(vec![deployment]) };
        deployment.event.put("rollback_id", back.id.as_str());
        deployment.event.put("recognised_by", back.method);
        let mut rollback = self.draft("rollback", phase, mark, at)?;
        rollback.event.put("rollback_id", back.id.as_str());
        rollback.event.put("deployment_id", subject.deployment);
        rollback.event.put("rollback_of", back.of.as_str());
        rollback.event.put_some("from_version", back.from.as_deref());
        rollback.event.put_some("to_version", subject.release.label());
        rollback.event.put("mechanism", "redeploy");
        rollback.event.put("recognised_by", back.method);
        put_initiator(&mut rollback, subject.by)?;
        Ok(vec![deployment, rollback])
    }

    fn draft(&self, kind: &str, phase: &str, mark: &str, at: Timestamp) -> Result<Draft, Reject> {
        let mut draft =
            self.facts.draft(kind, phase, &format!("{}:{mark}", self.uid), When::state(at));
        let destination = self.spec.get("destination");
        let cluster = destination.get("name").text()?.filter(|name| *name != OWN_CLUSTER);
        draft.event.put_some("cluster", cluster);
        put_place(&mut draft, &self.node, Some(self.name))?;
        draft.event.put_some("service_namespace", destination.get("namespace").text()?);
        if let Some(project) = self.spec.get("project").text()? {
            put_label(&mut draft, "project", project)?;
        }
        Ok(draft)
    }

    fn healthy(&self) -> Result<bool, Reject> {
        Ok(self.status.at(&["health", "status"]).text()? == Some("Healthy"))
    }

    /// The health that it came to; `Progressing` is neither good nor bad, and older versions do not say since when.
    fn health(&self) -> Result<Option<Draft>, Reject> {
        let health = self.status.get("health");
        let (phase, state) = match health.get("status").text()? {
            Some("Healthy") => ("sample", "ok"),
            Some("Degraded") => ("breached", "breached"),
            Some("Unknown") => ("no_data", "no_data"),
            None | Some("Progressing" | "Suspended" | "Missing") => return Ok(None),
            Some(_) => {
                let status = health.get("status");
                return Err(status.unknown("unknown_type", "is not a health of an application"));
            }
        };
        let Some(at) = health.get("lastTransitionTime").time()? else { return Ok(None) };
        let mut draft = self.draft("health", phase, &format!("health:{at}"), at)?;
        draft.event.put("signal", "argocd_health");
        draft.event.put("signal_kind", "probe");
        draft.event.put("signal_state", state);
        put_text(&mut draft, "message", &health.get("message"))?;
        Ok(Some(draft))
    }

    fn removed(&self) -> Result<Option<Draft>, Reject> {
        let Some(at) = self.node.at(&["metadata", "deletionTimestamp"]).time()? else {
            return Ok(None);
        };
        let mut draft = self.draft("deployment", "removed", &format!("removed:{at}"), at)?;
        if let Some(last) = self.history.last() {
            last.release.put(&mut draft)?;
        }
        Ok(Some(draft))
    }
}

impl<'a> Entry<'a> {
    fn read(node: &Node<'a>, spec: &Node<'a>, uid: &str) -> Result<Self, Reject> {
        let id = node.get("id").required_id()?;
        let started = node.get("deployStartedAt").time()?;
        let deployment = match started {
            Some(started) => format!("{uid}:{started}"),
            None => format!("{uid}:history:{id}"),
        };
        Ok(Self {
            release: Release::read(node, spec)?,
            deployed: node.get("deployedAt").required_time()?,
            by: node.get("initiatedBy"),
            id,
            deployment,
            started,
        })
    }
}
