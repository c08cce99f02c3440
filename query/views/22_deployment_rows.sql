-- view:  deployment_rows
-- shows: every deployment event under the id that its deployment has here
-- reads: facts, version_identities, deployment_number
-- rules: docs/metrics.md, "From events to entities"; corner cases 4, 6. Without an id: slot, identity and pipeline run;
--        without a run: slot, identity and a number that counts the deployments begun
with identified as (
  select f.*,
    coalesce(f.artifact_digest,
      case when c.identity_grade = 'digest' then c.version_identity end,
      case when l.identity_grade = 'digest' then l.version_identity end,
      f.commit_sha, l.version_identity, f.version) as row_identity
  from facts f
  left join version_identities c on c.service = f.service and c.key_kind = 'commit' and c.key = f.commit_sha
  left join version_identities l on l.service = f.service and l.key_kind = 'label' and l.key = f.version
  where f.kind = 'deployment'
),
numbered as (
  select event_id,
    deployment_number(phase) over (
      partition by slot, row_identity order by ord rows between unbounded preceding and current row) as number
  from identified
  where deployment_id is null and pipeline_run_id is null
),
keyed as (
  select i.*,
    case
      when i.deployment_id is not null then i.deployment_id
      when i.pipeline_run_id is not null then
        concat(coalesce(i.slot, ''), '@', coalesce(i.row_identity, ''), '#', i.pipeline_run_id)
      when n.number > 0 then
        concat(coalesce(i.slot, ''), '@', coalesce(i.row_identity, ''), '~', cast(n.number as text))
    end as deployment_key
  from identified i
  left join numbered n on n.event_id = i.event_id
)
select * from keyed where deployment_key is not null
