-- metric: rollback_frequency_per_slot
-- shows:  how many rollback episodes began per slot and 30 days
-- unit:   per_30_days
-- grain:  total, service, environment, service and environment
-- reads:  rollback_episodes, rollbacks, slot_history, parameters (window_start, window_end)
-- source: docs/metrics.md, "Frequency"; corner cases 19, 30
-- empty:  no slot had a live version before the window's end → no row; no rollback → zero
with slots as (
  select distinct coalesce(h.service, '') as service, coalesce(h.environment, '') as environment, h.slot
  from slot_history h
  cross join parameters p
  where h.production and h.live_from < p.window_end
),
episodes as (
  select distinct e.episode, coalesce(r.service, '') as service, coalesce(r.environment, '') as environment
  from rollback_episodes e
  join rollbacks r on r.rollback_id = e.rollback_id
  cross join parameters p
  where r.production and not r.drill and e.episode_at >= p.window_start and e.episode_at < p.window_end
),
counted as (
  select service, environment, 0 as episodes, 1 as slots from slots
  union all
  select service, environment, 1, 0 from episodes
),
places as (
  select service, environment, sum(episodes) as episodes, sum(slots) as slots
  from counted
  group by grouping sets ((), (service), (environment), (service, environment))
)
select service, environment, episodes as numerator, slots as denominator,
  ratio(episodes * 2592000000000, slots * (epoch_us(p.window_end) - epoch_us(p.window_start))) as value
from places
cross join parameters p
where slots + episodes > 0
