-- view:  runbook_runs
-- shows: one row per run of a runbook
-- adds:  status (the last of started, completed, failed, aborted; NULL: only steps are told); steps, how many were completed;
--        last_step, the one completed last
-- reads: facts
-- rules: docs/metrics.md, "Entities"; corner case 2. A run is the same when runbook, version, the attribute `run`, and
--        what it is about are
with keyed as (
  select *, attributes['run'] as run from facts where kind = 'runbook'
)
select runbook, runbook_version, run, incident_id, rollback_id, drill_id,
  last_value(service order by ord) filter (where service is not null) as service,
  last_value(environment order by ord) filter (where environment is not null) as environment,
  last_value(actor order by ord) filter (where actor is not null) as actor,
  min(occurred_at) filter (where phase = 'started') as started_at,
  last_value(occurred_at order by ord) filter (where phase in ('completed', 'failed', 'aborted')) as finished_at,
  last_value(phase order by ord) filter (where phase <> 'step_completed') as status,
  count(*) filter (where phase = 'step_completed') as steps,
  last_value(runbook_step order by ord) filter (where phase = 'step_completed') as last_step,
  coalesce(last_value(drill order by ord) filter (where drill is not null), false) as drill,
  last_value(seq order by ord) as seq,
  last_value(event_id order by ord) as event_id
from keyed
group by runbook, runbook_version, run, incident_id, rollback_id, drill_id
