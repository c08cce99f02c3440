-- view:  incident_folds
-- shows: what the duplicates of an incident know earlier than it does: the earliest start and the earliest detection
-- reads: incident_generations, incident_roots
-- rules: docs/metrics.md, "duplicate_of"; corner cases 10, 16. A duplicate folds into the latest generation that had
--        begun at its own first mark, else into the first
with children as (
  select g.base_id, t.root_id, g.own_started_at, g.own_detected_at,
    coalesce(least(g.own_started_at, g.own_detected_at), g.first_at) as first_at
  from incident_generations g
  join incident_roots t on t.base_id = g.base_id
  where g.generation = 1 and t.root_id <> g.base_id
),
placed as (
  select c.*, g.incident_id,
    row_number() over (partition by c.base_id order by g.generation desc) as latest
  from children c
  join incident_generations g on g.base_id = c.root_id and (g.generation = 1 or g.begins_at <= c.first_at)
)
select incident_id, min(own_started_at) as started_at, min(own_detected_at) as detected_at, count(*) as duplicates
from placed
where latest = 1
group by incident_id
