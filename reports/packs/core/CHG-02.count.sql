-- control: CHG-02
-- counts:  deployments of the population, without looking at approvals
-- reads:   deployments, parameters
select count(*) as expected
from deployments as d cross join parameters as w
where d.production and d.drill is not true
  and d.begin_at >= w.window_start
  and d.begin_at < w.window_end
