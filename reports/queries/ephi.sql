-- query: ephi
-- shows: production deployments of the window to services that were tagged `ephi` or `phi` when they began
-- reads: deployments, services, parameters
select d.deployment_id, d.service, d.environment, d.version, d.class, d.actor, d.begin_at, d.outcome
from deployments as d
  cross join parameters as w
  join services as s on s.service = d.service and s.valid_from <= d.begin_at
    and (s.valid_to is null or s.valid_to > d.begin_at)
where d.production and d.drill is not true and d.begin_at >= w.window_start and d.begin_at < w.window_end
  and (array_has(s.tags, 'ephi') or array_has(s.tags, 'phi'))
order by d.begin_at, d.deployment_id
