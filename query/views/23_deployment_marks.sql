-- view:  deployment_marks
-- shows: one row per deployment that events speak of: its attributes and its own marks
-- adds:  carries, the rollback that it carries out: named by its own rows, or naming it
-- reads: deployment_rows, rollback_rows
-- rules: docs/metrics.md, "From events to entities"; corner cases 2, 7, 31
with named as (
  select deployment_id, min(rollback_id) as rollback_id
  from rollback_rows
  where deployment_id is not null
  group by deployment_id
),
marks as (
  select deployment_key,
    last_value(service order by ord) filter (where service is not null) as service,
    last_value(environment order by ord) filter (where environment is not null) as environment,
    last_value(environment_tier order by ord) filter (where environment_tier is not null) as environment_tier,
    last_value(region order by ord) filter (where region is not null) as region,
    last_value(version order by ord) filter (where version is not null) as version,
    last_value(artifact_digest order by ord) filter (where artifact_digest is not null) as artifact_digest,
    last_value(commit_sha order by ord) filter (where commit_sha is not null) as commit_sha,
    last_value(committed_at order by ord) filter (where committed_at is not null) as committed_at,
    last_value(strategy order by ord) filter (where strategy is not null) as strategy,
    last_value(change_id order by ord) filter (where change_id is not null) as change_id,
    last_value(change_type order by ord) filter (where change_type is not null) as change_type,
    last_value(planned order by ord) filter (where planned is not null) as planned,
    last_value(actor order by ord) filter (where actor is not null) as actor,
    last_value(actor_kind order by ord) filter (where actor_kind is not null) as actor_kind,
    last_value(incident_id order by ord) filter (where incident_id is not null) as incident_id,
    last_value(rollback_id order by ord) filter (where rollback_id is not null) as rollback_id,
    last_value(rollback_of order by ord) filter (where rollback_of is not null) as rollback_of,
    last_value(to_version order by ord) filter (where to_version is not null) as to_version,
    last_value(recognised_by order by ord) filter (where recognised_by is not null) as recognised_by,
    last_value(drill order by ord) filter (where drill is not null) as drill,
    min(occurred_at) filter (where phase = 'queued') as queued_at,
    min(occurred_at) filter (where phase = 'started') as started_at,
    min(ord) filter (where phase = 'started') as started_ord,
    coalesce(min(occurred_at) filter (where phase = 'live'), min(occurred_at) filter (where phase = 'succeeded'))
      as live_at,
    coalesce(min(ord) filter (where phase = 'live'), min(ord) filter (where phase = 'succeeded')) as live_ord,
    last_value(phase order by ord) filter (where phase in ('live', 'succeeded', 'failed', 'cancelled')) as end_phase,
    last_value(occurred_at order by ord)
      filter (where phase in ('live', 'succeeded', 'failed', 'cancelled')) as finished_at,
    min(occurred_at) as first_at,
    min(ord) as first_ord,
    count(*) as row_count
  from deployment_rows
  group by deployment_key
)
select m.deployment_key as deployment_id, m.*, coalesce(m.rollback_id, n.rollback_id) as carries
from marks m
left join named n on n.deployment_id = m.deployment_key
