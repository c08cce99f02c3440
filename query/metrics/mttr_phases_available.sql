-- metric: mttr_phases_available
-- shows:  each phase over all ended incidents that have it: each row has its own n, so rows do not add up
-- unit:   us
-- grain:  phase (dimension), in total, by service, by environment, by both
-- reads:  incident_samples
-- source: docs/metrics.md, "Incidents and MTTR"; corner cases 12, 13, 38
-- empty:  no incident started in the window → no row; none with the phase → n 0
with cells as (
  select s.*, 'phase' as dimension, d.dimension_value,
    case d.dimension_value
      when 'detect' then s.detect_us when 'decide' then s.decide_us when 'act' then s.act_us else s.verify_us
    end as phase_us
  from incident_samples s
  cross join (values ('detect'), ('decide'), ('act'), ('verify')) as d (dimension_value)
),
judged as (
  select service, environment, dimension, dimension_value, phase_us,
    case
      when excluded_by is not null then excluded_by
      when censored then 'open'
      when order_flag = 'invalid' then 'invalid'
      when phase_us is null then 'missing'
    end as excluded_by
  from cells
)
select service, environment, dimension, dimension_value,
  count(*) filter (where excluded_by is null) as n,
  mean_us(sum(phase_us) filter (where excluded_by is null), count(*) filter (where excluded_by is null)) as mean,
  quantile_disc(phase_us, 50) filter (where excluded_by is null) as p50,
  quantile_disc(phase_us, 90) filter (where excluded_by is null) as p90,
  quantile_disc(phase_us, 95) filter (where excluded_by is null) as p95,
  quantile_disc(phase_us, 99) filter (where excluded_by is null) as p99,
  max(phase_us) filter (where excluded_by is null) as max,
  count(*) filter (where excluded_by = 'duplicate') as excluded_duplicate,
  count(*) filter (where excluded_by = 'drill') as excluded_drill,
  count(*) filter (where excluded_by = 'cancelled') as excluded_cancelled,
  count(*) filter (where excluded_by = 'not_production') as excluded_not_production,
  count(*) filter (where excluded_by = 'no_start') as excluded_no_start,
  count(*) filter (where excluded_by = 'negative') as excluded_negative,
  count(*) filter (where excluded_by = 'open') as excluded_open,
  count(*) filter (where excluded_by = 'invalid') as excluded_invalid,
  count(*) filter (where excluded_by = 'missing') as excluded_missing
from judged
group by grouping sets ((service, dimension, dimension_value), (service, environment, dimension, dimension_value))
