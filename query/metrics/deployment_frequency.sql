-- metric: deployment_frequency
-- shows:  how many forward production deployments became live per day
-- unit:   per_day
-- grain:  total, service, environment, service and environment; by class
-- reads:  deployments, parameters (window_start, window_end)
-- source: docs/metrics.md, "Delivery": deployment frequency; corner cases 5, 25
-- empty:  no deployment became live → no row
with samples as (
  select coalesce(d.service, '') as service, coalesce(d.environment, '') as environment, d.class,
    epoch_us(p.window_end) - epoch_us(p.window_start) as window_us
  from deployments d
  cross join parameters p
  where d.production and not d.drill
    and d.class in ('forward', 'fix_forward', 'reapply')
    and d.live_at >= p.window_start and d.live_at < p.window_end
),
cells as (
  select s.*, b.dimension, case b.dimension when 'class' then s.class else '' end as dimension_value
  from samples s
  cross join (values (''), ('class')) as b (dimension)
)
select service, environment, nullif(dimension, '') as dimension, nullif(dimension_value, '') as dimension_value,
  count(*) as numerator,
  max(window_us) as denominator,
  ratio(count(*) * 86400000000, max(window_us)) as value
from cells
group by grouping sets (
  (dimension, dimension_value), (service, dimension, dimension_value),
  (environment, dimension, dimension_value), (service, environment, dimension, dimension_value))
