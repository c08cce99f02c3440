-- control: RBK-03
-- counts:  production rollbacks that began in the window, without looking at anything else of them
-- reads:   rollbacks, parameters
select count(*) as expected
from rollbacks as r cross join parameters as w
where r.production and r.drill is not true and coalesce(r.execution_outcome, '') <> 'cancelled'
    and r.begin_at >= w.window_start and r.begin_at < w.window_end
