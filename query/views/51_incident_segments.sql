-- view:  incident_segments
-- shows: an incident's own rows cut at every reopening and every failed verification that names it, whether or not the
--        cut counts; segment 0 is what lies before the first
-- reads: incident_rows
-- rules: docs/metrics.md, corner cases 9, 14, 36
with rows as (
  select base_id, segment, phase, occurred_at, position from incident_rows
  union all
  select distinct base_id, 0, 'beginning', null, cast(0 as bigint) from incident_rows
)
select base_id, segment,
  min(phase) filter (where phase in ('reopened', 'failed')) as cut,
  min(occurred_at) filter (where phase in ('reopened', 'failed')) as cut_at,
  coalesce(min(position) filter (where phase in ('reopened', 'failed')), 0) as cut_position,
  count(*) filter (where phase = 'mitigated') > 0 as acted,
  max(occurred_at) filter (where phase = 'verified') as verified_at,
  max(occurred_at) filter (where phase = 'resolved') as resolved_at,
  max(occurred_at) filter (where phase = 'closed') as closed_at
from rows
group by base_id, segment
