-- metric: drill_recovery_within_objective
-- shows:  of the drills due in the window that were started and completed, how many recovered within the objective
-- unit:   ratio
-- grain:  total, service, environment, service and environment; each also by drill_kind
-- reads:  drills, services, parameters (window_start, window_end)
-- source: docs/metrics.md, "Drills"; corner case 40. The objective is the drill's own, else the service's when it
--         started
-- empty:  no drill was due → no row
with samples as (
  select coalesce(d.service, '') as service, coalesce(d.environment, '') as environment,
    coalesce(d.drill_kind, 'unknown') as drill_kind, d.recovery_us,
    coalesce(d.objective_recovery_s, s.objective_recovery_s) * 1000000 as objective_us
  from drills d
  cross join parameters p
  left join services s on s.service = d.service and d.started_at >= s.valid_from
    and (s.valid_to is null or d.started_at < s.valid_to)
  where d.due_at >= p.window_start and d.due_at < p.window_end
),
cells as (
  select s.*, d.dimension,
    case d.dimension
      when 'drill_kind' then s.drill_kind
      else ''
    end as dimension_value
  from samples s
  cross join (values (''), ('drill_kind')) as d (dimension)
)
select service, environment, nullif(dimension, '') as dimension, nullif(dimension_value, '') as dimension_value,
  count(*) filter (where recovery_us between 0 and objective_us) as numerator,
  count(*) filter (where recovery_us >= 0 and objective_us is not null) as denominator,
  count(*) filter (where recovery_us is null) as excluded_not_completed,
  count(*) filter (where recovery_us < 0) as excluded_negative,
  count(*) filter (where recovery_us >= 0 and objective_us is null) as excluded_no_objective
from cells
group by grouping sets (
  (dimension, dimension_value), (service, dimension, dimension_value),
  (environment, dimension, dimension_value), (service, environment, dimension, dimension_value))
