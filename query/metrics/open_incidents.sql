-- metric: open_incidents
-- shows:  incidents open at `as_of`, whenever they started, and in `max` the age of the oldest
-- unit:   count
-- grain:  total, service, environment, service and environment; each also by severity
-- reads:  incidents, incident_services
-- source: docs/metrics.md, "Open at as_of"; corner case 38
-- empty:  no incident in the log → no row; none open → 0
with places as (
  select incident_id, cast(null as text) as service from incidents
  union all
  select incident_id, service from incident_services
),
samples as (
  select x.service, coalesce(i.environment, '') as environment,
    coalesce(cast(i.severity as text), 'unknown') as severity,
    -- Ended ones too, so that a service with incidents of which none is open says 0.
    case when i.censored then i.elapsed_us end as elapsed_us
  from incidents i
  join places x on x.incident_id = i.incident_id
  where i.excluded_by is null
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
  ratio(count(elapsed_us), 1) as value,
  max(elapsed_us) as max
from cells
group by grouping sets ((service, dimension, dimension_value), (service, environment, dimension, dimension_value))
