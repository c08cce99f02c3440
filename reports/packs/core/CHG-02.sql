-- control: CHG-02
-- item:    one production deployment that began in the window; drills are not production
-- good:    a person who neither wrote nor deployed it approved this artifact before the start, and it was recorded then
-- reads:   deployments, deployment_rows, approval_rows, facts, person_directories, parameters
-- nulls:   an unknown deployer, author, approver or artifact never makes an approval good; nor does an approver of whom
--          the deployer or an author may be another account, because no directory knows both
with population as (
  select
    d.deployment_id as item_id, d.deployment_id, d.change_id, d.class, d.service, d.environment, d.version,
    d.artifact_digest, d.commit_sha, d.actor, d.begin_at as begun_at
  from deployments as d cross join parameters as w
  where d.production and d.drill is not true
    and d.begin_at >= w.window_start
    and d.begin_at < w.window_end
),
related as (
  select p.item_id, d.event_id from population as p join deployment_rows as d on d.deployment_key = p.item_id
  union
  select p.item_id, a.event_id from population as p join approval_rows as a on a.deployment_id = p.item_id
  union
  select p.item_id, a.event_id from population as p join approval_rows as a on a.change_id = p.change_id
  union
  select p.item_id, f.event_id from population as p join facts as f on f.deployment_id = p.item_id
  where f.kind in ('override', 'change')
  union
  select p.item_id, f.event_id from population as p join facts as f on f.change_id = p.change_id
  where f.kind in ('override', 'change')
),
rows_of as (
  select
    p.item_id, p.begun_at, f.seq, f.event_id, f.kind, f.phase, f.occurred_at, f.recorded_at, f.approver, f.authors,
    f.expires_at, f.change_type, a.approval_key, coalesce(f.deployment_id, a.deployment_id) as deployment_id,
    coalesce(f.artifact_digest, a.artifact_digest) as artifact_digest, f.commit_sha, f.backfilled,
    f.recorded_at > p.begun_at
      and epoch_us(f.recorded_at) > epoch_us(f.occurred_at) + $recorded_within_s * 1000000 as recorded_late
  from related as r
    join population as p on p.item_id = r.item_id
    join facts as f on f.event_id = r.event_id
    left join approval_rows as a on a.event_id = f.event_id
),
authors as (
  select distinct item_id, author
  from (select item_id, unnest(authors) as author from rows_of where kind in ('deployment', 'change'))
),
authors_known as (
  select item_id, count(*) as authors from authors group by item_id
),
makers as (
  select item_id, author as maker from authors
  union
  select item_id, actor from population where actor is not null
),
decisions as (
  select
    r.*, row_number() over (
      partition by r.item_id, r.approval_key
      order by r.occurred_at desc, r.event_id desc
    ) as newest
  from rows_of as r
  where r.kind = 'approval' and r.phase in ('approved', 'rejected', 'revoked', 'expired') and r.occurred_at < r.begun_at
),
apart as (
  select distinct d.item_id, d.approver, m.maker
  from decisions as d
    join makers as m on m.item_id = d.item_id
    join person_directories as x on x.person = d.approver
    join person_directories as y on y.person = m.maker and y.directory = x.directory
),
unresolved as (
  select distinct d.item_id, d.approver
  from decisions as d
    join makers as m on m.item_id = d.item_id
    left join apart as t on t.item_id = d.item_id and t.approver = d.approver and t.maker = m.maker
  where d.approver like 'person:%' and m.maker like 'person:%' and m.maker <> d.approver and t.maker is null
),
approvals as (
  select
    a.item_id, a.approver, a.occurred_at, a.event_id, a.backfilled, a.recorded_late,
    a.phase = 'approved' and (a.expires_at is null or a.expires_at > a.begun_at) as standing,
    a.approver like 'person:%' as by_person,
    a.approver = p.actor or w.author is not null as by_self,
    p.actor is not null and k.authors > 0 and u.approver is null as resolved,
    coalesce(
      a.artifact_digest = p.artifact_digest, a.commit_sha = p.commit_sha, a.deployment_id = p.deployment_id
    ) as bound
  from decisions as a
    join population as p on p.item_id = a.item_id
    left join authors as w on w.item_id = a.item_id and w.author = a.approver
    left join authors_known as k on k.item_id = a.item_id
    left join unresolved as u on u.item_id = a.item_id and u.approver = a.approver
  where a.newest = 1
),
good as (
  select * from approvals where standing and bound and by_person and resolved and by_self is not true
),
known as (
  select
    item_id,
    bool_or(standing) as standing,
    bool_or(standing and bound and by_self) as by_self,
    bool_or(standing and bound and (approver is null or by_person and resolved is not true)) as unresolved,
    bool_or(standing and bound and not by_person) as by_automation,
    true as decided
  from approvals group by item_id
),
shown as (
  select
    item_id,
    bool_or(recorded_late is not true and backfilled is not true) as in_time,
    bool_or(backfilled) as backfilled,
    true as found
  from good group by item_id
),
marks as (
  select
    item_id,
    bool_or(kind = 'approval' and phase = 'approved' and occurred_at >= begun_at) as approved_after,
    bool_or(occurred_at <= begun_at and recorded_late is not true
      and (change_type = 'emergency' or kind = 'override' and phase = 'used')) as emergency,
    bool_and(backfilled) as backfilled,
    array_agg(seq order by seq) as seq,
    array_agg(event_id order by seq) as event_id
  from rows_of group by item_id
),
newest_approval as (
  select item_id, approver, occurred_at as approved_at from (
    select *, row_number() over (partition by item_id order by standing desc, occurred_at desc, event_id desc) as newest
    from approvals
  ) where newest = 1
),
judged as (
  select
    p.*, a.approver, a.approved_at, m.seq, m.event_id,
    case
      when p.class = 'rollback' then 'ROLLBACK_SEE_RBK_01'
      when p.class = 'restart' then 'RESTART'
      when m.emergency then 'EMERGENCY_SEE_CHG_05'
      when s.in_time then 'INDEPENDENT'
      when s.backfilled then 'BACKFILLED'
      when s.found then 'RECORDED_LATE'
      when k.by_self then 'SELF_APPROVED'
      when k.unresolved then 'IDENTITY_UNRESOLVED'
      when k.by_automation then 'APPROVED_BY_AUTOMATION'
      when k.standing then 'OTHER_ARTIFACT'
      when k.decided then 'WITHDRAWN'
      when m.approved_after then 'APPROVED_AFTER_START'
      when m.backfilled then 'BACKFILLED'
      else 'NO_APPROVAL'
    end as reason_code
  from population as p
    left join marks as m on m.item_id = p.item_id
    left join known as k on k.item_id = p.item_id
    left join shown as s on s.item_id = p.item_id
    left join newest_approval as a on a.item_id = p.item_id
)
select
  j.item_id, r.status, j.reason_code, r.reason, j.begun_at as occurred_at, j.service, j.environment, j.version,
  j.artifact_digest, j.actor, j.approver, j.approved_at, j.seq, j.event_id
from judged as j left join $reasons on r.reason_code = j.reason_code
order by j.item_id
