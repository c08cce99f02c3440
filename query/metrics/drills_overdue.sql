-- metric: drills_overdue
-- shows:  drills that fell due in the window and were not completed by their due date
-- unit:   count
-- grain:  total, service, environment, service and environment; each also by drill_kind
-- reads:  drills, parameters (window_start, window_end)
-- source: docs/metrics.md, "Drills"; corner cases 29, 40
-- empty:  no drill was due → no row; none overdue → 0
with samples as (
  select coalesce(d.service, '') as service, coalesce(d.environment, '') as environment,
    coalesce(d.drill_kind, 'unknown') as drill_kind, d.due_state
  from drills d
  cross join parameters p
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
  ratio(count(*) filter (where due_state in ('late', 'overdue')), 1) as value
from cells
group by grouping sets (
  (dimension, dimension_value), (service, dimension, dimension_value),
  (environment, dimension, dimension_value), (service, environment, dimension, dimension_value))
