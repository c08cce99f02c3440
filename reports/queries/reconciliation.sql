-- query: reconciliation
-- shows: for each statement about a source of how many events it has of a span: how many of them are in the log
-- reads: facts, source_statements, parameters
with manifests as (
  select s.source, s.from_at, s.until_at, s.expected_count, s.seq, s.event_id
  from source_statements as s cross join parameters as w
  where s.phase in ('manifest', 'reconciled') and s.expected_count is not null
    and s.from_at >= w.window_start and s.from_at < w.window_end
)
select m.source, m.from_at, m.until_at, m.expected_count, count(f.event_id) as logged
from manifests as m
  left join facts as f on f.source = m.source and f.kind <> 'ingest'
    and f.occurred_at >= m.from_at and f.occurred_at < m.until_at
group by m.source, m.from_at, m.until_at, m.expected_count, m.seq
order by m.source, m.from_at, m.seq
