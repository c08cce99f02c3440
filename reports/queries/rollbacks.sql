-- query: rollbacks
-- shows: every production rollback that began in the window; drills are not production
-- reads: rollbacks, parameters
select
  r.rollback_id, r.service, r.environment, r.trigger, r.from_version, r.to_version, r.incident_id, r.begin_at, r.live_at,
  r.execution_outcome, r.effective_outcome, r.exposure_us, r.response_us, r.execution_us, r.recovery_us
from rollbacks as r cross join parameters as w
where r.production and r.drill is not true and r.begin_at >= w.window_start and r.begin_at < w.window_end
order by r.begin_at, r.rollback_id
