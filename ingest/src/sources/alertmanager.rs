//! Alertmanager's webhook (version 4), and Grafana's alerting webhook, which has its shape.
//!
//! One delivery is many alerts. An alert is known by the fingerprint of its labels and the time it began; what it says
//! in annotations and values may differ each time it is sent again, so none of that is in the row.

use backtrail_schemas::{Delivery, Draft, Mapped, Reject, Timestamp};
use serde_json::Value;

use crate::context::Context;
use crate::facts::{Facts, When, put_label};
use crate::mapper::{Mapper, gathered, ignored, refused};
use crate::node::Node;

pub(crate) const ALERTMANAGER: Mapper = Mapper {
    name: "alertmanager",
    yaml: false,
    claims: |delivery| sent_by(delivery, "Alertmanager/"),
    looks: |body| is_group(body) && !is_grafana(body),
    map: |body, delivery, context| map("alertmanager", body, delivery, context),
};

pub(crate) const GRAFANA: Mapper = Mapper {
    name: "grafana",
    yaml: false,
    claims: |delivery| {
        sent_by(delivery, "Grafana") || delivery.header("x-grafana-alerting-signature").is_some()
    },
    looks: |body| is_group(body) && is_grafana(body),
    map: |body, delivery, context| map("grafana", body, delivery, context),
};

/// The labels that are kept as attributes.
const LABELS: &[&str] = &["alertname", "severity", "job", "instance", "rulename"];

/// What Grafana calls an alert whose rule found no data, or could not ask; the rule's name is in `rulename` then.
const NO_DATA: &[&str] = &["DatasourceNoData", "DatasourceError"];

fn sent_by(delivery: &Delivery, agent: &str) -> bool {
    delivery.header("user-agent").is_some_and(|a| a.starts_with(agent))
}

fn is_group(body: &Value) -> bool {
    body["alerts"].is_array() && body["receiver"].is_string() && body["status"].is_string()
}

fn is_grafana(body: &Value) -> bool {
    body.get("orgId").is_some()
}

fn map(source: &'static str, body: &Value, delivery: &Delivery, context: &Context) -> Mapped {
    let group = Node::root(body);
    let facts = match group_facts(source, &group, context) {
        Ok(facts) => facts,
        Err(reject) => return refused(reject),
    };
    let alerts = match group.get("alerts").required_items() {
        Ok(alerts) => alerts,
        Err(reject) => return refused(reject),
    };
    let mut all = gathered(alerts.iter().map(|one| match alert(one, &group, &facts, context) {
        Ok(draft) => Mapped { drafts: vec![draft], ..Mapped::default() },
        Err(reject) => refused(reject),
    }));
    match gap(&group, alerts.len(), &all.drafts, &facts, delivery) {
        Ok(gap) => all.drafts.extend(gap),
        Err(reject) => all.rejects.push(reject),
    }
    let nothing = all.drafts.is_empty() && all.rejects.is_empty();
    if nothing { ignored("a group without alerts") } else { all }
}

/// The installation is its own address; of a Grafana, the organisation in it too.
fn group_facts<'c>(
    source: &'static str,
    group: &Node<'_>,
    context: &'c Context,
) -> Result<Facts<'c>, Reject> {
    let url = group.get("externalURL").text()?.unwrap_or(context.instance()).trim_end_matches('/');
    let instance = match group.get("orgId").id()? {
        Some(organisation) => format!("{url}/?orgId={organisation}"),
        None => url.to_owned(),
    };
    Ok(Facts { source, instance, event_id: None, event_type: None, context })
}

fn alert(
    node: &Node<'_>,
    group: &Node<'_>,
    facts: &Facts<'_>,
    context: &Context,
) -> Result<Draft, Reject> {
    let labels = labels_of(&node.get("labels").required_object()?)?;
    let label = |name: &str| labels.iter().find(|(key, _)| *key == name).map(|(_, text)| *text);
    let fingerprint = match node.get("fingerprint").text()? {
        Some(text) => text.to_owned(),
        None => fingerprint_of(&labels),
    };
    let began = node.get("startsAt").required_time()?;
    let no_data = label("alertname").is_some_and(|name| NO_DATA.contains(&name));
    let (phase, state, at) = match status(node, group)? {
        "resolved" => ("recovered", "ok", node.get("endsAt").required_time()?),
        _ if no_data => ("no_data", "no_data", began),
        _ => ("breached", "breached", began),
    };
    let key = format!("{fingerprint}:{}:{phase}", began.micros());
    let mut draft = facts.draft("health", phase, &key, When::event(at));
    let rule = label("rulename").filter(|_| no_data).or(label("alertname")).unwrap_or_default();
    // One rule fires once per set of labels: each is a series of its own, and ends on its own.
    draft.event.put("signal", format!("{rule}/{fingerprint}"));
    draft.event.put("signal_kind", "alert");
    draft.event.put("signal_state", state);
    for name in LABELS {
        if let Some(text) = label(name).filter(|text| !text.is_empty()) {
            put_label(&mut draft, name, text)?;
        }
    }
    context.labels.put_place(&mut draft, label);
    Ok(draft)
}

/// `firing` or `resolved`. Alerts of old versions have no status: one without an end fires, and in a resolved group
/// all have ended.
fn status<'a>(node: &Node<'a>, group: &Node<'a>) -> Result<&'a str, Reject> {
    let own = node.get("status");
    let stated = match own.text()? {
        Some(status) => status,
        None if group.get("status").text()? == Some("resolved") => "resolved",
        None if node.get("endsAt").time()?.is_none() => "firing",
        None => return Err(own.missing()),
    };
    match stated {
        "firing" | "resolved" => Ok(stated),
        _ => Err(own.unknown("unknown_type", "is neither firing nor resolved")),
    }
}

/// The row that says that Alertmanager cut alerts off (`max_alerts`), dated with the latest one that it sent.
fn gap(
    group: &Node<'_>,
    sent: usize,
    drafts: &[Draft],
    facts: &Facts<'_>,
    delivery: &Delivery,
) -> Result<Option<Draft>, Reject> {
    let truncated = group.get("truncatedAlerts");
    let cut = truncated.integer()?.unwrap_or(0);
    if cut <= 0 {
        return Ok(None);
    }
    let latest = drafts.iter().filter_map(|draft| draft.event.timestamp("occurred_at")).max();
    let when = match latest {
        Some(at) => When { at, basis: "derived" },
        None => When::receipt(&truncated, delivery)?,
    };
    let stated = latest.map_or(0, Timestamp::micros);
    let key = format!("truncated:{}:{stated}:{cut}", group.get("groupKey").text()?.unwrap_or(""));
    let mut draft = facts.draft("ingest", "gap_detected", &key, when);
    let sent = i64::try_from(sent).unwrap_or(i64::MAX);
    draft.event.put("expected_count", sent.saturating_add(cut));
    put_label(&mut draft, "truncated_alerts", &cut.to_string())?;
    Ok(Some(draft))
}

fn labels_of<'a>(labels: &Node<'a>) -> Result<Vec<(&'a str, &'a str)>, Reject> {
    let object = labels.value().and_then(Value::as_object);
    object
        .into_iter()
        .flatten()
        .map(|(key, _)| Ok((key.as_str(), labels.get(key).text()?.unwrap_or_default())))
        .collect()
}

/// The fingerprint that Alertmanager sends since version 0.19: FNV-1a of 64 bits over the labels sorted by name, byte
/// 255 after each name and each value (prometheus/common, `model/signature.go`).
fn fingerprint_of(labels: &[(&str, &str)]) -> String {
    let mut sorted = labels.to_vec();
    sorted.sort_unstable();
    let texts = sorted.iter().flat_map(|(name, value)| [name, value]);
    let bytes = texts.flat_map(|text| text.bytes().chain([255]));
    let hash = bytes.fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    });
    format!("{hash:016x}")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The values are from another implementation of the same definition.
    #[test]
    fn a_fingerprint_is_that_of_the_sorted_labels() {
        assert_eq!(fingerprint_of(&[]), "cbf29ce484222325");
        for order in [[0, 1], [1, 0]] {
            let labels = order.map(|n| [("alertname", "TillSlow"), ("severity", "page")][n]);
            assert_eq!(fingerprint_of(&labels), "5c606c917e67277a");
        }
    }
}
