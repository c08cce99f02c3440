-- view:  identities
-- shows: one row per pseudonym that was linked to another: the person, who goes by the smallest pseudonym of the chain
-- reads: events
-- rules: docs/ledger-format.md, section 10. Links hold from their recording on, and for all rows before it
with recursive links as (
  select attributes['pseudonym'] as pseudonym, attributes['same_as'] as same_as
  from events
  where kind = 'ledger' and phase = 'identity' and attributes['action'] = 'linked'
),
pairs as (
  select pseudonym, same_as from links
  union
  select same_as, pseudonym from links
),
reach as (
  select pseudonym, same_as from pairs
  union
  select r.pseudonym, p.same_as
  from reach r
  join pairs p on p.pseudonym = r.same_as
)
select pseudonym, min(least(same_as, pseudonym)) as person from reach group by pseudonym
