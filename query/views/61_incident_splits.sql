-- view:  incident_splits
-- shows: one row per incident: its marks (detected, decided and acted of the first pass, verified and closed of the
--        last), and its time by phase, so that detect + decide + act + verify + unattributed = active
-- reads: incident_passes, parameters (as_of)
-- rules: docs/metrics.md, "Split"; corner cases 12, 13, 31, 44
with firsts as (
  select incident_id, assumed, begin_at, raw_started_at, raw_detected_at, raw_decided_at, raw_acted_at, detected_at,
    decided_at, acted_at
  from incident_passes
  where pass = 1
),
sums as (
  select incident_id,
    max(pass) as passes,
    bool_or(invalid) as invalid,
    bool_or(clamped) as clamped,
    sum(case when next_cut = 'reopened' then 1 else 0 end) as reopen_count,
    sum(case when next_cut = 'failed' then 1 else 0 end) as failed_verifications,
    sum(active_us) as active_us,
    case when not bool_or(detect_missing) then sum(detect_us) end as detect_us,
    case when not bool_or(decide_missing) then sum(decide_us) end as decide_us,
    case when not bool_or(act_missing) then sum(act_us) end as act_us,
    case when not bool_or(verify_missing) then sum(verify_us) end as verify_us
  from incident_passes
  group by incident_id
),
whole as (
  select s.*, f.assumed, f.begin_at, p.as_of,
    case when not s.invalid then f.begin_at else coalesce(f.raw_started_at, f.raw_detected_at) end as started_at,
    case when s.invalid then f.raw_detected_at else f.detected_at end as detected_at,
    case when s.invalid then f.raw_decided_at else f.decided_at end as decided_at,
    case when s.invalid then f.raw_acted_at else f.acted_at end as acted_at,
    case when s.invalid then l.raw_verified_at else l.verified_at end as verified_at,
    case when s.invalid then l.raw_closed_at else l.closed_at end as closed_at,
    l.verified_grade, l.ended_by = 'open' as censored,
    case when s.invalid then coalesce(l.raw_verified_at, l.raw_closed_at, p.as_of) else l.end_at end as end_at
  from sums s
  join firsts f on f.incident_id = s.incident_id
  join incident_passes l on l.incident_id = s.incident_id and l.pass = s.passes
  cross join parameters p
),
judged as (
  select *,
    coalesce(end_at < begin_at or (censored and as_of < begin_at), false) as negative,
    not invalid and begin_at is not null
      and not coalesce(end_at < begin_at or (censored and as_of < begin_at), false) as timed,
    case when invalid then 'invalid' when clamped then 'clamped' else 'ok' end as order_flag
  from whole
),
totals as (
  select *,
    case when not negative then epoch_us(end_at) - epoch_us(begin_at) end as elapsed_total_us,
    case when timed then detect_us end as detect_total_us,
    case when timed then decide_us end as decide_total_us,
    case when timed then act_us end as act_total_us,
    case when timed then verify_us end as verify_total_us
  from judged
),
active as (
  select *,
    case when timed then active_us when invalid then elapsed_total_us end as active_total_us
  from totals
)
select incident_id, passes, started_at, assumed, detected_at, decided_at, acted_at, verified_at, verified_grade,
  closed_at,
  censored, case when not censored then end_at end as ended_at, order_flag, negative, reopen_count,
  failed_verifications,
  detect_total_us as detect_us, decide_total_us as decide_us, act_total_us as act_us, verify_total_us as verify_us,
  active_total_us - coalesce(detect_total_us, 0) - coalesce(decide_total_us, 0) - coalesce(act_total_us, 0)
    - coalesce(verify_total_us, 0) as unattributed_us,
  active_total_us as active_us,
  elapsed_total_us as elapsed_us
from active
