-- query: changes
-- shows: production deployments of the window by service, class and outcome; drills are not production
-- reads: deployments, parameters
select
  coalesce(d.service, 'unknown') as service,
  count(*) as deployments,
  count(*) filter (where d.class = 'forward') as forward,
  count(*) filter (where d.class = 'fix_forward') as fixes,
  count(*) filter (where d.class = 'rollback') as rollbacks,
  count(*) filter (where d.class = 'reapply') as reapplied,
  count(*) filter (where d.class = 'restart') as restarts,
  count(*) filter (where d.outcome = 'failed') as failed,
  count(*) filter (where d.outcome = 'aborted') as aborted
from deployments as d cross join parameters as w
where d.production and d.drill is not true and d.begin_at >= w.window_start and d.begin_at < w.window_end
group by coalesce(d.service, 'unknown')
order by service
