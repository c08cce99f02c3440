-- query: reviews
-- shows: reviews signed in the window
-- reads: facts, parameters
select f.occurred_at as signed_at, f.actor, f.seq, f.event_id
from facts as f cross join parameters as w
where f.kind = 'review' and f.phase = 'signed' and f.occurred_at >= w.window_start and f.occurred_at < w.window_end
order by f.occurred_at, f.event_id
