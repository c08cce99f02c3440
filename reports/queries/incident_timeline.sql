-- query: incident_timeline
-- shows: every event of one incident, and of the deployments and rollbacks tied to it, in order
-- reads: timeline
select
  t.position, t.occurred_at, t.since_start_us, t.incident_phase, t.kind, t.phase, t.relation, t.service, t.deployment_id,
  t.rollback_id, t.version, t.to_version, t.trigger_condition, t.signal, t.signal_state, t.decision, t.check_name,
  t.runbook, t.actor, t.approver, t.source, t.recorded_at, t.seq, t.event_id
from timeline as t
where t.incident_id = $incident
order by t.position
