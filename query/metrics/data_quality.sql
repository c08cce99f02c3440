-- metric: data_quality
-- shows:  what a reader should know about the data of the window: events recorded late, amended or backfilled, or dated
--         more than two minutes after they were recorded (ahead), deliveries in conflict or in quarantine, events that
--         a poll found and no push told, ids that stand for two things, incidents whose marks are out of order, without
--         a start, in a circle of merges, or with no known cause
-- unit:   count
-- grain:  problem (dimension), in total and by service
-- reads:  events, facts, missed_pushes, id_clashes, incidents, parameters (window_start, window_end, late_after_us)
-- source: docs/metrics.md, "Data quality"; corner cases 9, 10, 16, 35, 45, 46
-- empty:  a problem that did not occur has no row by service, and 0 in total
with recorded as (
  select e.kind, e.phase, e.event_id, coalesce(e.service, '') as service
  from events e
  cross join parameters p
  where e.recorded_at >= p.window_start and e.recorded_at < p.window_end
),
stated as (
  select coalesce(f.service, '') as service, f.event_id, f.deployment_id, f.rollback_id, f.incident_id, f.change_id,
    f.backfilled,
    epoch_us(f.recorded_at) - epoch_us(f.occurred_at) > p.late_after_us as late,
    epoch_us(f.occurred_at) - epoch_us(f.recorded_at) > 120000000 as ahead
  from facts f
  cross join parameters p
  where f.recorded_at >= p.window_start and f.recorded_at < p.window_end
),
-- Rows of the two instances carry the instance before the id; what is left does not say whose it means.
unclear as (
  select s.service, s.event_id from stated s join id_clashes c on c.kind = 'deployment' and c.id = s.deployment_id
  union
  select s.service, s.event_id from stated s join id_clashes c on c.kind = 'rollback' and c.id = s.rollback_id
  union
  select s.service, s.event_id from stated s join id_clashes c on c.kind = 'incident' and c.id = s.incident_id
  union
  select s.service, s.event_id from stated s join id_clashes c on c.kind = 'change' and c.id = s.change_id
),
-- Once each, whatever the number of its services.
spoiled as (
  select coalesce(i.service, '') as service, i.order_flag, i.excluded_by, i.cycle, i.link_method
  from incidents i
  cross join parameters p
  where i.cohort_at >= p.window_start and i.cohort_at < p.window_end
),
problems as (
  select service, 'conflict' as problem from recorded where kind = 'ledger' and phase = 'conflict'
  union all
  select service, 'quarantined' from recorded where kind = 'ingest' and phase = 'rejected'
  union all
  select service, 'amended' from recorded where kind = 'correction' and phase = 'amended'
  union all
  select service, 'retracted' from recorded where kind = 'correction' and phase = 'retracted'
  union all
  select coalesce(f.service, ''), 'missed' from missed_pushes m join facts f on f.event_id = m.event_id cross join parameters p
  where m.occurred_at >= p.window_start and m.occurred_at < p.window_end
  union all
  select service, 'late' from stated where late and not backfilled
  union all
  select service, 'ahead' from stated where ahead
  union all
  select service, 'backfilled' from stated where backfilled
  union all
  select service, 'ambiguous_id' from unclear
  union all
  select service, 'invalid_order' from spoiled where order_flag = 'invalid'
  union all
  select service, 'clamped' from spoiled where order_flag = 'clamped'
  union all
  select service, 'no_start' from spoiled where excluded_by = 'no_start'
  union all
  select service, 'merge_cycle' from spoiled where cycle
  union all
  select service, 'unlinked' from spoiled where excluded_by is null and link_method = 'none'
),
looked_for as (
  select problem
  from (values ('conflict'), ('quarantined'), ('amended'), ('retracted'), ('missed'), ('late'), ('ahead'), ('backfilled'),
    ('ambiguous_id'), ('invalid_order'), ('clamped'), ('no_start'), ('merge_cycle'), ('unlinked')) as problems (problem)
)
select cast(null as text) as service, 'problem' as dimension, l.problem as dimension_value,
  ratio(count(p.problem), 1) as value
from looked_for l
left join problems p on p.problem = l.problem
group by l.problem
union all
select service, 'problem', problem, ratio(count(*), 1)
from problems
group by service, problem
