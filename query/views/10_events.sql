-- view:  events
-- shows: every row of the log that had been recorded by `as_of`, corrections and the ledger's own entries included
-- reads: log, parameters (as_of)
-- kept:  no
select l.*
from log l
cross join parameters p
where l.recorded_at <= p.as_of
