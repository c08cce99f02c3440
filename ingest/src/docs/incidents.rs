//! The sections of `docs/sources.md` about incidents, alerts and flags.

use crate::context::Labels;
use crate::sources::datadog::TEMPLATE;

/// The sections, with the template and the labels that are read.
pub(super) fn sections() -> String {
    let labels = Labels::default();
    let places = labels.places.iter().map(|(column, names)| {
        let names: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
        format!("{column} from {}", names.join(" or "))
    });
    let places: Vec<String> = places.collect();
    SECTIONS
        .replace("{places}", &places.join("\n- "))
        .replace("{incident}", &labels.incident)
        .replace("{kill_switch}", &labels.kill_switch)
        .replace("{template}", TEMPLATE)
}

const SECTIONS: &str = r"
## Labels and tags

Alerts, tickets, issues and flags say where they belong by the shop's own labels or by tags of the form `label:value`:

- {places}

An issue, ticket or Opsgenie alert with the label `{incident}` is an incident; a flag with the tag
`{kill_switch}` is a kill switch. These are the names unless intake is given others (`Context::labels`); case does not matter in
tags.

An alert is a health row and never an incident by itself.

## Records that change in place

Incidents of Datadog, Opsgenie, PagerDuty's API and ServiceNow are records that are changed and read again. Each mark that
has a time of its own is a row which says nothing else, so that all readings of it meet; what may change (title, severity,
service, claims) is an incident/annotated row per change, one per service. A time that is only the record's last change has
`time_basis` source_state: the mark is at most that late, and the earliest reading counts.

## alertmanager, grafana

Version 4 webhooks. Each alert is a row: firing is health/breached at `startsAt`, resolved is health/recovered at `endsAt`
(Go's zero time is none). `signal` is the rule's name and the fingerprint, since each set of labels begins and ends on its
own; a missing fingerprint is computed from the labels as Alertmanager does. `alertname`, `severity`, `job`, `instance` and
`rulename` are attributes. Annotations, values and links may differ each time an alert is sent again, so they stay in the
vault with the delivery. `truncatedAlerts` above 0 is ingest/gap_detected with `expected_count`. Grafana differs in
`orgId`, which is part of the instance, and in the alerts `DatasourceNoData` and `DatasourceError`, which are health/no_data
of the rule in `rulename`.

## opsgenie

| delivery | event |
|---|---|
| webhook Create, Close | health/breached, recovered |
| webhook Acknowledge, UnAcknowledge, Escalate, EscalateNext, UpdatePriority | health/sample: still breached, with the actor |
| webhook Delete | health/no_data |
| the same of an alert tagged `{incident}` | incident/detected, resolved, acknowledged, unacknowledged, escalated, severity_changed, annotated |
| REST alert | the same; acknowledged and closed at `createdAt` and `report.ackTime`, `report.closeTime` (derived), else closed when last changed |
| REST incident | started `impactStartDate`, detected `createdAt`, mitigated `impactEndDate`, resolved or closed when last changed |

`createdAt` is in milliseconds, `updatedAt` in nanoseconds: numbers from 10^15 on are nanoseconds. `signal` is the alias.
Notes, tags, owners and snoozing are ignored. `details` are read like tags.

## datadog

| delivery | event |
|---|---|
| monitor webhook | Triggered → health/breached, Warn → warning, No Data → no_data, Recovered → recovered (and Re-…); Renotify is ignored |
| incidents | started `customer_impact_start`, reported `created`, detected `detected`, mitigated `customer_impact_end` or state stable, resolved `resolved`; `is_test` is a drill |
| incident_todos | action_item/created, updated, completed |
| DORA deployment | deployment/started `started_at`, succeeded `finished_at` (nanoseconds, or RFC 3339 as newer lists write them); with a rollback as its `remediation` also what a patch says, dated by the deployment that failed |
| DORA failure | incident/started, resolved, per service |
| DORA patch with a rollback as its remediation | correction/amended of the deployment that put it right: `rollback_id`, `rollback_of`, `recognised_by` explicit; dated by its arrival |
| result of a deployment gate | verification/passed, failed, stage pre; dated by its arrival |

Datadog's webhooks send what a template says. This one is read:

```json
{template}
```

`signal` is the monitor and the scope. A failure without an id is known by its services and start. Requests for lists, gates
and their rules, and receipts are ignored. `change_failure` alone and roll-forwards are ignored.

## servicenow

Rows of `incident`, `change_request` and `sysapproval_approver`, alone, in a list, or as `result`. Query with
`sysparm_display_value=all`: values are in UTC, displayed times are in the user's zone, and a state that is no number is
refused for that reason. Names of services and numbers of referred records are only in `display_value`; without them the
service is absent and its internal id an attribute.

| row | event |
|---|---|
| incident | reported `opened_at`, acknowledged `work_start`, reopened `reopened_time`, resolved `resolved_at`, closed `closed_at`, cancelled in state 8; severity is `priority` |
| change_request | change/created `opened_at`, scheduled in state -2 or -1, closed in state 3 or 4 with `close_code` as the outcome |
| sysapproval_approver | approval/requested `sys_created_on`, approved, rejected, revoked when last changed; `cab` for the group `CAB Approval` |

## jira

| delivery | event |
|---|---|
| issue of type Incident, or labelled `{incident}`, created | incident/reported |
| its status changed | by the category of the new status: done → resolved (Closed → closed, Canceled → cancelled), indeterminate → acknowledged; Reopened, or a resolution taken back → reopened; else annotated |
| its priority changed; the label put on, taken off; deleted | incident/severity_changed; reported, cancelled; annotated |
| issue of type Change | change/created, closed |
| approvals of Service Management in any issue | approval/requested, approved, rejected, one per approver who decided so; `change_id` is the issue |

`incident_id` is the issue's key; the service is its only component, else a label. A zone may lack its colon. Other issues,
comments, work logs and sprints are ignored.

## launchdarkly

Entries of the audit log, as webhooks or as a page of the log. `updateOn` is flag/turned_on or turned_off; any other action
on a flag that can change what is served is flag/changed, with the action as an attribute; names, descriptions, tags and the
like are ignored, as are what is only scheduled, requests of approval (an entry says neither which one it is about nor how it
was decided) and entries about other things than flags. `bypassRequiredApproval` is override/used. One row per flag and
environment; an entry about all environments has none. The actor is the member, else the token.
";
