//! The kinds of event and the phases of each.

/// Every kind with its phases, in canonical order. Where two rows of one entity have the same time, this order, read as
/// one list, breaks the tie (metrics, "From events to entities").
pub const KINDS: &[(&str, &[&str])] = &[
    (
        "deployment",
        &[
            "queued",
            "started",
            "progressed",
            "paused",
            "resumed",
            "live",
            "succeeded",
            "failed",
            "cancelled",
            "superseded",
            "removed",
        ],
    ),
    (
        "rollback",
        &[
            "requested",
            "decided",
            "approved",
            "started",
            "live",
            "succeeded",
            "failed",
            "cancelled",
            "verified",
        ],
    ),
    (
        "incident",
        &[
            "started",
            "detected",
            "reported",
            "acknowledged",
            "unacknowledged",
            "escalated",
            "severity_changed",
            "decided",
            "mitigated",
            "verified",
            "resolved",
            "reopened",
            "closed",
            "merged",
            "cancelled",
            "annotated",
        ],
    ),
    ("health", &["baseline", "warning", "breached", "no_data", "recovered", "sample"]),
    ("approval", &["requested", "approved", "rejected", "revoked", "expired"]),
    ("override", &["used", "reviewed"]),
    ("grant", &["given", "withdrawn"]),
    ("review", &["signed"]),
    ("change", &["created", "scheduled", "closed"]),
    ("verification", &["started", "passed", "failed", "inconclusive", "skipped"]),
    ("divergence", &["checked", "detected", "reconciled"]),
    ("artifact", &["published", "checked", "missing", "deleted"]),
    ("runbook", &["started", "step_completed", "completed", "failed", "aborted"]),
    ("drill", &["scheduled", "started", "completed", "cancelled"]),
    ("postmortem", &["created", "published", "reviewed"]),
    ("action_item", &["created", "updated", "completed", "cancelled"]),
    ("notification", &["sent"]),
    ("assessment", &["made"]),
    ("flag", &["turned_on", "turned_off", "changed"]),
    ("service", &["declared", "retired"]),
    ("environment", &["created", "deleted"]),
    ("correction", &["amended", "retracted"]),
    ("ingest", &["rejected", "gap_detected", "source_silent", "manifest", "reconciled", "retried"]),
    (
        LEDGER,
        &[
            "genesis",
            "heartbeat",
            "segment_sealed",
            "segment_rewritten",
            "identity",
            "key_added",
            "key_retired",
            "key_compromised",
            "witness_policy",
            "erasure",
            "retention_prune",
            "recovery",
            "clock_anomaly",
            "report_issued",
            "conflict",
        ],
    ),
];

/// The kind of the ledger's own entries, refused from every source.
pub const LEDGER: &str = "ledger";

/// The place of (kind, phase) in [`KINDS`] read as one list, or `None` if there is no such pair.
pub fn rank(kind: &str, phase: &str) -> Option<usize> {
    let mut before = 0;
    for (k, phases) in KINDS {
        if *k == kind {
            return phases.iter().position(|p| *p == phase).map(|at| before + at);
        }
        before += phases.len();
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranks_follow_the_list() {
        let all: Vec<usize> = KINDS
            .iter()
            .flat_map(|(k, phases)| phases.iter().map(|p| rank(k, p).unwrap()))
            .collect();
        assert!(all.windows(2).all(|w| w[1] == w[0] + 1));
        assert_eq!(rank("deployment", "queued"), Some(0));
        assert_eq!(rank("deployment", "declared"), None);
        assert_eq!(rank("nothing", "queued"), None);
    }
}
