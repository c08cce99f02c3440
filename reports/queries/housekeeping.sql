-- query: housekeeping
-- shows: what intake and the log say of themselves: rejects, gaps, conflicts, recoveries, erasures, in the window
-- reads: events, parameters
select e.kind || '/' || e.phase as entry, count(*) as row_count, min(e.recorded_at) as first_at, max(e.recorded_at) as last_at
from events as e cross join parameters as w
where (e.kind in ('ingest', 'correction') or e.kind = 'ledger' and e.phase not in ('heartbeat', 'identity', 'segment_sealed'))
  and e.recorded_at >= w.window_start and e.recorded_at < w.window_end
group by e.kind, e.phase
order by e.kind, e.phase
