-- metric: cooldown_violations
-- shows:  of the forward and reapply deployments that began in the window, how many began too soon after a rollback of
--         their slot
-- unit:   ratio
-- grain:  total, service, environment, service and environment; by class
-- reads:  deployments, cooldowns, parameters (window_start, window_end)
-- source: docs/metrics.md, "Cooldown violation"; corner cases 23, 37
-- empty:  no such deployment began → no row; no violation → zero
with samples as (
  select coalesce(d.service, '') as service, coalesce(d.environment, '') as environment, d.class, c.verdict
  from deployments d
  cross join parameters p
  left join cooldowns c on c.deployment_id = d.deployment_id
  where d.production and not d.drill and d.class in ('forward', 'reapply', 'fix_forward')
    and d.begin_at >= p.window_start and d.begin_at < p.window_end
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
  count(*) filter (where verdict = 'violation') as numerator,
  count(*) filter (where verdict is null or verdict <> 'allowed') as denominator,
  count(*) filter (where verdict = 'allowed') as excluded_allowed_exception
from cells
group by grouping sets (
  (dimension, dimension_value), (service, dimension, dimension_value),
  (environment, dimension, dimension_value), (service, environment, dimension, dimension_value))
