-- view:  flag_changes
-- shows: one row per change of a feature flag
-- adds:  change: turned_on, turned_off or changed
-- reads: facts
-- rules: docs/metrics.md, "Entities"
select flag, phase as change, service, environment, region, from_variant, to_variant, coalesce(kill_switch, false) as kill_switch,
  occurred_at as changed_at, actor, actor_kind, change_id, incident_id, rollback_id, coalesce(drill, false) as drill, seq,
  event_id
from facts
where kind = 'flag'
