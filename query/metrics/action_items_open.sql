-- metric: action_items_open
-- shows:  action items open at `as_of`, and in `max` the age of the oldest
-- unit:   count
-- grain:  total, service, environment, service and environment; each also by overdue
-- reads:  action_items
-- source: docs/metrics.md, "Postmortems"
-- empty:  no action item → no row; none open → 0
with samples as (
  select coalesce(service, '') as service, coalesce(environment, '') as environment,
    case when overdue then 'yes' else 'no' end as overdue,
    case when status = 'open' then age_us end as open_us
  from action_items
  where not drill
),
cells as (
  select s.*, d.dimension,
    case d.dimension
      when 'overdue' then s.overdue
      else ''
    end as dimension_value
  from samples s
  cross join (values (''), ('overdue')) as d (dimension)
)
select service, environment, nullif(dimension, '') as dimension, nullif(dimension_value, '') as dimension_value,
  ratio(count(open_us), 1) as value,
  max(open_us) as max
from cells
group by grouping sets (
  (dimension, dimension_value), (service, dimension, dimension_value),
  (environment, dimension, dimension_value), (service, environment, dimension, dimension_value))
