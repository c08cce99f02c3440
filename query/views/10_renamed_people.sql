-- view:  renamed_people
-- shows: one row per event in which somebody appears under a pseudonym that was linked to a smaller one, with the
--        people of it as they are called
-- adds:  NULL where nothing changes
-- reads: events, identities
-- rules: docs/ledger-format.md, section 10
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
select coalesce(r.event_id, s.event_id) as event_id, r.actor, r.on_behalf_of, r.requester, r.approver, r.commander,
  r.owner,
  s.authors
from renamed r
full join signed s on s.event_id = r.event_id
