-- view:  verifications
-- shows: one row per check of a deployment, rollback or incident: its last result
-- adds:  result: passed, failed, inconclusive, skipped, or pending (started, nothing since); attempts, how many results
-- reads: facts
-- rules: docs/metrics.md, "Entities"; corner case 2. A check is the same when name, stage, and what it is about are
with keyed as (
  select *, case phase when 'started' then null else phase end as outcome_phase
  from facts
  where kind = 'verification'
)
select check_name, check_stage, deployment_id, rollback_id, incident_id, change_id, service, environment, region,
  last_value(version order by ord) filter (where version is not null) as version,
  last_value(artifact_digest order by ord) filter (where artifact_digest is not null) as artifact_digest,
  coalesce(last_value(outcome_phase order by ord) filter (where outcome_phase is not null), 'pending') as result,
  count(outcome_phase) as attempts,
  count(*) filter (where phase = 'failed') as failures,
  min(occurred_at) filter (where phase = 'started') as started_at,
  last_value(occurred_at order by ord) filter (where outcome_phase is not null) as finished_at,
  last_value(recorded_at order by ord) as recorded_at,
  coalesce(last_value(drill order by ord) filter (where drill is not null), false) as drill,
  bool_or(backfilled) as backfilled,
  last_value(seq order by ord) as seq,
  last_value(event_id order by ord) as event_id
from keyed
group by check_name, check_stage, deployment_id, rollback_id, incident_id, change_id, service, environment, region
