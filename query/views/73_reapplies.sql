-- view:  reapplies
-- shows: one row per deployment of a version that had been rolled back in its slot: whether the cause was understood
--        first
-- adds:  verdict: `understood` (evidence had occurred and been recorded before the start), `late_evidence` (it had
--        occurred, but was recorded after), `none`, `not_applicable` (the evidence is a backfilled row); the first two
--        words decide nothing else
-- reads: deployments, rollback_slot_blames, rollbacks, incidents, facts
-- rules: docs/metrics.md, "Reapply without RCA"; corner cases 14, 23, 28, 35. A postmortem names the incident, not its
--        generation
with again as (
  select d.*, b.rollback_id as last_rollback_id, b.live_ord as rolled_back_ord,
    row_number() over (partition by d.deployment_id order by b.live_ord desc) as back
  from deployments d
  join rollback_slot_blames b on b.slot = d.slot and b.blamed_key = d.version_key
  join rollbacks r on r.rollback_id = b.rollback_id and r.drill = d.drill
  where d.class in ('forward', 'reapply', 'fix_forward') and b.live_ord < d.begin_ord
),
items as (
  select a.*, r.incident_id as tied_incident_id, n.base_id as tied_base_id, r.asserted_incident_id
  from again a
  join rollbacks r on r.rollback_id = a.last_rollback_id
  left join incidents n on n.incident_id = r.incident_id
  where a.back = 1
),
subjects as (
  select coalesce(postmortem_id, event_id) as postmortem_key,
    last_value(incident_id order by ord) filter (where incident_id is not null) as incident_id,
    last_value(rollback_id order by ord) filter (where rollback_id is not null) as rollback_id
  from facts
  where kind = 'postmortem'
  group by coalesce(postmortem_id, event_id)
),
postmortems as (
  select f.event_id, f.ord, f.recorded_at, f.backfilled, s.incident_id, s.rollback_id
  from facts f
  join subjects s on s.postmortem_key = coalesce(f.postmortem_id, f.event_id)
  where f.kind = 'postmortem' and f.phase in ('published', 'reviewed')
),
evidence as (
  select i.deployment_id, p.event_id, p.recorded_at, p.backfilled
  from items i
  join postmortems p on p.rollback_id = i.last_rollback_id
  where p.ord > i.rolled_back_ord and p.ord < i.begin_ord
  union
  select i.deployment_id, p.event_id, p.recorded_at, p.backfilled
  from items i
  join postmortems p on p.incident_id = i.tied_base_id
  where p.ord > i.rolled_back_ord and p.ord < i.begin_ord
  union
  select i.deployment_id, p.event_id, p.recorded_at, p.backfilled
  from items i
  join postmortems p on p.incident_id = i.asserted_incident_id
  where p.ord > i.rolled_back_ord and p.ord < i.begin_ord
  union
  select i.deployment_id, f.event_id, f.recorded_at, f.backfilled
  from items i
  join facts f on f.deployment_id = i.deployment_id
  where f.kind = 'override' and f.phase = 'used' and f.approver is not null and f.ord < i.begin_ord
),
judged as (
  select i.deployment_id,
    bool_or(e.recorded_at < i.begin_at and not e.backfilled) as in_time,
    bool_or(e.backfilled) as backfilled,
    bool_or(e.event_id is not null) as late,
    min(e.event_id) as evidence_event_id
  from items i
  left join evidence e on e.deployment_id = i.deployment_id
  group by i.deployment_id
)
select i.deployment_id, i.service, i.environment, i.region, i.slot, i.production, i.drill, i.class, i.version,
  i.begin_at,
  i.last_rollback_id as rollback_id, coalesce(i.tied_incident_id, i.asserted_incident_id) as incident_id,
  j.evidence_event_id,
  case when j.in_time then 'understood' when j.backfilled then 'not_applicable' when j.late then 'late_evidence'
    else 'none' end as verdict
from items i
join judged j on j.deployment_id = i.deployment_id
