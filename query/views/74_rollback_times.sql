-- view:  rollback_times
-- shows: the three times of each rollback that began in the window, excluded ones too, one row per measure
-- adds:  measure (execution: from its start; exposure: from the blamed version's going live; response: from the
--        detection), each until it was live or stopped, or `as_of`; ended, false where that is a censoring
-- reads: rollbacks, parameters (window_start, window_end)
-- rules: docs/metrics.md, "Time to roll back"; corner cases 19, 20, 23, 38
with measured as (
  select rollback_id, 'execution' as measure, started_at as from_at, 'no_start' as unknown from rollbacks
  union all
  select rollback_id, 'exposure', blamed_live_at, 'no_blame' from rollbacks
  union all
  select rollback_id, 'response', detected_at, 'no_detection' from rollbacks
)
select r.rollback_id, m.measure, coalesce(r.service, '') as service, coalesce(r.environment, '') as environment,
  coalesce(r.trigger, 'unknown') as trigger,
  epoch_us(r.ended_at) - epoch_us(m.from_at) as us, r.execution_outcome = 'succeeded' as ended,
  case when r.drill then 'drill' when r.execution_outcome = 'cancelled' then 'cancelled'
    when not r.production then 'not_production' when m.from_at is null then m.unknown
    when r.ended_at < m.from_at then 'negative' end as excluded_by
from measured m
join rollbacks r on r.rollback_id = m.rollback_id
cross join parameters p
where r.begin_at >= p.window_start and r.begin_at < p.window_end
