-- query: reconciliation
-- shows: for each statement of a source of how many deliveries it sent: how many rows of it are in the log
-- reads: facts, parameters
with manifests as (
  select f.source, f.window_start, f.window_end, f.expected_count, f.seq, f.event_id
  from facts as f cross join parameters as w
  where f.kind = 'ingest' and f.phase in ('manifest', 'reconciled') and f.expected_count is not null
    and f.window_start >= w.window_start and f.window_start < w.window_end
)
select m.source, m.window_start as from_at, m.window_end as until_at, m.expected_count, count(f.event_id) as logged
from manifests as m
  left join facts as f on f.source = m.source and f.kind <> 'ingest'
    and f.occurred_at >= m.window_start and f.occurred_at < m.window_end
group by m.source, m.window_start, m.window_end, m.expected_count, m.seq
order by m.source, m.window_start, m.seq
