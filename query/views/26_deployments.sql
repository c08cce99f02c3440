-- view:  deployments
-- shows: one row per deployment, with its marks, its outcome, and its class against the version that was live in its
--        slot when it started
-- adds:  slot, production, version_key (the identity, or a text of its own where the version is unknown),
--        class_by_order (what first-live order alone would say), begin_at, begin_ord and live_ord (places in the
--        canonical order)
-- reads: deployment_lives, approval_rows
-- rules: docs/metrics.md, "What one is"; corner cases 4, 8, 31, 37, 42
with known as (
  select d.*, coalesce(d.version_identity, concat('?', d.deployment_id)) as version_key from deployment_lives d
),
-- Begins and lives of a slot in one line; a deployment begins before it is live.
moments as (
  select slot, begin_ord as ord, 0 as is_live, deployment_id from known
  union all
  select slot, live_ord, 1, deployment_id from known where live_ord is not null
),
befores as (
  select deployment_id, is_live,
    max(case when is_live = 1 then ord end) over (
      partition by slot order by ord, is_live, deployment_id rows between unbounded preceding and 1 preceding)
        as before_ord
  from moments
),
firsts as (
  select slot, version_key, min(live_ord) as first_ord from known where live_ord is not null group by slot, version_key
),
compared as (
  select k.*, b.before_ord, p.version as previous_version, p.version_key as previous_key,
    p.deployment_id as previous_deployment_id,
    case
      when p.version_key is null then 'forward'
      when p.version_key = k.version_key then 'restart'
      when f.first_ord < k.begin_ord and f.first_ord < pf.first_ord then 'rollback'
      when f.first_ord < k.begin_ord then 'reapply'
      when k.incident_id is not null then 'fix_forward'
      else 'forward' end as class_by_order,
    case
      when not k.called_rollback then 'order'
      when coalesce(k.recognised_by, 'explicit') in ('explicit', 'convention', 'attested') then 'explicit'
      when k.recognised_by = 'ancestry' and p.version_key <> k.version_key then 'ancestry'
      else 'order' end as said_by
  from known k
  join befores b on b.deployment_id = k.deployment_id and b.is_live = 0
  left join known p on p.slot = k.slot and p.live_ord = b.before_ord
  left join firsts f on f.slot = k.slot and f.version_key = k.version_key
  left join firsts pf on pf.slot = k.slot and pf.version_key = p.version_key
),
candidates as (
  select k.deployment_id, k.begin_at, a.approval_key, a.phase, a.occurred_at, a.ord, a.approver, a.expires_at,
    a.requested_at
  from known k
  join approval_rows a on a.deployment_id = k.deployment_id
  where a.ord < k.begin_ord and coalesce(a.artifact_digest = k.artifact_digest, true)
  union
  select k.deployment_id, k.begin_at, a.approval_key, a.phase, a.occurred_at, a.ord, a.approver, a.expires_at,
    a.requested_at
  from known k
  join approval_rows a on a.change_id = k.change_id
  where a.ord < k.begin_ord and coalesce(a.artifact_digest = k.artifact_digest, true)
),
decisions as (
  select *, row_number() over (partition by deployment_id, approval_key order by ord desc) as back
  from candidates
  where phase in ('approved', 'rejected', 'revoked', 'expired')
),
approvals as (
  select *, row_number() over (partition by deployment_id order by ord desc) as place
  from decisions
  where back = 1 and phase = 'approved' and coalesce(expires_at > begin_at, true)
)
select c.deployment_id, c.service, c.environment, c.region, c.slot, c.production, c.version, c.artifact_digest,
  c.commit_sha,
  c.version_identity, c.identity_grade, c.version_key, c.previous_version, c.previous_key, c.previous_deployment_id,
  c.strategy, c.change_id, c.change_type, c.planned, c.actor, c.actor_kind, c.committed_at, c.incident_id,
  c.rollback_id, c.rollback_of,
  coalesce(c.queued_at, a.requested_at) as requested_at, a.occurred_at as approved_at, a.approver, a.approval_key,
  c.started_at, c.live_at, c.finished_at, c.begin_at, c.begin_ord, c.live_ord,
  case c.end_phase when 'live' then 'succeeded' when 'succeeded' then 'succeeded' when 'failed' then 'failed'
    when 'cancelled' then 'aborted' else 'in_progress' end as outcome,
  case when c.said_by = 'order' then c.class_by_order else 'rollback' end as class,
  case when c.said_by <> 'order' then c.said_by when c.previous_key is null then 'none' else 'first_live' end
    as class_method,
  c.class_by_order, c.drill
from compared c
left join approvals a on a.deployment_id = c.deployment_id and a.place = 1
