-- view:  source_statements
-- shows: one row per statement of intake, or of whoever counts, about a source: manifest, gap_detected, source_silent,
--        reconciled; retracted ones are gone
-- adds:  source (whom it is about: attribute `source` where it was stated as a native event), stated_by (source, instance
--        and mode of whoever stated it), from_at and until_at (what it is about, half-open; until_at is null for a silence),
--        missed (facts that no push told, by the statement)
-- reads: facts
-- rules: docs/polling.md, "What it does to the log"
select coalesce(case when source = 'native' then attributes['source'] end, source) as source, phase,
  concat(source, ' ', coalesce(source_instance, ''), ' ', coalesce(ingest_mode, '')) as stated_by, ingest_mode,
  coalesce(window_start, occurred_at) as from_at,
  case when phase <> 'source_silent' then coalesce(window_end, occurred_at) end as until_at,
  expected_count, try_cast(attributes['missed'] as bigint) as missed, recorded_at, seq, event_id
from facts
where kind = 'ingest' and phase in ('manifest', 'gap_detected', 'source_silent', 'reconciled')
