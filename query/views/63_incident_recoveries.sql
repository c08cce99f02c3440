-- view:  incident_recoveries
-- shows: what was done last, at or before its end, to recover from each incident; no row where the log shows nothing
-- adds:  recovery_method: rollback, restore, flag, fix_forward, or other (marked as mitigated, by means not in the log)
-- reads: ties, rollback_marks, deployments, facts, incident_generations, incident_splits
-- rules: docs/metrics.md, "Entities"
with acts as (
  select t.incident_id, r.live_at as at,
    case r.mechanism when 'flag_off' then 'flag' when 'data_restore' then 'restore' else 'rollback' end as method
  from ties t
  join rollback_marks r on r.rollback_id = t.rollback_id
  union all
  select g.incident_id, d.live_at, 'fix_forward'
  from incident_generations g
  join deployments d on d.incident_id = g.base_id
  where d.class = 'fix_forward'
    and (g.begins_at is null or d.live_at >= g.begins_at) and (g.until_at is null or d.live_at < g.until_at)
  union all
  select g.incident_id, f.occurred_at, 'flag'
  from incident_generations g
  join facts f on f.incident_id = g.base_id
  where f.kind = 'flag'
    and (g.begins_at is null or f.occurred_at >= g.begins_at) and (g.until_at is null or f.occurred_at < g.until_at)
),
timely as (
  select a.incident_id, a.method,
    row_number() over (partition by a.incident_id order by a.at desc, a.method) as latest
  from acts a
  join incident_splits s on s.incident_id = a.incident_id
  where a.at is not null and (s.ended_at is null or a.at <= s.ended_at)
)
select s.incident_id, coalesce(t.method, 'other') as recovery_method
from incident_splits s
left join timely t on t.incident_id = s.incident_id and t.latest = 1
where t.method is not null or s.acted_at is not null
