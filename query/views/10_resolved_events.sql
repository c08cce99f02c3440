-- view:  resolved_events
-- shows: every row of events, with one pseudonym for all that are linked
-- reads: events, renamed_people
-- rules: docs/ledger-format.md, section 10
-- kept:  no
select e.* replace (
    coalesce(r.actor, e.actor) as actor,
    coalesce(r.on_behalf_of, e.on_behalf_of) as on_behalf_of,
    coalesce(r.requester, e.requester) as requester,
    coalesce(r.approver, e.approver) as approver,
    coalesce(r.commander, e.commander) as commander,
    coalesce(r.owner, e.owner) as owner,
    coalesce(r.authors, e.authors) as authors)
from events e
left join renamed_people r on r.event_id = e.event_id
