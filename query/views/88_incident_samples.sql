-- view:  incident_samples
-- shows: the cohort of the window, with what metrics are broken down by as text: for each incident that started in it,
--        excluded ones too, one row without a service, and one for each of its services
-- adds:  tier, as declared when it started; month of the start, in the zone
-- reads: incidents, incident_services, services, parameters (window_start, window_end, zone)
-- rules: docs/metrics.md, "Cohort", "Breakdowns", "Several services"; corner case 38
with places as (
  select incident_id, cast(null as text) as service from incidents
  union all
  select incident_id, service from incident_services
)
select i.incident_id, x.service, coalesce(i.environment, '') as environment,
  coalesce(i.region, 'unknown') as region,
  coalesce(cast(i.severity as text), 'unknown') as severity,
  coalesce(s.tier, 'unknown') as tier,
  local_month(i.cohort_at, p.zone) as month,
  i.trigger, i.recovery_method, coalesce(i.detected_by, 'unknown') as detected_by, i.link_method,
  i.started_assumed, i.detected_at, i.order_flag, i.cycle,
  i.censored, not i.censored as ended, i.excluded_by,
  i.detect_us, i.decide_us, i.act_us, i.verify_us, i.active_us, i.elapsed_us
from incidents i
join places x on x.incident_id = i.incident_id
cross join parameters p
left join services s on s.service = coalesce(x.service, i.service) and i.cohort_at >= s.valid_from
  and (s.valid_to is null or i.cohort_at < s.valid_to)
where i.cohort_at >= p.window_start and i.cohort_at < p.window_end
