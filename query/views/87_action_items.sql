-- view:  action_items
-- shows: one row per action item
-- adds:  status (open, completed, cancelled) by the last of the rows that open or end it; overdue at `as_of`; age_us,
--        from its first row to its end or `as_of`
-- reads: facts, parameters (as_of)
-- rules: docs/metrics.md, "Postmortems"; corner case 2
with items as (
  select action_item_id,
    last_value(postmortem_id order by ord) filter (where postmortem_id is not null) as postmortem_id,
    last_value(incident_id order by ord) filter (where incident_id is not null) as incident_id,
    last_value(rollback_id order by ord) filter (where rollback_id is not null) as rollback_id,
    last_value(service order by ord) filter (where service is not null) as service,
    last_value(environment order by ord) filter (where environment is not null) as environment,
    last_value(owner order by ord) filter (where owner is not null) as owner,
    last_value(due_at order by ord) filter (where due_at is not null) as due_at,
    min(occurred_at) as created_at,
    last_value(phase order by ord) filter (where phase <> 'updated') as last_turn,
    last_value(coalesce(completed_at, occurred_at) order by ord)
      filter (where phase in ('completed', 'cancelled')) as last_end_at,
    coalesce(last_value(drill order by ord) filter (where drill is not null), false) as drill,
    bool_or(backfilled) as backfilled,
    last_value(seq order by ord) as seq,
    last_value(event_id order by ord) as event_id
  from facts
  where kind = 'action_item' and action_item_id is not null
  group by action_item_id
),
judged as (
  select i.*, p.as_of,
    case when i.last_turn in ('completed', 'cancelled') then i.last_turn else 'open' end as status,
    case when i.last_turn in ('completed', 'cancelled') then i.last_end_at end as ended_at
  from items i
  cross join parameters p
)
select action_item_id, postmortem_id, incident_id, rollback_id, service, environment, owner, created_at, due_at,
  case when status = 'completed' then ended_at end as completed_at,
  status,
  coalesce(due_at <= as_of and status = 'open', false) as overdue,
  coalesce(ended_at > due_at and status = 'completed', false) as late,
  epoch_us(coalesce(ended_at, as_of)) - epoch_us(created_at) as age_us,
  drill, backfilled, seq, event_id
from judged
