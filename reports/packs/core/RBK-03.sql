-- control: RBK-03
-- item:    one production rollback that began in the window; drills are not production
-- good:    recovery verified within verified_within_s of the rollback being live, with no failed check after it
-- reads:   rollbacks, rollback_rows, deployment_rows, facts, parameters
-- nulls:   no verification on record is a failure once the time is over
with population as (
  select r.*, r.rollback_id as item_id, r.begin_at as begun_at
  from rollbacks as r cross join parameters as w
  where r.production and r.drill is not true and coalesce(r.execution_outcome, '') <> 'cancelled'
    and r.begin_at >= w.window_start and r.begin_at < w.window_end
),
related as (
  select p.item_id, r.event_id from population as p join rollback_rows as r on r.rollback_id = p.item_id
  union
  select p.item_id, d.event_id from population as p join deployment_rows as d on d.deployment_key = p.deployment_id
  union
  select p.item_id, f.event_id from population as p join facts as f on f.rollback_id = p.item_id
  where f.kind = 'verification'
  union
  select p.item_id, f.event_id from population as p join facts as f on f.deployment_id = p.deployment_id
  where f.kind = 'verification'
),
rows_of as (
  select r.item_id, p.live_at, f.seq, f.event_id, f.kind, f.phase, f.occurred_at, f.check_stage
  from related as r join population as p on p.item_id = r.item_id join facts as f on f.event_id = r.event_id
),
marks as (
  select
    item_id,
    max(case when kind = 'verification' and phase = 'failed' and coalesce(check_stage, '') <> 'pre'
        and occurred_at >= live_at then occurred_at end) as failed_at,
    max(case when (kind = 'verification' and phase = 'passed' and coalesce(check_stage, '') <> 'pre'
        or kind = 'rollback' and phase = 'verified') and occurred_at >= live_at then occurred_at end) as passed_at,
    array_agg(seq order by seq) as seq,
    array_agg(event_id order by seq) as event_id
  from rows_of group by item_id
),
judged as (
  select
    p.*, m.seq, m.event_id,
    epoch_us(p.verified_at) - epoch_us(p.live_at) as verify_us,
    case
      when p.execution_outcome in ('failed', 'partial') then 'NOT_LIVE'
      when m.failed_at >= coalesce(m.passed_at, m.failed_at) then 'FAILED_CHECK'
      when epoch_us(p.verified_at) <= epoch_us(p.live_at) + $verified_within_s * 1000000 then 'VERIFIED'
      when p.verified_at is not null then 'VERIFIED_LATE'
      when p.execution_outcome = 'pending' then 'PENDING'
      when epoch_us(w.as_of) < epoch_us(p.live_at) + $verified_within_s * 1000000 then 'PENDING'
      else 'UNVERIFIED'
    end as reason_code
  from population as p cross join parameters as w left join marks as m on m.item_id = p.item_id
)
select
  j.item_id, r.status, j.reason_code, r.reason, j.begun_at as occurred_at, j.service, j.environment, j.live_at,
  j.verified_at, j.verify_us, j.seq, j.event_id
from judged as j left join $reasons on r.reason_code = j.reason_code
order by j.item_id
