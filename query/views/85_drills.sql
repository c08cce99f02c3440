-- view:  drills
-- shows: one row per drill
-- adds:  status (the last of scheduled, started, completed, cancelled); recovery_us, started to completed; due_state at
--        `as_of`: done (completed by its due date), late (completed after it), overdue, due, cancelled, or undated
-- reads: facts, parameters (as_of)
-- rules: docs/metrics.md, "Drills"; corner cases 2, 29, 40. A row without drill_id is a drill of its own
with keyed as (
  select f.*, coalesce(f.drill_id, f.event_id) as drill_key from facts f where f.kind = 'drill'
),
drills as (
  select drill_key as drill_id,
    last_value(drill_kind order by ord) filter (where drill_kind is not null) as drill_kind,
    last_value(service order by ord) filter (where service is not null) as service,
    last_value(environment order by ord) filter (where environment is not null) as environment,
    last_value(environment_tier order by ord) filter (where environment_tier is not null) as environment_tier,
    last_value(region order by ord) filter (where region is not null) as region,
    last_value(rollback_id order by ord) filter (where rollback_id is not null) as rollback_id,
    last_value(incident_id order by ord) filter (where incident_id is not null) as incident_id,
    last_value(outcome order by ord) filter (where outcome is not null) as outcome,
    last_value(owner order by ord) filter (where owner is not null) as owner,
    last_value(due_at order by ord) filter (where due_at is not null) as due_at,
    last_value(objective_recovery_s order by ord)
      filter (where objective_recovery_s is not null) as objective_recovery_s,
    min(occurred_at) filter (where phase = 'started') as started_at,
    coalesce(
      min(completed_at) filter (where phase = 'completed'),
      min(occurred_at) filter (where phase = 'completed')) as completed_at,
    last_value(phase order by ord) as status,
    bool_or(backfilled) as backfilled,
    last_value(seq order by ord) as seq,
    last_value(event_id order by ord) as event_id
  from keyed
  group by drill_key
)
select d.*,
  epoch_us(d.completed_at) - epoch_us(d.started_at) as recovery_us,
  case
    when d.due_at is null then 'undated'
    when d.completed_at <= d.due_at then 'done'
    when d.status = 'cancelled' then 'cancelled'
    when d.completed_at > d.due_at then 'late'
    when d.due_at <= p.as_of then 'overdue'
    else 'due'
  end as due_state
from drills d
cross join parameters p
