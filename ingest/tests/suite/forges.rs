//! The traps of forges and deployment servers: GitLab, Octopus, and GitHub's workflows.

use std::collections::BTreeSet;

use backtrail_schemas::{Delivery, Draft, Identity, Mapped, Timestamp};
use serde_json::{Value, json};

use crate::support::{crate_folder, ids, mapped};
use crate::traps::{Columns, Trap, check_columns, check_traps, outline, result};

#[test]
fn each_trap_of_a_forge_is_avoided() {
    check_traps(TRAPS);
}

#[test]
fn forges_say_how_it_is_known() {
    check_columns(COLUMNS);
}

/// What a list of issues says of the course of an incident is the webhooks' own row, without a contradiction.
#[test]
fn listed_incidents_meet_their_webhooks() {
    for (listed, hooks) in [
        ("github/rest_issues.json", ["github/issues_opened.json", "github/issues_closed.json"]),
        ("gitlab/rest_issues.json", ["gitlab/incident_open.json", "gitlab/incident_closed.json"]),
    ] {
        let drafts = result(listed).drafts;
        for hook in hooks {
            let pushed = result(hook).drafts.remove(0);
            let same = |d: &&Draft| d.event.text("event_id") == pushed.event.text("event_id");
            let polled =
                drafts.iter().find(same).unwrap_or_else(|| panic!("{listed} has not {hook}"));
            for (column, value) in polled.event.iter() {
                let ours = ["source_event_id", "source_event_type"].contains(&column);
                assert!(
                    ours || pushed.event.get(column).is_none_or(|p| p == value),
                    "{hook} {column}"
                );
            }
            assert_eq!(polled.people, pushed.people, "{hook}");
            assert!(polled.texts.is_empty(), "{hook}");
        }
    }
}

const TRAPS: &[Trap] = &[
    (
        "a listed incident is its course and its state; a question is none",
        "github/rest_issues.json",
        &["incident/reported", "incident/resolved", "incident/annotated"],
    ),
    (
        "a listed duplicate did not recover",
        "gitlab/rest_issues.json",
        &[
            "incident/reported",
            "incident/resolved",
            "incident/annotated",
            "incident/reported",
            "incident/merged",
            "incident/annotated",
        ],
    ),
    (
        "a blocked deployment waits for an approval",
        "gitlab/deployment_blocked.json",
        &["approval/requested"],
    ),
    (
        "a status that is not known is not guessed",
        "gitlab/deployment_unknown_status.json",
        &["unknown_type"],
    ),
    ("an issue is no incident", "gitlab/issue.json", &[]),
    ("an edited title is no course of an incident", "gitlab/incident_edited.json", &[]),
    (
        "a duplicate did not recover",
        "gitlab/incident_closed_as_duplicate.json",
        &["incident/merged"],
    ),
    (
        "two changes in one update are two facts",
        "gitlab/incident_severity_changed.json",
        &["incident/unacknowledged", "incident/severity_changed"],
    ),
    (
        "a flag without a time of receipt has no time",
        "gitlab/flag_unrecorded.json",
        &["missing_field"],
    ),
    ("a job's deployment is not told twice", "gitlab/job.json", &[]),
    ("a pipeline's deployment is not told twice", "gitlab/pipeline.json", &[]),
    ("a kind of hook that is not known is kept", "gitlab/unknown_kind.json", &["unmapped_type"]),
    (
        "a run that only checks is no deployment",
        "github/workflow_run_failed.json",
        &["verification/failed"],
    ),
    (
        "a run that waits for a person has not deployed",
        "github/workflow_run_deploy_undecided.json",
        &["unmapped_state"],
    ),
    (
        "a workflow that is called a rollback is one by convention",
        "github/workflow_run_rollback_completed.json",
        &["deployment/succeeded", "rollback/succeeded"],
    ),
    (
        "a job without a deployment deploys nothing",
        "github/workflow_job_without_deployment.json",
        &[],
    ),
    (
        "a replaced rollback in a collected answer was still one",
        "github/devlake_deployments.csv:3",
        &["deployment/queued", "rollback/requested", "deployment/superseded"],
    ),
    ("a broken row is kept", "github/devlake_deployments.csv:5", &["bad_json"]),
    (
        "a cancelled task that deploys nothing is no deployment",
        "octopus/task_cancelled_elsewhere.json",
        &["unmapped_type"],
    ),
    (
        "two deployments in one event are not chosen from",
        "octopus/two_deployments.json",
        &["bad_value"],
    ),
    (
        "a reference outside the message is not followed",
        "octopus/reference_outside.json",
        &["bad_value"],
    ),
    ("an edited document is no fact", "octopus/modified.json", &[]),
];

const COLUMNS: &[Columns] = &[
    (
        "gitlab/deployment_success.json",
        "deployment/succeeded",
        &[
            ("commit_sha", "5b1f0c2e9d84a7736e01b2c3d4e5f60718293a4b"),
            ("deployment_id", "gitlab.kiln.example/8801"),
            ("service", "cart"),
            ("time_basis", "source_state"),
        ],
    ),
    (
        "gitlab/deployment_failed.json",
        "deployment/failed",
        &[("actor_kind", "automation"), ("environment_tier", "production")],
    ),
    (
        "gitlab/deployment_approved.json",
        "approval/approved",
        &[("approver_role", "Maintainers"), ("decision", "approved")],
    ),
    (
        "gitlab/incident_open.json",
        "incident/reported",
        &[("detected_by", "monitor"), ("severity_raw", "critical")],
    ),
    (
        "gitlab/incident_closed_as_duplicate.json",
        "incident/merged",
        &[("duplicate_of", "gitlab.kiln.example/5990")],
    ),
    (
        "gitlab/flag_turned.ndjson:1",
        "flag/turned_on",
        &[("time_basis", "receipt"), ("flag", "new-glaze")],
    ),
    ("gitlab/rest_deployments.json", "deployment/failed", &[("error_type", "script_failure")]),
    (
        "octopus/started.json",
        "deployment/started",
        &[("service", "🏺 Cart"), ("version", "1.8.0"), ("environment", "Production")],
    ),
    (
        "octopus/rest_deployments.json",
        "deployment/queued",
        &[("version", "1.8.0"), ("environment", "Production")],
    ),
    (
        "github/workflow_run_rollback_completed.json",
        "rollback/succeeded",
        &[("service", "basket"), ("recognised_by", "convention")],
    ),
    (
        "github/deployment_protection_rule.json",
        "approval/requested",
        &[("deployment_id", "42"), ("pipeline_run_id", "7100")],
    ),
];

fn only(mapped: Mapped) -> Draft {
    assert_eq!(mapped.drafts.len(), 1);
    mapped.drafts.into_iter().next().unwrap()
}

fn at(sample: &str) -> Timestamp {
    only(result(sample)).event.timestamp("occurred_at").unwrap()
}

#[test]
fn one_field_with_several_forms_of_a_time_gives_instants() {
    for (sample, want) in [
        ("gitlab/deployment_running.json", "2026-04-02T09:00:00.000000Z"),
        ("gitlab/deployment_success.json", "2026-04-02T09:04:00.000000Z"),
        ("gitlab/deployment_failed.json", "2026-04-02T09:04:00.000000Z"),
        ("gitlab/deployment_success_after_approval.json", "2026-04-02T09:04:00.000000Z"),
        ("gitlab/incident_closed.json", "2026-04-02T09:41:00.000000Z"),
    ] {
        assert_eq!(at(sample).to_string(), want, "{sample}");
    }
}

fn person<'a>(draft: &'a Draft, column: &str) -> &'a Identity {
    &draft.people.iter().find(|(c, _)| *c == column).unwrap().1
}

#[test]
fn who_approves_the_own_deployment_is_seen() {
    let own = only(result("gitlab/deployment_self_approved.json"));
    assert_eq!(person(&own, "requester"), person(&own, "approver"));
    let other = only(result("gitlab/deployment_approved.json"));
    assert_ne!(person(&other, "requester"), person(&other, "approver"));
    assert_eq!(other.event.integer("approvals_required"), Some(2));
}

#[test]
fn a_rule_for_one_person_does_not_put_the_name_into_a_column() {
    let own = only(result("gitlab/deployment_self_approved.json"));
    for (column, value) in own.event.iter() {
        assert!(!value.to_json().to_string().contains("Mira"), "{column}");
    }
}

#[test]
fn the_beginning_of_a_hash_names_no_commit() {
    assert_eq!(only(result("gitlab/deployment_short_commit.json")).event.get("commit_sha"), None);
}

#[test]
fn severities_are_the_vendors_own_numbers() {
    for (sample, want) in [
        ("gitlab/incident_open.json", Some(1)),
        ("gitlab/incident_acknowledged.json", Some(2)),
        ("gitlab/incident_status_resolved.json", None),
    ] {
        assert_eq!(only(result(sample)).event.integer("severity"), want, "{sample}");
    }
}

#[test]
fn a_flag_that_is_told_again_is_the_same_fact() {
    let of = |line: u8| ids(&result(&format!("gitlab/flag_turned.ndjson:{line}")));
    assert_eq!(of(1), of(2));
    assert_ne!(of(1), of(3));
}

#[test]
fn an_approval_is_one_fact_in_a_hook_and_in_a_list() {
    let listed = ids(&result("gitlab/rest_deployments.json"));
    assert!(listed.contains(&ids(&result("gitlab/deployment_approved.json"))[0]));
}

/// To run an old workflow again is the usual way back: order decides, so each attempt must be a deployment.
#[test]
fn a_run_again_is_another_deployment_of_its_own_commit() {
    let (first, again) = (
        only(result("github/workflow_run_deploy_completed.json")),
        only(result("github/workflow_run_deploy_again.json")),
    );
    for column in ["event_id", "deployment_id", "commit_sha"] {
        assert_ne!(first.event.text(column), again.event.text(column), "{column}");
    }
    assert_eq!(first.event.text("pipeline_run_id"), again.event.text("pipeline_run_id"));
}

#[test]
fn one_fact_in_several_deliveries_has_one_id() {
    for (one, other) in [
        ("github/release_published.json", "github/release_released.json"),
        ("github/workflow_run_deploy_completed.json", "github/rest_runs.json"),
        ("github/workflow_job_queued.json", "github/devlake_deployments.csv:2"),
    ] {
        let listed: BTreeSet<String> = ids(&result(other)).into_iter().collect();
        assert!(listed.contains(&ids(&result(one))[0]), "{one} and {other}");
    }
}

/// A job that ended after its deployment's row was touched, and one without a job, whose row says when.
#[test]
fn a_listed_deployment_ended_when_its_job_did() {
    let mapped = result("gitlab/rest_deployments.json");
    let ended: Vec<String> = mapped
        .drafts
        .iter()
        .filter(|d| d.event.text("phase") == Some("succeeded"))
        .map(|d| d.event.timestamp("occurred_at").unwrap().to_string())
        .collect();
    assert_eq!(ended, ["2026-04-02T09:04:00.000000Z", "2026-04-02T09:04:01.900000Z"]);
}

/// With `run-name:` GitHub gives the run's title as its name, in which there may be people: it decides nothing and is in no column.
#[test]
fn the_title_of_a_run_is_not_the_name_of_its_workflow() {
    let folder = crate_folder().join("tests/samples/github");
    let body = std::fs::read(folder.join("workflow_run_failed.json")).unwrap();
    let title = "Deploy to production";
    let pipelines = |edit: &dyn Fn(&mut Value)| {
        let mut body: Value = serde_json::from_slice(&body).unwrap();
        body["workflow_run"]["name"] = json!(title);
        body["workflow_run"]["path"] = json!(".github/workflows/tests.yml@main");
        edit(&mut body);
        let source = Some("github".to_owned());
        let body = body.to_string().into_bytes();
        let drafts = mapped(&Delivery { source, body, ..Delivery::default() }).drafts;
        let text = |draft: &Draft, column| draft.event.text(column).map(str::to_owned);
        let mut said = drafts.iter().map(|d| (text(d, "kind"), text(d, "pipeline")));
        let (kind, pipeline) = said.next().unwrap();
        (kind.unwrap(), pipeline.unwrap())
    };
    let said = |kind: &str, name: &str| (kind.to_owned(), name.to_owned());
    let titled = |body: &mut Value| body["workflow_run"]["display_title"] = json!(title);
    assert_eq!(pipelines(&titled), said("verification", "Tests"));
    let without_workflow = |body: &mut Value| {
        titled(body);
        body["workflow"] = Value::Null;
    };
    let file = said("verification", ".github/workflows/tests.yml");
    assert_eq!(pipelines(&without_workflow), file);
    assert_eq!(pipelines(&|body| body["workflow"] = Value::Null), said("deployment", title));
}

#[test]
fn what_a_forge_does_not_say_is_absent() {
    for (sample, column) in [
        ("octopus/rest_deployments.json", "service"),
        ("gitlab/deployment_running.json", "actor_kind"),
        ("gitlab/incident_status_resolved.json", "environment"),
        ("github/workflow_run_failed.json", "environment"),
        ("github/workflow_run_failed.json", "deployment_id"),
    ] {
        for draft in result(sample).drafts {
            assert_eq!(draft.event.get(column), None, "{sample} {column}");
        }
    }
    let nightly = result("octopus/rest_deployments.json").drafts.pop().unwrap();
    assert_eq!(nightly.event.get("environment"), None, "a name of one's own names no environment");
}

#[test]
fn a_bad_element_of_a_list_takes_no_other_with_it() {
    let listed = outline(&result("gitlab/rest_deployments.json"));
    assert_eq!(listed.iter().filter(|o| *o == "deployment/queued").count(), 7);
    assert_eq!(listed.last().map(String::as_str), Some("unknown_type"));
    assert_eq!(outline(&result("octopus/rest_releases.json")), ["artifact/published", "bad_time"]);
}
