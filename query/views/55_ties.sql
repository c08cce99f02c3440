-- view:  ties
-- shows: which rollback belongs to which incident, at most one incident per rollback
-- adds:  grade: explicit (the rollback names the incident), cause (the incident names the rolled-back deployment),
--        inferred (live while an incident of the service and environment was open); the best grade wins
-- reads: rollback_marks, rollback_slot_blames, incident_generations, incident_services,
--        incident_roots
-- rules: docs/metrics.md, "Tie of rollback and incident"; corner cases 16, 17. A rollback that names an incident which
--        is not in the log is tied to none
with rollbacks_to_tie as (
  select r.*
  from rollback_marks r
  left join incident_generations n on n.base_id = r.incident_id and n.generation = 1
  where r.incident_id is null or n.base_id is not null
),
candidates as (
  select r.rollback_id, r.drill, r.begin_at, 1 as grade, g.base_id
  from rollbacks_to_tie r
  join incident_generations g on g.base_id = r.incident_id and g.generation = 1
  union all
  select r.rollback_id, r.drill, r.begin_at, 2, g.base_id
  from rollbacks_to_tie r
  join (
    select rollback_id, blamed_deployment_id as deployment_id from rollback_slot_blames
    union
    select rollback_id, failed_deployment_id from rollback_marks
  ) b on b.rollback_id = r.rollback_id
  join incident_generations g on g.asserted_cause = b.deployment_id
),
rooted as (
  select c.rollback_id, c.drill, c.grade, g.incident_id, coalesce(g.own_started_at, g.own_detected_at) as started_at,
    g.drill as incident_drill,
    row_number() over (partition by c.rollback_id, c.grade, t.root_id order by g.generation desc) as latest
  from candidates c
  join incident_roots t on t.base_id = c.base_id
  join incident_generations g on g.base_id = t.root_id and (g.generation = 1 or g.begins_at <= c.begin_at)
),
by_time as (
  select distinct r.rollback_id, r.drill, r.live_at, o.base_id
  from rollbacks_to_tie r
  join incident_services v on v.service = r.service
  join incident_generations o on o.incident_id = v.incident_id
    and (o.environment = r.environment or (o.environment is null and r.production))
  where not o.cancelled
    and r.live_at >= o.open_from and (o.open_until is null or r.live_at <= o.open_until)
),
timed as (
  select c.rollback_id, c.drill, 3 as grade, g.incident_id,
    coalesce(g.own_started_at, g.own_detected_at) as started_at, g.drill as incident_drill, g.cancelled,
    row_number() over (partition by c.rollback_id, t.root_id order by g.generation desc) as latest
  from by_time c
  join incident_roots t on t.base_id = c.base_id
  join incident_generations g on g.base_id = t.root_id and (g.generation = 1 or g.begins_at <= c.live_at)
),
allowed as (
  select rollback_id, grade, incident_id, started_at from rooted where latest = 1 and drill = incident_drill
  union all
  select rollback_id, grade, incident_id, started_at
  from timed
  where latest = 1 and drill = incident_drill and not cancelled
),
ranked as (
  select *,
    row_number() over (partition by rollback_id order by grade, started_at desc nulls last, incident_id) as place
  from allowed
)
select rollback_id, incident_id, case grade when 1 then 'explicit' when 2 then 'cause' else 'inferred' end as grade
from ranked
where place = 1
