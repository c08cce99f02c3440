-- view:  incidents
-- shows: one row per incident
-- adds:  started_at is where the clock starts: the detection, when the start is assumed. ended_at is verified_at, else
--        closed_at; NULL while censored. cohort_at decides the window: started_at, else the first row.
--        excluded_by: the first reason that keeps it out of the metrics; NULL: it is counted.
--        trigger: of the first rollback tied to it (unknown: it does not say), or none.
--        status: merged, cancelled, open, closed, or verified (recovered, nobody closed it)
-- reads: incident_generations, incident_roots, incident_folds, incident_splits, incident_links, incident_recoveries,
--        ties, rollback_marks, texts
-- rules: docs/metrics.md, "Entities", "Incidents and MTTR"; corner cases 5, 12, 16, 31, 38
with triggers as (
  select t.incident_id, first_value(coalesce(r.trigger, 'unknown') order by r.begin_at, r.rollback_id) as trigger
  from ties t
  join rollback_marks r on r.rollback_id = t.rollback_id
  group by t.incident_id
),
joined as (
  select g.*, s.started_at, s.assumed, s.detected_at, s.decided_at, s.acted_at, s.verified_at, s.verified_grade,
    s.closed_at,
    s.ended_at, s.censored, s.order_flag, s.negative, s.reopen_count, s.failed_verifications,
    s.detect_us, s.decide_us, s.act_us, s.verify_us, s.unattributed_us, s.active_us, s.elapsed_us,
    r.root_id, r.duplicate, r.cycle, coalesce(f.duplicates, 0) as duplicates,
    l.cause_deployment_id, coalesce(l.link_method, 'none') as link_method,
    coalesce(m.recovery_method, 'none') as recovery_method,
    coalesce(x.trigger, 'none') as trigger, t.text as title
  from incident_generations g
  join incident_splits s on s.incident_id = g.incident_id
  join incident_roots r on r.base_id = g.base_id
  left join incident_folds f on f.incident_id = g.incident_id
  left join incident_links l on l.incident_id = g.incident_id
  left join incident_recoveries m on m.incident_id = g.incident_id
  left join triggers x on x.incident_id = g.incident_id
  left join texts t on t.event_id = g.title_event_id and t.field = 'title'
)
select incident_id, base_id, generation, title, service, environment, region, team, severity, severity_raw,
  started_at, assumed as started_assumed, detected_at, detected_by, acknowledged_at, decided_at, acted_at,
  verified_at, verified_grade, closed_at, ended_at,
  case
    when duplicate then 'merged'
    when cancelled then 'cancelled'
    when censored then 'open'
    when closed_at is null then 'verified'
    else 'closed'
  end as status,
  reopen_count, failed_verifications, cause_deployment_id, link_method, recovery_method, trigger,
  detect_us, decide_us, act_us, verify_us, unattributed_us, active_us, elapsed_us, censored, order_flag, drill,
  production, customer_impact, commander, data_classes, records_exposed, residency,
  case when root_id <> base_id then root_id else duplicate_of end as duplicate_of,
  duplicates, cycle, recurrence_of,
  coalesce(started_at, first_at) as cohort_at,
  case
    when duplicate then 'duplicate'
    when drill then 'drill'
    when cancelled then 'cancelled'
    when not production then 'not_production'
    when started_at is null then 'no_start'
    when negative then 'negative'
  end as excluded_by,
  row_count
from joined
