-- view:  quarantined_deliveries
-- shows: one row per delivery that was kept in quarantine, not or not wholly understood, or as a contradiction of the log
-- adds:  quarantine (its id), refused_at (first), state (settled: since it was last refused a retry found all that it says in the
--        log, or put it there; else open), retries (those that ended differently), retried_at (the last of them), rows and
--        known_rows (what retries added, and what they found there: spans like `3-5,9`), seq and event_id of all entries
-- reads: events, facts
-- rules: docs/operations.md, "Deliveries in quarantine". Only what intake itself states counts as a retry
with entries as (
  select source, phase, occurred_at, seq, event_id, attributes from facts
  where kind = 'ingest' and (phase = 'rejected' or phase = 'retried' and ingest_mode = 'attested')
  union all
  select source, phase, occurred_at, seq, event_id, attributes from events where kind = 'ledger' and phase = 'conflict'
),
told as (
  select attributes['quarantine'] as quarantine, nullif(source, 'ledger') as source, phase = 'retried' as retried, occurred_at, seq, event_id,
    attributes['outcome'] = 'settled' as settles, attributes['rows'] as rows, attributes['known_rows'] as known_rows
  from entries
)
select quarantine, min(source) as source, min(occurred_at) filter (where not retried) as refused_at,
  case when max(seq) filter (where retried and settles) > max(seq) filter (where not retried) then 'settled' else 'open' end as state,
  count(*) filter (where retried) as retries, max(occurred_at) filter (where retried) as retried_at,
  string_agg(rows, ',' order by seq) filter (where retried) as rows,
  string_agg(known_rows, ',' order by seq) filter (where retried) as known_rows,
  array_agg(seq order by seq) as seq, array_agg(event_id order by seq) as event_id
from told
where quarantine is not null
group by quarantine
having count(*) filter (where not retried) > 0
