-- metric: postmortems_on_time
-- shows:  of the incidents closed in the window, how many had a postmortem published within the deadline
-- unit:   ratio
-- grain:  total, service, environment, service and environment; each also by severity
-- reads:  incidents, incident_services, postmortems, parameters (window_start, window_end, postmortem_deadline_us,
--         as_of)
-- source: docs/metrics.md, "Postmortems"; corner cases 29, 38
-- empty:  no incident closed in the window → no row
with published as (
  select i.incident_id, min(m.published_at) as published_at
  from incidents i
  join postmortems m on m.incident_id = i.base_id and m.published_at >= i.cohort_at
  group by i.incident_id
),
places as (
  select incident_id, cast(null as text) as service from incidents
  union all
  select incident_id, service from incident_services
),
samples as (
  select x.service, coalesce(i.environment, '') as environment,
    coalesce(cast(i.severity as text), 'unknown') as severity,
    coalesce(epoch_us(m.published_at) - epoch_us(i.closed_at) <= p.postmortem_deadline_us, false) as on_time,
    case
      when i.excluded_by is not null then i.excluded_by
      when epoch_us(p.as_of) - epoch_us(i.closed_at) < p.postmortem_deadline_us then 'immature'
    end as excluded_by
  from incidents i
  join places x on x.incident_id = i.incident_id
  left join published m on m.incident_id = i.incident_id
  cross join parameters p
  where i.closed_at >= p.window_start and i.closed_at < p.window_end
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
  count(*) filter (where excluded_by is null and on_time) as numerator,
  count(*) filter (where excluded_by is null) as denominator,
  count(*) filter (where excluded_by = 'duplicate') as excluded_duplicate,
  count(*) filter (where excluded_by = 'drill') as excluded_drill,
  count(*) filter (where excluded_by = 'cancelled') as excluded_cancelled,
  count(*) filter (where excluded_by = 'not_production') as excluded_not_production,
  count(*) filter (where excluded_by = 'no_start') as excluded_no_start,
  count(*) filter (where excluded_by = 'negative') as excluded_negative,
  count(*) filter (where excluded_by = 'immature') as excluded_immature
from cells
group by grouping sets ((service, dimension, dimension_value), (service, environment, dimension, dimension_value))
