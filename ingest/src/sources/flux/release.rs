//! One `HelmRelease`: the releases of its history.

use backtrail_schemas::{Draft, Mapped, Reject, Timestamp};

use super::{MAPPER, put_rollback};
use crate::context::Context;
use crate::facts::{Facts, When, put_label};
use crate::kube::{condition, identity, put_place};
use crate::mapper::ignored;
use crate::node::Node;

/// The releases that the status keeps, newest first.
pub(super) fn read(node: &Node<'_>, context: &Context) -> Result<Mapped, Reject> {
    let status = node.get("status");
    let mut history = Vec::new();
    for snapshot in status.get("history").parts()? {
        history.push(Snapshot::read(&snapshot)?);
    }
    if history.is_empty() {
        return Ok(ignored("helm-controller has not released it yet, or keeps no history"));
    }
    let remediated = condition(&status, "Remediated")?;
    let returned =
        remediated.status == Some("True") && remediated.reason == Some("RollbackSucceeded");
    history.sort_by_key(|snapshot| std::cmp::Reverse(snapshot.number));
    let release = HelmRelease {
        id: identity(node)?,
        name: node.at(&["metadata", "name"]).required_text()?,
        facts: crate::kube::facts(MAPPER.name, node, "HelmRelease", context)?,
        node,
        history,
        returned,
    };
    let mut all = Mapped::default();
    for at in 0..release.history.len() {
        all.drafts.extend(release.drafts(at)?);
    }
    if all.drafts.is_empty() {
        return Ok(ignored("an installation or upgrade goes on"));
    }
    Ok(all)
}

struct HelmRelease<'a, 'n, 'c> {
    node: &'n Node<'a>,
    facts: Facts<'c>,
    id: String,
    name: &'a str,
    history: Vec<Snapshot<'a>>,
    /// Whether the controller says that its newest release is a return.
    returned: bool,
}

/// One release in Helm's storage.
struct Snapshot<'a> {
    number: u64,
    status: Node<'a>,
    action: Option<&'a str>,
    chart: Option<&'a str>,
    version: Option<&'a str>,
    app: Option<&'a str>,
    digest: Option<&'a str>,
    deployed: Timestamp,
    deleted: Option<Timestamp>,
}

impl<'a> Snapshot<'a> {
    fn read(node: &Node<'a>) -> Result<Self, Reject> {
        let number = node.get("version");
        let whole = number.integer()?.ok_or_else(|| number.missing())?;
        Ok(Self {
            number: u64::try_from(whole)
                .map_err(|_| number.refuse("bad_value", "is no revision"))?,
            status: node.get("status"),
            action: node.get("action").text()?,
            chart: node.get("chartName").text()?,
            version: node.get("chartVersion").text()?,
            app: node.get("appVersion").text()?,
            digest: node.get("ociDigest").text()?,
            deployed: node.get("lastDeployed").required_time()?,
            deleted: node.get("deleted").time()?,
        })
    }
}

impl HelmRelease<'_, '_, '_> {
    fn drafts(&self, at: usize) -> Result<Vec<Draft>, Reject> {
        let snapshot = &self.history[at];
        let phase = match snapshot.status.required_text()? {
            "deployed" | "superseded" => "succeeded",
            "failed" => "failed",
            "uninstalled" if snapshot.deleted.is_some() => "removed",
            "uninstalled" | "uninstalling" | "unknown" | "pending-install" | "pending-upgrade"
            | "pending-rollback" => return Ok(Vec::new()),
            _ => {
                let status = &snapshot.status;
                return Err(status.unknown("unknown_type", "is not a status of a release"));
            }
        };
        let mut deployment = self.draft("deployment", phase, snapshot)?;
        deployment.event.put("deployment_id", self.release_id(snapshot));
        deployment.event.put_some("version", snapshot.version);
        deployment.event.put_some("artifact_digest", snapshot.digest);
        let newest = self.returned && at == 0 && snapshot.action.is_none();
        if phase == "removed" || !(newest || snapshot.action == Some("rollback")) {
            return Ok(vec![deployment]);
        }
        let id = format!("{}:rollback", self.release_id(snapshot));
        deployment.event.put("rollback_id", id.as_str());
        deployment.event.put("recognised_by", "explicit");
        let mut rollback = self.draft("rollback", phase, snapshot)?;
        put_rollback(&mut rollback, &id);
        if let Some(left) = self.history.get(at + 1) {
            rollback.event.put("rollback_of", self.release_id(left));
            rollback.event.put_some("from_version", left.version);
        }
        rollback.event.put_some("to_version", snapshot.version);
        Ok(vec![deployment, rollback])
    }

    fn draft(&self, kind: &str, phase: &str, snapshot: &Snapshot<'_>) -> Result<Draft, Reject> {
        let at = match snapshot.deleted {
            Some(deleted) if phase == "removed" => deleted,
            _ => snapshot.deployed,
        };
        let key = self.release_id(snapshot);
        let mut draft = self.facts.draft(kind, phase, &key, When::state(at));
        put_place(&mut draft, self.node, Some(self.name))?;
        draft.event.put("revision", snapshot.number.to_string());
        if phase == "failed" {
            draft.event.put("error_type", "failed");
        }
        for (key, text) in [("chart", snapshot.chart), ("app_version", snapshot.app)] {
            if let Some(text) = text {
                put_label(&mut draft, key, text)?;
            }
        }
        Ok(draft)
    }

    fn release_id(&self, snapshot: &Snapshot<'_>) -> String {
        format!("{}:{}", self.id, snapshot.number)
    }
}
