-- view:  artifact_checks
-- shows: one row per artifact that was looked for: whether it could still be deployed when it was looked for last
-- adds:  available; NULL where the last look did not say. checks, how often it was looked for
-- reads: facts
-- rules: docs/metrics.md, "Entities"; corner case 2. An artifact is the same when service, version and digest are
select service, version, artifact_digest,
  last_value(artifact_purl order by ord) filter (where artifact_purl is not null) as artifact_purl,
  last_value(case phase when 'checked' then artifact_available else false end order by ord) as available,
  last_value(retained_until order by ord) filter (where phase = 'checked') as retained_until,
  count(*) as checks,
  last_value(occurred_at order by ord) as checked_at,
  last_value(actor order by ord) as actor,
  last_value(seq order by ord) as seq,
  last_value(event_id order by ord) as event_id
from facts
where kind = 'artifact' and phase in ('checked', 'missing', 'deleted')
group by service, version, artifact_digest
