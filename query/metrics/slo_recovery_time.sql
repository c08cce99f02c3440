-- metric: slo_recovery_time
-- shows:  how long after a rollback was live its guarded SLIs began to stay in target for the hold; not in time is
--         censored
-- unit:   us
-- grain:  total, service, environment, service and environment; by trigger
-- reads:  rollbacks, parameters (window_start, window_end, as_of, verify_deadline_us)
-- source: docs/metrics.md, "SLI recovery after rollback"; corner cases 22, 34, 38
-- empty:  no rollback began → no row; no samples → n 0, excluded no_data
with samples as (
  select coalesce(r.service, '') as service, coalesce(r.environment, '') as environment,
    coalesce(r.trigger, 'unknown') as trigger,
    case when r.recovered_already then 'already in target' else 'recovered after' end as state,
    r.recovery_us is not null as ended,
    coalesce(r.recovery_us, least(p.verify_deadline_us, epoch_us(p.as_of) - epoch_us(r.live_at))) as us,
    case when r.drill then 'drill' when r.execution_outcome = 'cancelled' then 'cancelled'
      when not r.production then 'not_production' when r.live_at is null then 'not_live'
        when r.data_count = 0 then 'no_data' end as excluded_by
  from rollbacks r
  cross join parameters p
  where r.begin_at >= p.window_start and r.begin_at < p.window_end
),
cells as (
  select s.*, d.dimension,
    case d.dimension
      when 'trigger' then s.trigger
      else ''
    end as dimension_value
  from samples s
  cross join (values (''), ('trigger')) as d (dimension)
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
  count(*) filter (where excluded_by = 'cancelled') as excluded_cancelled,
  count(*) filter (where excluded_by = 'not_production') as excluded_not_production,
  count(*) filter (where excluded_by = 'not_live') as excluded_not_live,
  count(*) filter (where excluded_by = 'no_data') as excluded_no_data
from cells
group by grouping sets (
  (dimension, dimension_value), (service, dimension, dimension_value),
  (environment, dimension, dimension_value), (service, environment, dimension, dimension_value))
