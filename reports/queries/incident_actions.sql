-- query: incident_actions
-- shows: postmortems and action items of one incident
-- reads: postmortems, action_items
select 'postmortem' as what, p.postmortem_id as id, p.status, p.owner, p.due_at, p.published_at as done_at
from postmortems as p where p.incident_id = $incident
union all
select 'action item', a.action_item_id, a.status, a.owner, a.due_at, a.completed_at
from action_items as a where a.incident_id = $incident
order by what, id
