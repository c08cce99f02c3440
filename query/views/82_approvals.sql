-- view:  approvals
-- shows: one row per approval: what was asked for and what was decided last
-- adds:  decision (the last of approved, rejected, revoked, expired; NULL: pending); approved_at and approver of the
--        last approval, not withdrawn by a later decision's row
-- reads: facts
-- rules: docs/metrics.md, "From events to entities"; corner cases 2, 37, 42. A row without approval_id belongs to the
--        approval of its deployment, else of its change, else is one of its own
with keyed as (
  select f.*,
    coalesce(f.approval_id, 'deployment:' || f.deployment_id, 'change:' || f.change_id, f.event_id) as approval_key,
    case f.phase when 'requested' then null else f.phase end as decided
  from facts f
  where f.kind = 'approval'
)
select approval_key as approval_id,
  last_value(service order by ord) filter (where service is not null) as service,
  last_value(environment order by ord) filter (where environment is not null) as environment,
  last_value(deployment_id order by ord) filter (where deployment_id is not null) as deployment_id,
  last_value(rollback_id order by ord) filter (where rollback_id is not null) as rollback_id,
  last_value(change_id order by ord) filter (where change_id is not null) as change_id,
  last_value(change_type order by ord) filter (where change_type is not null) as change_type,
  last_value(artifact_digest order by ord) filter (where artifact_digest is not null) as artifact_digest,
  last_value(version order by ord) filter (where version is not null) as version,
  last_value(requester order by ord) filter (where requester is not null) as requester,
  last_value(authors order by ord) filter (where authors is not null) as authors,
  last_value(decided order by ord) filter (where decided is not null) as decision,
  last_value(approver order by ord) filter (where phase = 'approved' and approver is not null) as approver,
  last_value(approver_role order by ord)
    filter (where phase = 'approved' and approver_role is not null) as approver_role,
  count(distinct approver) filter (where phase = 'approved') as approver_count,
  last_value(approvals_required order by ord) filter (where approvals_required is not null) as approvals_required,
  coalesce(bool_or(cab), false) as cab,
  min(occurred_at) filter (where phase = 'requested') as requested_at,
  last_value(occurred_at order by ord) filter (where phase = 'approved') as approved_at,
  last_value(recorded_at order by ord) filter (where phase = 'approved') as approved_recorded_at,
  last_value(occurred_at order by ord) filter (where decided is not null) as decided_at,
  last_value(expires_at order by ord) filter (where expires_at is not null) as expires_at,
  coalesce(last_value(drill order by ord) filter (where drill is not null), false) as drill,
  bool_or(backfilled) as backfilled,
  last_value(seq order by ord) as seq,
  last_value(event_id order by ord) as event_id
from keyed
group by approval_key
