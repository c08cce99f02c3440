-- metric: mttr
-- shows:  how long incidents that started in the window lasted, from start to verified recovery, without
--         the gaps between a verified recovery and a reopening
-- unit:   us
-- grain:  total, service, environment, service and environment; each also by region, severity, tier, month, trigger,
--         recovery_method
-- reads:  incident_samples
-- source: docs/metrics.md, "Incidents and MTTR"; corner cases 12, 24, 31, 38
-- empty:  no incident started in the window → no row; all open → n 0 and percentiles NULL; never zero
with cells as (
  select s.*, d.dimension,
    case d.dimension
      when 'region' then s.region
      when 'severity' then s.severity
      when 'tier' then s.tier
      when 'month' then s.month
      when 'trigger' then s.trigger
      when 'recovery_method' then s.recovery_method
      else ''
    end as dimension_value
  from incident_samples s
  cross join (values (''), ('region'), ('severity'), ('tier'), ('month'), ('trigger'), ('recovery_method'))
    as d (dimension)
)
select service, environment, nullif(dimension, '') as dimension, nullif(dimension_value, '') as dimension_value,
  count(*) filter (where excluded_by is null and ended) as n,
  count(*) filter (where excluded_by is null and not ended) as censored,
  mean_us(sum(active_us) filter (where excluded_by is null and ended),
    count(*) filter (where excluded_by is null and ended)) as mean,
  quantile_disc(active_us, 50) filter (where excluded_by is null and ended) as p50,
  quantile_disc(active_us, 90) filter (where excluded_by is null and ended) as p90,
  quantile_disc(active_us, 95) filter (where excluded_by is null and ended) as p95,
  quantile_disc(active_us, 99) filter (where excluded_by is null and ended) as p99,
  max(active_us) filter (where excluded_by is null and ended) as max,
  km_quantile(active_us, ended, 50) filter (where excluded_by is null) as km_p50,
  km_quantile(active_us, ended, 90) filter (where excluded_by is null) as km_p90,
  count(*) filter (where excluded_by = 'duplicate') as excluded_duplicate,
  count(*) filter (where excluded_by = 'drill') as excluded_drill,
  count(*) filter (where excluded_by = 'cancelled') as excluded_cancelled,
  count(*) filter (where excluded_by = 'not_production') as excluded_not_production,
  count(*) filter (where excluded_by = 'no_start') as excluded_no_start,
  count(*) filter (where excluded_by = 'negative') as excluded_negative
from cells
group by grouping sets ((service, dimension, dimension_value), (service, environment, dimension, dimension_value))
