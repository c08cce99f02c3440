-- query: actions
-- shows: action items that are open as of the report, oldest first
-- reads: action_items
select a.action_item_id, a.service, a.incident_id, a.owner, a.created_at, a.due_at, a.overdue, a.age_us
from action_items as a
where a.status = 'open' and a.drill is not true
order by a.created_at, a.action_item_id
