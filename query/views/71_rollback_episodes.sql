-- view:  rollback_episodes
-- shows: which rollbacks are one episode: those of one id, and those of several slots of one service, environment and
--        target that begin within the coalescing window
-- adds:  episode (the id of its first rollback), episode_at (its begin)
-- reads: rollbacks, parameters (coalesce_us)
-- rules: docs/metrics.md, "What one is"; corner cases 19, 30. Each begins at most the window after the one before; two
--        rollbacks of one slot are never one episode
with ordered as (
  select rollback_id, service, environment, drill, target_key, slot, begin_at, begin_ord,
    lag(begin_at) over (partition by service, environment, drill, target_key order by begin_ord) as last_at
  from rollbacks
  where execution_outcome <> 'cancelled'
),
clustered as (
  select o.*,
    sum(case when last_at is not null and epoch_us(begin_at) - epoch_us(last_at) <= p.coalesce_us then 0 else 1 end)
      over (
      partition by service, environment, drill,
        target_key order by begin_ord rows between unbounded preceding and current row) as cluster
  from ordered o
  cross join parameters p
),
rounds as (
  select c.*,
    row_number() over (partition by service, environment, drill, target_key, cluster, slot order by begin_ord) as round
  from clustered c
)
select rollback_id,
  first_value(rollback_id) over w as episode, first_value(begin_at) over w as episode_at
from rounds
window w as (
  partition by service, environment, drill, coalesce(target_key, rollback_id), cluster, round order by begin_ord
  rows between unbounded preceding and unbounded following)
