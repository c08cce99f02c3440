#!/bin/sh
# A full disk is answered with 507 and goes on by itself: nothing acknowledged is lost, and nobody restarts anything.
# Needs curl and a mount namespace: run as root or where unprivileged user namespaces are allowed.
set -eu
exec unshare --mount --map-root-user sh -eu -c '
backtrail=$1
disk=$(mktemp -d)
beside=$(mktemp -d)
mount -t tmpfs -o size=16m tmpfs "$disk"
cd "$disk"
export TOKEN=full-disk-token-0123
"$backtrail" init ledger --origin full.example/intake > /dev/null
printf "[sources.native]\nscheme = \"bearer\"\nsecrets = [{ id = \"a\", env = \"TOKEN\" }]\n" > backtrail.toml
"$backtrail" serve --ledger ledger --listen 127.0.0.1:0 2> "$beside/log" &
server=$!
trap "kill -9 $server 2> /dev/null || true" EXIT
for _ in $(seq 100); do grep -q http:// "$beside/log" && break; sleep 0.1; done
at=$(grep -o "http://[0-9.:]*" "$beside/log" | head -1)
send() {
  curl --silent --output "$beside/answer" --dump-header "$beside/headers" --write-out "%{http_code}" "$at/v1/ingest/native" -H "Authorization: Bearer $TOKEN" \
    -H "Content-Type: application/json" --data-binary "$(printf "{\"event_id\":\"%s\",\"kind\":\"deployment\",\"phase\":\"live\",\"occurred_at\":\"2026-04-02T09:00:00Z\",\"title\":\"%s\"}" "$1" "$2")"
}
test "$(send before x)" = 200
dd if=/dev/zero of=ballast bs=1M 2> /dev/null || true
truncate -s -2M ballast
long=$(head -c 40000 /dev/zero | tr "\0" x)
n=0; kept=0
while status=$(send "n$n" "$long") && test "$status" = 200; do
  kept=$((kept + 1)); n=$((n + 1)); test "$n" -lt 500
done
test "$status" = 507 || { echo "expected 507, got $status"; cat "$beside/answer" "$beside/log"; exit 1; }
grep -qi "^retry-after: 30" "$beside/headers"
for _ in $(seq 50); do
  ready=$(curl --silent --output /dev/null --write-out "%{http_code}" "$at/readyz")
  test "$ready" = 503 && break; sleep 0.1
done
rm ballast
status=; for _ in $(seq 100); do status=$(send after x) && test "$status" = 200 && break; sleep 0.1; done
test "$status" = 200 || { echo "does not go on: $status"; cat "$beside/log"; exit 1; }
for _ in $(seq 50); do
  ready=$(curl --silent --output /dev/null --write-out "%{http_code}" "$at/readyz")
  test "$ready" = 200 && break; sleep 0.1
done
test "$ready" = 200
kill -TERM "$server"; wait "$server"
"$backtrail" verify ledger --vkey ledger.vkey > /dev/null
rows=$("$backtrail" export events --ledger ledger 2> /dev/null | grep -c "native:default:")
test "$rows" -ge $((kept + 2))
rm -r "$beside"
echo "full disk: $kept answers of 200 before it, 507 at it, 200 again when there was space"
' sh "$(realpath "$1")"
