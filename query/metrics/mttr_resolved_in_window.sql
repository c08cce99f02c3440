-- metric: mttr_resolved_in_window
-- shows:  how long incidents that ended in the window had lasted, whenever they started: a view of closed work, biased
--         towards what could end; not MTTR
-- unit:   us
-- grain:  total, service, environment, service and environment
-- reads:  incidents, incident_services, parameters (window_start, window_end)
-- source: docs/metrics.md, "Cohort"; corner case 44
-- empty:  no incident ended in the window → no row
with places as (
  select incident_id, cast(null as text) as service from incidents
  union all
  select incident_id, service from incident_services
),
samples as (
  select x.service, coalesce(i.environment, '') as environment, i.active_us, i.excluded_by
  from incidents i
  join places x on x.incident_id = i.incident_id
  cross join parameters p
  where i.ended_at >= p.window_start and i.ended_at < p.window_end
)
select service, environment,
  count(*) filter (where excluded_by is null) as n,
  mean_us(sum(active_us) filter (where excluded_by is null), count(*) filter (where excluded_by is null)) as mean,
  quantile_disc(active_us, 50) filter (where excluded_by is null) as p50,
  quantile_disc(active_us, 90) filter (where excluded_by is null) as p90,
  max(active_us) filter (where excluded_by is null) as max,
  count(*) filter (where excluded_by = 'duplicate') as excluded_duplicate,
  count(*) filter (where excluded_by = 'drill') as excluded_drill,
  count(*) filter (where excluded_by = 'cancelled') as excluded_cancelled,
  count(*) filter (where excluded_by = 'not_production') as excluded_not_production,
  count(*) filter (where excluded_by = 'no_start') as excluded_no_start,
  count(*) filter (where excluded_by = 'negative') as excluded_negative
from samples
group by grouping sets ((service), (service, environment))
