//! Helm: what `helm history`, `helm list`, `helm status` and `helm get metadata` print with `-o json` or `-o yaml`.
//!
//! A revision is a state that keeps one time, at which its operation began. Each revision is the same fact in all four
//! forms.

use backtrail_schemas::{Delivery, Draft, Mapped, Reject, Timestamp};
use serde_json::Value;

use crate::context::Context;
use crate::facts::{Facts, When, put_label, put_text, put_tier};
use crate::kube::{check_history, in_cluster};
use crate::mapper::{Mapper, gathered, ignored, refused};
use crate::node::{Node, reject};

pub(crate) const MAPPER: Mapper =
    Mapper { name: "helm", yaml: true, claims: |_| false, looks, map };

/// What Helm writes into the description of a rollback, unless `--description` says otherwise.
const ROLLBACK: &str = "Rollback to ";

/// How the description of an operation begins that failed, as `Upgrade "cart" failed: …`.
const FAILING: [&str; 3] = ["Release \"", "Upgrade \"", "Rollback \""];

fn looks(body: &Value) -> bool {
    let text = |v: &Value, key: &str| v[key].is_string();
    match body.as_array().map(Vec::as_slice) {
        Some([first, ..]) => {
            ["updated", "status", "chart"].iter().all(|key| text(first, key))
                && first.get("revision").is_some()
        }
        Some([]) => false,
        None => {
            let status = text(body, "name") && text(&body["info"], "status");
            let metadata = ["name", "chart", "status", "deployedAt"].iter().all(|k| text(body, k));
            status && body.get("namespace").is_some() || metadata
        }
    }
}

fn map(body: &Value, _: &Delivery, context: &Context) -> Mapped {
    let root = Node::root(body);
    match root.items() {
        Ok(rows) if rows.is_empty() => ignored("an empty list"),
        Ok(rows) => table(&root, &rows, context).unwrap_or_else(refused),
        Err(_) if root.get("info").exists() => one(status(&root, context)),
        Err(_) => one(metadata(&root, context)),
    }
}

/// The rows of `helm list`, which name their releases, or of `helm history`, which are of one release.
fn table(root: &Node<'_>, rows: &[Node<'_>], context: &Context) -> Result<Mapped, Reject> {
    let history = !rows.iter().any(|row| row.get("name").exists());
    if history && context.configured("service").is_none() {
        return Err(reject(
            "missing_field",
            "a history does not name its release: hint: configure the default of `service`, or read \
             `helm status` or `helm list`, which do",
        ));
    }
    if history {
        check_history(root, rows.len())?;
    }
    let known: Vec<_> = rows.iter().map(|row| Revision::of_row(row, context)).collect();
    let others: &[_] = if history { &known } else { &[] };
    Ok(gathered(known.iter().map(|revision| match revision {
        Ok(revision) => one(revision.drafts(others, context)),
        Err(reject) => refused(reject.clone()),
    })))
}

fn status(node: &Node<'_>, context: &Context) -> Result<Mapped, Reject> {
    let info = node.get("info");
    let chart = node.at(&["chart", "metadata"]);
    let version = chart.get("version");
    let revision = Revision {
        release: Release::named(node, context)?,
        number: node.get("version").id()?,
        at: time(&info.get("last_deployed"))?,
        deleted: time(&info.get("deleted"))?,
        status: info.get("status"),
        chart: called(&chart.get("name"), &version)?,
        version: either(&chart.get("appVersion"), version.text()?)?,
        description: info.get("description"),
        back_to: back_to(&info.get("rollback_revision"), &info.get("description"))?,
    };
    revision.drafts(&[], context)
}

fn metadata(node: &Node<'_>, context: &Context) -> Result<Mapped, Reject> {
    let revision = Revision {
        release: Release::named(node, context)?,
        number: node.get("revision").id()?,
        at: time(&node.get("deployedAt"))?,
        deleted: None,
        status: node.get("status"),
        chart: called(&node.get("chart"), &node.get("version"))?,
        version: either(&node.get("appVersion"), node.get("version").text()?)?,
        description: node.get("description"),
        back_to: None,
    };
    revision.drafts(&[], context)
}

fn one(mapped: Result<Mapped, Reject>) -> Mapped {
    mapped.unwrap_or_else(refused)
}

/// A release of a cluster.
struct Release {
    name: String,
    namespace: Option<String>,
}

impl Release {
    /// A history names neither its release nor the namespace: both are configured.
    fn named(node: &Node<'_>, context: &Context) -> Result<Self, Reject> {
        let name = node.get("name");
        let namespace = node.get("namespace").text()?;
        let default = context.configured("service").filter(|_| namespace.is_none());
        let stated = name.text()?.or(default);
        let namespace = namespace.or_else(|| context.configured("service_namespace"));
        Ok(Self {
            name: stated.ok_or_else(|| name.missing())?.to_owned(),
            namespace: namespace.map(str::to_owned),
        })
    }

    fn key(&self) -> String {
        let namespace = self.namespace.as_deref().unwrap_or_default();
        format!("{namespace}/{}", self.name)
    }
}

/// One revision of a release.
struct Revision<'a> {
    release: Release,
    number: Option<String>,
    at: Option<Timestamp>,
    deleted: Option<Timestamp>,
    status: Node<'a>,
    /// The chart's name and version, as tables print them.
    chart: Option<String>,
    /// The version of what the chart ships, else of the chart.
    version: Option<String>,
    description: Node<'a>,
    /// The revision that it returns to.
    back_to: Option<String>,
}

impl<'a> Revision<'a> {
    fn of_row(node: &Node<'a>, context: &Context) -> Result<Self, Reject> {
        let chart = node.get("chart").text()?;
        Ok(Self {
            release: Release::named(node, context)?,
            number: Some(node.get("revision").required_id()?),
            at: time(&node.get("updated"))?,
            deleted: None,
            status: node.get("status"),
            version: either(&node.get("app_version"), chart.and_then(chart_version))?,
            chart: chart.map(str::to_owned),
            description: node.get("description"),
            back_to: back_to(&node.get("rollback_revision"), &node.get("description"))?,
        })
    }

    /// The rows about this revision, `others` being those of the same history.
    fn drafts(
        &self,
        others: &[Result<Revision<'_>, Reject>],
        context: &Context,
    ) -> Result<Mapped, Reject> {
        let phase = match self.status.required_text()? {
            // A later revision took its place; it had been deployed, unless it had failed.
            "superseded" if self.has_failed()? => "failed",
            "deployed" | "superseded" => "succeeded",
            "failed" => "failed",
            "pending-install" | "pending-upgrade" | "pending-rollback" => "started",
            "uninstalled" if self.deleted.is_some() => "removed",
            "uninstalled" | "uninstalling" => {
                return Ok(ignored("Helm does not say when this release was uninstalled"));
            }
            "unknown" => return Ok(ignored("Helm does not know the state of this release")),
            _ => return Err(self.status.unknown("unknown_type", "is not a status of a release")),
        };
        let at = if phase == "removed" { self.deleted } else { self.at };
        let at = at.ok_or_else(|| self.status.refuse("missing_field", "comes without a time"))?;
        let mut drafts = vec![self.draft("deployment", phase, at, context)?];
        if phase != "removed" && self.rolls_back()? {
            let id = format!("{}:rollback", in_cluster(&self.id(), context));
            drafts[0].event.put("rollback_id", id.as_str());
            drafts[0].event.put("recognised_by", "explicit");
            drafts.push(self.rollback(phase, at, &id, others, context)?);
        }
        Ok(Mapped { drafts, ..Mapped::default() })
    }

    /// Whether the description is that of a failure. Helm also calls superseded what failed: an installation once an
    /// upgrade took its place, an upgrade once its rollback failed too.
    fn has_failed(&self) -> Result<bool, Reject> {
        let said = self.description.text()?.unwrap_or_default();
        let operation = FAILING.iter().any(|operation| said.starts_with(operation));
        Ok(operation && said.contains("\" failed: "))
    }

    /// A rollback that failed has the failure as its description.
    fn rolls_back(&self) -> Result<bool, Reject> {
        let failed = self.description.text()?.is_some_and(|text| text.starts_with("Rollback \""));
        let pending = self.status.text()? == Some("pending-rollback");
        Ok(self.back_to.is_some() || failed || pending)
    }

    fn rollback(
        &self,
        phase: &str,
        at: Timestamp,
        id: &str,
        others: &[Result<Revision<'_>, Reject>],
        context: &Context,
    ) -> Result<Draft, Reject> {
        let mut draft = self.draft("rollback", phase, at, context)?;
        let own = self.number.as_deref().and_then(|n| n.parse::<u64>().ok());
        let before = own.and_then(|n| n.checked_sub(1)).map(|n| n.to_string());
        let named = |number: Option<&str>| {
            let mut found = others.iter().flatten();
            found.find(|r| number.is_some() && r.number.as_deref() == number)
        };
        draft.event.put("rollback_id", id);
        draft.event.put("recognised_by", "explicit");
        draft.event.put("mechanism", "revision_undo");
        let left = named(before.as_deref());
        draft.event.put_some("rollback_of", left.map(|r| in_cluster(&r.id(), context)));
        draft.event.put_some("from_version", left.and_then(|r| r.version.as_deref()));
        let target = named(self.back_to.as_deref());
        let to = target.and_then(|r| r.version.as_deref()).or(self.version.as_deref());
        draft.event.put_some("to_version", to);
        if let Some(back_to) = &self.back_to {
            put_label(&mut draft, "rollback_revision", back_to)?;
        }
        Ok(draft)
    }

    fn draft(
        &self,
        kind: &str,
        phase: &str,
        at: Timestamp,
        context: &Context,
    ) -> Result<Draft, Reject> {
        let instance = context.instance.as_deref().or(context.configured("cluster"));
        let facts = Facts {
            source: MAPPER.name,
            instance: instance.unwrap_or("default").to_owned(),
            event_id: None,
            event_type: None,
            context,
        };
        let key = match &self.number {
            Some(_) => self.id(),
            None => format!("{}:{at}", self.release.key()),
        };
        let mut draft = facts.draft(kind, phase, &key, When::state(at));
        draft.event.put("deployment_id", in_cluster(&key, context));
        draft.event.put("service", self.release.name.as_str());
        draft.event.put_some("service_namespace", self.release.namespace.as_deref());
        draft.event.put_some("revision", self.number.as_deref());
        put_tier(&mut draft);
        put_text(&mut draft, "message", &self.description)?;
        if kind == "deployment" {
            draft.event.put_some("version", self.version.as_deref());
        }
        if phase == "failed" {
            draft.event.put("error_type", "failed");
        }
        if let Some(chart) = &self.chart {
            put_label(&mut draft, "chart", chart)?;
        }
        Ok(draft)
    }

    fn id(&self) -> String {
        format!("{}:{}", self.release.key(), self.number.as_deref().unwrap_or_default())
    }
}

fn called(chart: &Node<'_>, version: &Node<'_>) -> Result<Option<String>, Reject> {
    let both = chart.text()?.zip(version.text()?);
    Ok(both.map(|(chart, version)| format!("{chart}-{version}")))
}

fn either(first: &Node<'_>, second: Option<&str>) -> Result<Option<String>, Reject> {
    Ok(first.text()?.or(second).map(str::to_owned))
}

/// The revision that is returned to: Helm 4 says it, older ones only in the description.
fn back_to(stated: &Node<'_>, description: &Node<'_>) -> Result<Option<String>, Reject> {
    if let Some(number) = stated.id()?.filter(|number| number != "0") {
        return Ok(Some(number));
    }
    let number = description.text()?.and_then(|text| text.strip_prefix(ROLLBACK));
    let number = number.filter(|n| !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit()));
    Ok(number.map(str::to_owned))
}

/// RFC 3339, or as Go prints a time: `2026-04-02 11:12:00.123456789 +0200 CEST`.
fn time(node: &Node<'_>) -> Result<Option<Timestamp>, Reject> {
    let Some(text) = node.text()?.filter(|text| text.contains(' ')) else { return node.time() };
    let mut words = text.split(' ');
    let (date, clock, offset) = (words.next(), words.next(), words.next());
    let parsed = date.zip(clock).zip(offset).and_then(|((date, clock), offset)| {
        let (hours, minutes) = offset.split_at_checked(3)?;
        Timestamp::parse_rfc3339(&format!("{date}T{clock}{hours}:{minutes}")).ok()
    });
    parsed.map(Some).ok_or_else(|| node.refuse("bad_time", "is neither RFC 3339 nor Go's form"))
}

/// The version in `name-version`: it begins where what follows a hyphen is a semantic version.
fn chart_version(chart: &str) -> Option<&str> {
    chart.match_indices('-').map(|(at, _)| &chart[at + 1..]).find(|rest| {
        let core = rest.split(['-', '+']).next().unwrap_or_default();
        let numbers: Vec<&str> = core.strip_prefix('v').unwrap_or(core).split('.').collect();
        let number = |n: &&str| !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit());
        numbers.len() == 3 && numbers.iter().all(number)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_chart_is_its_name_and_version() {
        for (chart, want) in [
            ("cart-1.4.0", Some("1.4.0")),
            ("cart-2-api-0.1.0-rc.1+b5", Some("0.1.0-rc.1+b5")),
            ("cart-v1.2.3", Some("v1.2.3")),
            ("cart-1.4", None),
            ("cart", None),
        ] {
            assert_eq!(chart_version(chart), want, "{chart}");
        }
    }

    #[test]
    fn times_are_read_in_both_forms() {
        let want = "2026-04-02T09:12:00.123456Z";
        for text in [
            "2026-04-02T11:12:00.123456789+02:00",
            "2026-04-02 11:12:00.123456789 +0200 CEST",
            "2026-04-02 09:12:00.123456789 +0000 UTC m=+0.012",
        ] {
            let body = json!(text);
            assert_eq!(time(&Node::root(&body)).unwrap().unwrap().to_string(), want, "{text}");
        }
        for text in ["2026-04-02 11:12:00", "2026-04-02 11:12:00 é0 x", "a b c", " "] {
            let body = json!(text);
            assert!(time(&Node::root(&body)).is_err(), "{text}");
        }
    }

    #[test]
    fn only_a_whole_number_is_returned_to() {
        let read = |body: Value| {
            let node = Node::root(&body);
            back_to(&node.get("r"), &node.get("d")).unwrap()
        };
        assert_eq!(read(json!({"r": 3, "d": "fixed"})).as_deref(), Some("3"));
        assert_eq!(read(json!({"r": 0, "d": "Rollback to 2"})).as_deref(), Some("2"));
        for said in ["Rollback to", "Rollback to 2 please", "rollback to 2", "Upgrade complete"] {
            assert_eq!(read(json!({"d": said})), None, "{said}");
        }
    }
}
