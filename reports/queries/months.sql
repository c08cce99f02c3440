-- query: months
-- shows: production deployments, rollbacks and incidents that began in each of the months given
-- reads: deployments, rollbacks, incidents
with months as (
  select * from $months
),
began as (
  select 'deployments' as what, d.begin_at as at from deployments as d where d.production and d.drill is not true
  union all
  select 'rollbacks', r.begin_at from rollbacks as r where r.production and r.drill is not true
  union all
  select 'failed rollbacks', r.begin_at from rollbacks as r
  where r.production and r.drill is not true and r.effective_outcome = 'failed'
  union all
  select 'incidents', i.cohort_at from incidents as i where i.excluded_by is null
)
select m.month, b.what, count(b.at) as row_count
from months as m
  join began as b on epoch_us(b.at) >= m.from_us and epoch_us(b.at) < m.to_us
group by m.month, b.what
order by m.month, b.what
