-- query: scope
-- shows: services with deployments or incidents in the window, with what was declared of them at its end
-- reads: deployments, incidents, services, parameters
with seen as (
  select d.service, d.environment, d.production, 1 as deployments, 0 as incidents
  from deployments as d cross join parameters as w
  where d.begin_at >= w.window_start and d.begin_at < w.window_end
  union all
  select i.service, i.environment, i.production, 0 as deployments, 1 as incidents
  from incidents as i cross join parameters as w
  where i.cohort_at >= w.window_start and i.cohort_at < w.window_end
),
counted as (
  select
    coalesce(service, 'unknown') as service, coalesce(environment, 'unknown') as environment,
    bool_or(production) as production, sum(deployments) as deployments, sum(incidents) as incidents
  from seen group by coalesce(service, 'unknown'), coalesce(environment, 'unknown')
)
select
  c.service, c.environment, c.production, s.tier, s.objective_recovery_s * 1000000 as objective_recovery_us, s.tags,
  c.deployments, c.incidents
from counted as c
  cross join parameters as w
  left join services as s on s.service = c.service
    and s.valid_from < w.window_end and (s.valid_to is null or s.valid_to >= w.window_end)
order by c.service, c.environment
