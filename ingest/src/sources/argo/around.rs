//! The objects of one delivery, each of which may explain another.

use std::collections::HashMap;

use super::REVISION;
use crate::kube::{own_key, owner_keys};
use crate::node::Node;

/// The objects in order, with indexes: a cluster's list can hold thousands.
pub(super) struct Around<'a> {
    objects: Vec<Node<'a>>,
    rollouts: HashMap<String, usize>,
    /// By owner and pod template hash.
    sets: HashMap<(String, Option<String>), usize>,
    /// Failed ones, by owner and revision.
    failed_runs: HashMap<(String, Option<String>), usize>,
}

impl<'a> Around<'a> {
    pub(super) fn new(objects: Vec<Node<'a>>) -> Self {
        let (mut rollouts, mut sets, mut failed_runs) =
            (HashMap::new(), HashMap::new(), HashMap::new());
        for (at, object) in objects.iter().enumerate() {
            match object.get("kind").text() {
                Ok(Some("Rollout")) => {
                    rollouts.entry(own_key(object)).or_insert(at);
                }
                Ok(Some("ReplicaSet")) => {
                    let hash = object.at(&["metadata", "labels", "rollouts-pod-template-hash"]);
                    insert(&mut sets, object, &hash, at);
                }
                Ok(Some("AnalysisRun")) if failed(object) => {
                    let revision = object.at(&["metadata", "annotations", REVISION]);
                    insert(&mut failed_runs, object, &revision, at);
                }
                _ => {}
            }
        }
        Self { objects, rollouts, sets, failed_runs }
    }

    pub(super) fn objects(&self) -> &[Node<'a>] {
        &self.objects
    }

    /// The rollout that owns an object, if it came with it.
    pub(super) fn owner(&self, node: &Node<'_>) -> Option<&Node<'a>> {
        let at =
            owner_keys(node, "Rollout").iter().find_map(|key| self.rollouts.get(key).copied())?;
        self.objects.get(at)
    }

    /// The replica set of `rollout` with this pod template hash.
    pub(super) fn replica_set(&self, rollout: &Node<'_>, hash: &str) -> Option<&Node<'a>> {
        let at = self.sets.get(&(own_key(rollout), Some(hash.to_owned())))?;
        self.objects.get(*at)
    }

    /// The analysis run of this revision of `rollout` that failed.
    pub(super) fn failed_run(
        &self,
        rollout: &Node<'_>,
        revision: Option<&str>,
    ) -> Option<&Node<'a>> {
        let at = self.failed_runs.get(&(own_key(rollout), revision.map(str::to_owned)))?;
        self.objects.get(*at)
    }
}

type ByOwner = HashMap<(String, Option<String>), usize>;

/// Under each key of each owner: which of them the rollout goes by is the rollout's matter.
fn insert(index: &mut ByOwner, object: &Node<'_>, part: &Node<'_>, at: usize) {
    let Ok(part) = part.id() else { return };
    for key in owner_keys(object, "Rollout") {
        index.entry((key, part.clone())).or_insert(at);
    }
}

fn failed(run: &Node<'_>) -> bool {
    matches!(run.at(&["status", "phase"]).text(), Ok(Some("Failed" | "Error")))
}
