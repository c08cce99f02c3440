-- view:  rollback_rows
-- shows: one row per rollback event, under the id that its rollback has here, with service and environment filled in
--        from the other rows of the rollback
-- reads: facts
-- rules: docs/metrics.md, corner cases 2, 19. A row without rollback_id belongs to the rollback of the deployment that
--        it names, and without that it is one of its own
with keyed as (
  select f.*,
    coalesce(f.rollback_id, 'deployment:' || f.deployment_id, 'event:' || f.event_id) as rollback_key
  from facts f
  where f.kind = 'rollback'
),
places as (
  select rollback_key,
    last_value(service order by ord) filter (where service is not null) as service,
    last_value(environment order by ord) filter (where environment is not null) as environment
  from keyed
  group by rollback_key
)
select k.rollback_key as rollback_id, k.rollback_id is not null as named, k.event_id, k.phase, k.occurred_at, k.ord,
  coalesce(k.service, p.service) as service, coalesce(k.environment, p.environment) as environment,
  k.environment_tier, k.region, k.actor, k.approver, k.deployment_id, k.rollback_of, k.from_version, k.to_version,
  k.mechanism, k.trigger, k.trigger_condition, k.signals, k.policy_id, k.recognised_by, k.incident_id, k.override,
  k.drill
from keyed k
join places p on p.rollback_key = k.rollback_key
