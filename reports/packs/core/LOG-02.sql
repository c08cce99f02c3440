-- control: LOG-02
-- item:    one check of the verifier over the log at this checkpoint
-- good:    the check was made and found nothing
-- reads:   integrity (the result of the verifier, given as rows), parameters
-- nulls:   a check whose result is unknown was not made
with judged as (
  select
    i.*, w.as_of, case
      when i.findings > 0 then 'FINDINGS'
      when i.examined is not true and i.item_id = 'anchor' then 'NO_ANCHOR'
      when i.examined and i.findings = 0 then 'HELD'
      else 'NOT_EXAMINED'
    end as reason_code
  from $integrity cross join parameters as w
)
select
  j.item_id, r.status, j.reason_code, r.reason, j.as_of as occurred_at, j.question, j.findings
from judged as j left join $reasons on r.reason_code = j.reason_code
order by j.item_id
