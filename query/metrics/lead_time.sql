-- metric: lead_time
-- shows:  how long from the commit until it was live in production, forward deployments
-- unit:   us
-- grain:  total, service, environment, service and environment; by class
-- reads:  deployments, parameters (window_start, window_end)
-- source: docs/metrics.md, "Lead time"; corner cases 24, 25
-- empty:  no deployment became live → no row; none with a commit time → n 0
with samples as (
  select coalesce(d.service, '') as service, coalesce(d.environment, '') as environment, d.class,
    epoch_us(d.live_at) - epoch_us(d.committed_at) as us, true as ended,
    case when d.committed_at is null then 'no_commit_time' when d.live_at < d.committed_at then 'negative' end
      as excluded_by
  from deployments d
  cross join parameters p
  where d.production and not d.drill and d.class in ('forward', 'fix_forward')
    and d.live_at >= p.window_start and d.live_at < p.window_end
),
cells as (
  select s.*, d.dimension,
    case d.dimension
      when 'class' then s.class
      else ''
    end as dimension_value
  from samples s
  cross join (values (''), ('class')) as d (dimension)
)
select service, environment, nullif(dimension, '') as dimension, nullif(dimension_value, '') as dimension_value,
  count(*) filter (where excluded_by is null and ended) as n,
  count(*) filter (where excluded_by is null and not ended) as censored,
  mean_us(sum(us) filter (where excluded_by is null and ended), count(*) filter (where excluded_by is null and ended))
    as mean,
  quantile_disc(us, 50) filter (where excluded_by is null and ended) as p50,
  quantile_disc(us, 90) filter (where excluded_by is null and ended) as p90,
  quantile_disc(us, 95) filter (where excluded_by is null and ended) as p95,
  quantile_disc(us, 99) filter (where excluded_by is null and ended) as p99,
  max(us) filter (where excluded_by is null and ended) as max,
  km_quantile(us, ended, 50) filter (where excluded_by is null) as km_p50,
  km_quantile(us, ended, 90) filter (where excluded_by is null) as km_p90,
  count(*) filter (where excluded_by = 'no_commit_time') as excluded_no_commit_time,
  count(*) filter (where excluded_by = 'negative') as excluded_negative
from cells
group by grouping sets (
  (dimension, dimension_value), (service, dimension, dimension_value),
  (environment, dimension, dimension_value), (service, environment, dimension, dimension_value))
