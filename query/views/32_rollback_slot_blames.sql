-- view:  rollback_slot_blames
-- shows: one row per rollback and slot with the version that it is blamed on there, and since when that had been live
-- adds:  blamed_position and target_position in slot_history; the entries between them are collateral
-- reads: rollback_attempts, rollback_statements, rollback_rows, deployment_rows, slot_history, deployments
-- rules: docs/metrics.md, "Blame"; corner case 23: `rollback_of` for its own slot, else the version live at the begin;
--        never the target itself
with named as (
  select rollback_id, rollback_of, 1 as own, ord from rollback_rows where rollback_of is not null
  union all
  select a.rollback_id, r.rollback_of, 0, r.ord
  from rollback_attempts a
  join deployment_rows r on r.deployment_key = a.deployment_id
  where r.rollback_of is not null
),
-- Of what its rows name in one slot, the last; its own rows before those of the deployments that carry it.
named_there as (
  select n.rollback_id, d.slot, last_value(d.deployment_id order by n.own, n.ord) as deployment_id
  from named n
  join deployments d on d.deployment_id = n.rollback_of
  group by n.rollback_id, d.slot
),
live_then as (
  select a.rollback_id, a.slot, h.position, h.version_key, h.version, h.deployment_id, h.live_from,
    row_number() over (partition by a.rollback_id, a.slot order by h.live_ord desc) as back
  from rollback_attempts a
  join rollback_statements s on s.rollback_id = a.rollback_id
  join slot_history h on h.slot = a.slot
  where h.live_ord < s.begin_ord
),
blamed as (
  select a.*, s.begin_ord as rollback_begin_ord,
    case when f.deployment_id is not null then f.version_key else l.version_key end as found_key,
    case when f.deployment_id is not null then f.version else l.version end as found_version,
    case when f.deployment_id is not null then f.deployment_id else l.deployment_id end as found_deployment_id,
    case when f.deployment_id is not null then f.live_at else l.live_from end as found_live_at,
    l.position as found_position
  from rollback_attempts a
  join rollback_statements s on s.rollback_id = a.rollback_id
  left join named_there n on n.rollback_id = a.rollback_id and n.slot = a.slot
  left join deployments f on f.deployment_id = n.deployment_id
  left join live_then l on l.rollback_id = a.rollback_id and l.slot = a.slot and l.back = 1
),
judged as (
  select b.*, coalesce(found_key <> target_key, found_key is not null) as is_blamed from blamed b
),
targets as (
  select j.rollback_id, j.slot, max(h.position) as target_position
  from judged j
  join slot_history h on h.slot = j.slot and h.version_key = j.target_key
  where h.position < j.found_position
  group by j.rollback_id, j.slot
)
select j.rollback_id, j.slot, j.place, j.service, j.environment, j.region, j.deployment_id, j.target_key,
  j.target_version,
  j.started_at, j.live_at, j.live_ord, j.outcome, j.ended_at,
  case when j.is_blamed then j.found_key end as blamed_key,
  case when j.is_blamed then j.found_version end as blamed_version,
  case when j.is_blamed then j.found_deployment_id end as blamed_deployment_id,
  case when j.is_blamed then j.found_live_at end as blamed_live_at,
  j.found_position as blamed_position, t.target_position
from judged j
left join targets t on t.rollback_id = j.rollback_id and t.slot = j.slot
