-- control: INC-04
-- item:    one production incident of the severities tested that ended in the window, or began before its end and is open
-- good:    active time (reopening gaps after a verified end left out) within the objective in force when it began
-- reads:   incidents, services, facts, parameters
-- nulls:   an unknown severity is tested; an unknown objective or duration fails
with population as (
  select
    i.incident_id as item_id, i.base_id, i.service, i.severity, i.censored, i.order_flag, i.active_us, i.verified_grade,
    i.cohort_at as begun_at, coalesce(i.ended_at, i.closed_at) as ended_at
  from incidents as i cross join parameters as w
  where i.production and i.drill is not true
    and (i.excluded_by is null or i.excluded_by in ('no_start', 'negative'))
    and (i.severity is null or i.severity <= $severity_at_most)
    and (
      i.censored and i.cohort_at < w.window_end
      or i.censored is not true and coalesce(i.ended_at, i.closed_at) >= w.window_start
        and coalesce(i.ended_at, i.closed_at) < w.window_end
    )
),
declared as (
  select
    p.item_id, s.seq, s.event_id, coalesce(
      s.objective_recovery_s,
      case s.tier when '1' then $objective_tier1_s when '2' then $objective_tier2_s when '3' then $objective_tier3_s end
    ) * 1000000 as objective_us
  from population as p join services as s on s.service = p.service
  where s.valid_from <= p.begun_at and (s.valid_to is null or s.valid_to > p.begun_at)
),
cited as (
  select p.item_id, f.seq, f.event_id from population as p join facts as f on f.incident_id = p.base_id
  where f.kind in ('incident', 'verification')
  union
  select item_id, seq, event_id from declared
),
cited_of as (
  select item_id, array_agg(seq order by seq) as seq, array_agg(event_id order by seq) as event_id
  from cited group by item_id
),
judged as (
  select
    p.*, o.objective_us, c.seq, c.event_id,
    case
      when o.objective_us is null then 'NO_OBJECTIVE'
      when p.order_flag = 'invalid' then 'OUT_OF_ORDER'
      when p.active_us is null then 'NO_CLOCK'
      when p.censored and p.active_us <= o.objective_us then 'OPEN_IN_TIME'
      when p.censored then 'OPEN_PAST_OBJECTIVE'
      when p.active_us <= o.objective_us and p.verified_grade = 'closed_only' then 'CLOSED_IN_TIME'
      when p.active_us <= o.objective_us then 'RESTORED'
      else 'RESTORED_LATE'
    end as reason_code
  from population as p
    left join declared as o on o.item_id = p.item_id
    left join cited_of as c on c.item_id = p.item_id
)
select
  j.item_id, r.status, j.reason_code, r.reason, j.begun_at as occurred_at, j.service, j.severity, j.active_us,
  j.objective_us, j.ended_at, j.seq, j.event_id
from judged as j left join $reasons on r.reason_code = j.reason_code
order by j.item_id
