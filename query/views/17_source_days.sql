-- view:  source_days
-- shows: one row per source and day (UTC) on which it has facts, deliveries in quarantine, a count, a gap or a silence
-- adds:  held (facts of the day, what was retracted since included), pushed, polled and unsent (of those: by push, by poll, and
--        neither, as from a file), missed (found by a poll, see missed_pushes); quarantined (deliveries that are in quarantine)
--        and retried (that were, until a retry settled them); expected (the most that anybody counts), sent_min (the least that
--        the sender counts, null if only an API was asked), met (as much is held as each of them counts); open_gaps,
--        closed_gaps, open_silences; counted (the source was counted on this day or an earlier one); seq and event_id of all
--        that this rests on but plain facts
-- reads: events, facts, missed_pushes, quarantined_deliveries, source_statements, source_gaps
-- rules: docs/controls.md, LOG-01. A count is of a whole day; the last one of each who counts holds. What an API lists may be less
--        than what was pushed, what the sender counts may not
with told as (
  select e.source, epoch_us(coalesce(f.occurred_at, e.occurred_at)) / 86400000000 as day, e.ingest_mode
  from events e
  left join facts f on f.event_id = e.event_id
  where e.kind not in ('ingest', 'correction', 'ledger')
),
held as (
  select source, day, count(*) as held, count(*) filter (where ingest_mode = 'push') as pushed,
    count(*) filter (where ingest_mode = 'poll') as polled
  from told group by source, day
),
counts as (
  select source, epoch_us(from_at) / 86400000000 as day, stated_by, ingest_mode = 'poll' as listed,
    last_value(expected_count order by seq) as expected, last_value(event_id order by seq) as event_id
  from source_statements
  where phase in ('manifest', 'reconciled') and expected_count is not null
    and epoch_us(from_at) % 86400000000 = 0 and epoch_us(until_at) - epoch_us(from_at) = 86400000000
  group by source, epoch_us(from_at), stated_by, ingest_mode = 'poll'
),
counted as (
  select source, day, max(expected) as expected, min(expected) filter (where not listed) as sent_min
  from counts group by source, day
),
first_counts as (select source, min(day) as day from counts group by source),
rejected as (
  select f.source, epoch_us(f.occurred_at) / 86400000000 as day, q.quarantine, q.state, f.event_id, q.event_id as entries
  from facts f
  left join quarantined_deliveries q on q.quarantine = f.attributes['quarantine']
  where f.kind = 'ingest' and f.phase = 'rejected'
),
kept_back as (
  select source, day, count(distinct case when state = 'open' then quarantine end) as quarantined,
    count(distinct case when state = 'settled' then quarantine end) as retried
  from rejected group by source, day
),
gap_spans as (
  select g.*, epoch_us(from_at) / 86400000000 as first_day, epoch_us(reconciled_until) / 86400000000 as reconciled_day,
    case when until_at > from_at then epoch_us(until_at) - 1 else epoch_us(from_at) end / 86400000000 as last_day
  from source_gaps g
),
each_gap_day as (select g.*, unnest(generate_series(first_day, last_day)) as day from gap_spans g),
gap_days as (
  select source, phase, day, event_id, reconciled_by,
    coalesce(
      case phase
        when 'gap_detected' then reconciled_until >= until_at
        else reconciled_day > day or reconciled_day = day and day = last_day
      end, false) as closed
  from each_gap_day
),
open_days as (
  select source, day, count(*) filter (where phase = 'gap_detected' and not closed) as open_gaps,
    count(*) filter (where phase = 'gap_detected' and closed) as closed_gaps,
    count(*) filter (where phase = 'source_silent' and not closed) as open_silences
  from gap_days group by source, day
),
found as (select source, epoch_us(occurred_at) / 86400000000 as day, event_id from missed_pushes),
missed as (select source, day, count(*) as missed from found group by source, day),
cited as (
  select source, day, event_id from counts
  union select source, day, event_id from rejected
  union select source, day, unnest(entries) from rejected
  union select source, day, event_id from gap_days
  union select source, day, reconciled_by from gap_days where closed
  union select source, day, event_id from found
),
evidence as (
  select c.source, c.day, array_agg(e.seq order by e.seq) as seq, array_agg(e.event_id order by e.seq) as event_id
  from cited c join events e on e.event_id = c.event_id group by c.source, c.day
),
days as (
  select source, day from held
  union select source, day from counts
  union select source, day from rejected
  union select source, day from gap_days
)
select d.source, to_timestamp_us(d.day * 86400000000) as day, coalesce(h.held, 0) as held, coalesce(h.pushed, 0) as pushed,
  coalesce(h.polled, 0) as polled, coalesce(h.held - h.pushed - h.polled, 0) as unsent, coalesce(m.missed, 0) as missed,
  coalesce(k.quarantined, 0) as quarantined, coalesce(k.retried, 0) as retried, c.expected, c.sent_min,
  coalesce(c.expected <= coalesce(h.held, 0) and coalesce(c.sent_min >= coalesce(h.held, 0), true), false) as met, coalesce(o.open_gaps, 0) as open_gaps,
  coalesce(o.closed_gaps, 0) as closed_gaps, coalesce(o.open_silences, 0) as open_silences,
  coalesce(f.day <= d.day, false) as counted, e.seq, e.event_id
from days d
left join held h on h.source = d.source and h.day = d.day
left join counted c on c.source = d.source and c.day = d.day
left join first_counts f on f.source = d.source
left join kept_back k on k.source = d.source and k.day = d.day
left join open_days o on o.source = d.source and o.day = d.day
left join missed m on m.source = d.source and m.day = d.day
left join evidence e on e.source = d.source and e.day = d.day
