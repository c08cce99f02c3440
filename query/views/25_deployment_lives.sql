-- view:  deployment_lives
-- shows: one row per deployment, those that a rollback makes included, with its version identity, before any class
-- reads: deployment_marks, rollback_slots, rollback_rows, version_identities
-- rules: docs/metrics.md, "From events to entities"; corner cases 4, 5, 7, 31, 42
with stated as (
  select rollback_id,
    last_value(to_version order by ord) filter (where to_version is not null) as to_version,
    last_value(recognised_by order by ord) filter (where recognised_by is not null) as recognised_by,
    last_value(environment_tier order by ord) filter (where environment_tier is not null) as environment_tier,
    last_value(incident_id order by ord) filter (where incident_id is not null) as incident_id,
    last_value(drill order by ord) filter (where drill is not null) as drill
  from rollback_rows
  group by rollback_id
),
-- A live mark that a deployment lacks comes from the rollback that it carries; the slot has one carrier, so one taker.
spoken_of as (
  select m.deployment_id, m.service, m.environment, m.environment_tier, m.region, m.version, m.artifact_digest,
    m.commit_sha,
    coalesce(m.to_version, t.to_version) as target, m.committed_at, m.strategy, m.change_id, m.change_type, m.planned,
    m.actor, m.actor_kind, m.incident_id, m.carries as rollback_id, m.rollback_of, coalesce(m.drill, t.drill) as drill,
    coalesce(m.recognised_by, t.recognised_by) as recognised_by,
    m.carries is not null or m.rollback_of is not null or m.recognised_by is not null as called_rollback,
    m.queued_at, m.started_at, m.started_ord,
    coalesce(m.live_at, s.live_at) as live_at, coalesce(m.live_ord, s.live_ord) as live_ord,
    coalesce(m.end_phase, s.end_phase) as end_phase, coalesce(m.finished_at, s.ended_at) as finished_at,
    m.first_at, m.first_ord
  from deployment_marks m
  left join rollback_slots s on s.rollback_id = m.carries and s.deployment_id = m.deployment_id
  left join stated t on t.rollback_id = m.carries
),
alone as (
  select concat('rollback:', s.rollback_id, case when s.region is not null then concat('/', s.region) else '' end)
    as deployment_id,
    s.service, s.environment, t.environment_tier, s.region,
    cast(null as text) as version, cast(null as text) as artifact_digest, cast(null as text) as commit_sha,
    t.to_version as target, nullif(s.live_at, s.live_at) as committed_at, cast(null as text) as strategy,
    cast(null as text) as change_id, cast(null as text) as change_type, cast(null as boolean) as planned,
    cast(null as text) as actor, cast(null as text) as actor_kind, t.incident_id, s.rollback_id,
    cast(null as text) as rollback_of, t.drill, t.recognised_by, true as called_rollback,
    nullif(s.live_at, s.live_at) as queued_at, s.started_at, s.started_ord, s.live_at, s.live_ord, s.end_phase,
    s.ended_at as finished_at, coalesce(s.started_at, s.live_at) as first_at,
    coalesce(s.started_ord, s.live_ord) as first_ord
  from rollback_slots s
  join stated t on t.rollback_id = s.rollback_id
  where s.deployment_id is null and s.live_ord is not null
),
every as (
  select * from spoken_of
  union all
  select * from alone
)
select e.deployment_id, e.service, e.environment, e.environment_tier, e.region,
  concat(replace(replace(e.service, '%', '%25'), '/', '%2F'),
    '/', replace(replace(coalesce(e.environment, ''), '%', '%25'), '/', '%2F'),
    case when e.region is not null then concat('/', replace(replace(e.region, '%', '%25'), '/', '%2F')) else '' end)
      as slot,
  coalesce(e.environment_tier = 'production', e.environment in ('production', 'prod'), false) as production,
  coalesce(e.version, case when e.artifact_digest is null and e.commit_sha is null then e.target end) as version,
  e.artifact_digest, e.commit_sha, e.committed_at, e.strategy, e.change_id, e.change_type, e.planned, e.actor,
  e.actor_kind,
  e.incident_id, e.rollback_id, e.rollback_of, coalesce(e.drill, false) as drill, e.recognised_by, e.called_rollback,
  coalesce(e.artifact_digest,
    case when c.identity_grade = 'digest' then c.version_identity end,
    case when l.identity_grade = 'digest' then l.version_identity end,
    e.commit_sha, l.version_identity, e.version, t.version_identity, e.target) as version_identity,
  case
    when e.artifact_digest is not null or c.identity_grade = 'digest' or l.identity_grade = 'digest' then 'digest'
    when e.commit_sha is not null then 'commit'
    when e.version is not null then coalesce(l.identity_grade, 'label')
    when e.target is not null then coalesce(t.identity_grade, 'label')
    else 'none' end as identity_grade,
  e.queued_at, e.started_at, e.started_ord, e.live_at, e.live_ord, e.end_phase, e.finished_at, e.first_at, e.first_ord,
  coalesce(e.started_at, e.live_at, e.first_at) as begin_at,
  coalesce(e.started_ord, e.live_ord, e.first_ord) as begin_ord
from every e
left join version_identities c on c.service = e.service and c.key_kind = 'commit' and c.key = e.commit_sha
left join version_identities l on l.service = e.service and l.key_kind = 'label' and l.key = e.version
left join version_identities t on t.service = e.service and t.preferred and t.key = e.target
