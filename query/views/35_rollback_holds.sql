-- view:  rollback_holds
-- shows: one row per rollback that is live everywhere: how its guarded SLIs did afterwards
-- adds:  series_count, data_count (guarded series with a sample in [live, live + D + H]), held_count (series with a
--        hold), hold_from_us (start of the last series' first hold, NULL unless all have one within D)
-- reads: rollback_attempts, rollback_statements, sli_samples, sli_spans, parameters (hold_us, verify_deadline_us)
-- rules: docs/metrics.md, "SLI recovery after rollback"; corner cases 22, 34
with lives as (
  select a.rollback_id, max(epoch_us(a.live_at)) as live_us
  from rollback_attempts a
  group by a.rollback_id
  having count(*) = count(case when a.outcome = 'succeeded' then a.live_at end)
),
places as (
  select distinct l.rollback_id, l.live_us, coalesce(a.service, '') as service,
    coalesce(a.environment, '') as environment,
    coalesce(a.region, '') as region
  from lives l
  join rollback_attempts a on a.rollback_id = l.rollback_id
),
asked as (
  select rollback_id, unnest(signals) as series from rollback_statements where signals is not null
),
sampled as (
  select p.rollback_id, p.live_us, s.service, s.environment, s.region, s.series,
    max(case when s.from_us >= p.live_us and s.from_us <= p.live_us + q.verify_deadline_us + q.hold_us then 1
      else 0 end) as has_data
  from places p
  cross join parameters q
  join sli_samples s on s.service = p.service and s.environment = p.environment
    and (s.region = '' or p.region = '' or s.region = p.region)
  group by p.rollback_id, p.live_us, s.service, s.environment, s.region, s.series
),
guarded as (
  select s.* from sampled s
  where s.has_data = 1 and not exists (select 1 from asked a where a.rollback_id = s.rollback_id)
  union all
  select s.* from sampled s
  join asked a on a.rollback_id = s.rollback_id and a.series = s.series
),
-- Signals that the rollback names and that nobody has ever sampled are guarded too, and never in target.
named as (
  select a.rollback_id, count(*) as unseen
  from asked a
  where not exists (select 1 from sampled s where s.rollback_id = a.rollback_id and s.series = a.series)
  group by a.rollback_id
),
holds as (
  select g.rollback_id, g.region, g.series, g.has_data,
    min(case when t.from_us is not null then greatest(t.from_us, g.live_us) end) as hold_from_us
  from guarded g
  cross join parameters q
  left join sli_spans t on t.service = g.service and t.environment = g.environment and t.region = g.region
    and t.series = g.series and t.to_us - greatest(t.from_us, g.live_us) >= q.hold_us
    and greatest(t.from_us, g.live_us) <= g.live_us + q.verify_deadline_us
  group by g.rollback_id, g.region, g.series, g.has_data
),
summed as (
  select rollback_id, count(*) as series_count, sum(has_data) as data_count, count(hold_from_us) as held_count,
    max(hold_from_us) as hold_from_us
  from holds
  group by rollback_id
)
select l.rollback_id, l.live_us,
  coalesce(s.series_count, 0) + coalesce(n.unseen, 0) as series_count,
  coalesce(s.data_count, 0) as data_count,
  coalesce(s.held_count, 0) as held_count,
  case when s.held_count = s.series_count and n.unseen is null then s.hold_from_us end as hold_from_us
from lives l
left join summed s on s.rollback_id = l.rollback_id
left join named n on n.rollback_id = l.rollback_id
