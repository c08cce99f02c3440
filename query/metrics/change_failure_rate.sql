-- metric: change_failure_rate
-- shows:  of the forward deployments that went live in production in the window, how many failed within the horizon:
--         caused an incident or were rolled back
-- unit:   ratio
-- grain:  total, service, environment, service and environment; each also by month, and by blame: the totals under the
--         three conventions in use for a rollback over several versions (immediate: the version live when it began,
--         which the other rows use; first: the first version after its target; all: every version after its target)
-- reads:  deployments, incidents, rollback_marks, rollback_slot_blames, slot_history,
--         parameters (window_start, window_end, failure_horizon_us, as_of, zone)
-- source: docs/metrics.md, "Change failure rate", "Blame"; corner cases 23, 25
-- empty:  no such deployment → no row; only immature ones → denominator 0 and no value
with cohort as (
  select d.deployment_id, d.live_at, coalesce(d.service, '') as service, coalesce(d.environment, '') as environment,
    local_month(d.live_at, p.zone) as month,
    epoch_us(d.live_at) > epoch_us(p.as_of) - p.failure_horizon_us as immature
  from deployments d
  cross join parameters p
  where d.production and not d.drill and d.class in ('forward', 'fix_forward', 'reapply')
    and d.live_at >= p.window_start and d.live_at < p.window_end
),
blames as (
  select 'immediate' as blame, rollback_id, blamed_deployment_id as deployment_id from rollback_slot_blames
  union all
  select 'first', b.rollback_id, coalesce(h.deployment_id, b.blamed_deployment_id)
  from rollback_slot_blames b
  left join slot_history h on h.slot = b.slot and h.position = b.target_position + 1
  where b.blamed_deployment_id is not null
  union all
  select 'all', rollback_id, blamed_deployment_id from rollback_slot_blames
  union all
  select 'all', b.rollback_id, h.deployment_id
  from rollback_slot_blames b
  join slot_history h on h.slot = b.slot and h.position > b.target_position and h.position <= b.blamed_position
  where b.blamed_deployment_id is not null
),
failures as (
  select v.blame, i.cause_deployment_id as deployment_id, i.started_at as failed_at
  from incidents i
  cross join (values ('immediate'), ('first'), ('all')) as v (blame)
  where i.excluded_by is null and i.cause_deployment_id is not null
  union all
  select b.blame, b.deployment_id, r.begin_at
  from blames b
  join rollback_marks r on r.rollback_id = b.rollback_id
  where not r.drill and r.execution_outcome <> 'cancelled'
),
failed as (
  select distinct f.blame, c.deployment_id
  from failures f
  join cohort c on c.deployment_id = f.deployment_id
  cross join parameters p
  where epoch_us(f.failed_at) <= epoch_us(c.live_at) + p.failure_horizon_us
),
cells as (
  select c.service, c.environment, c.immature, d.dimension,
    case d.dimension when 'month' then c.month when 'blame' then d.blame else '' end as dimension_value,
    f.deployment_id is not null as failed
  from cohort c
  cross join (
    values ('', 'immediate'), ('month', 'immediate'), ('blame', 'immediate'), ('blame', 'first'), ('blame', 'all')
  ) as d (dimension, blame)
  left join failed f on f.deployment_id = c.deployment_id and f.blame = d.blame
)
select service, environment, nullif(dimension, '') as dimension, nullif(dimension_value, '') as dimension_value,
  count(*) filter (where failed and not immature) as numerator,
  count(*) filter (where not immature) as denominator,
  count(*) filter (where immature) as excluded_immature
from cells
group by grouping sets (
  (dimension, dimension_value), (service, dimension, dimension_value),
  (environment, dimension, dimension_value), (service, environment, dimension, dimension_value))
