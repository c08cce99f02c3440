-- metric: oscillation_flips
-- shows:  how many live versions of the window were a return after one other version within the oscillation window
-- unit:   count
-- grain:  total, service, environment, service and environment; by kind (`flip`, `cycle`: a return after more than one
--         other version)
-- reads:  slot_history, parameters (window_start, window_end)
-- source: docs/metrics.md, "Oscillation"; corner cases 27, 43
-- empty:  no version became live → no row; no return → zero
with samples as (
  select coalesce(h.service, '') as service, coalesce(h.environment, '') as environment, h.flip, h.cycle
  from slot_history h
  cross join parameters p
  where h.production and not h.drill and h.live_from >= p.window_start and h.live_from < p.window_end
),
cells as (
  select s.*, d.dimension, d.dimension_value,
    case when d.dimension_value = 'cycle' then s.cycle else s.flip end as is_return
  from samples s
  cross join (values ('', ''), ('kind', 'flip'), ('kind', 'cycle')) as d (dimension, dimension_value)
)
select service, environment, nullif(dimension, '') as dimension, nullif(dimension_value, '') as dimension_value,
  count(*) filter (where is_return) as numerator, count(*) as denominator,
  ratio(count(*) filter (where is_return), 1) as value
from cells
group by grouping sets (
  (dimension, dimension_value), (service, dimension, dimension_value),
  (environment, dimension, dimension_value), (service, environment, dimension, dimension_value))
