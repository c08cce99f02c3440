-- view:  source_gaps
-- shows: one row per gap of a source that was told, and per silence: those of a source that overlap, as `poll` and `serve` may tell
--        them both, are one, named by the row that told it first
-- adds:  until_at (a silence lasts until the next push that was recorded; nothing reaches past `as_of`); reconciled_until and
--        reconciled_by (how far reconciliations reach that were recorded after it, and the event id of the one that reaches
--        furthest; null without one)
-- reads: source_statements, events, parameters (as_of)
with pushes as (select source, recorded_at, seq from events where ingest_mode = 'push'),
told as (
  select g.source, g.phase, g.from_at, g.until_at, g.missed, g.seq, g.event_id, min(p.recorded_at) as pushed_at
  from source_statements g
  left join pushes p on g.phase = 'source_silent' and p.source = g.source and p.seq > g.seq
  where g.phase in ('gap_detected', 'source_silent')
  group by g.source, g.phase, g.from_at, g.until_at, g.missed, g.seq, g.event_id
),
spans as (
  select g.source, g.phase, g.from_at, least(coalesce(g.until_at, g.pushed_at, w.as_of), w.as_of) as until_at, g.missed, g.seq, g.event_id
  from told g cross join parameters w
),
-- Where the reach of all before a silence ends, another begins; a gap is its own.
reached as (
  select s.*, max(until_at) over (
      partition by source, phase order by from_at, seq rows between unbounded preceding and 1 preceding
    ) as reach
  from spans s
),
numbered as (
  select r.*, sum(case when phase = 'source_silent' and from_at < reach then 0 else 1 end)
      over (partition by source, phase order by from_at, seq) as number
  from reached r
),
gaps as (
  select source, phase, min(from_at) as from_at, max(until_at) as until_at, min(missed) as missed, min(seq) as seq,
    first_value(event_id order by seq) as event_id
  from numbered group by source, phase, number
),
reconciled as (
  select g.event_id, max(r.until_at) as until_at, last_value(r.event_id order by r.until_at, r.seq) as by
  from gaps g
  join source_statements r on r.source = g.source and r.phase = 'reconciled' and r.seq > g.seq and r.until_at > g.from_at
  group by g.event_id
)
select g.source, g.phase, g.from_at, g.until_at, g.missed, g.seq, g.event_id, r.until_at as reconciled_until, r.by as reconciled_by
from gaps g
left join reconciled r on r.event_id = g.event_id
