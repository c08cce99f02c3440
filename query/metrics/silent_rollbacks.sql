-- metric: silent_rollbacks
-- shows:  how many rollbacks that began in the window are tied to no incident
-- unit:   count
-- grain:  total, service, environment, service and environment; by trigger
-- reads:  rollbacks, parameters (window_start, window_end)
-- source: docs/metrics.md, "Incident-to-rollback"; corner case 20
-- empty:  no rollback began → no row; all tied → zero
with samples as (
  select coalesce(r.service, '') as service, coalesce(r.environment, '') as environment,
    coalesce(r.trigger, 'unknown') as trigger, r.incident_id is null as silent
  from rollbacks r
  cross join parameters p
  where r.begin_at >= p.window_start and r.begin_at < p.window_end
    and r.production and not r.drill and r.execution_outcome <> 'cancelled'
),
cells as (
  select s.*, d.dimension,
    case d.dimension
      when 'trigger' then s.trigger
      else ''
    end as dimension_value
  from samples s
  cross join (values (''), ('trigger')) as d (dimension)
)
select service, environment, nullif(dimension, '') as dimension, nullif(dimension_value, '') as dimension_value,
  count(*) filter (where silent) as numerator, count(*) as denominator,
  ratio(count(*) filter (where silent), 1) as value
from cells
group by grouping sets (
  (dimension, dimension_value), (service, dimension, dimension_value),
  (environment, dimension, dimension_value), (service, environment, dimension, dimension_value))
