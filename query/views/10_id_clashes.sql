-- view:  id_clashes
-- shows: one row per id that two instances of one source each gave to a thing of their own, by source and kind
-- adds:  nothing for `native`, `cdevents` and `otlp`, whose events speak of each other's things by agreed ids, and
--        nothing for the instance `default`, which is one that was not told
-- reads: events
-- rules: docs/metrics.md, "From events to entities"; corner case 46
with own as (
  select source, source_instance, kind,
    case kind
      when 'action_item' then action_item_id
      when 'approval' then approval_id
      when 'change' then change_id
      when 'deployment' then deployment_id
      when 'incident' then incident_id
      when 'postmortem' then postmortem_id
      when 'rollback' then rollback_id
    end as id
  from events
  where source not in ('native', 'cdevents', 'otlp') and source_instance <> 'default'
)
select source, kind, id
from own
where id is not null
group by source, kind, id
having min(source_instance) <> max(source_instance)
