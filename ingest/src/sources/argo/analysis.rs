//! One `AnalysisRun`: a verification, and a health row per finished measurement.

use backtrail_schemas::{Draft, Reject, Timestamp};

use super::{Around, REVISION, facts};
use crate::context::Context;
use crate::facts::{Facts, When, put_text};
use crate::kube::{identity, put_place};
use crate::node::Node;
use crate::words::is_decimal;

/// The verification and the measurements that this snapshot shows.
pub(super) fn facts_of(
    node: &Node<'_>,
    around: &Around<'_>,
    context: &Context,
) -> Result<Vec<Draft>, Reject> {
    if !node.get("status").exists() {
        return Ok(Vec::new());
    }
    let run = Run::read(node, around, context)?;
    let mut drafts = run.verification()?;
    for metric in &run.metrics {
        drafts.extend(run.measurements(metric)?);
    }
    Ok(drafts)
}

/// The metrics that failed a run, and the condition that it failed by, where one metric alone did.
pub(super) fn blamed(run: &Node<'_>) -> Result<(Vec<String>, Option<String>), Reject> {
    let mut names = Vec::new();
    for metric in run.at(&["status", "metricResults"]).parts()? {
        if matches!(metric.get("phase").text()?, Some("Failed" | "Error")) {
            names.push(metric.get("name").required_text()?.to_owned());
        }
    }
    let mut expression = None;
    if let [name] = names.as_slice() {
        for metric in run.at(&["spec", "metrics"]).parts()? {
            if metric.get("name").text()? == Some(name.as_str()) {
                let failure = metric.get("failureCondition").text()?;
                let success = metric.get("successCondition").text()?;
                expression =
                    failure.map(str::to_owned).or_else(|| success.map(|s| format!("not ({s})")));
            }
        }
    }
    Ok((names, expression))
}

struct Run<'a, 'c> {
    node: Node<'a>,
    status: Node<'a>,
    /// The rollout, if it came with the run: it states the place.
    rollout: Option<&'c Node<'a>>,
    facts: Facts<'c>,
    id: String,
    service: Option<String>,
    deployment_id: Option<String>,
    metrics: Vec<Node<'a>>,
}

impl<'a, 'c> Run<'a, 'c> {
    fn read(node: &Node<'a>, around: &'c Around<'a>, context: &'c Context) -> Result<Self, Reject> {
        let status = node.get("status").required_object()?;
        let owners = node.at(&["metadata", "ownerReferences"]).items()?;
        let owner = owners.iter().find(|o| matches!(o.get("kind").text(), Ok(Some("Rollout"))));
        let revision = node.at(&["metadata", "annotations", REVISION]).id()?;
        let (mut service, mut deployment_id) = (None, None);
        if let Some(owner) = owner {
            service = owner.get("name").text()?.map(str::to_owned);
            let uid = owner.get("uid").text()?;
            deployment_id = uid.zip(revision).map(|(uid, revision)| format!("{uid}:{revision}"));
        }
        Ok(Self {
            metrics: status.get("metricResults").parts()?,
            id: identity(node)?,
            rollout: around.owner(node),
            facts: facts(node, "AnalysisRun", context)?,
            node: node.clone(),
            status,
            service,
            deployment_id,
        })
    }

    fn draft(&self, kind: &str, phase: &str, key: &str, at: Timestamp) -> Result<Draft, Reject> {
        let mut draft =
            self.facts.draft(kind, phase, &format!("{}:{key}", self.id), When::state(at));
        put_place(&mut draft, self.rollout.unwrap_or(&self.node), self.service.as_deref())?;
        draft.event.put_some("deployment_id", self.deployment_id.as_deref());
        Ok(draft)
    }

    /// That the run began, and how it ended. `Error` means that it could not measure.
    fn verification(&self) -> Result<Vec<Draft>, Reject> {
        let ty = self.status.get("phase");
        let result = ty.required_text()?;
        let phase = match result {
            "Pending" | "Running" => None,
            "Successful" => Some("passed"),
            "Failed" => Some("failed"),
            "Inconclusive" | "Error" => Some("inconclusive"),
            _ => return Err(ty.unknown("unknown_type", "is not a phase of an analysis")),
        };
        let mut marks = Vec::new();
        let begun = match self.status.get("startedAt").time()? {
            Some(at) => Some(at),
            None => self.node.at(&["metadata", "creationTimestamp"]).time()?,
        };
        marks.extend(begun.map(|at| ("started", at)));
        if let Some(phase) = phase {
            marks.push((
                phase,
                self.ended_at()?.ok_or_else(|| self.status.get("completedAt").missing())?,
            ));
        }
        let mut names = self
            .metrics
            .iter()
            .map(|m| m.get("name").required_text())
            .collect::<Result<Vec<_>, _>>()?;
        names.sort_unstable();
        let mut drafts = Vec::new();
        for (phase, at) in marks {
            let mut draft = self.draft("verification", phase, &format!("{phase}:{at}"), at)?;
            draft.event.put_some("check_stage", self.stage()?);
            if phase != "started" {
                draft.event.put("check_name", names.join(", "));
                draft.event.put("check_result", result);
                put_text(&mut draft, "message", &self.status.get("message"))?;
            }
            drafts.push(draft);
        }
        Ok(drafts)
    }

    /// The completion, which older controllers do not write, else the end of the last measurement.
    fn ended_at(&self) -> Result<Option<Timestamp>, Reject> {
        let mut last = self.status.get("completedAt").time()?;
        if last.is_none() {
            for metric in &self.metrics {
                for measurement in metric.get("measurements").parts()? {
                    last = last.max(measurement.get("finishedAt").time()?);
                }
            }
        }
        Ok(last)
    }

    /// Before or after the switch of a blue-green rollout; an analysis beside the steps of a canary is neither.
    fn stage(&self) -> Result<Option<&'static str>, Reject> {
        Ok(match self.node.at(&["metadata", "labels", "rollout-type"]).text()? {
            Some("PrePromotion") => Some("pre"),
            Some("PostPromotion") => Some("post"),
            _ => None,
        })
    }

    /// One row per finished measurement; a dry run decides nothing and is none.
    fn measurements(&self, metric: &Node<'_>) -> Result<Vec<Draft>, Reject> {
        let name = metric.get("name").required_text()?;
        let mut drafts = Vec::new();
        if metric.get("dryRun").boolean()? == Some(true) {
            return Ok(drafts);
        }
        for measurement in metric.get("measurements").parts()? {
            let Some(at) = measurement.get("finishedAt").time()? else { continue };
            let ty = measurement.get("phase");
            let (phase, state) = match ty.required_text()? {
                "Successful" => ("sample", "ok"),
                "Failed" => ("breached", "breached"),
                "Inconclusive" => ("warning", "warning"),
                "Error" => ("no_data", "no_data"),
                _ => {
                    return Err(
                        ty.unknown("unknown_type", "is not the phase of a finished measurement")
                    );
                }
            };
            let begun =
                measurement.get("startedAt").time()?.map(|t| t.to_string()).unwrap_or_default();
            let mut draft = self.draft("health", phase, &format!("{name}:{begun}:{at}"), at)?;
            draft.event.put("signal", name);
            draft.event.put("signal_kind", "analysis");
            draft.event.put("signal_state", state);
            draft
                .event
                .put_some("signal_value", measurement.get("value").text()?.and_then(decimal));
            drafts.push(draft);
        }
        Ok(drafts)
    }
}

/// A plain decimal, or the only element of a list, as Prometheus answers.
fn decimal(value: &str) -> Option<String> {
    let one = value.strip_prefix('[').and_then(|v| v.strip_suffix(']')).unwrap_or(value).trim();
    is_decimal(one).then(|| one.to_owned())
}
