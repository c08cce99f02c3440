-- view:  divergence_checks
-- shows: one row per comparison of a dataset with what it should be
-- adds:  reconciled_at, the first reconciliation after it of the same dataset, kind and region, if it found a divergence
-- reads: facts
-- rules: docs/metrics.md, "Entities"
with checks as (
  select * from facts where kind = 'divergence' and phase in ('checked', 'detected')
),
repairs as (
  select * from facts where kind = 'divergence' and phase = 'reconciled'
),
repaired as (
  select c.event_id, min(r.occurred_at) as reconciled_at
  from checks c
  join repairs r on r.dataset = c.dataset and r.ord > c.ord
    and coalesce(r.divergence_kind, '') = coalesce(c.divergence_kind, '') and coalesce(r.region, '') = coalesce(c.region, '')
  where c.phase = 'detected' or c.divergent_count > 0
  group by c.event_id
)
select c.dataset, c.divergence_kind, c.service, c.environment, c.region, c.incident_id, c.rollback_id,
  c.occurred_at as checked_at, c.phase = 'detected' or coalesce(c.divergent_count > 0, false) as diverged,
  c.checked_count, c.divergent_count, r.reconciled_at, c.actor,
  coalesce(c.drill, false) as drill, c.seq, c.event_id
from checks c
left join repaired r on r.event_id = c.event_id
