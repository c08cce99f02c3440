-- control: INC-05
-- item:    one production incident closed in the window, or one production rollback of the window that failed
-- good:    a postmortem published within the deadline after the end, recorded then, reviewed by another person
-- reads:   incidents, rollbacks, facts, person_directories, parameters
-- nulls:   an unknown severity needs a postmortem; an unknown author or reviewer is not independent; nor are two of
--          whom no directory knows both, since they may be one
with population as (
  select
    i.incident_id as item_id, 'incident' as what, i.base_id as incident_id, cast(null as varchar) as rollback_id,
    i.service,
    i.severity, i.closed_at as ended_at
  from incidents as i cross join parameters as w
  where i.production and i.drill is not true and (i.excluded_by is null or i.excluded_by in ('no_start', 'negative'))
    and i.censored is not true and i.closed_at >= w.window_start and i.closed_at < w.window_end
  union all
  select
    'rollback:' || r.rollback_id as item_id, 'failed rollback' as what, r.incident_id, r.rollback_id, r.service,
    cast(null as bigint) as severity, r.ended_at
  from rollbacks as r cross join parameters as w
  where r.production and r.drill is not true and r.effective_outcome = 'failed'
    and r.begin_at >= w.window_start and r.begin_at < w.window_end
),
related as (
  select p.item_id, f.event_id from population as p join facts as f on f.incident_id = p.incident_id
  where f.kind = 'postmortem'
  union
  select p.item_id, f.event_id from population as p join facts as f on f.rollback_id = p.rollback_id
  where f.kind = 'postmortem'
  union
  select p.item_id, r.event_id
  from population as p
    join facts as f on f.incident_id = p.incident_id
    join facts as r on r.postmortem_id = f.postmortem_id
  where f.kind = 'postmortem' and r.kind = 'postmortem'
),
rows_of as (
  select
    p.item_id, f.seq, f.event_id, f.phase, f.occurred_at, f.recorded_at, f.actor, f.approver,
    f.backfilled
  from related as r
    join population as p on p.item_id = r.item_id
    join facts as f on f.event_id = r.event_id
),
publications as (
  select * from (
    select *, row_number() over (partition by item_id order by occurred_at, event_id) as nth
    from rows_of where phase = 'published'
  ) where nth = 1
),
given as (
  select r.item_id, p.actor as author, coalesce(r.approver, r.actor) as reviewer, r.occurred_at, r.event_id
  from rows_of as r join publications as p on p.item_id = r.item_id
  where r.phase = 'reviewed'
),
apart as (
  select distinct g.item_id, g.reviewer
  from given as g
    join person_directories as x on x.person = g.reviewer
    join person_directories as y on y.person = g.author and y.directory = x.directory
),
reviews as (
  select
    g.*, g.reviewer like 'person:%' and g.reviewer <> g.author as other,
    g.reviewer like 'person:%' and g.reviewer <> g.author and (g.author not like 'person:%' or t.reviewer is not null)
      as independent
  from given as g left join apart as t on t.item_id = g.item_id and t.reviewer = g.reviewer
),
reviewed as (
  select item_id, reviewer, independent, other and not independent as unresolved from (
    select *, row_number() over (
      partition by item_id order by coalesce(independent, false) desc, coalesce(other, false) desc, occurred_at,
        event_id
    ) as best
    from reviews
  ) where best = 1
),
cited as (
  select item_id, seq, event_id from rows_of
  union
  select p.item_id, f.seq, f.event_id from population as p join facts as f on f.incident_id = p.incident_id
  where f.kind = 'incident' and p.what = 'incident'
  union
  select p.item_id, f.seq, f.event_id from population as p join facts as f on f.rollback_id = p.rollback_id
  where f.kind = 'rollback'
),
cited_of as (
  select item_id, array_agg(seq order by seq) as seq, array_agg(event_id order by seq) as event_id
  from cited group by item_id
),
judged as (
  select
    p.*, m.occurred_at as published_at, m.actor as author, v.reviewer, c.seq, c.event_id,
    case
      when p.severity > $severity_at_most then 'LOW_SEVERITY'
      when m.occurred_at is null and epoch_us(w.as_of) < epoch_us(p.ended_at) + w.postmortem_deadline_us
        then 'NOT_DUE'
      when m.occurred_at is null then 'NOT_PUBLISHED'
      when m.backfilled then 'BACKFILLED'
      when (epoch_us(m.occurred_at) <= epoch_us(p.ended_at) + w.postmortem_deadline_us) is not true
        then 'PUBLISHED_LATE'
      when epoch_us(m.recorded_at) > epoch_us(p.ended_at) + w.postmortem_deadline_us
        and epoch_us(m.recorded_at) > epoch_us(m.occurred_at) + $recorded_within_s * 1000000
        then 'RECORDED_LATE'
      when v.independent then 'PUBLISHED_AND_REVIEWED'
      when v.unresolved then 'IDENTITY_UNRESOLVED'
      when v.reviewer is not null then 'SELF_REVIEWED'
      else 'NOT_REVIEWED'
    end as reason_code
  from population as p
    cross join parameters as w
    left join publications as m on m.item_id = p.item_id
    left join reviewed as v on v.item_id = p.item_id
    left join cited_of as c on c.item_id = p.item_id
)
select
  j.item_id, r.status, j.reason_code, r.reason, j.ended_at as occurred_at, j.what, j.service, j.severity, j.ended_at,
  j.published_at, j.author, j.reviewer, j.seq, j.event_id
from judged as j left join $reasons on r.reason_code = j.reason_code
order by j.item_id
