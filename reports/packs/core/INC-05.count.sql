-- control: INC-05
-- counts:  production incidents closed in the window and production rollbacks of the window that failed
-- reads:   incidents, rollbacks, parameters
select
  (select count(*) from incidents as i cross join parameters as w
   where i.production and i.drill is not true and (i.excluded_by is null or i.excluded_by in ('no_start', 'negative'))
     and i.censored is not true and i.closed_at >= w.window_start and i.closed_at < w.window_end)
  + (select count(*) from rollbacks as r cross join parameters as w
     where r.production and r.drill is not true and r.effective_outcome = 'failed'
       and r.begin_at >= w.window_start and r.begin_at < w.window_end) as expected
