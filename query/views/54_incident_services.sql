-- view:  incident_services
-- shows: every service that an incident names, one row each
-- reads: facts, incident_rows, incident_generations
-- rules: docs/metrics.md, "Several services". What is within one service asks for any of them
select distinct g.incident_id, f.service
from incident_generations g
join incident_rows r on r.base_id = g.base_id and (g.until_position is null or r.position < g.until_position)
join facts f on f.event_id = r.event_id and f.kind = 'incident'
where not r.claimed and f.service is not null
