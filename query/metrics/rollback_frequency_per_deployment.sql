-- metric: rollback_frequency_per_deployment
-- shows:  how many rollback episodes began per 100 forward deployments that became live
-- unit:   per_100
-- grain:  total, service, environment, service and environment
-- reads:  rollback_episodes, rollbacks, deployments, parameters (window_start, window_end)
-- source: docs/metrics.md, "Frequency"; corner cases 25, 43
-- empty:  neither a rollback nor a deployment → no row; no deployment → no value
with counted as (
  select distinct coalesce(r.service, '') as service, coalesce(r.environment, '') as environment, e.episode as id,
    1 as episodes, 0 as deployments
  from rollback_episodes e
  join rollbacks r on r.rollback_id = e.rollback_id
  cross join parameters p
  where r.production and not r.drill and e.episode_at >= p.window_start and e.episode_at < p.window_end
  union all
  select coalesce(d.service, ''), coalesce(d.environment, ''), d.deployment_id, 0, 1
  from deployments d
  cross join parameters p
  where d.production and not d.drill and d.class in ('forward', 'fix_forward', 'reapply')
    and d.live_at >= p.window_start and d.live_at < p.window_end
),
places as (
  select service, environment, sum(episodes) as episodes, sum(deployments) as deployments
  from counted
  group by grouping sets ((), (service), (environment), (service, environment))
)
select service, environment, episodes as numerator, deployments as denominator,
  ratio(episodes * 100, deployments) as value
from places
where episodes + deployments > 0
