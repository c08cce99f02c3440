-- view:  rollback_statements
-- shows: one row per rollback: what its rows and the deployments that carry it state about it as a whole, and its begin
-- reads: rollback_attempts, rollback_rows, deployments
-- rules: docs/metrics.md, "From events to entities"; corner cases 2, 7, 20
with stated as (
  select rollback_id,
    bool_or(named) as named,
    last_value(environment_tier order by ord) filter (where environment_tier is not null) as environment_tier,
    last_value(rollback_of order by ord) filter (where rollback_of is not null) as rollback_of,
    last_value(from_version order by ord) filter (where from_version is not null) as from_version,
    last_value(to_version order by ord) filter (where to_version is not null) as to_version,
    last_value(mechanism order by ord) filter (where mechanism is not null) as mechanism,
    last_value(trigger order by ord) filter (where trigger is not null) as trigger,
    last_value(trigger_condition order by ord) filter (where trigger_condition is not null) as trigger_condition,
    last_value(signals order by ord) filter (where signals is not null) as signals,
    last_value(policy_id order by ord) filter (where policy_id is not null) as policy_id,
    last_value(recognised_by order by ord) filter (where recognised_by is not null) as recognised_by,
    last_value(incident_id order by ord) filter (where incident_id is not null) as incident_id,
    last_value(override order by ord) filter (where override is not null) as override,
    last_value(drill order by ord) filter (where drill is not null) as drill,
    min(occurred_at) filter (where phase = 'requested') as requested_at,
    min(ord) filter (where phase = 'requested') as requested_ord,
    first_value(actor order by ord) filter (where phase = 'requested' and actor is not null) as requested_by,
    min(occurred_at) filter (where phase = 'decided') as decided_at,
    min(ord) filter (where phase = 'decided') as decided_ord,
    first_value(actor order by ord) filter (where phase = 'decided' and actor is not null) as decided_by,
    min(occurred_at) filter (where phase = 'approved') as approved_at,
    first_value(approver order by ord) filter (where phase = 'approved' and approver is not null) as approver,
    min(occurred_at) filter (where phase = 'started') as started_at,
    min(ord) filter (where phase = 'started') as started_ord,
    min(occurred_at) as first_at,
    min(ord) as first_ord
  from rollback_rows
  group by rollback_id
),
carried as (
  select a.rollback_id,
    min(a.started_at) as started_at, min(a.started_ord) as started_ord,
    min(a.live_at) as first_live_at, min(a.live_ord) as first_live_ord,
    min(a.begin_at) as first_at, min(a.begin_ord) as first_ord,
    first_value(d.rollback_of order by a.place) filter (where d.rollback_of is not null) as rollback_of,
    first_value(d.incident_id order by a.place) filter (where d.incident_id is not null) as incident_id,
    first_value(d.approved_at order by a.place) filter (where d.approved_at is not null) as approved_at,
    first_value(d.approver order by a.place) filter (where d.approver is not null) as approver,
    first_value(d.class_method order by a.place) filter (where d.class_method is not null) as class_method,
    bool_or(d.drill) as drill, bool_or(d.production) as production
  from rollback_attempts a
  left join deployments d on d.deployment_id = a.deployment_id
  group by a.rollback_id
)
select c.rollback_id, coalesce(s.named, false) as named, s.environment_tier,
  coalesce(c.production, false) as carrier_production,
  coalesce(s.rollback_of, c.rollback_of) as rollback_of, s.from_version, s.to_version, s.mechanism, s.trigger,
  s.trigger_condition,
  s.signals, s.policy_id, coalesce(s.recognised_by, c.class_method, 'explicit') as recognised_by,
  coalesce(s.incident_id, c.incident_id) as incident_id, s.override, coalesce(s.drill, c.drill, false) as drill,
  coalesce(s.decided_at, s.requested_at,
    case when s.trigger = 'automatic' then coalesce(s.started_at, c.started_at) end) as decided_at,
  case when s.decided_at is not null then s.decided_by else s.requested_by end as decided_by,
  coalesce(s.approved_at, c.approved_at) as approved_at, coalesce(s.approver, c.approver) as approver,
  coalesce(s.started_at, c.started_at) as started_at,
  coalesce(s.started_at, c.started_at, s.decided_at, s.requested_at, c.first_live_at, s.first_at, c.first_at)
    as begin_at,
  coalesce(s.started_ord, c.started_ord, s.decided_ord, s.requested_ord, c.first_live_ord, s.first_ord, c.first_ord)
    as begin_ord
from carried c
left join stated s on s.rollback_id = c.rollback_id
