-- query: incident
-- shows: one incident
-- reads: incidents
select i.* from incidents as i where i.incident_id = $incident order by i.incident_id
