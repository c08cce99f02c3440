-- view:  incident_passes
-- shows: one row per pass of an incident: its marks, how it ended, and its time by phase
-- adds:  ended_by (verified, failed, reopened, closed, open); *_missing, a phase that was entered and lacks a boundary:
--        its time is nobody's. A phase not entered is neither
-- reads: incident_spans, parameters (as_of)
-- rules: docs/metrics.md, "Split", "Reopened"; corner cases 9, 12, 13, 14, 15
with recursive walk as (
  select incident_id, from_segment, last_segment, next_cut, counts, cast(1 as bigint) as pass
  from incident_spans
  where from_segment = 0 and last_segment = 0
  union all
  select s.incident_id, s.from_segment, s.last_segment, s.next_cut, s.counts,
    w.pass + case when w.counts then 1 else 0 end
  from walk w
  join incident_spans s on s.incident_id = w.incident_id and s.last_segment = w.last_segment + 1
    and s.from_segment = case when w.counts then w.last_segment + 1 else w.from_segment end
),
passes as (
  select w.pass, s.*,
    case
      when s.verified_at is not null then 'verified'
      when s.next_cut is not null then s.next_cut
      when s.closed_at is not null then 'closed'
      else 'open'
    end as ended_by,
    case
      when s.verified_at is not null then s.verified_at
      when s.next_cut is not null then greatest(s.next_cut_at, s.floor_at)
      when s.closed_at is not null then s.closed_at
      else greatest(p.as_of, s.floor_at)
    end as end_at,
    case when s.from_segment > 0 then s.begin_at else s.detected_at end as decide_from
  from walk w
  join incident_spans s on s.incident_id = w.incident_id and s.from_segment = w.from_segment
    and s.last_segment = w.last_segment
  cross join parameters p
  where w.counts or w.next_cut is null
),
timed as (
  select *,
    epoch_us(begin_at) as t0, epoch_us(decide_from) as t1, epoch_us(decided_at) as t2, epoch_us(acted_at) as t3,
    epoch_us(end_at) as t4,
    -- The last boundary that an open pass has; its phase runs on to `as_of`.
    case
      when ended_by <> 'open' then 4
      when acted_at is not null then 3
      when decided_at is not null then 2
      when decide_from is not null then 1
      else 0
    end as last_boundary
  from passes
),
split as (
  select *,
    case when pass = 1 and not assumed then coalesce(t1, case when last_boundary = 0 then t4 end) - t0 end as detect_us,
    coalesce(t2, case when last_boundary = 1 then t4 end) - t1 as decide_us,
    coalesce(t3, case when last_boundary = 2 then t4 end) - t2 as act_us,
    t4 - t3 as verify_us
  from timed
)
select incident_id, pass, ended_by, assumed, begin_at, end_at,
  raw_started_at, raw_detected_at, raw_decided_at, raw_acted_at, raw_verified_at, raw_closed_at,
  detected_at, decided_at, acted_at, verified_at, closed_at, verified_grade, invalid, clamped, next_cut, next_cut_at,
  t4 - t0 as active_us,
  detect_us, decide_us, act_us, verify_us,
  pass = 1 and not assumed and detect_us is null as detect_missing,
  last_boundary >= 1 and decide_us is null as decide_missing,
  last_boundary >= 2 and act_us is null as act_missing,
  last_boundary >= 3 and verify_us is null as verify_missing
from split
