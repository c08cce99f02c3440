-- metric: failed_to_deploy_rate
-- shows:  of the forward deployments to production that began in the window and have ended, how many never went live
-- unit:   ratio
-- grain:  total, service, environment, service and environment; each also by month
-- reads:  deployments, parameters (window_start, window_end, zone)
-- source: docs/metrics.md, "Change failure rate"; corner case 41
-- empty:  no such deployment ended → no row
with samples as (
  select coalesce(d.service, '') as service, coalesce(d.environment, '') as environment,
    local_month(d.begin_at, p.zone) as month, d.outcome, d.live_at
  from deployments d
  cross join parameters p
  where d.production and not d.drill and d.class in ('forward', 'fix_forward', 'reapply')
    and d.begin_at >= p.window_start and d.begin_at < p.window_end
),
cells as (
  select s.*, d.dimension,
    case d.dimension
      when 'month' then s.month
      else ''
    end as dimension_value
  from samples s
  cross join (values (''), ('month')) as d (dimension)
)
select service, environment, nullif(dimension, '') as dimension, nullif(dimension_value, '') as dimension_value,
  count(*) filter (where outcome <> 'in_progress' and live_at is null) as numerator,
  count(*) filter (where outcome <> 'in_progress') as denominator,
  count(*) filter (where outcome = 'in_progress') as excluded_in_progress
from cells
group by grouping sets (
  (dimension, dimension_value), (service, dimension, dimension_value),
  (environment, dimension, dimension_value), (service, environment, dimension, dimension_value))
