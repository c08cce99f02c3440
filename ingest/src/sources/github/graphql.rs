//! The GraphQL answer about deployments, in the rows that `DevLake` keeps of it: names begin with a capital.

use backtrail_schemas::{Draft, Reject};
use serde_json::{Value, json};

use super::{Hook, deployment};
use crate::node::Node;

/// That a deployment was asked for, and its statuses, else the latest.
///
/// The deployment is the one that webhooks and the REST API speak of. A status has no number here, so its time tells it:
/// it does not meet the webhook's row of the same status.
pub(super) fn listed(node: &Node<'_>, hook: &Hook<'_>) -> Result<Vec<Draft>, Reject> {
    let id = node.get("DatabaseId").required_id()?;
    let own = json!({
        "id": id,
        "sha": node.get("CommitOid").text()?,
        "ref": node.at(&["Ref", "Name"]).text()?,
        "task": node.get("Task").text()?,
        "payload": node.get("Payload").value(),
        "environment": node.get("Environment").text()?,
        "description": node.get("Description").text()?,
        "created_at": node.get("CreatedAt").required_text()?,
    });
    let mut drafts = deployment::listed(&Node::root(&own), hook)?;
    for status in statuses(node, &id)? {
        let webhook = json!({"deployment": own, "deployment_status": status});
        drafts.extend(deployment::status(&Node::root(&webhook), hook)?);
    }
    let committed = node.at(&["Commit", "CommittedDate"]).time()?;
    for draft in drafts.iter_mut().filter(|d| d.event.get("committed_at").is_none()) {
        draft.event.put_some("committed_at", committed);
    }
    Ok(drafts)
}

/// The statuses in the form of the REST API.
fn statuses(node: &Node<'_>, id: &str) -> Result<Vec<Value>, Reject> {
    let all = node.get("Statuses");
    let latest = node.get("LatestStatus");
    let found = if all.exists() {
        let nodes = all.get("nodes").parts()?;
        nodes.iter().map(|status| (status.get("state"), status.get("updatedAt"))).collect()
    } else if latest.exists() {
        vec![(latest.get("State"), latest.get("updatedAt"))]
    } else {
        Vec::new()
    };
    let mut statuses = Vec::new();
    for (state, at) in found {
        let name = state.required_text()?.to_ascii_lowercase();
        let at = at.required_time()?.to_string();
        statuses.push(json!({"id": format!("{id}:{name}:{at}"), "state": name, "created_at": at}));
    }
    Ok(statuses)
}
