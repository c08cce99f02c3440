-- view:  sli_spans
-- shows: per series of SLO samples the maximal spans in target, in microseconds
-- reads: sli_samples
-- rules: docs/metrics.md, corner cases 22, 34: an instant is in target when a good sample and no bad one covers it
with edges as (
  select service, environment, region, series, from_us as at_us,
    case when good then 1 else 0 end as good_change, case when good then 0 else 1 end as bad_change
  from sli_samples where from_us < to_us
  union all
  select service, environment, region, series, to_us,
    case when good then -1 else 0 end, case when good then 0 else -1 end
  from sli_samples where from_us < to_us
),
points as (
  select service, environment, region, series, at_us, sum(good_change) as good_change, sum(bad_change) as bad_change
  from edges
  group by service, environment, region, series, at_us
),
covers as (
  select *,
    sum(good_change) over w as goods, sum(bad_change) over w as bads,
    lead(at_us) over w as next_us
  from points
  window w as (partition by service, environment, region, series order by at_us)
),
states as (
  select *, goods > 0 and bads = 0 as in_target,
    lag(goods > 0 and bads = 0) over (partition by service, environment, region, series order by at_us) as before
  from covers
),
islands as (
  select *, sum(case when in_target and not coalesce(before, false) then 1 else 0 end) over (
      partition by service, environment, region, series order by at_us) as island
  from states
)
select service, environment, region, series, min(at_us) as from_us, max(next_us) as to_us
from islands
where in_target and next_us is not null
group by service, environment, region, series, island
