-- view:  incident_marks
-- shows: everything that may bound a phase of an incident, in canonical order: its own marks, the marks of the
--        rollbacks tied to it (borrowed), reopenings, failed verifications
-- adds:  segment, the number of reopenings and failed verifications up to and including the row
-- reads: incident_generations, incident_rows, ties, rollback_marks, facts, kinds
-- rules: docs/metrics.md, "From events to entities"; corner cases 9, 10, 15. Nothing borrowed reaches into the next
--        generation
with own as (
  select g.incident_id, r.event_id, r.occurred_at as at, coalesce(k.rank, v.rank) as rank, r.assertion, r.actor_kind,
    case
      when r.phase = 'reported' then 'detected'
      when r.phase = 'mitigated' then 'acted'
      else r.phase
    end as mark
  from incident_generations g
  join incident_rows r on r.base_id = g.base_id and r.position >= g.from_position
    and (g.until_position is null or r.position < g.until_position)
  left join kinds k on k.kind = 'incident' and k.phase = r.phase
  left join kinds v on v.kind = 'verification' and v.phase = r.phase
  where r.phase in (
      'started', 'detected', 'reported', 'decided', 'mitigated', 'verified', 'resolved', 'closed', 'reopened', 'failed')
    and (g.generation = 1 or (r.position > g.from_position and r.phase not in ('started', 'detected', 'reported')))
  union all
  select incident_id, incident_id as event_id, begins_at, cast(-1 as bigint), null, null, mark
  from incident_generations
  cross join (values ('started'), ('detected')) as beginnings (mark)
  where generation > 1
),
tied as (
  select t.incident_id, t.rollback_id, g.until_at, r.trigger, r.decided_at, r.live_at, r.verified_at
  from ties t
  join rollback_marks r on r.rollback_id = t.rollback_id
  join incident_generations g on g.incident_id = t.incident_id
),
borrowed as (
  select incident_id, rollback_id as event_id, until_at, decided_at as at, 'decided' as phase,
    case when trigger = 'automatic' then 'decided automatically' else 'decided' end as mark
  from tied
  union all
  select incident_id, rollback_id, until_at, live_at, 'live', 'acted' from tied
  union all
  select incident_id, rollback_id, until_at, verified_at, 'verified', 'verified' from tied
),
relapses as (
  select t.incident_id, v.event_id, v.occurred_at as at, v.rank
  from tied t
  join facts v on v.rollback_id = t.rollback_id
  where v.kind = 'verification' and v.phase = 'failed' and coalesce(v.check_stage, '') <> 'pre'
    and (t.until_at is null or v.occurred_at < t.until_at)
    and not exists (select 1 from own o where o.incident_id = t.incident_id and o.event_id = v.event_id)
),
marks as (
  select incident_id, event_id, at, rank, mark, true as own, assertion, actor_kind from own
  union all
  select b.incident_id, b.event_id, b.at, k.rank, b.mark, false, null, null
  from borrowed b
  join kinds k on k.kind = 'rollback' and k.phase = b.phase
  where b.at is not null and (b.until_at is null or b.at < b.until_at)
  union all
  select distinct incident_id, event_id, at, rank, 'failed', false, cast(null as text), cast(null as text) from relapses
)
select incident_id, event_id, at, mark, own, assertion, actor_kind,
  sum(case when mark in ('reopened', 'failed') then 1 else 0 end) over (
    partition by incident_id order by at, rank, event_id, mark
    rows between unbounded preceding and current row) as segment
from marks
