-- view:  overrides
-- shows: one row per use of an override or break-glass, with its review
-- adds:  reviewed_at, the first review after it that names the same approval, rollback, deployment, change or incident
-- reads: facts, texts
-- rules: docs/metrics.md, "Entities"
with used as (
  select * from facts where kind = 'override' and phase = 'used'
),
reviews as (
  select u.event_id, r.occurred_at, r.approver, r.actor, r.seq,
    row_number() over (partition by u.event_id order by r.ord) as first
  from used u
  join facts r on r.kind = 'override' and r.phase = 'reviewed' and r.ord > u.ord
  where coalesce(r.approval_id = u.approval_id, r.rollback_id = u.rollback_id, r.deployment_id = u.deployment_id,
    r.change_id = u.change_id, r.incident_id = u.incident_id, false)
)
select u.event_id as override_id, u.service, u.environment, u.approval_id, u.deployment_id, u.rollback_id, u.change_id,
  u.incident_id, u.policy_id, u.actor, u.actor_kind, u.actor_role, u.approver, u.approver_role,
  u.occurred_at as used_at, u.recorded_at, u.expires_at, t.text as reason,
  r.occurred_at as reviewed_at, coalesce(r.approver, r.actor) as reviewer, r.seq as reviewed_seq,
  coalesce(u.drill, false) as drill, u.backfilled, u.seq, u.event_id
from used u
left join reviews r on r.event_id = u.event_id and r.first = 1
left join texts t on t.event_id = u.event_id and t.field = 'reason'
