-- view:  rollback_slots
-- shows: one row per rollback and slot: what the rollback's own rows say, and the deployment that carries it there
-- reads: rollback_rows, deployment_marks
-- rules: docs/metrics.md, corner cases 7, 19. A row without region speaks for all regions of its service and
--        environment
with carriers as (
  select carries as rollback_id, coalesce(service, '') as service, coalesce(environment, '') as environment,
    coalesce(region, '') as region,
    -- Of several attempts the last that went live, else the last that began.
    last_value(deployment_id order by case when live_ord is null then 0 else 1 end, coalesce(live_ord, first_ord))
      as deployment_id
  from deployment_marks
  where carries is not null
  group by carries, coalesce(service, ''), coalesce(environment, ''), coalesce(region, '')
),
rows as (
  select *, coalesce(service, '') as at_service, coalesce(environment, '') as at_environment from rollback_rows
),
regional as (
  select rollback_id, service, environment, region from carriers
  union
  select rollback_id, at_service, at_environment, region from rows where region is not null
),
slots as (
  select * from regional
  union
  select r.rollback_id, r.at_service, r.at_environment, ''
  from rows r
  where not exists (
    select 1 from regional x
    where x.rollback_id = r.rollback_id and x.service = r.at_service and x.environment = r.at_environment)
),
own as (
  select s.rollback_id, s.service, s.environment, s.region,
    min(r.occurred_at) filter (where r.phase = 'started') as started_at,
    min(r.ord) filter (where r.phase = 'started') as started_ord,
    coalesce(min(r.occurred_at) filter (where r.phase = 'live'),
      min(r.occurred_at) filter (where r.phase = 'succeeded')) as live_at,
    coalesce(min(r.ord) filter (where r.phase = 'live'), min(r.ord) filter (where r.phase = 'succeeded')) as live_ord,
    last_value(r.phase order by r.ord)
      filter (where r.phase in ('live', 'succeeded', 'failed', 'cancelled')) as end_phase,
    last_value(r.occurred_at order by r.ord)
      filter (where r.phase in ('live', 'succeeded', 'failed', 'cancelled')) as ended_at
  from slots s
  left join rows r on r.rollback_id = s.rollback_id and r.at_service = s.service and r.at_environment = s.environment
    and (r.region is null or r.region = s.region)
  group by s.rollback_id, s.service, s.environment, s.region
)
select o.rollback_id, nullif(o.service, '') as service, nullif(o.environment, '') as environment,
  nullif(o.region, '') as region, c.deployment_id,
  o.started_at, o.started_ord, o.live_at, o.live_ord, o.end_phase, o.ended_at
from own o
left join carriers c on c.rollback_id = o.rollback_id and c.service = o.service and c.environment = o.environment
  and c.region = o.region
