-- query: gaps
-- shows: spans of the window of which a source or intake says that something is missing, and that nothing closed since
-- reads: facts, parameters
select g.source, g.phase, coalesce(g.window_start, g.occurred_at) as from_at, g.window_end as until_at, g.seq, g.event_id
from facts as g cross join parameters as w
where g.kind = 'ingest' and g.phase in ('gap_detected', 'source_silent')
  and coalesce(g.window_start, g.occurred_at) < w.window_end
  and coalesce(g.window_end, w.as_of) >= w.window_start
  and not exists (
    select 1 from facts as r
    where r.kind = 'ingest' and r.phase = 'reconciled' and r.source = g.source and r.ord > g.ord
  )
order by g.source, from_at, g.seq
