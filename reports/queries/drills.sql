-- query: drills
-- shows: drills that were due, begun or completed in the window
-- reads: drills, parameters
select d.drill_id, d.drill_kind, d.service, d.environment, d.due_at, d.completed_at, d.due_state, d.recovery_us,
  d.objective_recovery_s * 1000000 as objective_us
from drills as d cross join parameters as w
where d.due_at >= w.window_start and d.due_at < w.window_end
  or d.started_at >= w.window_start and d.started_at < w.window_end
  or d.completed_at >= w.window_start and d.completed_at < w.window_end
order by coalesce(d.due_at, d.started_at, d.completed_at), d.drill_id
