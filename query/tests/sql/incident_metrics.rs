//! The total rows of the metrics of incidents and failed changes, over small histories worked out by hand.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use backtrail_query::MetricFilter;

use crate::case;

/// Checks columns of one row, over all environments: that of `metric`, `metric@service` or `metric/dimension value`. Cells are
/// joined by ` | `.
async fn check(history: &str, wanted: &[(&str, &str, &str)]) {
    let case = case::parse(&format!("case one\n{history}")).remove(0);
    for arrange in [|_: &mut Vec<_>| (), |events: &mut Vec<_>| events.reverse()] {
        let session = case.open(arrange).await;
        for (metric, columns, want) in wanted {
            let (metric, service) = metric.split_once('@').unwrap_or((metric, ""));
            let (metric, value) = metric.split_once('/').unwrap_or((metric, ""));
            let filter = MetricFilter { names: vec![metric.to_owned()], ..MetricFilter::default() };
            let rows = session.metrics(&filter).await.unwrap();
            let cells = rows.texts().unwrap();
            let at = |name: &str| {
                rows.schema.index_of(name).unwrap_or_else(|_| panic!("no column {name}"))
            };
            let text =
                |row: &[Option<String>], name: &str| row[at(name)].clone().unwrap_or_default();
            let total = |row: &&Vec<Option<String>>| {
                text(row, "service") == service
                    && text(row, "environment").is_empty()
                    && text(row, "dimension_value") == value
            };
            let found: Vec<String> = cells
                .iter()
                .filter(total)
                .map(|row| {
                    columns.split(", ").map(|name| text(row, name)).collect::<Vec<_>>().join(" | ")
                })
                .collect();
            assert_eq!(found, [*want], "{metric}/{value}: {columns}");
        }
    }
}

const MINUTE: i64 = 60_000_000;

#[tokio::test]
async fn mttr_counts_the_open_and_adds_up_to_its_cohort() {
    let history = "
as_of 2026-10-20T00:00:00Z
incident.started 01T00:00 incident_id=A
incident.detected 01T00:05 incident_id=A
incident.decided 01T00:10 incident_id=A
incident.mitigated 01T00:20 incident_id=A
incident.verified 01T00:40 incident_id=A
incident.started 02T00:00 incident_id=B
incident.detected 02T00:07 incident_id=B
incident.verified 02T00:20 incident_id=B
incident.started 19T23:30 incident_id=C
incident.started 03T00:00 incident_id=D
incident.merged 03T00:01 incident_id=D duplicate_of=A
incident.started 03T00:00 incident_id=E drill=true
incident.started 03T00:00 incident_id=F
incident.cancelled 03T00:01 incident_id=F
incident.started 03T00:00 incident_id=G environment=staging
incident.detected 04T00:00 incident_id=H service=other
incident.resolved 04T01:00 incident_id=H service=other
";
    // Ended: 20, 40, 60; open: 30. S falls to 3/4 at 20 and, with two at risk, to 3/8 at 40. H has no start of its own.
    let stats = format!(
        "3 | 1 | 4 | {} | {} | {} | {}",
        40 * MINUTE,
        40 * MINUTE,
        60 * MINUTE,
        40 * MINUTE
    );
    let withheld = "p90: n < 10, p95: n < 20, p99: n < 100, km_p90: n < 10";
    let shop = format!("2 | 1 | {} | {}", 20 * MINUTE, 40 * MINUTE);
    check(
        history,
        &[
            ("mttr", "n, censored, excluded, mean, p50, max, km_p50", &stats),
            ("mttr", "p90, suppressed", &format!(" | {withheld}")),
            ("mttr@shop", "n, censored, p50, km_p50", &shop),
            ("mttd", "n, censored, excluded, p50", &format!("2 | 1 | 5 | {}", 5 * MINUTE)),
            ("open_incidents", "value, max", &format!("1.000000 | {}", 30 * MINUTE)),
            ("mttr_resolved_in_window", "n, max", &format!("3 | {}", 60 * MINUTE)),
        ],
    )
    .await;
}

/// Corner case 24: with one sample there is no median, but Kaplan–Meier counts the open one too.
#[tokio::test]
async fn case_24_percentiles_of_too_few_samples_are_withheld() {
    let history = "
as_of 2026-10-01T01:00:00Z
incident.started 01T00:00 incident_id=A
incident.verified 01T00:20 incident_id=A
incident.started 01T00:30 incident_id=B
";
    let reached = format!("1 | 1 |  | {} | {}", 20 * MINUTE, 20 * MINUTE);
    check(history, &[("mttr", "n, censored, p50, max, km_p50", &reached)]).await;
    let open = "
as_of 2026-10-01T01:00:00Z
incident.started 01T00:00 incident_id=A
incident.started 01T00:30 incident_id=B
";
    check(open, &[("mttr", "n, censored, p50, km_p50", "0 | 2 |  | ")]).await;
}

#[tokio::test]
async fn an_incident_of_several_services_is_a_sample_of_each_and_one_in_total() {
    let history = "
incident.started 01T00:00 incident_id=A
incident.detected 01T00:05 incident_id=A service=cart
incident.verified 01T00:20 incident_id=A service=shop
";
    check(
        history,
        &[
            ("mttr", "n", "1"),
            ("mttr@cart", "n", "1"),
            ("mttr@shop", "n", "1"),
            ("incident_downtime@cart", "numerator", "1200000000"),
        ],
    )
    .await;
}

const CHANGES: &str = "
as_of 2026-10-20T00:00:00Z
deployment.live 01T10:00 deployment_id=d1 version=1
deployment.live 02T10:00 deployment_id=d2 version=2
incident.started 02T10:05 incident_id=I1 cause_deployment_id=d2
incident.resolved 02T11:00 incident_id=I1
incident.started 02T10:30 incident_id=I2 cause_deployment_id=d2
incident.verified 02T12:00 incident_id=I2
deployment.live 03T10:00 deployment_id=d3 version=3
incident.started 03T10:10 incident_id=I3 cause_deployment_id=d3
deployment.live 05T10:00 deployment_id=d4 version=4
incident.started 05T10:30 incident_id=I4
incident.resolved 05T11:00 incident_id=I4
deployment.live 06T10:00 deployment_id=d5 version=5
incident.started 06T08:00 incident_id=I5 cause_deployment_id=d5
incident.resolved 06T09:00 incident_id=I5
deployment.started 07T10:00 deployment_id=d6 version=6
deployment.failed 07T10:10 deployment_id=d6 version=6
deployment.started 08T10:00 deployment_id=d7 version=7
deployment.live 19T20:00 deployment_id=d8 version=8
incident.started 19T21:00 incident_id=I6 cause_deployment_id=d8
";

/// Corner case 41: d2 recovers with the last of its incidents, d3 and d8 have not, d4 is linked by time alone, d5 had
/// recovered before it went live.
#[tokio::test]
async fn case_41_recovery_is_of_deployments_and_failing_to_deploy_has_a_rate_of_its_own() {
    let wanted = [
        (
            "failed_deployment_recovery_time",
            "n, censored, excluded, max, km_p50",
            "1 | 2 | 1 | 7200000000 | ",
        ),
        (
            "failed_to_deploy_rate",
            "numerator, denominator, excluded, value",
            "1 | 7 | 1 | 0.142857",
        ),
    ];
    check(CHANGES, &wanted).await;
}

/// Corner case 25: before live counts, an immature deployment does not, and by three conventions of blame.
#[tokio::test]
async fn case_25_change_failure_rate_counts_deployments_once() {
    check(
        CHANGES,
        &[(
            "change_failure_rate",
            "numerator, denominator, excluded, value",
            "4 | 5 | 1 | 0.800000",
        )],
    )
    .await;
    let rolled_back = "
as_of 2026-10-20T00:00:00Z
deployment.live 01T10:00 deployment_id=d1 version=1
deployment.live 02T10:00 deployment_id=d2 version=2
deployment.live 02T11:00 deployment_id=d3 version=3
deployment.live 02T12:00 deployment_id=d4 version=4
rollback.live 02T13:00 rollback_id=r to_version=1
";
    check(
        rolled_back,
        &[
            ("change_failure_rate", "numerator, denominator", "1 | 4"),
            ("change_failure_rate/immediate", "numerator, denominator", "1 | 4"),
            ("change_failure_rate/first", "numerator, denominator", "1 | 4"),
            ("change_failure_rate/all", "numerator, denominator", "3 | 4"),
        ],
    )
    .await;
}

/// Corner case 44, and two intervals that overlap count once: two hours of 744.
#[tokio::test]
async fn case_44_downtime_is_the_union_clipped_to_the_window() {
    let history = "
period 2026-10-01..2026-10-02
incident.started 01T00:00 incident_id=A
incident.resolved 01T01:00 incident_id=A
incident.started 01T00:30 incident_id=B
incident.resolved 01T02:00 incident_id=B
incident.started 01T23:00 incident_id=C
incident.resolved 02T03:00 incident_id=C
";
    check(
        history,
        &[(
            "incident_downtime",
            "numerator, denominator, value",
            "10800000000 | 86400000000 | 0.125000",
        )],
    )
    .await;
}

/// Corner cases 29 and 40.
#[tokio::test]
async fn case_29_and_40_postmortems_and_drills_are_judged_when_they_are_due() {
    let history = "
as_of 2026-10-20T00:00:00Z
incident.detected 01T09:00 incident_id=A
incident.closed 01T10:00 incident_id=A
postmortem.published 03T10:00 postmortem_id=p1 incident_id=A
incident.detected 02T09:00 incident_id=B
incident.closed 02T10:00 incident_id=B
postmortem.published 04T10:01 postmortem_id=p2 incident_id=B
incident.detected 18T09:00 incident_id=C
incident.closed 19T10:00 incident_id=C
drill.scheduled 01T00:00 drill_id=done due_at=10T00:00
drill.started 08T23:00 drill_id=done
drill.completed 09T00:00 drill_id=done objective_recovery_s=3600
drill.scheduled 01T00:00 drill_id=late due_at=11T00:00
drill.completed 12T00:00 drill_id=late
drill.scheduled 01T00:00 drill_id=overdue due_at=12T00:00
drill.scheduled 01T00:00 drill_id=due due_at=25T00:00
drill.scheduled 01T00:00 drill_id=cancelled due_at=13T00:00
drill.cancelled 02T00:00 drill_id=cancelled
action_item.created 01T00:00 action_item_id=a due_at=05T00:00
action_item.created 02T00:00 action_item_id=b due_at=05T00:00
action_item.completed 04T00:00 action_item_id=b
";
    check(
        history,
        &[
            ("postmortems_on_time", "numerator, denominator, excluded", "1 | 2 | 1"),
            ("drills_done_on_time", "numerator, denominator, excluded", "1 | 3 | 2"),
            ("drills_overdue", "value", "2.000000"),
            ("drill_recovery_within_objective", "numerator, denominator, excluded", "1 | 1 | 4"),
            ("action_items_open", "value, max", &format!("1.000000 | {}", 19 * 24 * 60 * MINUTE)),
        ],
    )
    .await;
}

#[tokio::test]
async fn phases_have_two_tables_with_their_own_n() {
    let history = "
incident.started 01T00:00 incident_id=A
incident.detected 01T00:05 incident_id=A
incident.decided 01T00:10 incident_id=A
incident.mitigated 01T00:20 incident_id=A
incident.verified 01T00:40 incident_id=A
incident.detected 02T00:00 incident_id=B
incident.decided 02T00:20 incident_id=B
incident.mitigated 02T00:30 incident_id=B
incident.verified 02T00:40 incident_id=B
";
    check(
        history,
        &[
            ("mttr_phases/decide", "n, excluded, mean", &format!("1 | 1 | {}", 5 * MINUTE)),
            (
                "mttr_phases_available/decide",
                "n, excluded, max",
                &format!("2 | 0 | {}", 20 * MINUTE),
            ),
            (
                "mttr_phases_available/detect",
                "n, excluded, max",
                &format!("1 | 1 | {}", 5 * MINUTE),
            ),
        ],
    )
    .await;
}

#[tokio::test]
async fn data_quality_names_its_problems() {
    let history = "
period 2026-10
incident.started 01T00:10 incident_id=A recorded=01T00:25
incident.detected 01T00:00 incident_id=A recorded=01T00:15:01
incident.merged 01T00:20 incident_id=B duplicate_of=B recorded=01T00:30
correction.amended 01T00:30 amends=e1 severity=2 recorded=01T00:30
change.created 01T00:00 source=servicenow source_instance=emea change_id=CHG1 recorded=01T00:00
change.created 01T00:00 source=servicenow source_instance=apac change_id=CHG1 recorded=01T00:00
deployment.live 01T00:00 environment=staging deployment_id=d1 change_id=CHG1 recorded=01T00:00
deployment.live 01T00:00 environment=staging deployment_id=d2 change_id=emea/CHG1 recorded=01T00:00
deployment.live 01T00:02 environment=staging deployment_id=d3 recorded=01T00:00
deployment.live 01T00:02:01 environment=staging deployment_id=d4 recorded=01T00:00
";
    check(
        history,
        &[
            ("data_quality/late", "value", "1.000000"),
            ("data_quality/ahead", "value", "1.000000"),
            ("data_quality/invalid_order", "value", "1.000000"),
            ("data_quality/merge_cycle", "value", "1.000000"),
            ("data_quality/amended", "value", "1.000000"),
            ("data_quality/unlinked", "value", "1.000000"),
            ("data_quality/conflict", "value", "0.000000"),
            ("data_quality/ambiguous_id", "value", "1.000000"),
        ],
    )
    .await;
}
