-- view:  incident_cuts
-- shows: which of an incident's own cuts begin a pass, and which of those a new generation (a reopening later than
--        `reopen_window` after the last end)
-- reads: incident_segments, parameters (reopen_window_us)
-- rules: docs/metrics.md, "Reopened"; corner cases 14, 15, 36. Own marks alone decide, so that ties can build on the
--        generations; what a tied rollback adds to the passes comes later (incident_passes)
with recursive walk as (
  select base_id, segment, cut_at, cut_position, cast(1 as bigint) as generation,
    true as begins_pass, true as begins_generation, acted, verified_at, resolved_at, closed_at
  from incident_segments
  where segment = 0
  union all
  select base_id, segment, cut_at, cut_position, generation + case when again then 1 else 0 end, counts, again,
    acted or (before_acted and not counts),
    coalesce(verified_at, case when not counts then before_verified_at end),
    coalesce(resolved_at, case when not counts then before_resolved_at end),
    coalesce(closed_at, case when not counts then before_closed_at end)
  from (
    select *,
      counts and cut = 'reopened'
        and epoch_us(cut_at) - epoch_us(coalesce(before_resolved_at, before_closed_at, before_verified_at))
          > reopen_window_us as again
    from (
      select s.*, w.generation, w.acted as before_acted, w.verified_at as before_verified_at,
        w.resolved_at as before_resolved_at, w.closed_at as before_closed_at, p.reopen_window_us,
        case s.cut
          when 'reopened' then coalesce(w.verified_at, w.resolved_at, w.closed_at) is not null
          else w.acted and w.resolved_at is null and w.closed_at is null
        end as counts
      from walk w
      join incident_segments s on s.base_id = w.base_id and s.segment = w.segment + 1
      cross join parameters p
    ) judged
  ) stepped
)
select base_id, segment, cut_at, cut_position, generation, begins_pass, begins_generation from walk
