//! The column table: the one place that says which columns an event has.
//!
//! The Arrow schema, the JSON Schema, the canonical form and `docs/events.md` are all made from it. Columns are add-only
//! and a type never changes, because the leaf of an old row never changes.

use std::collections::HashMap;
use std::sync::LazyLock;

/// The type of a column, fixed at its birth. There are no floats: ratios are parts per million, measured values are
/// decimal text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Type {
    /// UTF-8 text, never empty, as received.
    String,
    /// A whole number of magnitude at most 2^53 − 1.
    Integer,
    /// True or false.
    Boolean,
    /// UTC, microseconds.
    Timestamp,
    /// A non-empty list of non-empty strings.
    StringList,
    /// A non-empty map of strings.
    StringMap,
}

/// What a column holds beyond its type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// A plain fact.
    Plain,
    /// One of a fixed set of words.
    Vocabulary(&'static [&'static str]),
    /// A pseudonym: `person:…`, `bot:…` or `vendor:…`.
    Person,
    /// A salted commitment to what lies in the vault.
    Commitment,
    /// A list that is a set: deduplicated and sorted by bytes.
    Set,
    /// A set of pseudonyms.
    PersonSet,
    /// A decimal number as text, such as `0.25`.
    Decimal,
}

/// One column of the event table.
#[derive(Clone, Copy, Debug)]
pub struct Column {
    /// The name that a person types in SQL.
    pub name: &'static str,
    /// The type.
    pub ty: Type,
    /// What it holds beyond the type.
    pub role: Role,
    /// The group of the table in `docs/events.md`.
    pub group: &'static str,
    /// What a value means, with its unit.
    pub meaning: &'static str,
    /// Where the name comes from: OpenTelemetry, CDEvents, C2SP, or empty for ours.
    pub origin: &'static str,
}

impl Column {
    /// Whether every event has it.
    pub fn required(&self) -> bool {
        REQUIRED.contains(&self.name)
    }

    /// Whether it holds people, as pseudonyms.
    pub fn holds_people(&self) -> bool {
        matches!(self.role, Role::Person | Role::PersonSet)
    }
}

/// The column called `name`.
pub fn column(name: &str) -> Option<&'static Column> {
    static BY_NAME: LazyLock<HashMap<&str, &Column>> =
        LazyLock::new(|| COLUMNS.iter().map(|column| (column.name, column)).collect());
    BY_NAME.get(name).copied()
}

/// The columns that every event has.
pub const REQUIRED: &[&str] =
    &["event_id", "schema", "kind", "phase", "occurred_at", "time_basis", "recorded_at", "source"];

/// The position of a row in the log; on disk and in SQL, never in the leaf.
pub const SEQ: &str = "seq";

/// The free texts that a delivery may carry. Each is in the leaf as `<field>_commitment` only.
pub const TEXT_FIELDS: &[&str] = &["title", "reason", "comment", "message", "url", "backout_plan"];

const fn plain(
    group: &'static str,
    name: &'static str,
    ty: Type,
    origin: &'static str,
    meaning: &'static str,
) -> Column {
    Column { name, ty, role: Role::Plain, group, meaning, origin }
}

const fn of(
    group: &'static str,
    name: &'static str,
    ty: Type,
    role: Role,
    origin: &'static str,
    meaning: &'static str,
) -> Column {
    Column { name, ty, role, group, meaning, origin }
}

const ENVELOPE: &str = "envelope";
const ORIGIN: &str = "origin";
/// The group of the columns that say where.
pub const PLACE: &str = "place";
const PEOPLE: &str = "people";
const CHANGE: &str = "change";
const ROLLBACK: &str = "rollback";
const INCIDENT: &str = "incident";
const SIGNAL: &str = "signals and SLOs";
const CONTROL: &str = "control";
const WORK: &str = "work around it";

use Role::{Commitment, Decimal, Person, PersonSet, Set, Vocabulary};
use Type::{Boolean, Integer, String as Text, StringList, StringMap, Timestamp};

/// All columns, in the order in which `docs/events.md` and the segments show them.
pub const COLUMNS: &[Column] = &[
    plain(
        ENVELOPE,
        SEQ,
        Integer,
        "",
        "position of the row in the log, from 0; not part of the leaf",
    ),
    plain(
        ENVELOPE,
        "event_id",
        Text,
        "CloudEvents id",
        "deterministic identity of the fact, the key of deduplication",
    ),
    plain(
        ENVELOPE,
        "schema",
        Text,
        "",
        "`event/1`: the profile and the column table that the row was written with",
    ),
    plain(ENVELOPE, "kind", Text, "CDEvents subject", "what the fact is about"),
    plain(ENVELOPE, "phase", Text, "CDEvents predicate", "what happened to it"),
    plain(
        ENVELOPE,
        "occurred_at",
        Timestamp,
        "CDEvents context.timestamp",
        "when it happened, as the source claims",
    ),
    of(
        ENVELOPE,
        "time_basis",
        Text,
        Vocabulary(&["source_event", "source_state", "receipt", "derived"]),
        "",
        "what `occurred_at` was read from",
    ),
    plain(
        ENVELOPE,
        "recorded_at",
        Timestamp,
        "",
        "when we made the row durable; never goes back along `seq`",
    ),
    plain(
        ENVELOPE,
        "amends_event_id",
        Text,
        "",
        "the event that this correction or amendment is about",
    ),
    plain(
        ENVELOPE,
        "chain_id",
        Text,
        "CDEvents context.chainId",
        "the chain of events that the source puts this one in",
    ),
    plain(
        ENVELOPE,
        "attributes",
        StringMap,
        "OpenTelemetry attributes",
        "source labels on the allow-list, keys escaped to `[a-z0-9_.]`",
    ),
    plain(ORIGIN, "source", Text, "", "the source whose delivery this is, such as `github`"),
    plain(
        ORIGIN,
        "source_instance",
        Text,
        "CDEvents context.source",
        "which installation of the source",
    ),
    plain(
        ORIGIN,
        "source_event_id",
        Text,
        "CDEvents context.id",
        "the source's own id of the delivery or event",
    ),
    plain(
        ORIGIN,
        "source_event_type",
        Text,
        "CDEvents context.type",
        "the source's own name of the event",
    ),
    of(
        ORIGIN,
        "ingest_mode",
        Text,
        Vocabulary(&["push", "poll", "file", "attested", "derived"]),
        "",
        "how the delivery reached us",
    ),
    plain(
        ORIGIN,
        "authn_method",
        Text,
        "",
        "how the delivery was authenticated: `hmac-sha256`, `token`, `file`, `none` …",
    ),
    plain(
        ORIGIN,
        "authn_verified",
        Boolean,
        "",
        "whether a signature or secret was checked and held",
    ),
    plain(ORIGIN, "authn_key_id", Text, "", "which of the live secrets it was"),
    of(
        ORIGIN,
        "assertion",
        Text,
        Vocabulary(&["observed", "inferred", "attested"]),
        "",
        "whether the source said it, a rule inferred it, or a person attested it",
    ),
    plain(ORIGIN, "inference_rule", Text, "", "the rule that inferred it"),
    of(ORIGIN, "payload_commitment", Text, Commitment, "", "commitment to the delivery's body"),
    of(ORIGIN, "headers_commitment", Text, Commitment, "", "commitment to the delivery's headers"),
    of(ORIGIN, "title_commitment", Text, Commitment, "", "commitment to the title"),
    of(ORIGIN, "reason_commitment", Text, Commitment, "", "commitment to the reason given"),
    of(ORIGIN, "comment_commitment", Text, Commitment, "", "commitment to the comment"),
    of(ORIGIN, "message_commitment", Text, Commitment, "", "commitment to the message"),
    of(ORIGIN, "url_commitment", Text, Commitment, "", "commitment to the link"),
    of(ORIGIN, "backout_plan_commitment", Text, Commitment, "", "commitment to the back-out plan"),
    plain(PLACE, "service", Text, "OpenTelemetry service.name", "the service"),
    plain(
        PLACE,
        "service_namespace",
        Text,
        "OpenTelemetry service.namespace",
        "the namespace of the service's name",
    ),
    plain(
        PLACE,
        "environment",
        Text,
        "OpenTelemetry deployment.environment.name",
        "the environment, as the source names it",
    ),
    of(
        PLACE,
        "environment_tier",
        Text,
        Vocabulary(&["production", "staging", "testing", "development", "other"]),
        "",
        "what the environment is for",
    ),
    plain(PLACE, "region", Text, "OpenTelemetry cloud.region", "the region"),
    plain(PLACE, "cluster", Text, "OpenTelemetry k8s.cluster.name", "the cluster"),
    plain(PLACE, "team", Text, "", "the team that owns the service"),
    of(PEOPLE, "actor", Text, Person, "OpenTelemetry user.id", "who did it"),
    of(
        PEOPLE,
        "actor_kind",
        Text,
        Vocabulary(&["human", "automation", "vendor"]),
        "",
        "what kind of actor",
    ),
    plain(PEOPLE, "actor_role", Text, "", "the role in which the actor acted"),
    of(PEOPLE, "on_behalf_of", Text, Person, "", "for whom the actor acted"),
    of(PEOPLE, "requester", Text, Person, "CDEvents approval requestor", "who asked for it"),
    of(PEOPLE, "authors", StringList, PersonSet, "", "who wrote the change"),
    of(
        PEOPLE,
        "approver",
        Text,
        Person,
        "CDEvents approval responder",
        "who decided on the approval",
    ),
    plain(PEOPLE, "approver_role", Text, "", "the role in which the approver decided"),
    plain(CHANGE, "deployment_id", Text, "OpenTelemetry deployment.id", "the deployment"),
    plain(CHANGE, "change_id", Text, "", "the change request that covers it"),
    of(
        CHANGE,
        "change_type",
        Text,
        Vocabulary(&["standard", "normal", "emergency"]),
        "",
        "the kind of change",
    ),
    plain(
        CHANGE,
        "version",
        Text,
        "OpenTelemetry service.version",
        "the version label that was deployed",
    ),
    plain(
        CHANGE,
        "artifact_digest",
        Text,
        "OpenTelemetry artifact.hash",
        "the digest of what was deployed",
    ),
    plain(
        CHANGE,
        "artifact_purl",
        Text,
        "CDEvents artifactId",
        "the package URL of what was deployed",
    ),
    plain(
        CHANGE,
        "commit_sha",
        Text,
        "OpenTelemetry vcs.ref.head.revision",
        "the commit that was deployed",
    ),
    plain(CHANGE, "repository", Text, "OpenTelemetry vcs.repository.url.full", "the repository"),
    plain(CHANGE, "ref", Text, "OpenTelemetry vcs.ref.head.name", "the branch or tag"),
    plain(CHANGE, "committed_at", Timestamp, "", "when the deployed commit was made"),
    of(
        CHANGE,
        "strategy",
        Text,
        Vocabulary(&["rolling", "canary", "blue_green", "flag", "recreate"]),
        "",
        "how it was rolled out",
    ),
    plain(CHANGE, "revision", Text, "", "the deployment tool's own revision"),
    plain(
        CHANGE,
        "traffic_percent",
        Integer,
        "",
        "share of traffic on the new version, in percent",
    ),
    plain(CHANGE, "pipeline", Text, "OpenTelemetry cicd.pipeline.name", "the pipeline"),
    plain(
        CHANGE,
        "pipeline_run_id",
        Text,
        "OpenTelemetry cicd.pipeline.run.id",
        "the run of the pipeline",
    ),
    plain(CHANGE, "planned", Boolean, "", "whether the deployment was planned"),
    plain(CHANGE, "risk", Text, "", "the risk class of the change"),
    plain(CHANGE, "has_backout_plan", Boolean, "", "whether a back-out plan was given"),
    plain(CHANGE, "residency", Text, "", "jurisdiction of the data touched"),
    plain(CHANGE, "outcome", Text, "CDEvents outcome", "the outcome, as the source names it"),
    plain(
        CHANGE,
        "error_type",
        Text,
        "OpenTelemetry error.type",
        "the class of error it ended with",
    ),
    plain(
        ROLLBACK,
        "rollback_id",
        Text,
        "",
        "the rollback; the same in all slots that it rolls back",
    ),
    plain(ROLLBACK, "rollback_of", Text, "", "the deployment that is rolled back"),
    plain(ROLLBACK, "from_version", Text, "", "the version left"),
    plain(ROLLBACK, "to_version", Text, "", "the version returned to"),
    of(
        ROLLBACK,
        "mechanism",
        Text,
        Vocabulary(&[
            "redeploy",
            "revision_undo",
            "traffic_shift",
            "abort",
            "flag_off",
            "config_revert",
            "data_restore",
        ]),
        "",
        "how traffic got back",
    ),
    of(ROLLBACK, "trigger", Text, Vocabulary(&["manual", "automatic"]), "", "what set it off"),
    plain(
        ROLLBACK,
        "trigger_condition",
        Text,
        "",
        "the expression of the rule that fired, no prose",
    ),
    of(ROLLBACK, "signals", StringList, Set, "", "the signals that justify it"),
    plain(ROLLBACK, "policy_id", Text, "", "the policy that allows an automatic one"),
    of(
        ROLLBACK,
        "recognised_by",
        Text,
        Vocabulary(&["explicit", "convention", "ancestry", "first_live", "attested"]),
        "",
        "how it was recognised as a rollback",
    ),
    plain(INCIDENT, "incident_id", Text, "CDEvents subject.id", "the incident"),
    plain(INCIDENT, "severity", Integer, "", "1 (worst) to 5"),
    plain(INCIDENT, "severity_raw", Text, "", "the severity, as the source names it"),
    of(
        INCIDENT,
        "detected_by",
        Text,
        Vocabulary(&["monitor", "customer", "person"]),
        "",
        "who or what noticed",
    ),
    plain(INCIDENT, "customer_impact", Boolean, "", "whether customers felt it"),
    plain(
        INCIDENT,
        "cause_deployment_id",
        Text,
        "",
        "the deployment that is said to have caused it",
    ),
    plain(INCIDENT, "duplicate_of", Text, "", "the incident that it was merged into"),
    plain(INCIDENT, "recurrence_of", Text, "", "the incident that came back"),
    of(INCIDENT, "commander", Text, Person, "", "who leads the response"),
    of(
        INCIDENT,
        "data_classes",
        StringList,
        Set,
        "",
        "classes of data touched: `phi`, `pii`, `cardholder` …",
    ),
    plain(INCIDENT, "records_exposed", Integer, "", "how many records were exposed"),
    plain(
        INCIDENT,
        "reported_started_at",
        Timestamp,
        "",
        "the source's own claim of when impact began",
    ),
    plain(
        INCIDENT,
        "reported_detected_at",
        Timestamp,
        "",
        "the source's own claim of when it was noticed",
    ),
    plain(
        INCIDENT,
        "reported_acknowledged_at",
        Timestamp,
        "",
        "the source's own claim of when somebody took it",
    ),
    plain(
        INCIDENT,
        "reported_mitigated_at",
        Timestamp,
        "",
        "the source's own claim of when impact ended",
    ),
    plain(
        INCIDENT,
        "reported_resolved_at",
        Timestamp,
        "",
        "the source's own claim of when it was resolved",
    ),
    plain(SIGNAL, "signal", Text, "", "the alert, SLI, probe or analysis"),
    of(
        SIGNAL,
        "signal_kind",
        Text,
        Vocabulary(&["alert", "slo", "analysis", "probe", "synthetic"]),
        "",
        "what kind of signal",
    ),
    of(
        SIGNAL,
        "signal_state",
        Text,
        Vocabulary(&["ok", "warning", "breached", "no_data"]),
        "",
        "its state",
    ),
    of(SIGNAL, "signal_value", Text, Decimal, "", "the measured value, in `signal_unit`"),
    of(
        SIGNAL,
        "signal_threshold",
        Text,
        Decimal,
        "",
        "the limit it is held against, in `signal_unit`",
    ),
    plain(SIGNAL, "signal_unit", Text, "UCUM", "the unit of value and threshold"),
    plain(SIGNAL, "slo_id", Text, "", "the service level objective"),
    plain(SIGNAL, "slo_target_ppm", Integer, "", "its target, in parts per million"),
    plain(SIGNAL, "good_count", Integer, "", "good events in the sample's window"),
    plain(SIGNAL, "total_count", Integer, "", "all events in the sample's window"),
    plain(SIGNAL, "window_start", Timestamp, "", "start of the sample's window, inclusive"),
    plain(SIGNAL, "window_end", Timestamp, "", "end of the sample's window, exclusive"),
    plain(CONTROL, "approval_id", Text, "CDEvents approval subject.id", "the approval"),
    of(
        CONTROL,
        "decision",
        Text,
        Vocabulary(&["approved", "rejected", "revoked", "expired"]),
        "CDEvents approval decision",
        "what was decided",
    ),
    plain(CONTROL, "approvals_required", Integer, "", "how many approvals the rule asks for"),
    plain(CONTROL, "cab", Boolean, "", "whether a change advisory board decided"),
    plain(CONTROL, "override", Boolean, "", "whether a control was overridden"),
    plain(CONTROL, "expires_at", Timestamp, "", "when the approval or override lapses"),
    plain(CONTROL, "grant_role", Text, "", "the role granted"),
    plain(CONTROL, "valid_from", Timestamp, "", "from when it holds, inclusive"),
    plain(CONTROL, "valid_to", Timestamp, "", "until when it holds, exclusive"),
    plain(WORK, "check_name", Text, "CDEvents testCase name", "the check"),
    of(
        WORK,
        "check_stage",
        Text,
        Vocabulary(&["pre", "post"]),
        "",
        "before or after the change went live",
    ),
    plain(WORK, "check_result", Text, "", "the result, as the source names it"),
    plain(WORK, "runbook", Text, "", "the runbook"),
    plain(WORK, "runbook_version", Text, "", "its version"),
    plain(WORK, "runbook_step", Text, "", "its step"),
    plain(
        WORK,
        "drill",
        Boolean,
        "",
        "whether this is an exercise; drills are in no production metric",
    ),
    plain(WORK, "drill_id", Text, "", "the drill"),
    plain(WORK, "drill_kind", Text, "", "what is exercised: `rollback`, `restore`, `failover` …"),
    plain(WORK, "postmortem_id", Text, "", "the postmortem"),
    plain(WORK, "action_item_id", Text, "", "the action item"),
    plain(WORK, "due_at", Timestamp, "", "when it is due"),
    plain(WORK, "completed_at", Timestamp, "", "when it was completed"),
    of(WORK, "owner", Text, Person, "", "who is to do it"),
    plain(WORK, "flag", Text, "OpenTelemetry feature_flag.key", "the feature flag"),
    plain(
        WORK,
        "from_variant",
        Text,
        "OpenTelemetry feature_flag.result.variant",
        "the variant left",
    ),
    plain(
        WORK,
        "to_variant",
        Text,
        "OpenTelemetry feature_flag.result.variant",
        "the variant now served",
    ),
    plain(WORK, "kill_switch", Boolean, "", "whether the flag is a kill switch"),
    plain(WORK, "dataset", Text, "", "the data set checked"),
    plain(WORK, "divergence_kind", Text, "", "what diverged: `row_count`, `checksum`, `schema` …"),
    plain(WORK, "checked_count", Integer, "", "records checked"),
    plain(WORK, "divergent_count", Integer, "", "records that diverge"),
    plain(WORK, "artifact_available", Boolean, "", "whether the artifact could be fetched"),
    plain(WORK, "retained_until", Timestamp, "", "until when the artifact is kept"),
    plain(
        WORK,
        "expected_count",
        Integer,
        "",
        "how many events of that span the source says it has",
    ),
    plain(WORK, "tier", Text, "", "the service's tier"),
    plain(WORK, "objective_recovery_s", Integer, "", "recovery time objective, seconds"),
    plain(WORK, "objective_rollback_s", Integer, "", "time-to-rollback objective, seconds"),
    of(WORK, "tags", StringList, Set, "", "tags"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_sql_names_and_unique_whatever_their_case() {
        let mut seen = std::collections::BTreeSet::new();
        for c in COLUMNS {
            assert!(c.name.starts_with(|b: char| b.is_ascii_lowercase()), "{}", c.name);
            assert!(
                c.name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
            );
            assert!(seen.insert(c.name), "{} twice", c.name);
        }
        assert!(REQUIRED.iter().all(|r| seen.contains(r)));
        assert!(TEXT_FIELDS.iter().all(|t| column(&format!("{t}_commitment")).is_some()));
    }

    #[test]
    fn a_role_fits_its_type() {
        for c in COLUMNS {
            let fits = match c.role {
                Plain => true,
                Vocabulary(_) | Person | Commitment | Decimal => c.ty == Text,
                Set | PersonSet => c.ty == StringList,
            };
            assert!(fits, "{}", c.name);
            assert!(!c.name.ends_with("_ppm") || c.ty == Integer);
            assert!(!c.name.ends_with("_at") || c.ty == Timestamp);
        }
    }

    use Role::Plain;
}
