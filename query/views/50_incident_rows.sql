-- view:  incident_rows
-- shows: what an incident's own events say about its marks, one row per statement, in canonical order
-- adds:  claimed, for a mark that has no event of its own and falls back to the source's claim (`reported_*_at`);
--        phase `failed` for a failed verification that names the incident
-- reads: facts, kinds
-- rules: docs/metrics.md, "From events to entities"; corner cases 9, 10, 15
with claims as (
  select incident_id,
    last_value(event_id order by ord) as event_id,
    last_value(reported_started_at order by ord) filter (where reported_started_at is not null) as started_at,
    last_value(reported_detected_at order by ord) filter (where reported_detected_at is not null) as detected_at,
    last_value(reported_acknowledged_at order by ord)
      filter (where reported_acknowledged_at is not null) as acknowledged_at,
    last_value(reported_mitigated_at order by ord) filter (where reported_mitigated_at is not null) as mitigated_at,
    last_value(reported_resolved_at order by ord) filter (where reported_resolved_at is not null) as resolved_at,
    count(*) filter (where phase = 'started') as started,
    count(*) filter (where phase in ('detected', 'reported')) as detected,
    count(*) filter (where phase = 'acknowledged') as acknowledged,
    count(*) filter (where phase = 'mitigated') as mitigated,
    count(*) filter (where phase in ('resolved', 'closed')) as closed
  from facts
  where kind = 'incident' and incident_id is not null
  group by incident_id
),
fallbacks as (
  select incident_id, event_id, 'started' as phase, started_at as occurred_at from claims where started = 0
  union all
  select incident_id, event_id, 'detected', detected_at from claims where detected = 0
  union all
  select incident_id, event_id, 'acknowledged', acknowledged_at from claims where acknowledged = 0
  union all
  select incident_id, event_id, 'mitigated', mitigated_at from claims where mitigated = 0
  union all
  select incident_id, event_id, 'resolved', resolved_at from claims where closed = 0
),
statements as (
  select incident_id, event_id, phase, occurred_at, rank, ord, assertion, actor_kind, false as claimed
  from facts
  where kind = 'incident' and incident_id is not null
  union all
  select f.incident_id, f.event_id, f.phase, f.occurred_at, k.rank, null, null, null, true
  from fallbacks f
  join kinds k on k.kind = 'incident' and k.phase = f.phase
  where f.occurred_at is not null
  union all
  select v.incident_id, v.event_id, v.phase, v.occurred_at, v.rank, v.ord, v.assertion, v.actor_kind, false
  from facts v
  where v.kind = 'verification' and v.phase = 'failed' and coalesce(v.check_stage, '') <> 'pre'
    and v.incident_id in (select incident_id from claims)
)
select s.incident_id as base_id, s.event_id, s.phase, s.occurred_at, s.ord, s.claimed, s.assertion, s.actor_kind,
  row_number() over (partition by s.incident_id order by s.occurred_at, s.rank, s.event_id, s.claimed) as position,
  sum(case when s.phase in ('reopened', 'failed') then 1 else 0 end) over (
    partition by s.incident_id order by s.occurred_at, s.rank, s.event_id, s.claimed
    rows between unbounded preceding and current row) as segment
from statements s
