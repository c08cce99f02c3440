-- metric: time_to_rollback_execution
-- shows:  how long from the start of the rollback until it was live; failed and pending ones are censored
-- unit:   us
-- grain:  total, service, environment, service and environment; by trigger
-- reads:  rollback_times
-- source: docs/metrics.md, "Time-to-rollback"; corner cases 19, 20, 23, 24, 38
-- empty:  no rollback began → no row; all failed or pending → n 0; never zero
with cells as (
  select s.*, d.dimension, case d.dimension when 'trigger' then s.trigger else '' end as dimension_value
  from rollback_times s
  cross join (values (''), ('trigger')) as d (dimension)
  where s.measure = 'execution'
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
  count(*) filter (where excluded_by = 'drill') as excluded_drill,
  count(*) filter (where excluded_by = 'not_production') as excluded_not_production,
  count(*) filter (where excluded_by = 'cancelled') as excluded_cancelled,
  count(*) filter (where excluded_by = 'no_start') as excluded_no_start,
  count(*) filter (where excluded_by = 'negative') as excluded_negative
from cells
group by grouping sets (
  (dimension, dimension_value), (service, dimension, dimension_value),
  (environment, dimension, dimension_value), (service, environment, dimension, dimension_value))
