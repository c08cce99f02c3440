-- view:  resolved_events
-- shows: every row of events, with one pseudonym for all that are linked
-- reads: events, identities
-- rules: docs/ledger-format.md, section 10
-- kept:  no
with named as (
  select event_id, 'actor' as place, actor as pseudonym from events where actor is not null
  union all
  select event_id, 'on_behalf_of', on_behalf_of from events where on_behalf_of is not null
  union all
  select event_id, 'requester', requester from events where requester is not null
  union all
  select event_id, 'approver', approver from events where approver is not null
  union all
  select event_id, 'commander', commander from events where commander is not null
  union all
  select event_id, 'owner', owner from events where owner is not null
),
renamed as (
  select n.event_id,
    max(i.person) filter (where n.place = 'actor') as actor,
    max(i.person) filter (where n.place = 'on_behalf_of') as on_behalf_of,
    max(i.person) filter (where n.place = 'requester') as requester,
    max(i.person) filter (where n.place = 'approver') as approver,
    max(i.person) filter (where n.place = 'commander') as commander,
    max(i.person) filter (where n.place = 'owner') as owner
  from named n
  join identities i on i.pseudonym = n.pseudonym
  group by n.event_id
),
written as (
  select event_id, unnest(authors) as author from events where authors is not null
),
people as (
  select distinct w.event_id, coalesce(i.person, w.author) as author
  from written w
  left join identities i on i.pseudonym = w.author
),
signed as (
  select p.event_id, array_agg(p.author order by p.author) as authors
  from people p
  where p.event_id in (select w.event_id from written w join identities i on i.pseudonym = w.author)
  group by p.event_id
)
select e.* replace (
    coalesce(r.actor, e.actor) as actor,
    coalesce(r.on_behalf_of, e.on_behalf_of) as on_behalf_of,
    coalesce(r.requester, e.requester) as requester,
    coalesce(r.approver, e.approver) as approver,
    coalesce(r.commander, e.commander) as commander,
    coalesce(r.owner, e.owner) as owner,
    coalesce(s.authors, e.authors) as authors)
from events e
left join renamed r on r.event_id = e.event_id
left join signed s on s.event_id = e.event_id
