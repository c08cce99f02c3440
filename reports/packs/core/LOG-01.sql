-- control: LOG-01
-- item:    one source and day (UTC) of the window: it has facts, deliveries in quarantine, a count, a gap or a silence
-- good:    as much is in the log as the source counts, and every gap of the day was reconciled
-- reads:   source_days, parameters
-- nulls:   a day that nobody counted is never good; a source that nobody ever counts leaves the control inconclusive
with population as (
  select d.*, concat(d.source, '/', cast(cast(d.day as date) as text)) as item_id
  from source_days as d cross join parameters as w
  where d.day >= w.window_start and d.day < w.window_end
),
judged as (
  select
    p.*,
    case
      when p.open_gaps > 0 then 'GAP_OPEN'
      when p.missed > 0 and p.closed_gaps = 0 then 'GAP_OPEN'
      when p.expected > p.held + p.quarantined then 'FEWER_THAN_COUNTED'
      when p.sent_min < p.held then 'MORE_THAN_COUNTED'
      when p.met and p.closed_gaps > 0 then 'RECOVERED'
      when p.met and p.quarantined = 0 and p.retried > 0 then 'RETRIED'
      when p.met then 'COUNTED'
      when p.open_silences > 0 then 'SILENT'
      when p.quarantined > 0 then 'IN_QUARANTINE'
      when p.held = 0 and p.retried > 0 then 'RETRIED'
      when p.held > 0 and p.unsent = p.held then 'NOT_SENT'
      when epoch_us(w.as_of) < epoch_us(p.day) + (86400 + $counted_within_s) * 1000000 then 'NOT_DUE'
      when p.held = 0 then 'RECONCILED'
      when p.counted then 'NOT_COUNTED'
      else 'NEVER_COUNTED'
    end as reason_code
  from population as p cross join parameters as w
)
select
  j.item_id, r.status, j.reason_code, r.reason, j.day as occurred_at, j.source, j.expected, j.held, j.missed, j.quarantined,
  j.retried, j.seq, j.event_id
from judged as j left join $reasons on r.reason_code = j.reason_code
order by j.item_id
