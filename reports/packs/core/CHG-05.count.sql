-- control: CHG-05
-- counts:  overrides and break-glass grants of the window, and emergency deployments that no override of the window names
-- reads:   deployments, facts, parameters
with uses as (
  select f.event_id, f.deployment_id
  from facts as f cross join parameters as w
  where f.drill is not true and f.occurred_at >= w.window_start and f.occurred_at < w.window_end
    and (f.kind = 'override' and f.phase = 'used' or f.kind = 'grant' and f.phase = 'given' and f.override)
),
emergencies as (
  select distinct d.deployment_id
  from deployments as d
    join facts as f on f.deployment_id = d.deployment_id
      or f.change_id = d.change_id and f.kind in ('change', 'approval')
    cross join parameters as w
  where f.change_type = 'emergency' and f.kind in ('deployment', 'change', 'approval')
    and d.production and d.drill is not true and d.class not in ('rollback', 'restart')
    and d.begin_at >= w.window_start
    and d.begin_at < w.window_end
)
select
  (select count(*) from uses)
  + (select count(*) from emergencies as e
     where e.deployment_id not in (select u.deployment_id from uses as u where u.deployment_id is not null)) as expected
