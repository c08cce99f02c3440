-- query: incident_rollbacks
-- shows: the rollbacks tied to one incident
-- reads: rollbacks, ties
select
  r.rollback_id, t.grade, r.trigger, r.trigger_condition, r.signals, r.decided_at, r.decided_by, r.approved_at, r.approver,
  r.from_version, r.to_version, r.live_at, r.verified_at, r.effective_outcome, r.response_us, r.execution_us
from rollbacks as r join ties as t on t.rollback_id = r.rollback_id
where t.incident_id = $incident
order by r.begin_at, r.rollback_id
