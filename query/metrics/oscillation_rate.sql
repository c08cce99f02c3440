-- metric: oscillation_rate
-- shows:  how many oscillation episodes had their first flip in the window, per 100 live versions
-- unit:   per_100
-- grain:  total, service, environment, service and environment
-- reads:  oscillation_episodes, slot_history, parameters (window_start, window_end)
-- source: docs/metrics.md, "Oscillation"; corner cases 27, 43
-- empty:  no version became live → no row; no episode → zero
with counted as (
  select coalesce(h.service, '') as service, coalesce(h.environment, '') as environment, 0 as episodes, 1 as versions
  from slot_history h
  cross join parameters p
  where h.production and not h.drill and h.live_from >= p.window_start and h.live_from < p.window_end
  union all
  select coalesce(e.service, ''), coalesce(e.environment, ''), 1, 0
  from oscillation_episodes e
  cross join parameters p
  where e.production and e.first_flip_at >= p.window_start and e.first_flip_at < p.window_end
),
places as (
  select service, environment, sum(episodes) as episodes, sum(versions) as versions
  from counted
  group by grouping sets ((), (service), (environment), (service, environment))
)
select service, environment, episodes as numerator, versions as denominator, ratio(episodes * 100, versions) as value
from places
where episodes + versions > 0
