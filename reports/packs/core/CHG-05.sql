-- control: CHG-05
-- item:    one override used, one break-glass grant, or one emergency production deployment that no override names
-- good:    reason and incident given, on record within the hour, an end set, reviewed by somebody else within a day
-- reads:   deployments, deployment_rows, facts, person_directories, parameters
-- nulls:   an unknown actor, reviewer, reason, incident or end never makes an item good; nor does a reviewer of whom
--          the actor or an author may be another account, because no directory knows both
with uses as (
  select
    f.event_id as item_id, case f.kind when 'override' then 'override' else 'break-glass grant' end as what,
    f.occurred_at as begun_at, f.deployment_id, f.change_id, f.approval_id, f.service, f.environment, f.actor
  from facts as f cross join parameters as w
  where (f.kind = 'override' and f.phase = 'used' or f.kind = 'grant' and f.phase = 'given' and f.override)
    and f.drill is not true and f.occurred_at >= w.window_start and f.occurred_at < w.window_end
),
flagged as (
  select distinct deployment_id from facts
  where kind in ('deployment', 'change', 'approval') and change_type = 'emergency' and deployment_id is not null
  union
  select distinct d.deployment_id
  from deployments as d join facts as f on f.change_id = d.change_id
  where f.kind in ('change', 'approval') and f.change_type = 'emergency'
),
emergencies as (
  select
    d.deployment_id as item_id, 'emergency deployment' as what,
    d.begin_at as begun_at,
    d.deployment_id, d.change_id, cast(null as varchar) as approval_id, d.service, d.environment, d.actor
  from deployments as d
    join flagged as e on e.deployment_id = d.deployment_id
    cross join parameters as w
  where d.production and d.drill is not true and d.class not in ('rollback', 'restart')
    and d.begin_at >= w.window_start
    and d.begin_at < w.window_end
    and d.deployment_id not in (select u.deployment_id from uses as u where u.deployment_id is not null)
),
population as (
  select * from uses union all select * from emergencies
),
related as (
  select item_id, item_id as event_id from population where what <> 'emergency deployment'
  union
  select p.item_id, d.event_id from population as p join deployment_rows as d on d.deployment_key = p.deployment_id
  union
  select p.item_id, f.event_id from population as p join facts as f on f.deployment_id = p.deployment_id
  where f.kind in ('change', 'approval') or f.kind = 'override' and f.phase = 'reviewed'
  union
  select p.item_id, f.event_id from population as p join facts as f on f.change_id = p.change_id
  where f.kind in ('change', 'approval') or f.kind = 'override' and f.phase = 'reviewed'
  union
  select p.item_id, f.event_id from population as p join facts as f on f.approval_id = p.approval_id
  where f.kind = 'override' and f.phase = 'reviewed'
),
rows_of as (
  select
    p.item_id, p.what, p.begun_at, p.actor as used_by, f.seq, f.event_id, f.kind, f.phase, f.occurred_at, f.recorded_at,
    f.actor, f.approver, f.authors, f.incident_id, f.reason_commitment, f.expires_at,
    f.event_id = p.item_id or p.what = 'emergency deployment' and f.kind in ('deployment', 'change') as own,
    f.backfilled
  from related as r
    join population as p on p.item_id = r.item_id
    join facts as f on f.event_id = r.event_id
),
authors as (
  select distinct item_id, author
  from (select item_id, unnest(authors) as author from rows_of where kind in ('deployment', 'change'))
),
makers as (
  select item_id, author as maker from authors
  union
  select item_id, actor from population where actor is not null
),
given as (
  select item_id, begun_at, used_by, occurred_at, event_id, coalesce(approver, actor) as reviewer
  from rows_of
  where kind = 'override' and phase = 'reviewed' or kind = 'approval' and phase = 'approved'
),
apart as (
  select distinct g.item_id, g.reviewer, m.maker
  from given as g
    join makers as m on m.item_id = g.item_id
    join person_directories as x on x.person = g.reviewer
    join person_directories as y on y.person = m.maker and y.directory = x.directory
),
unresolved as (
  select distinct g.item_id, g.reviewer
  from given as g
    join makers as m on m.item_id = g.item_id
    left join apart as t on t.item_id = g.item_id and t.reviewer = g.reviewer and t.maker = m.maker
  where m.maker like 'person:%' and t.maker is null
),
other_people as (
  select
    g.*, g.reviewer like 'person:%' and g.reviewer <> g.used_by and w.author is null as other,
    u.reviewer is null as resolved,
    epoch_us(g.occurred_at) <= epoch_us(g.begun_at) + $review_within_s * 1000000 as in_time
  from given as g
    left join authors as w on w.item_id = g.item_id and w.author = g.reviewer
    left join unresolved as u on u.item_id = g.item_id and u.reviewer = g.reviewer
),
reviews as (
  select *, other and resolved as independent from other_people
),
reviewed as (
  select
    item_id, bool_or(independent and in_time) as in_time, bool_or(independent) as independent,
    bool_or(other and not resolved) as unresolved, true as found
  from reviews group by item_id
),
best_review as (
  select item_id, reviewer, occurred_at as reviewed_at from (
    select *, row_number() over (
      partition by item_id order by coalesce(independent, false) desc, occurred_at, event_id
    ) as best
    from reviews
  ) where best = 1
),
marks as (
  select
    item_id,
    bool_or(own and reason_commitment is not null) as has_reason,
    min(case when own then incident_id end) as incident_id,
    bool_or(own and expires_at is not null) as has_end,
    min(case when own and occurred_at >= begun_at then recorded_at end) as recorded_at,
    bool_or(own and backfilled) as backfilled,
    array_agg(seq order by seq) as seq,
    array_agg(event_id order by seq) as event_id
  from rows_of group by item_id
),
judged as (
  select
    p.*, m.incident_id, m.seq, m.event_id, b.reviewer, b.reviewed_at,
    case
      when m.has_reason is not true then 'NO_REASON'
      when m.incident_id is null then 'NO_INCIDENT'
      when p.what <> 'emergency deployment' and m.has_end is not true then 'NO_EXPIRY'
      when m.backfilled then 'BACKFILLED'
      when (epoch_us(m.recorded_at) <= epoch_us(p.begun_at) + $recorded_within_s * 1000000) is not true
        then 'RECORDED_LATE'
      when v.in_time then 'REVIEWED'
      when v.independent then 'REVIEWED_LATE'
      when epoch_us(w.as_of) < epoch_us(p.begun_at) + $review_within_s * 1000000 then 'REVIEW_PENDING'
      when v.unresolved then 'IDENTITY_UNRESOLVED'
      when v.found then 'SELF_REVIEWED'
      else 'NOT_REVIEWED'
    end as reason_code
  from population as p
    cross join parameters as w
    left join marks as m on m.item_id = p.item_id
    left join reviewed as v on v.item_id = p.item_id
    left join best_review as b on b.item_id = p.item_id
)
select
  j.item_id, r.status, j.reason_code, r.reason, j.begun_at as occurred_at, j.what, j.service, j.environment,
  j.incident_id, j.actor, j.reviewer, j.reviewed_at, j.seq, j.event_id
from judged as j left join $reasons on r.reason_code = j.reason_code
order by j.item_id
