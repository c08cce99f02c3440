-- query: missed
-- shows: what a poll brought that no push told, of the kinds of fact that the source pushes
-- unit:  one row per kind, phase and subject
-- reads: events
-- rules: only facts since the source's first push; a record as it stands (annotated) is no step, and a push may date a fact
--        a little earlier or later. $… are filled in by whoever asks
with told as (
  select kind, phase, occurred_at, recorded_at, ingest_mode, seq,
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
  where source = '$source' and kind <> 'ingest' and not (kind = 'incident' and phase = 'annotated')
),
pushed as (select * from told where ingest_mode = 'push'),
first_push as (select min(recorded_at) as at from pushed),
usual as (select distinct kind, phase from pushed),
found as (
  select t.kind, t.phase, t.subject, t.occurred_at
  from told as t
    join usual as u on u.kind = t.kind and u.phase = t.phase
    cross join first_push as f
  where t.ingest_mode = 'poll' and t.seq >= $since and t.occurred_at >= f.at
    and t.occurred_at >= timestamp '$from' and t.occurred_at < timestamp '$until'
)
select f.kind, f.phase, f.subject, min(f.occurred_at) as occurred_at
from found as f
  left join pushed as p on p.kind = f.kind and p.phase = f.phase and p.subject = f.subject
    and abs(epoch_us(p.occurred_at) - epoch_us(f.occurred_at)) <= $same_fact_us
where p.kind is null
group by f.kind, f.phase, f.subject
order by occurred_at, f.kind, f.phase, f.subject
