-- query: incident_changes
-- shows: the last ten deployments of the incident's service and environment that began before it ended
-- reads: deployments, incidents, parameters
select * from (
  select
    d.deployment_id, d.version, d.artifact_digest, d.class, d.outcome, d.actor, d.approver, d.approved_at, d.begin_at,
    row_number() over (order by d.begin_at desc, d.deployment_id desc) as newest
  from deployments as d
    join incidents as i on i.service = d.service and (i.environment is null or i.environment = d.environment)
    cross join parameters as w
  where i.incident_id = $incident and d.begin_at < coalesce(i.ended_at, w.as_of)
)
where newest <= 10
order by begin_at, deployment_id
