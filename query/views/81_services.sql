-- view:  services
-- shows: what was declared about each service, one row per span in which it held: from valid_from (inclusive) to
--        valid_to (exclusive; NULL: still)
-- adds:  an attribute that a declaration leaves out goes on as before; retired: the last declaration took it out of use
-- reads: facts
-- rules: docs/metrics.md, "Entities"; corner case 2. A declaration takes effect at its valid_from, else when it
--        occurred; of several that take effect at once the last in order holds
with declared as (
  select service, phase, tier, objective_recovery_s, objective_rollback_s, team, tags, environment_tier, owner, ord,
    seq, event_id,
    coalesce(valid_from, occurred_at) as valid_from, valid_to
  from facts
  where kind = 'service' and service is not null
),
carried as (
  select service, phase, valid_from, valid_to, ord, seq, event_id,
    last_value(tier) ignore nulls over (partition by service order by valid_from, ord) as tier,
    last_value(objective_recovery_s) ignore nulls
      over (partition by service order by valid_from, ord) as objective_recovery_s,
    last_value(objective_rollback_s) ignore nulls
      over (partition by service order by valid_from, ord) as objective_rollback_s,
    last_value(team) ignore nulls over (partition by service order by valid_from, ord) as team,
    last_value(owner) ignore nulls over (partition by service order by valid_from, ord) as owner,
    last_value(tags) ignore nulls over (partition by service order by valid_from, ord) as tags,
    lead(valid_from) over (partition by service order by valid_from, ord) as next_from
  from declared
)
select service, tier, objective_recovery_s, objective_rollback_s, team, owner, tags, phase = 'retired' as retired,
  valid_from, least(valid_to, next_from) as valid_to, seq, event_id
from carried
where next_from is null or next_from > valid_from
