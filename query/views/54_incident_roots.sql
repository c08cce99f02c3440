-- view:  incident_roots
-- shows: for every incident id, the incident that it was merged into in the end: itself when it was not,
--        or when that one is not in the log
-- adds:  duplicate (excluded from every metric), cycle (its chain of merges never ends: its own root, and a duplicate)
-- reads: incident_generations
-- rules: docs/metrics.md, corner case 16
with recursive merges as (
  select base_id,
    last_value(duplicate_of order by generation) as parent_id,
    bool_or(merged or duplicate_of is not null) as duplicate
  from incident_generations
  group by base_id
),
reach as (
  select base_id, base_id as at from merges
  union
  select r.base_id, m.parent_id
  from reach r
  join merges m on m.base_id = r.at
  where m.parent_id is not null
),
ends as (
  select r.base_id, min(r.at) as root_id
  from reach r
  left join merges m on m.base_id = r.at
  where m.parent_id is null
  group by r.base_id
)
select m.base_id,
  coalesce(k.base_id, m.base_id) as root_id,
  m.duplicate,
  e.root_id is null as cycle
from merges m
left join ends e on e.base_id = m.base_id
left join merges k on k.base_id = e.root_id
