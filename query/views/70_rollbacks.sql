-- view:  rollbacks
-- shows: one row per rollback, with the incident that it is tied to, its outcomes and its times
-- adds:  tie_grade, cohort columns (begin_at, production, drill), response_negative, recovered_already (in target when
--        it went live), relapse (`rollback`, `hotfix`, `reopened`), ended_at (when it was live, stopped, or `as_of`
--        while pending)
-- reads: rollback_marks, rollback_slot_blames, ties, incidents, incident_passes, deployments, parameters (as_of,
--        relapse_window_us, verify_deadline_us, hold_us)
-- rules: docs/metrics.md, "Rollbacks"; corner cases 14, 19–23, 36, 39
with tied as (
  select r.*, t.incident_id as tied_incident_id, t.grade as tie_grade, i.base_id, i.detected_at,
    i.started_at as incident_started_at,
    epoch_us(r.live_at) as live_us
  from rollback_marks r
  left join ties t on t.rollback_id = r.rollback_id
  left join incidents i on i.incident_id = t.incident_id
),
later as (
  select distinct a.rollback_id
  from rollback_slot_blames a
  join rollback_marks r on r.rollback_id = a.rollback_id
  join rollback_slot_blames b on b.slot = a.slot
  join rollback_marks s on s.rollback_id = b.rollback_id and s.drill = r.drill
  where s.begin_ord > r.begin_ord and r.execution_outcome = 'pending'
),
relapses as (
  select a.rollback_id, 'rollback' as relapse, epoch_us(b.begin_at) as at_us
  from tied a
  join tied b on b.tied_incident_id = a.tied_incident_id and b.rollback_id <> a.rollback_id
  where b.execution_outcome <> 'cancelled'
  union all
  select a.rollback_id, 'rollback', epoch_us(s.begin_at)
  from tied a
  join rollback_slot_blames x on x.rollback_id = a.rollback_id
  join rollback_slot_blames y on y.slot = x.slot and y.rollback_id <> x.rollback_id
  join rollback_marks s on s.rollback_id = y.rollback_id and s.drill = a.drill
  where a.tied_incident_id is null and s.execution_outcome <> 'cancelled'
  union all
  select a.rollback_id, 'hotfix', epoch_us(d.begin_at)
  from tied a
  join deployments d on d.incident_id = a.base_id and d.drill = a.drill
  where d.class = 'fix_forward'
  union all
  select a.rollback_id, 'reopened', epoch_us(w.next_cut_at)
  from tied a
  join incident_passes w on w.incident_id = a.tied_incident_id
  where w.next_cut = 'reopened'
),
relapsed as (
  select x.rollback_id, min(x.relapse) as relapse
  from relapses x
  join tied a on a.rollback_id = x.rollback_id
  cross join parameters p
  where x.at_us > a.live_us and x.at_us <= a.live_us + p.relapse_window_us
  group by x.rollback_id
),
timed as (
  select a.*, x.relapse, l.rollback_id is not null as is_superseded, epoch_us(p.as_of) as as_of_us, p.as_of,
    a.live_us + p.verify_deadline_us + p.hold_us as verify_end_us,
    a.live_us + p.relapse_window_us as relapse_end_us
  from tied a
  cross join parameters p
  left join relapsed x on x.rollback_id = a.rollback_id
  left join later l on l.rollback_id = a.rollback_id
)
select rollback_id, service, environment, region, regions, slots, live_slots, from_version, to_version, deployment_id,
  failed_deployment_id,
  tied_incident_id as incident_id, tie_grade, incident_id as asserted_incident_id,
  trigger, trigger_condition, signals, mechanism, policy_id, recognised_by, decided_at, decided_by, approved_at,
  approver, override,
  started_at, live_at, verified_at, verified_by, execution_outcome,
  case
    when execution_outcome = 'pending' and is_superseded then 'superseded'
    when execution_outcome <> 'succeeded' then execution_outcome
    when relapse is not null then 'failed'
    when epoch_us(first_failed_verification_at) <= verify_end_us and passed_at is null then 'failed'
    when epoch_us(verified_at) > verify_end_us then 'failed'
    when as_of_us < relapse_end_us then 'pending'
    when verified_at is null and as_of_us < verify_end_us then 'pending'
    when verified_at is not null then 'succeeded'
    when data_count > 0 then 'failed'
    else 'unverified' end as effective_outcome,
  relapse,
  live_us - epoch_us(blamed_live_at) as exposure_us,
  live_us - epoch_us(detected_at) as response_us,
  coalesce(live_us < epoch_us(detected_at), false) as response_negative,
  live_us - epoch_us(started_at) as execution_us,
  hold_from_us - live_us as recovery_us,
  coalesce(hold_from_us = live_us, false) as recovered_already,
  data_count, held_count, series_count,
  begin_at, begin_ord, stopped_at,
  coalesce(live_at, stopped_at, as_of) as ended_at,
  blamed_live_at, detected_at, production, drill, slot, target_key, blamed_key
from timed
