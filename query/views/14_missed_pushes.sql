-- view:  missed_pushes
-- shows: one row per fact that a poll brought and no push told, though the source pushes facts of its kind and phase
-- adds:  subject (the id of what the fact is about)
-- reads: events
-- rules: docs/polling.md, "What it does to the log". Only facts since the source first pushed their kind and phase; a record
--        as it stands (annotated) is no step; a push may date a fact two minutes earlier or later, since one tells when the
--        source changed its state, the other when it sent that
with told as (
  select source, kind, phase, occurred_at, recorded_at, ingest_mode, seq, event_id,
    coalesce(
      case kind
        when 'deployment' then deployment_id
        when 'rollback' then rollback_id
        when 'incident' then incident_id
        when 'change' then change_id
        when 'approval' then coalesce(approval_id, change_id, deployment_id)
        else coalesce(action_item_id, pipeline_run_id, signal)
      end, '') as subject
  from events
  where kind not in ('ingest', 'correction', 'ledger') and not (kind = 'incident' and phase = 'annotated')
),
pushed as (select * from told where ingest_mode = 'push'),
usual as (select source, kind, phase, min(recorded_at) as since from pushed group by source, kind, phase)
select t.source, t.kind, t.phase, t.subject, t.occurred_at, t.recorded_at, t.seq, t.event_id
from told t
join usual u on u.source = t.source and u.kind = t.kind and u.phase = t.phase and t.occurred_at >= u.since
where t.ingest_mode = 'poll'
  and not exists (
    select 1 from pushed p
    where p.source = t.source and p.kind = t.kind and p.phase = t.phase and p.subject = t.subject
      and abs(epoch_us(p.occurred_at) - epoch_us(t.occurred_at)) <= 120000000
  )
