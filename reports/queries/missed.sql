-- query: missed
-- shows: what polls found that happened in the window and that no push told, though the source pushes its like
-- reads: missed_pushes, parameters
select m.source, m.kind || '/' || m.phase as fact, m.subject, m.occurred_at, m.recorded_at, m.seq, m.event_id
from missed_pushes as m cross join parameters as w
where m.occurred_at >= w.window_start and m.occurred_at < w.window_end
order by m.source, m.occurred_at, m.seq
