-- view:  postmortems
-- shows: one row per postmortem
-- adds:  status (the last of created, published, reviewed)
-- reads: facts
-- rules: docs/metrics.md, "Entities"; corner cases 2, 28. A row without postmortem_id belongs to the one of its
--        incident
with keyed as (
  select f.*, coalesce(f.postmortem_id, 'incident:' || f.incident_id, f.event_id) as postmortem_key
  from facts f
  where f.kind = 'postmortem'
)
select postmortem_key as postmortem_id,
  last_value(incident_id order by ord) filter (where incident_id is not null) as incident_id,
  last_value(rollback_id order by ord) filter (where rollback_id is not null) as rollback_id,
  last_value(service order by ord) filter (where service is not null) as service,
  last_value(environment order by ord) filter (where environment is not null) as environment,
  last_value(owner order by ord) filter (where owner is not null) as owner,
  last_value(approver order by ord) filter (where phase = 'reviewed' and approver is not null) as reviewer,
  last_value(due_at order by ord) filter (where due_at is not null) as due_at,
  min(occurred_at) filter (where phase = 'created') as created_at,
  min(occurred_at) filter (where phase = 'published') as published_at,
  min(recorded_at) filter (where phase = 'published') as published_recorded_at,
  min(occurred_at) filter (where phase = 'reviewed') as reviewed_at,
  min(occurred_at) filter (where phase in ('published', 'reviewed')) as completed_at,
  last_value(phase order by ord) as status,
  coalesce(last_value(drill order by ord) filter (where drill is not null), false) as drill,
  bool_or(backfilled) as backfilled,
  last_value(seq order by ord) as seq,
  last_value(event_id order by ord) as event_id
from keyed
group by postmortem_key
