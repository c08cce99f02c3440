-- control: RBK-01
-- item:    one production rollback that began in the window; drills are not production
-- good:    manual: a named person decided, with a reason, no later than the begin; automatic: its rule or signals known
-- reads:   rollbacks, rollback_rows, deployment_rows, facts, parameters
-- nulls:   what is unknown never makes a rollback good
with population as (
  select r.*, r.rollback_id as item_id, r.begin_at as begun_at
  from rollbacks as r cross join parameters as w
  where r.production and r.drill is not true and coalesce(r.execution_outcome, '') <> 'cancelled'
    and r.begin_at >= w.window_start and r.begin_at < w.window_end
),
rows_of as (
  select p.item_id, r.event_id from population as p join rollback_rows as r on r.rollback_id = p.item_id
  union
  select p.item_id, d.event_id from population as p join deployment_rows as d on d.deployment_key = p.deployment_id
  union
  select p.item_id, f.event_id from population as p join facts as f on f.rollback_id = p.item_id
  where f.kind in ('approval', 'override')
),
marks as (
  select
    r.item_id,
    bool_or(f.reason_commitment is not null) as has_reason,
    array_agg(f.seq order by f.seq) as seq,
    array_agg(f.event_id order by f.seq) as event_id
  from rows_of as r join facts as f on f.event_id = r.event_id
  group by r.item_id
),
judged as (
  select
    p.*, m.seq, m.event_id,
    case
      when p.trigger is null then 'NO_TRIGGER'
      when p.to_version is null then 'NO_TARGET'
      when p.trigger = 'automatic' and p.trigger_condition is null and p.signals is null then 'NO_RULE'
      when p.trigger = 'automatic' then 'DECIDED_BY_RULE'
      when p.decided_at is null then 'NO_DECISION'
      when p.decided_at > p.started_at then 'DECIDED_AFTER_START'
      when (p.decided_by like 'person:%') is not true then 'NO_DECIDER'
      when m.has_reason then 'DECIDED'
      else 'NO_REASON'
    end as reason_code
  from population as p left join marks as m on m.item_id = p.item_id
)
select
  j.item_id, r.status, j.reason_code, r.reason, j.begun_at as occurred_at, j.service, j.environment, j.trigger,
  j.decided_by, j.decided_at, j.to_version, j.seq, j.event_id
from judged as j left join $reasons on r.reason_code = j.reason_code
order by j.item_id
