-- metric: oscillation_share
-- shows:  of the live versions of the window, how many lie inside an oscillation episode
-- unit:   ratio
-- grain:  total, service, environment, service and environment
-- reads:  oscillation_episodes, slot_history, parameters (window_start, window_end)
-- source: docs/metrics.md, "Oscillation"; corner cases 27, 43
-- empty:  no version became live → no row; no episode → zero
with inside as (
  select distinct h.slot, h.position
  from slot_history h
  join oscillation_episodes e on e.slot = h.slot
  where h.position >= e.from_position and h.position <= e.to_position
),
samples as (
  select coalesce(h.service, '') as service, coalesce(h.environment, '') as environment,
    i.position is not null as is_inside
  from slot_history h
  cross join parameters p
  left join inside i on i.slot = h.slot and i.position = h.position
  where h.production and not h.drill and h.live_from >= p.window_start and h.live_from < p.window_end
)
select service, environment, count(*) filter (where is_inside) as numerator, count(*) as denominator
from samples
group by grouping sets ((), (service), (environment), (service, environment))
having count(*) > 0
