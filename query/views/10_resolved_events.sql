-- view:  resolved_events
-- shows: every row of events, with one pseudonym for all that are linked, and with the instance before an id that two
--        instances gave
-- reads: events, renamed_people, instance_ids
-- rules: docs/ledger-format.md, section 10; docs/metrics.md, corner case 46
-- kept:  no
select e.* replace (
    coalesce(r.actor, e.actor) as actor,
    coalesce(r.on_behalf_of, e.on_behalf_of) as on_behalf_of,
    coalesce(r.requester, e.requester) as requester,
    coalesce(r.approver, e.approver) as approver,
    coalesce(r.commander, e.commander) as commander,
    coalesce(r.owner, e.owner) as owner,
    coalesce(r.authors, e.authors) as authors,
    coalesce(i.action_item_id, e.action_item_id) as action_item_id,
    coalesce(i.approval_id, e.approval_id) as approval_id,
    coalesce(i.change_id, e.change_id) as change_id,
    coalesce(i.deployment_id, e.deployment_id) as deployment_id,
    coalesce(i.rollback_of, e.rollback_of) as rollback_of,
    coalesce(i.cause_deployment_id, e.cause_deployment_id) as cause_deployment_id,
    coalesce(i.incident_id, e.incident_id) as incident_id,
    coalesce(i.duplicate_of, e.duplicate_of) as duplicate_of,
    coalesce(i.recurrence_of, e.recurrence_of) as recurrence_of,
    coalesce(i.postmortem_id, e.postmortem_id) as postmortem_id,
    coalesce(i.rollback_id, e.rollback_id) as rollback_id)
from events e
left join renamed_people r on r.event_id = e.event_id
left join instance_ids i on i.event_id = e.event_id
