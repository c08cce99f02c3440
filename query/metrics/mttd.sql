-- metric: mttd
-- shows:  how long it took to notice incidents whose start is known independently of their detection; censored:
--         started, still open and not detected
-- unit:   us
-- grain:  total, service, environment, service and environment; each also by detected_by, severity
-- reads:  incident_samples
-- source: docs/metrics.md, "MTTD"; corner cases 10, 24, 38
-- empty:  no incident started in the window → no row; all open → n 0 and percentiles NULL; never zero
with judged as (
  select service, environment, severity, detected_by, detect_us, detected_at is not null as detected,
    case
      when excluded_by is not null then excluded_by
      when order_flag = 'invalid' then 'invalid'
      when started_assumed then 'assumed'
      when detect_us is null then 'undetected'
    end as excluded_by
  from incident_samples
),
cells as (
  select s.*, d.dimension,
    case d.dimension
      when 'detected_by' then s.detected_by
      when 'severity' then s.severity
      else ''
    end as dimension_value
  from judged s
  cross join (values (''), ('detected_by'), ('severity')) as d (dimension)
)
select service, environment, nullif(dimension, '') as dimension, nullif(dimension_value, '') as dimension_value,
  count(*) filter (where excluded_by is null and detected) as n,
  count(*) filter (where excluded_by is null and not detected) as censored,
  mean_us(sum(detect_us) filter (where excluded_by is null and detected),
    count(*) filter (where excluded_by is null and detected)) as mean,
  quantile_disc(detect_us, 50) filter (where excluded_by is null and detected) as p50,
  quantile_disc(detect_us, 90) filter (where excluded_by is null and detected) as p90,
  quantile_disc(detect_us, 95) filter (where excluded_by is null and detected) as p95,
  quantile_disc(detect_us, 99) filter (where excluded_by is null and detected) as p99,
  max(detect_us) filter (where excluded_by is null and detected) as max,
  km_quantile(detect_us, detected, 50) filter (where excluded_by is null) as km_p50,
  km_quantile(detect_us, detected, 90) filter (where excluded_by is null) as km_p90,
  count(*) filter (where excluded_by = 'duplicate') as excluded_duplicate,
  count(*) filter (where excluded_by = 'drill') as excluded_drill,
  count(*) filter (where excluded_by = 'cancelled') as excluded_cancelled,
  count(*) filter (where excluded_by = 'not_production') as excluded_not_production,
  count(*) filter (where excluded_by = 'no_start') as excluded_no_start,
  count(*) filter (where excluded_by = 'negative') as excluded_negative,
  count(*) filter (where excluded_by = 'invalid') as excluded_invalid,
  count(*) filter (where excluded_by = 'assumed') as excluded_assumed,
  count(*) filter (where excluded_by = 'undetected') as excluded_undetected
from cells
group by grouping sets ((service, dimension, dimension_value), (service, environment, dimension, dimension_value))
