#!/bin/sh
# A full disk refuses clearly, loses nothing acknowledged, and work goes on when there is space again.
# Needs a mount namespace: run as root or where unprivileged user namespaces are allowed.
set -eu
backtrail=$1
exec unshare --mount --map-root-user sh -eu -c '
backtrail=$1
disk=$(mktemp -d)
mount -t tmpfs -o size=16m tmpfs "$disk"
cd "$disk"
"$backtrail" init ledger --origin full.example/test
dd if=/dev/zero of=ballast bs=1M count=10 2>/dev/null
"$backtrail" generate --seed 3 --events 40000 > /tmp/full-disk-history.$$
exit=0
"$backtrail" ingest --ledger ledger --format ndjson /tmp/full-disk-history.$$ > /tmp/full-disk-receipts.$$ 2> /tmp/full-disk-said.$$ || exit=$?
test "$exit" = 73 || { echo "expected exit 73, got $exit"; cat /tmp/full-disk-said.$$; exit 1; }
grep -qi "space" /tmp/full-disk-said.$$
grep -q "^hint: " /tmp/full-disk-said.$$
receipts=$(wc -l < /tmp/full-disk-receipts.$$)
test "$receipts" -gt 0
rm ballast
tail -n 20 /tmp/full-disk-history.$$ | "$backtrail" ingest --ledger ledger -
"$backtrail" verify ledger --vkey ledger.vkey
"$backtrail" export events --ledger ledger | sed "s/\"attributes\":{[^}]*},//" | grep -o "\"event_id\":\"[^\"]*\"" | sort > /tmp/full-disk-have.$$
grep -o "\"event_id\":\"[^\"]*\"" /tmp/full-disk-receipts.$$ | sort -u > /tmp/full-disk-want.$$
missing=$(comm -13 /tmp/full-disk-have.$$ /tmp/full-disk-want.$$ | wc -l)
test "$missing" = 0 || { echo "$missing acknowledged events are missing"; exit 1; }
test -z "$(uniq -d < /tmp/full-disk-have.$$)"
rm /tmp/full-disk-*.$$
echo "full disk: $receipts receipts before it, none lost, writing went on"
' sh "$backtrail"
