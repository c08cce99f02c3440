-- view:  incident_blocks
-- shows: one row per segment of an incident: its earliest own marks, and the cut that begins it
-- adds:  block, which grows at each reopening that has an own end right before it: such a reopening counts whatever
--        else is decided, so that no pass crosses it
-- reads: incident_marks, incident_generations
-- rules: docs/metrics.md, corner cases 9, 14
with rows as (
  select incident_id, segment, at, mark, own, assertion, actor_kind from incident_marks
  union all
  select incident_id, cast(0 as bigint), null, 'beginning', true, null, null from incident_generations
),
segments as (
  select incident_id, segment,
    max(mark) filter (where mark in ('reopened', 'failed')) as cut,
    max(at) filter (where mark in ('reopened', 'failed')) as cut_at,
    min(at) filter (where mark = 'started') as started_at,
    min(at) filter (where mark = 'detected') as detected_at,
    min(at) filter (where mark = 'decided' and own) as decided_at,
    min(at) filter (where mark = 'acted' and own) as acted_at,
    min(at) filter (where mark = 'verified' and own) as verified_at,
    first_value(case when assertion = 'attested' or actor_kind = 'human' then 'person' else 'signal' end order by at)
      filter (where mark = 'verified' and own) as verified_grade,
    min(at) filter (where mark = 'resolved') as resolved_at,
    min(at) filter (where mark = 'closed') as closed_at
  from rows
  group by incident_id, segment
),
ended as (
  select *,
    lag(coalesce(verified_at, resolved_at, closed_at)) over (partition by incident_id order by segment) as end_before,
    lead(cut) over (partition by incident_id order by segment) as next_cut,
    lead(cut_at) over (partition by incident_id order by segment) as next_cut_at
  from segments
)
select incident_id, segment, cut, cut_at, next_cut, next_cut_at, started_at, detected_at, decided_at, acted_at,
  verified_at, verified_grade,
  resolved_at, closed_at,
  sum(case when cut = 'reopened' and end_before is not null then 1 else 0 end) over (
    partition by incident_id order by segment rows between unbounded preceding and current row) as block
from ended
