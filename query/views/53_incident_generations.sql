-- view:  incident_generations
-- shows: one row per incident; an incident that came back after `reopen_window` is one more, `<id>#2`, which inherits
--        what earlier rows stated
-- adds:  the rows of it (from_position, until_position exclusive), the span in which a rollback may be tied to it by
--        time (open_from, open_until; no open_until while it has no end since the last cut)
-- reads: facts, incident_rows, incident_cuts
-- rules: docs/metrics.md, corner cases 2, 14, 16, 17
with spans as (
  select base_id, generation,
    min(cut_position) as from_position,
    max(cut_position) filter (where begins_pass) as last_cut_position,
    min(cut_at) filter (where begins_generation) as begins_at
  from incident_cuts
  group by base_id, generation
),
bounded as (
  select s.*,
    lead(s.from_position) over (partition by s.base_id order by s.generation) as until_position,
    lead(s.begins_at) over (partition by s.base_id order by s.generation) as until_at
  from spans s
),
marks as (
  select b.base_id, b.generation,
    min(r.occurred_at) filter (where r.phase = 'started') as started_at,
    min(r.occurred_at) filter (where r.phase in ('detected', 'reported')) as detected_at,
    min(r.occurred_at) filter (where r.phase = 'acknowledged') as acknowledged_at,
    min(r.occurred_at) as first_at,
    max(r.occurred_at) filter (
      where r.phase in ('verified', 'resolved', 'closed') and r.position > b.last_cut_position) as last_end_at,
    last_value(r.phase order by r.position) filter (
      where r.phase in ('cancelled', 'detected', 'reported', 'reopened')) as last_turn
  from bounded b
  join incident_rows r on r.base_id = b.base_id and r.position >= b.from_position
    and (b.until_position is null or r.position < b.until_position)
  group by b.base_id, b.generation
),
stated as (
  select b.base_id, b.generation,
    last_value(f.service order by f.ord) filter (where f.service is not null) as service,
    last_value(f.environment order by f.ord) filter (where f.environment is not null) as environment,
    last_value(f.environment_tier order by f.ord) filter (where f.environment_tier is not null) as environment_tier,
    last_value(f.region order by f.ord) filter (where f.region is not null) as region,
    last_value(f.team order by f.ord) filter (where f.team is not null) as team,
    last_value(f.severity order by f.ord) filter (where f.severity is not null) as severity,
    last_value(f.severity_raw order by f.ord) filter (where f.severity_raw is not null) as severity_raw,
    last_value(f.detected_by order by f.ord) filter (where f.detected_by is not null) as detected_by,
    last_value(f.customer_impact order by f.ord) filter (where f.customer_impact is not null) as customer_impact,
    last_value(f.commander order by f.ord) filter (where f.commander is not null) as commander,
    last_value(f.data_classes order by f.ord) filter (where f.data_classes is not null) as data_classes,
    last_value(f.records_exposed order by f.ord) filter (where f.records_exposed is not null) as records_exposed,
    last_value(f.residency order by f.ord) filter (where f.residency is not null) as residency,
    last_value(f.cause_deployment_id order by f.ord) filter (where f.cause_deployment_id is not null) as asserted_cause,
    last_value(f.recurrence_of order by f.ord) filter (where f.recurrence_of is not null) as recurrence_of,
    last_value(f.duplicate_of order by f.ord) filter (where f.duplicate_of is not null) as duplicate_of,
    count(*) filter (where f.phase = 'merged') > 0 as merged,
    coalesce(last_value(f.drill order by f.ord) filter (where f.drill is not null), false) as drill,
    last_value(f.event_id order by f.ord) filter (where f.title_commitment is not null) as title_event_id,
    count(*) filter (where r.position >= b.from_position) as row_count
  from bounded b
  join incident_rows r on r.base_id = b.base_id and (b.until_position is null or r.position < b.until_position)
  join facts f on f.event_id = r.event_id and f.kind = 'incident'
  where not r.claimed
  group by b.base_id, b.generation
)
select
  case when b.generation = 1 then b.base_id else concat(b.base_id, '#', cast(b.generation as text)) end as incident_id,
  b.base_id, b.generation, b.begins_at, b.until_at, b.from_position, b.until_position,
  coalesce(b.begins_at, m.started_at) as own_started_at,
  coalesce(b.begins_at, m.detected_at) as own_detected_at,
  m.acknowledged_at, m.first_at,
  coalesce(b.begins_at, m.started_at, m.detected_at) as open_from,
  m.last_end_at as open_until,
  coalesce(m.last_turn = 'cancelled', false) as cancelled,
  coalesce(s.environment_tier = 'production', s.environment is null or s.environment in ('production', 'prod'))
    as production,
  case
    when b.generation = 1 then s.recurrence_of
    when b.generation = 2 then b.base_id
    else concat(b.base_id, '#', cast(b.generation - 1 as text))
  end as recurrence_of,
  s.service, s.environment, s.region, s.team, s.severity, s.severity_raw, s.detected_by, s.customer_impact, s.commander,
  s.data_classes, s.records_exposed, s.residency, s.asserted_cause, s.duplicate_of, s.merged, s.drill, s.title_event_id,
  s.row_count
from bounded b
join marks m on m.base_id = b.base_id and m.generation = b.generation
join stated s on s.base_id = b.base_id and s.generation = b.generation
