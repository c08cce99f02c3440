-- view:  rollback_attempts
-- shows: one row per rollback and slot, those recognised only by a deployment's class included, with what came of it
--        there
-- reads: rollback_slots, deployments, rollback_rows, version_identities
-- rules: docs/metrics.md, corner cases 7, 19: marks that a rollback lacks come from the deployment that carries it
with targets as (
  select rollback_id, last_value(to_version order by ord) filter (where to_version is not null) as to_version
  from rollback_rows
  group by rollback_id
),
called as (
  select s.rollback_id, s.service, s.environment, s.region,
    coalesce(s.deployment_id, concat('rollback:', s.rollback_id,
      case when s.region is not null then concat('/', s.region) else '' end)) as deployment_id,
    s.started_at, s.started_ord, s.live_at, s.live_ord, s.end_phase, s.ended_at, t.to_version
  from rollback_slots s
  left join targets t on t.rollback_id = s.rollback_id
),
recognised as (
  select concat('deployment:', deployment_id) as rollback_id, deployment_id
  from deployments
  where class = 'rollback' and rollback_id is null
),
both as (
  select c.rollback_id, c.service, c.environment, c.region, d.deployment_id, c.to_version,
    coalesce(c.started_at, d.started_at) as started_at,
    coalesce(c.started_ord, case when d.started_at is not null then d.begin_ord end) as started_ord,
    coalesce(c.live_at, d.live_at) as live_at, coalesce(c.live_ord, d.live_ord) as live_ord,
    coalesce(case when c.end_phase in ('live', 'succeeded') then 'succeeded'
      when c.end_phase = 'cancelled' then 'aborted' else c.end_phase end,
      d.outcome, 'in_progress') as outcome,
    coalesce(c.ended_at, d.finished_at) as ended_at,
    d.begin_at, d.begin_ord
  from called c
  left join deployments d on d.deployment_id = c.deployment_id
  union all
  select r.rollback_id, d.service, d.environment, d.region, d.deployment_id, d.version,
    d.started_at, case when d.started_at is not null then d.begin_ord end, d.live_at, d.live_ord, d.outcome,
    d.finished_at,
    d.begin_at, d.begin_ord
  from recognised r
  join deployments d on d.deployment_id = r.deployment_id
)
select b.*,
  concat(replace(replace(b.service, '%', '%25'), '/', '%2F'),
    '/', replace(replace(coalesce(b.environment, ''), '%', '%25'), '/', '%2F'),
    case when b.region is not null then concat('/', replace(replace(b.region, '%', '%25'), '/', '%2F')) else '' end)
      as slot,
  coalesce(d.version_identity, v.version_identity, b.to_version) as target_key,
  coalesce(d.version, b.to_version) as target_version,
  row_number() over (partition by b.rollback_id order by coalesce(b.service, ''), coalesce(b.environment, ''),
    coalesce(b.region, '')) as place
from both b
left join deployments d on d.deployment_id = b.deployment_id
left join version_identities v on v.service = b.service and v.preferred and v.key = b.to_version
