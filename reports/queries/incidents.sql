-- query: incidents
-- shows: every production incident that began in the window, those left out of the metrics with the reason
-- reads: incidents, parameters
select
  i.incident_id, i.service, i.severity, i.status, i.started_at, i.detected_at, i.ended_at, i.detect_us, i.decide_us,
  i.act_us, i.verify_us, i.unattributed_us, i.active_us, i.recovery_method, i.cause_deployment_id, i.link_method,
  i.excluded_by
from incidents as i cross join parameters as w
where i.production and i.drill is not true and i.cohort_at >= w.window_start and i.cohort_at < w.window_end
order by i.cohort_at, i.incident_id
