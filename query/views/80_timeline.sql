-- view:  timeline
-- shows: every event of an incident, of the incidents merged into it, and of the deployments and rollbacks tied to it,
--        in order (position)
-- adds:  relation (see incident_events); incident_phase, where the incident stood once the event had happened: before,
--        detect, decide, act, verify, recovered, or unattributed where a boundary is missing, NULL where the marks are
--        out of order; since_start_us, from the start of the clock, negative before it; text, what the vault still has
-- reads: incident_events, incident_passes, incidents, facts, people, identities, texts
-- rules: docs/metrics.md, "Entities", "Split"
with passed as (
  select e.incident_id, e.event_id, max(p.pass) as pass
  from incident_events e
  join facts f on f.event_id = e.event_id
  join incident_passes p on p.incident_id = e.incident_id and p.begin_at <= f.occurred_at
  group by e.incident_id, e.event_id
),
names as (
  select coalesce(i.person, p.pseudonym) as pseudonym, min(p.name) as name
  from people p
  left join identities i on i.pseudonym = p.pseudonym
  group by coalesce(i.person, p.pseudonym)
),
spoken as (
  select event_id, string_agg(concat(field, ': ', text), '; ' order by field, text) as text from texts group by event_id
)
select e.incident_id,
  row_number() over (partition by e.incident_id order by f.ord) as position,
  f.occurred_at, f.recorded_at,
  epoch_us(f.occurred_at) - epoch_us(i.started_at) as since_start_us,
  case
    when i.order_flag = 'invalid' or i.started_at is null then null
    when p.pass is null then 'before'
    when f.occurred_at >= p.end_at and p.ended_by <> 'open' then 'recovered'
    when f.occurred_at >= p.acted_at then 'verify'
    when f.occurred_at >= p.decided_at then case when p.act_missing then 'unattributed' else 'act' end
    when p.pass > 1 or f.occurred_at >= p.detected_at then case when p.decide_missing then 'unattributed'
      else 'decide' end
    when p.detect_missing then 'unattributed'
    else 'detect'
  end as incident_phase,
  f.kind, f.phase, e.relation, f.service, f.environment, f.region, f.deployment_id, f.rollback_id, f.approval_id,
  f.version, f.artifact_digest, f.from_version, f.to_version, f.trigger, f.trigger_condition, f.signals, f.signal,
  f.signal_state, f.signal_value, f.signal_unit, f.severity, f.decision, f.check_name, f.runbook, f.runbook_step,
  f.actor, a.name as actor_name, f.actor_kind, f.approver, b.name as approver_name, s.text,
  f.source, f.source_instance, f.seq, f.event_id
from incident_events e
join facts f on f.event_id = e.event_id
join incidents i on i.incident_id = e.incident_id
left join passed w on w.incident_id = e.incident_id and w.event_id = e.event_id
left join incident_passes p on p.incident_id = w.incident_id and p.pass = w.pass
left join names a on a.pseudonym = f.actor
left join names b on b.pseudonym = f.approver
left join spoken s on s.event_id = e.event_id
