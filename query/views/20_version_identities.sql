-- view:  version_identities
-- shows: per service every label, commit and digest that rows use, with the identity that it stands for
-- adds:  preferred, one row per (service, key): what a bare text such as `to_version` is read as
-- reads: facts
-- rules: docs/metrics.md, "Version identity"; corner case 4
with named as (
  select distinct service, version, commit_sha, artifact_digest
  from facts
  where service is not null and (version is not null or commit_sha is not null or artifact_digest is not null)
),
commit_digests as (
  select service, commit_sha, count(distinct artifact_digest) as digests, min(artifact_digest) as digest
  from named
  where commit_sha is not null
  group by service, commit_sha
),
labels as (
  select service, version, count(distinct artifact_digest) as digests, min(artifact_digest) as digest,
    count(distinct commit_sha) as commits, min(commit_sha) as commit_sha
  from named
  where version is not null
  group by service, version
),
resolved as (
  select distinct service, 'digest' as key_kind, artifact_digest as key, artifact_digest as digest,
    cast(null as text) as commit_sha
  from named
  where artifact_digest is not null
  union all
  select service, 'commit' as key_kind, commit_sha as key, case when digests = 1 then digest end as digest, commit_sha
  from commit_digests
  union all
  select l.service, 'label' as key_kind, l.version as key,
    case when l.digests = 1 then l.digest when l.digests = 0 and l.commits = 1 and c.digests = 1 then c.digest end
      as digest,
    case when l.digests = 0 and l.commits = 1 then l.commit_sha end as commit_sha
  from labels l
  left join commit_digests c on c.service = l.service and c.commit_sha = l.commit_sha
)
select service, key_kind, key,
  coalesce(digest, commit_sha, key) as version_identity,
  case when digest is not null then 'digest' when commit_sha is not null then 'commit' else 'label' end
    as identity_grade,
  row_number() over (
    partition by service, key
    order by case key_kind when 'label' then 1 when 'commit' then 2 else 3 end) = 1 as preferred
from resolved
