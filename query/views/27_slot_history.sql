-- view:  slot_history
-- shows: one row per live version of a slot, in order, consecutive duplicates collapsed
-- adds:  flip and cycle (the version came back within the oscillation window; a flip after one other version, a cycle
--        after more), away_us (how long it had been gone), live_ord
-- reads: deployments, parameters (oscillation_window_us)
-- rules: docs/metrics.md, "Oscillation"; corner case 27: no flip or cycle when one of its last two entries is a drill
with lives as (
  select d.*, lag(version_key) over (partition by slot order by live_ord) as key_before
  from deployments d
  where live_ord is not null
),
placed as (
  select l.*, cast(row_number() over (partition by slot order by live_ord) as bigint) as position
  from lives l
  where key_before is null or key_before <> version_key
),
spans as (
  select p.*,
    lead(live_at) over (partition by slot order by position) as live_to,
    lag(drill) over (partition by slot order by position) as drill_before
  from placed p
),
returns as (
  select s.*,
    lag(position) over (partition by slot, version_key order by position) as last_position,
    epoch_us(live_at) - epoch_us(lag(live_to) over (partition by slot, version_key order by position)) as away_us
  from spans s
)
select r.slot, r.service, r.environment, r.region, r.production, r.position, r.version_identity, r.version_key,
  r.version,
  r.live_at as live_from, r.live_to, r.live_ord, r.deployment_id, r.class, r.drill, r.last_position, r.away_us,
  coalesce(r.last_position = r.position - 2 and r.away_us <= p.oscillation_window_us and not r.drill
    and not r.drill_before, false) as flip,
  coalesce(r.last_position < r.position - 2 and r.away_us <= p.oscillation_window_us and not r.drill
    and not r.drill_before, false) as cycle
from returns r
cross join parameters p
