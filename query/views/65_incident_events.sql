-- view:  incident_events
-- shows: which events belong to the timeline of each incident
-- adds:  relation: incident, duplicate (merged into it), rollback (tied), deployment (its cause, or a tied rollback's)
-- reads: facts, incidents, incident_generations, ties, rollback_marks, rollback_rows, deployment_rows, deployments
-- rules: docs/metrics.md, "Entities"
with owners as (
  select incident_id, base_id as named_id, begins_at, until_at, 1 as relation
  from incident_generations
  union all
  select g.incident_id, d.base_id, g.begins_at, g.until_at, 2
  from incidents d
  join incident_generations g on g.base_id = d.duplicate_of
  where d.generation = 1 and not d.cycle and d.base_id <> g.base_id
),
involved as (
  select incident_id, cause_deployment_id as deployment_id from incidents where cause_deployment_id is not null
  union
  select t.incident_id, r.failed_deployment_id
  from ties t
  join rollback_marks r on r.rollback_id = t.rollback_id
  where r.failed_deployment_id is not null
  union
  select t.incident_id, d.deployment_id
  from ties t
  join deployments d on d.rollback_id = t.rollback_id
),
related as (
  select o.incident_id, f.event_id, o.relation
  from owners o
  join facts f on f.incident_id = o.named_id
  where (o.begins_at is null or f.occurred_at >= o.begins_at) and (o.until_at is null or f.occurred_at < o.until_at)
  union all
  select t.incident_id, r.event_id, 3
  from ties t
  join rollback_rows r on r.rollback_id = t.rollback_id
  union all
  select t.incident_id, f.event_id, 3
  from ties t
  join facts f on f.rollback_id = t.rollback_id
  union all
  select v.incident_id, r.event_id, 4
  from involved v
  join deployment_rows r on r.deployment_key = v.deployment_id
  union all
  select v.incident_id, f.event_id, 4
  from involved v
  join facts f on f.deployment_id = v.deployment_id
)
select incident_id, event_id,
  case min(relation) when 1 then 'incident' when 2 then 'duplicate' when 3 then 'rollback' else 'deployment' end
    as relation
from related
group by incident_id, event_id
