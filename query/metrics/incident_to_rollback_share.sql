-- metric: incident_to_rollback_share
-- shows:  of the incidents that started in the window, how many had at least one rollback tied to them
-- unit:   ratio
-- grain:  total, service, environment, service and environment; by severity
-- reads:  incidents, ties, parameters (window_start, window_end)
-- source: docs/metrics.md, "Incident-to-rollback"; corner cases 17, 38
-- empty:  no incident started → no row
with tied as (
  select distinct incident_id from ties
),
samples as (
  select coalesce(i.service, '') as service, coalesce(i.environment, '') as environment,
    coalesce(cast(i.severity as text), 'unknown') as severity, i.excluded_by, t.incident_id is not null as rolled_back
  from incidents i
  cross join parameters p
  left join tied t on t.incident_id = i.incident_id
  where i.cohort_at >= p.window_start and i.cohort_at < p.window_end
),
cells as (
  select s.*, d.dimension,
    case d.dimension
      when 'severity' then s.severity
      else ''
    end as dimension_value
  from samples s
  cross join (values (''), ('severity')) as d (dimension)
)
select service, environment, nullif(dimension, '') as dimension, nullif(dimension_value, '') as dimension_value,
  count(*) filter (where excluded_by is null and rolled_back) as numerator,
  count(*) filter (where excluded_by is null) as denominator,
  count(*) filter (where excluded_by = 'duplicate') as excluded_duplicate,
  count(*) filter (where excluded_by = 'drill') as excluded_drill,
  count(*) filter (where excluded_by = 'cancelled') as excluded_cancelled,
  count(*) filter (where excluded_by = 'not_production') as excluded_not_production,
  count(*) filter (where excluded_by = 'no_start') as excluded_no_start,
  count(*) filter (where excluded_by = 'negative') as excluded_negative
from cells
group by grouping sets (
  (dimension, dimension_value), (service, dimension, dimension_value),
  (environment, dimension, dimension_value), (service, environment, dimension, dimension_value))
