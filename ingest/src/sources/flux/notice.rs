//! One event: what a controller did with a `HelmRelease` or a `Kustomization`.
//!
//! Source: `Event` in fluxcd/pkg, apis/event/v1beta1. It has no id; the same event may be sent again.

use backtrail_schemas::{Draft, Mapped, Reject};

use super::{GROUP, MAPPER, put_rollback};
use crate::context::Context;
use crate::conventions::Conventions;
use crate::facts::{Facts, When, put_label, put_text, put_tier};
use crate::mapper::ignored;
use crate::node::Node;
use crate::words::is_commit;

/// The fact that the event states.
pub(super) fn read(node: &Node<'_>, context: &Context) -> Result<Mapped, Reject> {
    let about = node.get("involvedObject").required_object()?;
    let kind = about.get("kind");
    let reason = node.get("reason");
    if node.get("severity").text()? == Some("trace") {
        return Ok(ignored("nothing changed since the reconciliation before"));
    }
    let said = reason.required_text()?;
    let meaning = match kind.required_text()? {
        "HelmRelease" => helm(said),
        "Kustomization" => kustomize(node, &about, said)?,
        "GitRepository"
        | "OCIRepository"
        | "HelmRepository"
        | "HelmChart"
        | "Bucket"
        | "ExternalArtifact"
        | "ImageRepository"
        | "ImagePolicy"
        | "ImageUpdateAutomation"
        | "ArtifactGenerator"
        | "Receiver"
        | "Alert"
        | "Provider" => Meaning::Nothing,
        _ => return Err(kind.unknown("unmapped_type", "is not a kind of object that is read")),
    };
    match meaning {
        Meaning::Fact(kind, phase) => {
            let drafts = vec![Event::read(node, &about, context)?.draft(kind, phase)?];
            Ok(Mapped { drafts, ..Mapped::default() })
        }
        Meaning::Nothing => Ok(ignored("an attempt or a source, and nothing that was deployed")),
        Meaning::Unknown => Err(reason.unknown("unmapped_type", "is not a reason that is read")),
    }
}

enum Meaning {
    Fact(&'static str, &'static str),
    /// What leads to a deployment, or repeats that one is there.
    Nothing,
    Unknown,
}

/// The reasons of helm-controller.
fn helm(reason: &str) -> Meaning {
    match reason {
        "InstallSucceeded" | "UpgradeSucceeded" => Meaning::Fact("deployment", "succeeded"),
        "InstallFailed" | "UpgradeFailed" => Meaning::Fact("deployment", "failed"),
        "RollbackSucceeded" => Meaning::Fact("rollback", "succeeded"),
        "RollbackFailed" => Meaning::Fact("rollback", "failed"),
        "UninstallSucceeded" => Meaning::Fact("deployment", "removed"),
        "TestSucceeded" => Meaning::Fact("verification", "passed"),
        "TestFailed" => Meaning::Fact("verification", "failed"),
        "DriftDetected" | "DriftCorrectionFailed" => Meaning::Fact("divergence", "detected"),
        "DriftCorrected" => Meaning::Fact("divergence", "reconciled"),
        "Progressing"
        | "ProgressingWithRetry"
        | "HealthCheckCanceled"
        | "ReconciliationSucceeded"
        | "ReconciliationFailed"
        | "ArtifactFailed"
        | "InitFailed"
        | "DependencyNotReady"
        | "GetLastReleaseFailed"
        | "UninstallFailed"
        | "HelmChartCreated"
        | "HelmChartDeleted"
        | "HelmChartSyncErr"
        | "HelmChartConfigured"
        | "HelmChartInSync"
        | "HelmChartUnchanged"
        | "ValuesError"
        | "Succeeded"
        | "Failed"
        | "RetriesExceeded"
        | "MissingRollbackTarget"
        | "AccessDenied"
        | "SourceNotReady"
        | "PendingRelease" => Meaning::Nothing,
        _ => Meaning::Unknown,
    }
}

/// The events of kustomize-controller. What it applied or deleted it lists in the message; the reason is then that of
/// the condition Ready: `Progressing` while it reconciles, and what the last reconciliation ended with when it prunes
/// for good.
fn kustomize(node: &Node<'_>, about: &Node<'_>, reason: &str) -> Result<Meaning, Reject> {
    let failed = node.get("severity").text()? == Some("error");
    let changed = node.get("message").text()?.and_then(Changed::read).filter(|_| !failed);
    // At the end of each interval, whether anything was applied or not.
    let repeated = stated(&node.get("metadata"), about, "commit_status")? == Some("update");
    Ok(match (reason, changed) {
        (_, Some(Changed::Applied)) => Meaning::Fact("deployment", "live"),
        ("Progressing", Some(Changed::Pruned)) => Meaning::Nothing,
        (_, Some(Changed::Pruned)) => Meaning::Fact("deployment", "removed"),
        ("ReconciliationSucceeded", _) if repeated || failed => Meaning::Nothing,
        ("ReconciliationSucceeded", _) => Meaning::Fact("deployment", "succeeded"),
        (
            "ReconciliationFailed"
            | "HealthCheckFailed"
            | "BuildFailed"
            | "ValidationFailed"
            | "PruneFailed",
            _,
        ) => Meaning::Fact("deployment", "failed"),
        ("DriftDetected", _) => Meaning::Fact("divergence", "detected"),
        (
            "Progressing"
            | "ProgressingWithRetry"
            | "ArtifactFailed"
            | "DependencyNotReady"
            | "Succeeded"
            | "ReconciliationSkipped"
            | "AccessDenied"
            | "HealthCheckCanceled",
            _,
        ) => Meaning::Nothing,
        _ => Meaning::Unknown,
    })
}

/// What a list of changes says, `Deployment/shop/cart configured` a line.
///
/// Source: `ChangeSetEntry` in fluxcd/pkg, ssa.
enum Changed {
    Applied,
    /// Only deletions.
    Pruned,
}

impl Changed {
    /// `None` where the message is no such list.
    fn read(message: &str) -> Option<Self> {
        let mut all = Self::Pruned;
        for line in message.lines() {
            match line.split_once(' ')? {
                (object, "created" | "configured") if object.contains('/') => all = Self::Applied,
                (object, "deleted") if object.contains('/') => {}
                _ => return None,
            }
        }
        Some(all).filter(|_| !message.is_empty())
    }
}

struct Event<'a, 'c> {
    node: Node<'a>,
    about: Node<'a>,
    facts: Facts<'c>,
    when: When,
    said: Conventions,
    revision: Option<&'a str>,
    /// The uid of the object, else its kind, namespace and name.
    object: String,
    /// The object, and when it happened: nothing else tells two deployments of one revision apart.
    id: String,
}

impl<'a, 'c> Event<'a, 'c> {
    fn read(node: &Node<'a>, about: &Node<'a>, context: &'c Context) -> Result<Self, Reject> {
        let when = When::event(node.get("timestamp").required_time()?);
        let named = about.get("name").required_text()?;
        let namespace = about.get("namespace").text()?.unwrap_or_default();
        let path = format!("{}/{namespace}/{named}", about.get("kind").required_text()?);
        let object = about.get("uid").text()?.map_or(path, str::to_owned);
        let metadata = node.get("metadata");
        Ok(Self {
            facts: Facts {
                source: MAPPER.name,
                instance: context.instance().to_owned(),
                event_id: None,
                event_type: node.get("reason").text()?.map(str::to_owned),
                context,
            },
            said: Conventions::read(metadata.value()),
            revision: match stated(&metadata, about, "originRevision")? {
                Some(origin) => Some(origin),
                None => stated(&metadata, about, "revision")?,
            },
            id: format!("{object}:{}", when.at),
            object,
            node: node.clone(),
            about: about.clone(),
            when,
        })
    }

    fn draft(&self, kind: &str, phase: &str) -> Result<Draft, Reject> {
        let reason = self.node.get("reason").required_text()?;
        let metadata = self.node.get("metadata");
        let token = stated(&metadata, &self.about, "token")?.unwrap_or_default();
        let key = format!("{}:{reason}:{}:{token}", self.id, self.revision.unwrap_or_default());
        let mut draft = self.facts.draft(kind, phase, &key, self.when);
        draft.event.put("service", self.about.get("name").required_text()?);
        draft.event.put_some("service_namespace", self.about.get("namespace").text()?);
        self.said.put(&mut draft, &["service", "environment", "region"]);
        draft.event.put_some("cluster", metadata.get("cluster").text()?);
        put_tier(&mut draft);
        put_text(&mut draft, "message", &self.node.get("message"))?;
        if let Some(app) = stated(&metadata, &self.about, "app-version")? {
            put_label(&mut draft, "app_version", app)?;
        }
        match kind {
            "rollback" => {
                put_rollback(&mut draft, &format!("{}:rollback", self.id));
                // The event is about the release that is returned to.
                draft.event.put_some("to_version", self.revision);
            }
            "verification" => {
                draft.event.put("check_name", "helm test");
                draft.event.put("check_stage", "post");
                draft.event.put("check_result", reason);
            }
            "divergence" => {
                draft.event.put("divergence_kind", "configuration");
            }
            _ => {
                // A controller that fails tries the same revision again and again.
                let failing = format!("{}:{}:failing", self.object, self.revision.unwrap_or("-"));
                let id = if phase == "failed" { &failing } else { &self.id };
                draft.event.put("deployment_id", id.as_str());
                self.put_release(&mut draft)?;
                // While it applies a Kustomization is `Progressing`: that is no outcome.
                draft.event.put_some("outcome", (phase != "live").then_some(reason));
            }
        }
        if phase == "failed" && kind != "verification" {
            draft.event.put("error_type", reason);
        }
        Ok(draft)
    }

    /// A chart's version; of a Kustomization `branch@sha1:commit`, in Flux 0 `branch/commit`, or `tag@sha256:digest` of
    /// an artifact.
    fn put_release(&self, draft: &mut Draft) -> Result<(), Reject> {
        let metadata = self.node.get("metadata");
        draft.event.put_some("artifact_digest", stated(&metadata, &self.about, "oci-digest")?);
        let Some(revision) = self.revision else { return Ok(()) };
        let (name, checksum) = match revision.rsplit_once('@') {
            Some((name, checksum)) => (Some(name), checksum),
            None => (None, revision),
        };
        let (before, last) = revision.rsplit_once('/').unwrap_or_default();
        match checksum.split_once(':') {
            Some(("sha1", commit)) => {
                draft.event.put("commit_sha", commit);
                draft.event.put_some("ref", name);
            }
            Some(("sha256", _)) => {
                draft.event.put("artifact_digest", checksum);
                draft.event.put_some("version", name);
            }
            _ if is_commit(last) => {
                draft.event.put("commit_sha", last);
                draft.event.put("ref", before);
            }
            _ => {
                draft.event.put("version", revision);
            }
        }
        Ok(())
    }
}

/// A value of the metadata, with or without the API group before its key: the controllers write it, notification-controller
/// takes it away.
fn stated<'a>(metadata: &Node<'a>, about: &Node<'_>, key: &str) -> Result<Option<&'a str>, Reject> {
    if let Some(text) = metadata.get(key).text()? {
        return Ok(Some(text));
    }
    let group = about.get("apiVersion").text()?.and_then(|version| version.split_once(GROUP));
    let Some((toolkit, _)) = group else { return Ok(None) };
    let group = GROUP.trim_end_matches('/');
    metadata.get(&format!("{toolkit}{group}/{key}")).text()
}
