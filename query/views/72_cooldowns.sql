-- view:  cooldowns
-- shows: one row per forward, reapply or fix-forward deployment that began less than the cooldown after a rollback of
--        its slot went live
-- adds:  since_us, verdict: `violation`, or `allowed` (a fix forward linked to the rollback's incident and approved)
-- reads: deployments, rollback_slot_blames, rollbacks, parameters (cooldown_us)
-- rules: docs/metrics.md, "Cooldown violation"; corner cases 23, 37
with rested as (
  select d.*, b.rollback_id as last_rollback_id, epoch_us(d.begin_at) - epoch_us(b.live_at) as since_us,
    row_number() over (partition by d.deployment_id order by b.live_ord desc) as back
  from deployments d
  join rollback_slot_blames b on b.slot = d.slot
  join rollbacks r on r.rollback_id = b.rollback_id and r.drill = d.drill
  where d.class in ('forward', 'reapply', 'fix_forward') and b.live_ord < d.begin_ord
)
select e.deployment_id, e.service, e.environment, e.region, e.slot, e.production, e.drill, e.class, e.version,
  e.begin_at,
  e.last_rollback_id as rollback_id, e.since_us, e.incident_id, e.approved_at, e.approver,
  case when e.class = 'fix_forward' and e.approved_at is not null
    and e.incident_id in (r.incident_id, r.asserted_incident_id)
    then 'allowed' else 'violation' end as verdict
from rested e
cross join parameters p
join rollbacks r on r.rollback_id = e.last_rollback_id
where e.back = 1 and e.since_us < p.cooldown_us
