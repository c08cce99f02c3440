-- view:  oscillation_episodes
-- shows: one row per maximal run of at least two flips in a slot
-- adds:  from_position and to_position, the entries of slot_history that it covers
-- reads: slot_history
-- rules: docs/metrics.md, "Oscillation"; corner case 27: from its first flip − 2 to its last flip; its time is its
--        first flip's
with runs as (
  select *, position - row_number() over (partition by slot order by position) as run
  from slot_history
  where flip
)
select slot, service, environment, region, production,
  min(position) - 2 as from_position, max(position) as to_position, count(*) as flips,
  min(live_from) as first_flip_at, max(live_from) as last_flip_at,
  min(version_key) as version_low, max(version_key) as version_high
from runs
group by slot, service, environment, region, production, run
having count(*) >= 2
