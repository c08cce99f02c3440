-- view:  source_gaps
-- shows: one row per gap or silence of a source that was told
-- adds:  until_at (a silence lasts until the next push that was recorded; nothing reaches past `as_of`); reconciled_until and
--        reconciled_by (how far reconciliations reach that were recorded after it, and the event id of the one that reaches
--        furthest; null without one)
-- reads: source_statements, events, parameters (as_of)
with pushes as (select source, recorded_at, seq from events where ingest_mode = 'push'),
gaps as (
  select g.source, g.phase, g.from_at, g.until_at, g.missed, g.seq, g.event_id, min(p.recorded_at) as pushed_at
  from source_statements g
  left join pushes p on g.phase = 'source_silent' and p.source = g.source and p.seq > g.seq
  where g.phase in ('gap_detected', 'source_silent')
  group by g.source, g.phase, g.from_at, g.until_at, g.missed, g.seq, g.event_id
),
reconciled as (
  select g.event_id, max(r.until_at) as until_at, last_value(r.event_id order by r.until_at, r.seq) as by
  from gaps g
  join source_statements r on r.source = g.source and r.phase = 'reconciled' and r.seq > g.seq and r.until_at > g.from_at
  group by g.event_id
)
select g.source, g.phase, g.from_at, least(coalesce(g.until_at, g.pushed_at, w.as_of), w.as_of) as until_at, g.missed, g.seq, g.event_id,
  r.until_at as reconciled_until, r.by as reconciled_by
from gaps g
cross join parameters w
left join reconciled r on r.event_id = g.event_id
