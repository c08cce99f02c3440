-- control: RBK-05
-- item:    one production deployment that began in the window; drills are not production
-- good:    not a second reversal within the oscillation window, not within the cooldown, not rolled back before; or what
--          the definitions allow: an approved fix of the incident, a version whose failure was analysed on record
-- reads:   deployments, deployment_rows, slot_history, cooldowns, reapplies, rollback_rows, facts, parameters
-- nulls:   a verdict that is none of the known ones fails as the worst of its kind
with population as (
  select
    d.deployment_id as item_id, d.service, d.environment, d.region, d.slot, d.version, d.class, d.begin_at as begun_at
  from deployments as d cross join parameters as w
  where d.production and d.drill is not true and d.begin_at >= w.window_start and d.begin_at < w.window_end
),
flips as (
  select
    h.deployment_id, h.flip, lag(h.flip, 1) over (partition by h.slot order by h.position) as flipped_before
  from slot_history as h
),
cited as (
  select p.item_id, f.seq, f.event_id
  from population as p
    join deployment_rows as d on d.deployment_key = p.item_id
    join facts as f on f.event_id = d.event_id
  union
  select p.item_id, f.seq, f.event_id
  from population as p
    join cooldowns as c on c.deployment_id = p.item_id
    join rollback_rows as r on r.rollback_id = c.rollback_id
    join facts as f on f.event_id = r.event_id
  union
  select p.item_id, f.seq, f.event_id
  from population as p
    join reapplies as a on a.deployment_id = p.item_id
    join rollback_rows as r on r.rollback_id = a.rollback_id
    join facts as f on f.event_id = r.event_id
  union
  select p.item_id, f.seq, f.event_id
  from population as p
    join reapplies as a on a.deployment_id = p.item_id
    join facts as f on f.event_id = a.evidence_event_id
),
cited_of as (
  select item_id, array_agg(seq order by seq) as seq, array_agg(event_id order by seq) as event_id
  from cited group by item_id
),
judged as (
  select
    p.*, c.rollback_id as cooled_after, c.since_us, a.rollback_id as rolled_back_by, e.seq, e.event_id,
    case
      when p.class = 'restart' then 'RESTART'
      when h.flip and h.flipped_before then 'OSCILLATION'
      when a.verdict = 'not_applicable' then 'BACKFILLED'
      when a.verdict = 'late_evidence' then 'LATE_EVIDENCE'
      when a.deployment_id is not null and (a.verdict = 'understood') is not true then 'REAPPLIED'
      when c.verdict = 'allowed' then 'ALLOWED_FIX'
      when c.deployment_id is not null then 'COOLDOWN'
      when a.deployment_id is not null then 'ANALYSED'
      else 'STABLE'
    end as reason_code
  from population as p
    left join flips as h on h.deployment_id = p.item_id
    left join cooldowns as c on c.deployment_id = p.item_id
    left join reapplies as a on a.deployment_id = p.item_id
    left join cited_of as e on e.item_id = p.item_id
)
select
  j.item_id, r.status, j.reason_code, r.reason, j.begun_at as occurred_at, j.service, j.environment, j.region,
  j.version, j.class, j.cooled_after, j.since_us, j.rolled_back_by, j.seq, j.event_id
from judged as j left join $reasons on r.reason_code = j.reason_code
order by j.item_id
