-- metric: failed_deployment_recovery_time
-- shows:  from a failed forward deployment going live in production to the end of the last incident that it caused,
--         over links that are asserted or by rollback
-- unit:   us
-- grain:  total, service, environment, service and environment; each also by recovery_method
-- reads:  deployments, incidents, parameters (window_start, window_end, as_of)
-- source: docs/metrics.md, "Failed deployment recovery time"; corner case 41
-- empty:  no such deployment went live in the window → no row
with recoveries as (
  select cause_deployment_id, bool_or(censored) as open, max(ended_at) as ended_at,
    last_value(recovery_method order by coalesce(ended_at, started_at), incident_id) as recovery_method
  from incidents
  where excluded_by is null and link_method in ('explicit', 'rollback')
  group by cause_deployment_id
),
samples as (
  select coalesce(d.service, '') as service, coalesce(d.environment, '') as environment, r.recovery_method,
    not r.open as ended,
    epoch_us(case when r.open then p.as_of else r.ended_at end) - epoch_us(d.live_at) as recovery_us
  from deployments d
  join recoveries r on r.cause_deployment_id = d.deployment_id
  cross join parameters p
  where d.production and not d.drill and d.class in ('forward', 'fix_forward', 'reapply')
    and d.live_at >= p.window_start and d.live_at < p.window_end
),
cells as (
  select s.*, d.dimension,
    case d.dimension
      when 'recovery_method' then s.recovery_method
      else ''
    end as dimension_value
  from samples s
  cross join (values (''), ('recovery_method')) as d (dimension)
)
select service, environment, nullif(dimension, '') as dimension, nullif(dimension_value, '') as dimension_value,
  count(*) filter (where recovery_us >= 0 and ended) as n,
  count(*) filter (where recovery_us >= 0 and not ended) as censored,
  mean_us(sum(recovery_us) filter (where recovery_us >= 0 and ended),
    count(*) filter (where recovery_us >= 0 and ended)) as mean,
  quantile_disc(recovery_us, 50) filter (where recovery_us >= 0 and ended) as p50,
  quantile_disc(recovery_us, 90) filter (where recovery_us >= 0 and ended) as p90,
  quantile_disc(recovery_us, 95) filter (where recovery_us >= 0 and ended) as p95,
  quantile_disc(recovery_us, 99) filter (where recovery_us >= 0 and ended) as p99,
  max(recovery_us) filter (where recovery_us >= 0 and ended) as max,
  km_quantile(recovery_us, ended, 50) filter (where recovery_us >= 0) as km_p50,
  km_quantile(recovery_us, ended, 90) filter (where recovery_us >= 0) as km_p90,
  count(*) filter (where recovery_us < 0) as excluded_negative
from cells
group by grouping sets (
  (dimension, dimension_value), (service, dimension, dimension_value),
  (environment, dimension, dimension_value), (service, environment, dimension, dimension_value))
