-- metric: incident_downtime
-- shows:  share of the window in which a service had an incident: overlapping incidents count once, gaps after a
--         verified recovery count
-- unit:   share
-- grain:  total (any service), service, environment, service and environment; numerator and denominator in microseconds
-- reads:  incidents, incident_services, parameters (window_start, window_end, as_of)
-- source: docs/metrics.md, "Overlap"; corner case 44
-- empty:  no counted incident touches the window → no row
with affected as (
  select incident_id, cast(null as text) as service from incidents
  union all
  select incident_id, service from incident_services
),
spans as (
  select x.service, i.environment,
    epoch_us(greatest(i.started_at, p.window_start)) as from_us,
    epoch_us(least(coalesce(i.ended_at, p.as_of), p.window_end)) as until_us
  from incidents i
  join affected x on x.incident_id = i.incident_id
  cross join parameters p
  where i.excluded_by is null
),
places as (
  select service, cast(null as text) as environment, from_us, until_us from spans where until_us > from_us
  union all
  select service, environment, from_us, until_us from spans where until_us > from_us and environment is not null
),
covered as (
  select *,
    max(until_us) over (
      partition by service, environment order by from_us, until_us
      rows between unbounded preceding and 1 preceding) as covered_us
  from places
),
sums as (
  -- What of each span no earlier one covers.
  select service, environment, sum(greatest(until_us - greatest(from_us, coalesce(covered_us, from_us)), 0)) as down_us
  from covered
  group by service, environment
)
select s.service, s.environment, s.down_us as numerator,
  epoch_us(p.window_end) - epoch_us(p.window_start) as denominator,
  ratio(s.down_us, epoch_us(p.window_end) - epoch_us(p.window_start)) as value
from sums s
cross join parameters p
