-- view:  incident_spans
-- shows: one row per possible pass of an incident, from a cut (segment 0: the beginning) to the next cut or to the end,
--        with its marks in canonical order
-- adds:  raw_*, the mark as stated; the mark itself is raised to the one before it when it is up to `disorder` early.
--        invalid: an own mark is earlier than that. A borrowed one that is, or that would make a later own mark so, is
--        ignored instead (not as a detection, which only a start limits, one after the span included). counts: the cut
--        that ends the span ends a pass (a reopening after an end, a failed verification after acted and before any
--        close)
-- reads: incident_blocks, incident_marks, incident_folds, parameters (disorder_us)
-- rules: docs/metrics.md, corner cases 9, 10, 11, 14, 15, 36, 44
with pairs as (
  select a.incident_id, a.segment as from_segment, b.segment as last_segment, a.cut_at as from_at, b.next_cut,
    b.next_cut_at
  from incident_blocks a
  join incident_blocks b on b.incident_id = a.incident_id and b.block = a.block and b.segment >= a.segment
),
own as (
  select p.incident_id, p.from_segment, p.last_segment, p.from_at, p.next_cut, p.next_cut_at,
    min(s.started_at) as started_at, min(s.detected_at) as detected_at, min(s.decided_at) as decided_at,
    min(s.acted_at) as acted_at, min(s.verified_at) as verified_at,
    first_value(s.verified_grade order by s.segment) filter (where s.verified_grade is not null) as verified_grade,
    coalesce(min(s.resolved_at), min(s.closed_at)) as closed_at
  from pairs p
  join incident_blocks s on s.incident_id = p.incident_id and s.segment between p.from_segment and p.last_segment
  group by p.incident_id, p.from_segment, p.last_segment, p.from_at, p.next_cut, p.next_cut_at
),
-- The start as stated anywhere, unless it is the detection.
starts as (
  select incident_id, nullif(min(started_at), min(detected_at)) as started_at
  from incident_blocks
  group by incident_id
),
-- One row per span and borrowed mark in it; the steps below look over all of a span's rows.
lent as (
  select o.incident_id, o.from_segment, o.last_segment, o.from_at, o.next_cut, o.next_cut_at,
    case when o.from_segment = 0 then least(o.started_at, f.started_at) end as start_at,
    case when o.from_segment = 0 then least(o.detected_at, f.detected_at) end as detection_at,
    case when o.started_at is null and o.detected_at is null and f.incident_id is null then s.started_at end
      as later_start_at,
    o.decided_at as own_decided_at, o.acted_at as own_acted_at, o.verified_at as own_verified_at,
    o.verified_grade, o.closed_at as raw_closed_at,
    least(o.acted_at, o.verified_at, o.closed_at) as own_after_decided_at,
    least(o.verified_at, o.closed_at) as own_after_acted_at,
    d.disorder_us, m.mark, m.at
  from own o
  left join incident_folds f on f.incident_id = o.incident_id
  left join starts s on s.incident_id = o.incident_id
  left join incident_marks m on m.incident_id = o.incident_id and not m.own and m.mark <> 'failed'
    and m.segment between o.from_segment and o.last_segment
  cross join parameters d
),
alarmed as (
  select *,
    least(detection_at, min(case
      when from_segment = 0 and mark = 'decided automatically'
        and ((later_start_at is null and (start_at is null or start_at is not distinct from detection_at))
          or epoch_us(at) >= epoch_us(coalesce(later_start_at, start_at)) - disorder_us)
      then at end) over (partition by incident_id, from_segment, last_segment)) as raw_detected_at
  from lent
),
clocked as (
  select *,
    from_segment = 0 and (start_at is null or (start_at is not distinct from detection_at)
      or (start_at is not distinct from raw_detected_at)) as assumed
  from alarmed
),
begun as (
  select *, case when from_segment > 0 then from_at when assumed then raw_detected_at else start_at end as begin_at
  from clocked
),
detected as (
  select *, case when raw_detected_at is not null then greatest(raw_detected_at, begin_at) end as detected_at
  from begun
),
choosing_decided as (
  select *,
    coalesce(own_decided_at, min(case
      when mark in ('decided', 'decided automatically')
        and epoch_us(at) >= epoch_us(coalesce(detected_at, begin_at)) - disorder_us
        and (own_after_decided_at is null or epoch_us(at) <= epoch_us(own_after_decided_at) + disorder_us)
      then at end) over (partition by incident_id, from_segment, last_segment)) as raw_decided_at
  from detected
),
decided as (
  select *,
    case when raw_decided_at is not null then greatest(raw_decided_at, detected_at, begin_at) end as decided_at
  from choosing_decided
),
choosing_acted as (
  select *,
    coalesce(own_acted_at, min(case
      when mark = 'acted'
        and epoch_us(at) >= epoch_us(coalesce(decided_at, detected_at, begin_at)) - disorder_us
        and (own_after_acted_at is null or epoch_us(at) <= epoch_us(own_after_acted_at) + disorder_us)
      then at end) over (partition by incident_id, from_segment, last_segment)) as raw_acted_at
  from decided
),
acted as (
  select *,
    case when raw_acted_at is not null then greatest(raw_acted_at, decided_at, detected_at, begin_at) end as acted_at
  from choosing_acted
),
choosing_verified as (
  select *,
    coalesce(acted_at, decided_at, detected_at, begin_at) as floor_at,
    coalesce(own_verified_at, min(case
      when mark = 'verified'
        and epoch_us(at) >= epoch_us(coalesce(acted_at, decided_at, detected_at, begin_at)) - disorder_us
        and (raw_closed_at is null or epoch_us(at) <= epoch_us(raw_closed_at) + disorder_us)
      then at end) over (partition by incident_id, from_segment, last_segment)) as raw_verified_at
  from acted
),
ended as (
  select distinct incident_id, from_segment, last_segment, next_cut, next_cut_at, assumed, begin_at, floor_at,
    disorder_us,
    start_at as raw_started_at, raw_detected_at, raw_decided_at, raw_acted_at, raw_verified_at, raw_closed_at,
    detected_at, decided_at, acted_at,
    own_decided_at, own_acted_at, own_verified_at,
    case when raw_verified_at is not null then greatest(raw_verified_at, floor_at) end as verified_at,
    case when raw_closed_at is not null then greatest(raw_closed_at, raw_verified_at, floor_at) end as closed_at,
    case
      when own_verified_at is not null then verified_grade
      when raw_verified_at is not null then 'rollback'
      when raw_closed_at is not null then 'closed_only'
    end as verified_grade
  from choosing_verified
)
select incident_id, from_segment, last_segment, next_cut, next_cut_at, assumed, begin_at, floor_at,
  raw_started_at, raw_detected_at, raw_decided_at, raw_acted_at, raw_verified_at, raw_closed_at,
  detected_at, decided_at, acted_at, verified_at, closed_at, verified_grade,
  coalesce(epoch_us(begin_at) - epoch_us(raw_detected_at) > disorder_us, false)
    or coalesce(epoch_us(coalesce(detected_at, begin_at)) - epoch_us(own_decided_at) > disorder_us, false)
    or coalesce(epoch_us(coalesce(decided_at, detected_at, begin_at)) - epoch_us(own_acted_at) > disorder_us, false)
    or coalesce(epoch_us(floor_at) - epoch_us(own_verified_at) > disorder_us, false)
    or coalesce(epoch_us(coalesce(verified_at, floor_at)) - epoch_us(raw_closed_at) > disorder_us, false) as invalid,
  coalesce(raw_detected_at < detected_at, false) or coalesce(raw_decided_at < decided_at, false)
    or coalesce(raw_acted_at < acted_at, false) or coalesce(raw_verified_at < verified_at, false)
    or coalesce(raw_closed_at < closed_at, false) as clamped,
  coalesce(case next_cut
    when 'reopened' then raw_verified_at is not null or raw_closed_at is not null
    when 'failed' then raw_acted_at is not null and raw_closed_at is null
  end, false) as counts
from ended
