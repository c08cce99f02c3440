-- query: gaps
-- shows: spans of the window of which a source or intake says that something is missing, that nothing closed since, as
--        LOG-01 judges their days; and days of which somebody counts more than the log holds
-- reads: source_gaps, source_days, parameters
with days as (
  select d.* from source_days as d cross join parameters as w where d.day >= w.window_start and d.day < w.window_end
)
select g.source, g.phase, g.from_at, g.until_at, g.seq, g.event_id
from source_gaps as g
where exists (
  select 1 from days as d
  where d.source = g.source and epoch_us(d.day) + 86400000000 > epoch_us(g.from_at)
    and epoch_us(d.day) < epoch_us(g.until_at) + case when g.until_at > g.from_at then 0 else 1 end
    and case g.phase when 'gap_detected' then d.open_gaps > 0 else d.open_silences > 0 and not d.met end
)
union all
select d.source, 'manifest' as phase, d.day as from_at, to_timestamp_us(epoch_us(d.day) + 86400000000) as until_at,
  cast(null as bigint) as seq, cast(null as text) as event_id
from days as d
where d.expected > d.held
order by source, from_at, seq
