-- view:  incident_links
-- shows: the deployment that caused each incident, and how that is known; no row where it is not
-- adds:  link_method: explicit (asserted), rollback (the last explicitly tied rollback that was live when the incident
--        ended rolled it back), inferred (the latest live in the service and environment, at most `link_window` before
--        the start; never a rollback or a restart, and none if one of those is the latest)
-- reads: incident_generations, incident_services, incident_splits, ties, rollback_marks, deployments, parameters
--        (link_window_us)
-- rules: docs/metrics.md, "Linking an incident to a deployment"; corner case 18
with explicit as (
  select incident_id, 1 as method, asserted_cause as deployment_id
  from incident_generations
  where asserted_cause is not null
),
enders as (
  select t.incident_id, r.failed_deployment_id as deployment_id,
    row_number() over (partition by t.incident_id order by r.live_at desc, r.rollback_id desc) as latest
  from ties t
  join rollback_marks r on r.rollback_id = t.rollback_id
  join incident_splits s on s.incident_id = t.incident_id
  where t.grade = 'explicit' and r.live_at is not null and (s.ended_at is null or r.live_at <= s.ended_at)
),
recent as (
  select g.incident_id, d.deployment_id, d.class,
    row_number() over (partition by g.incident_id order by d.live_at desc, d.deployment_id desc) as latest
  from incident_generations g
  join incident_splits s on s.incident_id = g.incident_id
  join incident_services v on v.incident_id = g.incident_id
  join deployments d on d.service = v.service
    and (d.environment = g.environment or (g.environment is null and d.production))
  cross join parameters p
  where not g.drill and not d.drill and d.live_at <= s.started_at
    and epoch_us(s.started_at) - epoch_us(d.live_at) <= p.link_window_us
),
links as (
  select incident_id, method, deployment_id from explicit
  union all
  select incident_id, 2, deployment_id from enders where latest = 1 and deployment_id is not null
  union all
  select incident_id, 3, deployment_id from recent where latest = 1 and class not in ('rollback', 'restart')
),
ranked as (
  select *, row_number() over (partition by incident_id order by method) as place from links
)
select incident_id, deployment_id as cause_deployment_id,
  case method when 1 then 'explicit' when 2 then 'rollback' else 'inferred' end as link_method
from ranked
where place = 1
