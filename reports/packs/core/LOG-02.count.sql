-- control: LOG-02
-- counts:  the checks that the verifier has
-- reads:   integrity
select count(distinct i.item_id) as expected from $integrity
