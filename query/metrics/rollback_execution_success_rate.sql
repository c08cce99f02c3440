-- metric: rollback_execution_success_rate
-- shows:  of the rollbacks that began in the window and ended, how many put the target live in all their slots
-- unit:   ratio
-- grain:  total, service, environment, service and environment; by trigger, mechanism, recognised_by
-- reads:  rollbacks, parameters (window_start, window_end)
-- source: docs/metrics.md, "Success"; corner cases 19–21, 38
-- empty:  no rollback began → no row; none was judged → denominator 0 and no value
with samples as (
  select coalesce(r.service, '') as service, coalesce(r.environment, '') as environment,
    coalesce(r.trigger, 'unknown') as trigger, coalesce(r.mechanism, 'unknown') as mechanism, r.recognised_by,
    case when r.drill then 'drill' when r.execution_outcome = 'cancelled' then 'cancelled'
      when not r.production then 'not_production' else r.execution_outcome end as result
  from rollbacks r
  cross join parameters p
  where r.begin_at >= p.window_start and r.begin_at < p.window_end
),
cells as (
  select s.*, d.dimension,
    case d.dimension
      when 'trigger' then s.trigger
      when 'mechanism' then s.mechanism
      when 'recognised_by' then s.recognised_by
      else ''
    end as dimension_value
  from samples s
  cross join (values (''), ('trigger'), ('mechanism'), ('recognised_by')) as d (dimension)
)
select service, environment, nullif(dimension, '') as dimension, nullif(dimension_value, '') as dimension_value,
  count(*) filter (where result = 'succeeded') as numerator,
  count(*) filter (where result in ('succeeded', 'failed', 'partial')) as denominator,
  count(*) filter (where result = 'pending') as excluded_pending,
  count(*) filter (where result = 'cancelled') as excluded_cancelled,
  count(*) filter (where result = 'drill') as excluded_drill,
  count(*) filter (where result = 'not_production') as excluded_not_production
from cells
group by grouping sets (
  (dimension, dimension_value), (service, dimension, dimension_value),
  (environment, dimension, dimension_value), (service, environment, dimension, dimension_value))
