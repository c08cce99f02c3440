-- view:  rollback_marks
-- shows: one row per rollback: its marks, its slots, what came of it, and the version that it is blamed on, before any
--        tie to incidents
-- adds:  begin_at (the window that it belongs to), regions, slots and live_slots, first_failed_verification_at and
--        failed_verification_at (the first and the last failed verification after it was live), passed_at (the first
--        pass after the last of these), verified_by (`event`, `verification`, `hold`), the SLI columns of
--        rollback_holds
-- reads: rollback_statements, rollback_slot_blames, rollback_holds, facts, parameters (hold_us)
-- rules: docs/metrics.md, "Rollback" in "From events to entities"; corner cases 19–23, 39
with slots as (
  select rollback_id,
    count(*) as slots,
    count(*) filter (where outcome = 'succeeded') as live_slots,
    count(*) filter (where outcome = 'in_progress') as open_slots,
    count(*) filter (where outcome = 'aborted') as aborted_slots,
    count(live_at) as once_live,
    max(live_at) as last_live_at, max(live_ord) as last_live_ord, min(blamed_live_at) as blamed_live_at,
    max(ended_at) as ended_at,
    first_value(service order by place) as service, first_value(environment order by place) as environment,
    first_value(region order by place) as region, first_value(slot order by place) as slot,
    first_value(deployment_id order by place) as deployment_id,
    first_value(target_version order by place) as target_version, first_value(target_key order by place) as target_key,
    first_value(blamed_version order by place) as blamed_version, first_value(blamed_key order by place) as blamed_key,
    first_value(blamed_deployment_id order by place) as blamed_deployment_id,
    array_agg(region order by place) filter (where region is not null) as regions
  from rollback_slot_blames
  group by rollback_id
),
decided as (
  select s.*,
    case
      when s.open_slots > 0 then 'pending'
      when s.live_slots = s.slots then 'succeeded'
      when s.live_slots > 0 then 'partial'
      when s.aborted_slots = s.slots and s.once_live = 0 and t.started_at is null then 'cancelled'
      else 'failed' end as execution_outcome
  from slots s
  join rollback_statements t on t.rollback_id = s.rollback_id
),
-- What says that the rollback worked or did not: its own `verified` rows, and verifications that name it.
proofs as (
  select f.rollback_id, f.ord, f.occurred_at, f.phase, f.kind
  from facts f
  where f.rollback_id is not null
    and (f.kind = 'rollback' and f.phase = 'verified'
      or f.kind = 'verification' and f.phase in ('passed', 'failed') and coalesce(f.check_stage, 'post') <> 'pre')
  union
  select b.rollback_id, f.ord, f.occurred_at, f.phase, f.kind
  from facts f
  join rollback_slot_blames b on b.deployment_id = f.deployment_id
  where f.rollback_id is null and (f.kind = 'rollback' and f.phase = 'verified'
      or f.kind = 'verification' and f.phase in ('passed', 'failed') and coalesce(f.check_stage, 'post') <> 'pre')
),
after_live as (
  select p.* from proofs p
  join decided d on d.rollback_id = p.rollback_id
  where d.execution_outcome = 'succeeded' and p.ord > d.last_live_ord
),
failures as (
  select rollback_id, max(ord) as failed_ord, min(occurred_at) as first_failed_at, max(occurred_at) as failed_at
  from after_live where phase = 'failed'
  group by rollback_id
),
passes as (
  select a.rollback_id,
    min(a.occurred_at) as passed_at,
    min(a.occurred_at) filter (where a.kind = 'rollback') as own_at
  from after_live a
  left join failures f on f.rollback_id = a.rollback_id
  where a.phase <> 'failed' and (f.failed_ord is null or a.ord > f.failed_ord)
  group by a.rollback_id
)
select t.rollback_id, t.named, d.service, d.environment, case when d.slots = 1 then d.region end as region, d.regions,
  d.slot,
  d.slots, d.live_slots,
  t.carrier_production or coalesce(t.environment_tier = 'production', d.environment in ('production', 'prod'), false)
    as production,
  t.drill, coalesce(t.from_version, d.blamed_version) as from_version,
  coalesce(t.to_version, d.target_version) as to_version,
  d.target_key, d.blamed_key, d.deployment_id, coalesce(t.rollback_of, d.blamed_deployment_id) as failed_deployment_id,
  t.incident_id, t.mechanism, t.trigger, t.trigger_condition, t.signals, t.policy_id, t.recognised_by, t.override,
  t.decided_at, t.decided_by, t.approved_at, t.approver, t.begin_at, t.begin_ord, t.started_at,
  case when d.execution_outcome = 'succeeded' then d.last_live_at end as live_at,
  case when d.execution_outcome = 'succeeded' then d.last_live_ord end as live_ord,
  case when d.execution_outcome in ('failed', 'partial', 'cancelled') then d.ended_at end as stopped_at,
  d.execution_outcome, d.blamed_live_at,
  coalesce(p.own_at, p.passed_at,
    case when h.hold_from_us is not null then to_timestamp_us(h.hold_from_us + q.hold_us) end) as verified_at,
  case when p.own_at is not null then 'event' when p.passed_at is not null then 'verification'
    when h.hold_from_us is not null then 'hold' end as verified_by,
  f.first_failed_at as first_failed_verification_at, f.failed_at as failed_verification_at, p.passed_at,
  h.series_count, h.data_count, h.held_count, h.hold_from_us
from decided d
join rollback_statements t on t.rollback_id = d.rollback_id
cross join parameters q
left join failures f on f.rollback_id = d.rollback_id
left join passes p on p.rollback_id = d.rollback_id
left join rollback_holds h on h.rollback_id = d.rollback_id
