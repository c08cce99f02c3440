//! What no vendor sends, in the native form: approvals, decisions, verifications, postmortems, SLO samples.

use backtrail_schemas::Timestamp;
use backtrail_schemas::columns::{Type, column};
use serde_json::{Value, json};

use super::facts::{Deployment, Facts, Incident, Release, incident_id};
use super::line::Line;
use super::table::{at, hex, instant, later, prose, rows, some};

/// The installation that the native rows are from.
pub(super) const INSTANCE: &str = "lanternfish";

/// All native rows, by subject.
pub(crate) fn lines(facts: &Facts) -> Vec<Line> {
    let mut rows = services(facts);
    rows.extend(facts.releases.iter().flat_map(|release| change(facts, release)));
    rows.extend(facts.deployed_by("argo").filter_map(|deployment| requested(facts, deployment)));
    rows.extend(facts.incidents.iter().flat_map(marks));
    rows.extend(rollbacks(facts));
    rows.extend(samples());
    let mut lines: Vec<Line> = rows.into_iter().map(Row::line).collect();
    lines.extend(listed(facts));
    lines
}

/// One native row.
struct Row {
    at: Timestamp,
    body: Value,
}

impl Row {
    fn new(at: Timestamp, id: &str, kind: &str, phase: &str) -> Self {
        let body = json!({
            "event_id": id,
            "source_instance": INSTANCE,
            "kind": kind,
            "phase": phase,
            "occurred_at": at.to_string(),
        });
        Self { at, body }
    }

    fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.body[name] = value.into();
        self
    }

    fn line(self) -> Line {
        let headers = vec![("Content-Type", "application/json".to_owned())];
        Line::new("native", self.at, headers, self.body)
    }
}

/// The account of a person, or automation by its name.
fn account(key: &str) -> String {
    if key == "bot" { "bot:pipeline".to_owned() } else { format!("{key}@lanternfish.example") }
}

fn services(facts: &Facts) -> Vec<Row> {
    let since = at("07-01", "00:00");
    let declared = facts.services.iter().map(|service| {
        Row::new(since, &format!("service.{}", service.name), "service", "declared")
            .with("service", service.name)
            .with("environment", "production")
            .with("tier", service.tier)
            .with("team", service.team)
            .with("objective_recovery_s", service.recovery_s)
            .with("objective_rollback_s", service.rollback_s)
            .with("valid_from", since.to_string())
    });
    declared.collect()
}

/// The change request of a release, and what became of its approval.
fn change(facts: &Facts, release: &Release) -> Vec<Row> {
    let granted = match release.control {
        "late" => later(release.last_start, 15 * 60),
        _ if release.scope == "all" => later(release.start, -20 * 3600),
        _ => later(release.start, -12 * 60),
    };
    let digest = format!("sha256:{}", hex(&format!("{} {}", release.service, release.version), 64));
    let authors: Vec<String> = match release.control {
        "self" => vec![account(release.author), account(release.actor)],
        _ => vec![account(release.author)],
    };
    let requester =
        if facts.person(release.actor).is_some() { release.actor } else { release.author };
    let about = |id: &str, kind: &str, phase: &str, at: Timestamp| {
        Row::new(at, &format!("{}.{id}", release.change), kind, phase)
            .with("service", release.service)
            .with("environment", "production")
            .with("change_id", release.change)
            .with("version", release.version)
            .with("artifact_digest", digest.as_str())
            .with("requester", account(requester))
    };
    let approval = |phase: &str, at: Timestamp| {
        about(phase, "approval", phase, at)
            .with("approval_id", release.change.replace("CHG", "AP"))
            .with("approvals_required", 1)
    };
    let decided = |phase: &str, at: Timestamp| {
        approval(phase, at).with("decision", phase).with("approver", account(release.approver))
    };
    let created = about("created", "change", "created", release.asked)
        .with("change_type", if release.control == "missing" { "emergency" } else { "normal" })
        .with("commit_sha", hex(&format!("commit {} {}", release.service, release.version), 40))
        .with("committed_at", release.committed.to_string())
        .with("authors", authors)
        .with("risk", "low")
        .with("has_backout_plan", true);
    let mut rows = vec![created, approval("requested", release.asked)];
    if release.control != "missing" {
        rows.push(decided("approved", granted));
    }
    if release.control == "revoked" {
        rows.push(decided("revoked", later(release.start, -20 * 60)));
    }
    rows
}

/// The change that a rollout belongs to, which its object does not say.
fn requested(facts: &Facts, deployment: &Deployment) -> Option<Row> {
    let change = deployment.change?;
    let asked = later(deployment.start, -120);
    let row = Row::new(asked, &format!("{}.queued", deployment.key), "deployment", "queued")
        .with("deployment_id", facts.deployment_id(&deployment.key))
        .with("service", deployment.service)
        .with("environment", deployment.environment)
        .with("region", deployment.region)
        .with("version", deployment.version)
        .with("actor", account(deployment.actor))
        .with("change_id", change)
        .with("committed_at", facts.committed(deployment)?.to_string());
    Some(row)
}

/// The marks of an incident that its pager does not know.
fn marks(incident: &Incident) -> Vec<Row> {
    let row = |phase: &str, at: Timestamp| {
        let id = format!("{}.{}", incident.key, if phase == "annotated" { "noted" } else { phase });
        Row::new(at, &id, "incident", phase)
            .with("incident_id", incident_id(incident.key))
            .with("service", incident.service)
    };
    let noticed = incident.marks["detected"];
    let mut rows = vec![row("annotated", later(noticed, 60)).with("detected_by", incident.by)];
    for phase in ["started", "decided", "mitigated", "verified"] {
        if let Some(at) = incident.marks.get(phase) {
            rows.push(row(phase, *at).with("actor", account("lucia")));
        }
    }
    rows
}

/// Decisions and verifications, one row per region that the rollback has.
fn rollbacks(facts: &Facts) -> Vec<Row> {
    let mut out = Vec::new();
    for row in rows(include_str!("../../story/facts/rollbacks.txt")) {
        let slots = facts.deployments.iter().filter(|d| d.rollback == Some(row[0]));
        for slot in slots {
            let about = |phase: &str, at: Timestamp| {
                Row::new(at, &format!("{}.{phase}", slot.key), "rollback", phase)
                    .with("rollback_id", row[0])
                    .with("deployment_id", facts.deployment_id(&slot.key))
                    .with("service", slot.service)
                    .with("environment", slot.environment)
                    .with("region", slot.region)
                    .with("incident_id", incident_id(slot.incident.expect("the table ties them")))
                    .with("actor", account(row[3]))
            };
            let mut decided = about("decided", at(row[1], row[2]))
                .with("trigger", "manual")
                .with("from_version", row[6])
                .with("to_version", slot.version)
                .with("signals", row[7].split(',').collect::<Vec<_>>())
                .with("reason", prose(row[8]));
            if let Some(approver) = some(row[4]) {
                decided = decided.with("approver", account(approver));
            }
            out.push(decided);
            if let Some(verified) = some(row[5]) {
                out.push(about("verified", instant(verified)));
            }
        }
    }
    out
}

/// SLO samples of five minutes.
fn samples() -> Vec<Row> {
    let mut out = Vec::new();
    for row in rows(include_str!("../../story/facts/samples.txt")) {
        let [from, to, bad, good] = [6, 7, 8, 9].map(|n| at(row[5], row[n]));
        let mut start = from;
        while start < to {
            let end = later(start, 300);
            let missed = (bad..good).contains(&start);
            let id = format!("slo.{}.{}.{}", row[0], row[1], start.micros() / 1_000_000);
            out.push(
                Row::new(end, &id, "health", "sample")
                    .with("service", row[0])
                    .with("environment", "production")
                    .with("region", row[1])
                    .with("signal", row[2])
                    .with("signal_kind", "slo")
                    .with("slo_id", row[3])
                    .with("slo_target_ppm", row[4].parse::<i64>().expect("parts per million"))
                    .with("good_count", if missed { 5_400 } else { 5_999 })
                    .with("total_count", 6_000)
                    .with("window_start", start.to_string())
                    .with("window_end", end.to_string()),
            );
            start = end;
        }
    }
    out
}

/// The rows of `native.txt`.
fn listed(facts: &Facts) -> Vec<Line> {
    rows(include_str!("../../story/facts/native.txt"))
        .map(|cells| {
            let (kind, phase) = cells[3].split_once('/').expect("native.txt writes kind/phase");
            let mut row = Row::new(at(cells[0], cells[1]), cells[2], kind, phase);
            let mut received = None;
            for cell in &cells[4..] {
                let (name, text) = cell.split_once('=').expect("native.txt writes column=value");
                match name {
                    "rec" => received = Some(instant(text)),
                    _ => row = stated(facts, row, name, text),
                }
            }
            let line = row.line();
            received.map_or(line.clone(), |at| line.again(at, line.mode))
        })
        .collect()
}

/// The row with one more cell of the table.
fn stated(facts: &Facts, row: Row, name: &str, text: &str) -> Row {
    match name {
        "amends" => row.with("amends_event_id", format!("native:{INSTANCE}:{text}")),
        "of" => row.with("attributes", json!({"source": text})),
        "at" => row.with("attributes", json!({"occurred_at": instant(text).to_string()})),
        _ => row.with(name, cell_value(facts, name, text)),
    }
}

fn cell_value(facts: &Facts, name: &str, text: &str) -> Value {
    let Some(column) = column(name) else {
        return json!(prose(text));
    };
    match (column.ty, text.split_at(1)) {
        (Type::Integer, _) => json!(text.parse::<i64>().expect("a number in native.txt")),
        (Type::Boolean, _) => json!(text == "true"),
        (Type::Timestamp, _) => json!(instant(text).to_string()),
        (Type::StringList, _) => json!(text.split(',').collect::<Vec<_>>()),
        (_, ("@", person)) => json!(account(person)),
        (_, ("%", incident)) => json!(incident_id(incident)),
        (_, ("&", deployment)) => json!(facts.deployment_id(deployment)),
        _ => json!(text),
    }
}
