-- view:  person_directories
-- shows: in which directories each person has an account, one row each
-- adds:  directory, `<source>:<source_instance>`: people in a row are accounts of the instance that sent it
-- reads: resolved_events
-- rules: docs/ledger-format.md, section 10. Two persons with accounts in one directory are two humans; without, they
--        may be one
with named as (
  select source, source_instance, actor as person from resolved_events
  union
  select source, source_instance, on_behalf_of from resolved_events
  union
  select source, source_instance, requester from resolved_events
  union
  select source, source_instance, approver from resolved_events
  union
  select source, source_instance, commander from resolved_events
  union
  select source, source_instance, owner from resolved_events
  union
  select source, source_instance, unnest(authors) from resolved_events
)
select distinct person, concat(source, ':', coalesce(source_instance, '')) as directory
from named
where person like 'person:%'
