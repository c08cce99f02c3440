-- metric: reapply_without_rca
-- shows:  of the deployments that began in the window and put back a version that had been rolled back in their slot,
--         how many began before its cause was understood
-- unit:   ratio
-- grain:  total, service, environment, service and environment; by verdict
-- reads:  reapplies, parameters (window_start, window_end)
-- source: docs/metrics.md, "Reapply without RCA"; corner cases 23, 28, 35
-- empty:  no such deployment began → no row
with samples as (
  select coalesce(r.service, '') as service, coalesce(r.environment, '') as environment, r.verdict
  from reapplies r
  cross join parameters p
  where r.production and not r.drill and r.begin_at >= p.window_start and r.begin_at < p.window_end
),
cells as (
  select s.*, d.dimension,
    case d.dimension
      when 'verdict' then s.verdict
      else ''
    end as dimension_value
  from samples s
  cross join (values (''), ('verdict')) as d (dimension)
)
select service, environment, nullif(dimension, '') as dimension, nullif(dimension_value, '') as dimension_value,
  count(*) filter (where verdict in ('none', 'late_evidence')) as numerator,
  count(*) filter (where verdict <> 'not_applicable') as denominator,
  count(*) filter (where verdict = 'not_applicable') as excluded_backfilled
from cells
group by grouping sets (
  (dimension, dimension_value), (service, dimension, dimension_value),
  (environment, dimension, dimension_value), (service, environment, dimension, dimension_value))
