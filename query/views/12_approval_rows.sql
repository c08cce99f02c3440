-- view:  approval_rows
-- shows: one row per approval event, with what any row of its approval says about deployment, change and artifact
-- reads: facts
-- rules: docs/metrics.md, corner case 37: an approval without an id is that of its deployment, else of its change
with keyed as (
  select f.*,
    coalesce(f.approval_id, 'deployment:' || f.deployment_id, 'change:' || f.change_id) as approval_key
  from facts f
  where f.kind = 'approval'
),
subjects as (
  select approval_key,
    last_value(deployment_id order by ord) filter (where deployment_id is not null) as deployment_id,
    last_value(change_id order by ord) filter (where change_id is not null) as change_id,
    last_value(artifact_digest order by ord) filter (where artifact_digest is not null) as artifact_digest,
    min(occurred_at) filter (where phase = 'requested') as requested_at
  from keyed
  where approval_key is not null
  group by approval_key
)
select k.approval_key, k.event_id, k.phase, k.occurred_at, k.ord, k.approver, k.requester, k.expires_at,
  s.deployment_id, s.change_id, s.artifact_digest, s.requested_at
from keyed k
join subjects s on s.approval_key = k.approval_key
