-- view:  sli_samples
-- shows: one row per health event of a signal or objective: whether it is in target, and the span that it covers
-- adds:  from_us and to_us in microseconds; a sample without a window lasts to the next of its series, the last one to
--        as_of
-- reads: facts, parameters (as_of)
-- rules: docs/metrics.md, "In target"; corner cases 22, 34
with samples as (
  select f.*, coalesce(f.signal, f.slo_id) as series_name,
    f.window_start is not null and f.window_end is not null as windowed,
    epoch_us(case when f.window_end is not null then coalesce(f.window_start, f.occurred_at) else f.occurred_at end)
      as start_us,
    case
      when f.good_count is not null and f.total_count is not null and f.slo_target_ppm is not null then
        f.total_count > 0 and f.good_count * 1000000 >= f.slo_target_ppm * f.total_count
      when f.phase in ('warning', 'breached', 'no_data') then false
      when f.phase = 'recovered' then coalesce(f.signal_state = 'ok', true)
      else coalesce(f.signal_state = 'ok', false) end as good
  from facts f
  where f.kind = 'health' and coalesce(f.signal, f.slo_id) is not null
),
followed as (
  select s.*,
    lead(start_us) over (
      partition by service, environment, region, series_name order by start_us, ord) as next_us
  from samples s
)
select f.event_id, coalesce(f.service, '') as service, coalesce(f.environment, '') as environment,
  coalesce(f.region, '') as region,
  f.series_name as series, f.slo_id, f.good, f.good_count, f.total_count, f.slo_target_ppm, f.drill, f.ord,
  f.start_us as from_us,
  least(case when f.windowed then epoch_us(f.window_end) else coalesce(f.next_us, epoch_us(p.as_of)) end,
    epoch_us(p.as_of)) as to_us
from followed f
cross join parameters p
