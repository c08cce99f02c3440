-- query: sources
-- shows: what each source sent that happened in the window, and how it reached the log
-- reads: facts, parameters
select
  f.source, count(*) as row_count, min(f.occurred_at) as first_at, max(f.occurred_at) as last_at,
  count(*) filter (where f.backfilled) as backfilled,
  count(*) filter (where not f.backfilled and epoch_us(f.recorded_at) - epoch_us(f.occurred_at) > w.late_after_us) as late,
  count(*) filter (where f.corrected) as corrected,
  count(*) filter (where f.authn_verified) as authenticated
from facts as f cross join parameters as w
where f.occurred_at >= w.window_start and f.occurred_at < w.window_end
group by f.source
order by f.source
