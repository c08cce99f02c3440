-- control: INC-04
-- counts:  incidents of the severities tested that ended in the window, and those still open that began before its end
-- reads:   incidents, parameters
select
  count(*) filter (where i.censored and i.cohort_at < w.window_end)
  + count(*) filter (where i.censored is not true and coalesce(i.ended_at, i.closed_at) >= w.window_start
      and coalesce(i.ended_at, i.closed_at) < w.window_end) as expected
from incidents as i cross join parameters as w
where i.production and i.drill is not true and (i.excluded_by is null or i.excluded_by in ('no_start', 'negative'))
  and (i.severity is null or i.severity <= $severity_at_most)
