-- view:  instance_ids
-- shows: one row per event that names a thing by an id that its source gave to another instance's thing, too, with
--        that id as `<instance>/<id>`
-- adds:  NULL where an id is nobody else's
-- reads: events, id_clashes
-- rules: docs/metrics.md, "From events to entities"; corner case 46
with told as (
  select * from events where source_instance <> 'default' and source in (select source from id_clashes)
),
named as (
  select event_id, source, source_instance, 'action_item' as kind, 'action_item_id' as place, action_item_id as id
  from told
  union all
  select event_id, source, source_instance, 'approval', 'approval_id', approval_id from told
  union all
  select event_id, source, source_instance, 'change', 'change_id', change_id from told
  union all
  select event_id, source, source_instance, 'deployment', 'deployment_id', deployment_id from told
  union all
  select event_id, source, source_instance, 'deployment', 'rollback_of', rollback_of from told
  union all
  select event_id, source, source_instance, 'deployment', 'cause_deployment_id', cause_deployment_id from told
  union all
  select event_id, source, source_instance, 'incident', 'incident_id', incident_id from told
  union all
  select event_id, source, source_instance, 'incident', 'duplicate_of', duplicate_of from told
  union all
  select event_id, source, source_instance, 'incident', 'recurrence_of', recurrence_of from told
  union all
  select event_id, source, source_instance, 'postmortem', 'postmortem_id', postmortem_id from told
  union all
  select event_id, source, source_instance, 'rollback', 'rollback_id', rollback_id from told
)
select n.event_id,
  max(concat(n.source_instance, '/', n.id)) filter (where n.place = 'action_item_id') as action_item_id,
  max(concat(n.source_instance, '/', n.id)) filter (where n.place = 'approval_id') as approval_id,
  max(concat(n.source_instance, '/', n.id)) filter (where n.place = 'change_id') as change_id,
  max(concat(n.source_instance, '/', n.id)) filter (where n.place = 'deployment_id') as deployment_id,
  max(concat(n.source_instance, '/', n.id)) filter (where n.place = 'rollback_of') as rollback_of,
  max(concat(n.source_instance, '/', n.id)) filter (where n.place = 'cause_deployment_id') as cause_deployment_id,
  max(concat(n.source_instance, '/', n.id)) filter (where n.place = 'incident_id') as incident_id,
  max(concat(n.source_instance, '/', n.id)) filter (where n.place = 'duplicate_of') as duplicate_of,
  max(concat(n.source_instance, '/', n.id)) filter (where n.place = 'recurrence_of') as recurrence_of,
  max(concat(n.source_instance, '/', n.id)) filter (where n.place = 'postmortem_id') as postmortem_id,
  max(concat(n.source_instance, '/', n.id)) filter (where n.place = 'rollback_id') as rollback_id
from named n
join id_clashes c on c.source = n.source and c.kind = n.kind and c.id = n.id
group by n.event_id
