-- control: LOG-01
-- counts:  sources and days (UTC) that the rows of the log speak of, without looking at what they say
-- reads:   events, facts, source_gaps, source_statements, parameters
with spoken as (
  select source, occurred_at as at from facts where kind <> 'ingest' or phase = 'rejected'
  union all
  select e.source, e.occurred_at from events as e
  where e.kind not in ('ingest', 'correction', 'ledger') and not exists (select 1 from facts as f where f.event_id = e.event_id)
  union all
  select source, from_at from source_statements
  where phase in ('manifest', 'reconciled') and expected_count is not null
    and from_at = date_trunc('day', from_at) and until_at = from_at + interval '1 day'
),
spans as (
  select g.source, date_trunc('day', g.from_at) as day, g.from_at, g.until_at from source_gaps as g
),
gap_days as (
  select s.source, to_timestamp_us(epoch_us(s.day) + n.n * 86400000000) as at
  from spans as s
    cross join (select unnest(generate_series(0, (select max(epoch_us(until_at) - epoch_us(day)) / 86400000000 from spans))) as n) as n
  where n.n = 0 or epoch_us(s.day) + n.n * 86400000000 < epoch_us(s.until_at)
),
days as (
  select source, epoch_us(at) / 86400000000 as day from spoken
  union
  select source, epoch_us(at) / 86400000000 from gap_days
)
select count(*) as expected
from days as d cross join parameters as w
where d.day * 86400000000 >= epoch_us(w.window_start) and d.day * 86400000000 < epoch_us(w.window_end)
