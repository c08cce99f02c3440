#!/bin/bash
# What intake takes a second, and what strangers can do to it. Needs wrk, curl and python3.
set -euo pipefail
backtrail=$(realpath "$1")
seconds=${2:-20}
pace=${3:-5}
here=$(dirname "$(realpath "$0")")
work=$(mktemp -d "${BENCH_DIR:-/tmp}/bench-intake.XXXXXX")
cd "$work"
server=
trap 'test -z "$server" || kill -9 "$server" 2> /dev/null || true; rm -rf "$work"' EXIT
export TOKEN=bench-token-0123456789 HOOK=bench-hook-0123456789 ROUND=a
"$backtrail" init ledger --origin bench.example/intake > /dev/null 2>&1
cat > backtrail.toml <<'TOML'
[sources.native]
scheme = "bearer"
secrets = [{ id = "bench", env = "TOKEN" }]
rate_per_s = 100000
[sources.github]
secrets = [{ id = "bench", env = "HOOK" }]
TOML

start() {
  : > log
  "$backtrail" serve --ledger ledger --listen 127.0.0.1:0 2> log &
  server=$!
  for _ in $(seq 100); do grep -q http:// log && break; sleep 0.1; done
  at=$(grep -o 'http://[0-9.:]*' log | head -1)
}
peak() { awk '/^VmHWM/ { print int($2 / 1024) " MiB" }' "/proc/$server/status"; }
disk() { python3 "$here/bench_disk.py" 3; }
rows() { "$backtrail" export events --ledger ledger 2> /dev/null | grep -c "\"native:default:$1-" || true; }

start
echo "== $seconds s of single deliveries, 64 connections"
disk
wrk -t2 -c64 -d"${seconds}s" -s "$here/bench_intake.lua" "$at" | tee load | grep '^answers'
echo "memory at most $(peak)"

echo "== $seconds s of single deliveries, 64 connections that wait ${pace} ms each time"
disk
ROUND=p PACE=$pace wrk -t2 -c64 -d"${seconds}s" -s "$here/bench_intake.lua" "$at" | tee paced | grep '^answers'
echo "memory at most $(peak)"
disk

echo "== killed in the middle"
ROUND=b wrk -t2 -c64 -d6s -s "$here/bench_intake.lua" "$at" > killed 2>&1 &
wrk=$!
sleep 3
kill -9 "$server"
wait "$server" 2> /dev/null || true
wait "$wrk" || true
"$backtrail" ingest --ledger ledger --source native /dev/null > /dev/null 2>&1
"$backtrail" verify ledger --vkey ledger.vkey > /dev/null
for round in a p b; do
  case $round in a) file=load ;; p) file=paced ;; b) file=killed ;; esac
  answered=$(awk '/^answers/ { print $2 - $4 }' "$file")
  have=$(rows "$round")
  echo "round $round: $answered answers, $have rows"
  test "$have" -ge "$answered"
done

# Beside strangers, an honest sender: what it sent is in the log, and what they sent is not.
beside() { python3 "$here/bench_strangers.py" honest "$at" "$1" "$2" | tee "honest-$2"; }
answered() { awk '/^honest deliveries/ { print $3 - $5 }' "honest-$1"; }

start
echo "== alone, one sender"
beside 4 c
echo "memory at most $(peak)"
echo "== 10,000 connections that say nothing and come again when they are sent away"
ulimit -n 16384
python3 "$here/bench_strangers.py" hold "$at" 10000 12 > held &
holding=$!
until grep -qs held held; do sleep 0.1; done
beside 8 d
wait "$holding"
cat held
curl -s "$at/metrics" | grep '^backtrail_connections'
echo "memory at most $(peak)"

echo "== a slow client, 10 GB, a flood of wrong signatures over 8 KB each"
(printf 'POST /v1/ingest/github HTTP/1.1\r\nhost: x\r\ncontent-length: 1000\r\n\r\n'; sleep 8) | timeout 10 curl -s "telnet://${at#http://}" > /dev/null &
curl -s -o /dev/null -w '10 GB announced: %{http_code}\n' -X POST -H 'content-length: 10000000000' "$at/v1/ingest/github" || true
head -c 10G /dev/zero | timeout 60 curl -s -o /dev/null -w '10 GB in chunks: %{http_code}\n' -H expect: -T - -X POST "$at/v1/ingest/github" || true
FORGED=1 wrk -t2 -c64 -d10s -s "$here/bench_intake.lua" "$at" > forged &
wrk=$!
sleep 1
beside 8 e
wait "$wrk"
sed -n 's/^answers/forgeries: answers/p' forged
curl -s "$at/metrics" | grep '^backtrail_deliveries_total.*github'
echo "memory at most $(peak)"
before=$(rows a)
kill -TERM "$server"
wait "$server"
server=
test "$(rows a)" = "$before"
for round in c d e; do
  echo "round $round: $(answered "$round") answers, $(rows "$round") rows"
  test "$(rows "$round")" -ge "$(answered "$round")"
done
"$backtrail" verify ledger --vkey ledger.vkey > /dev/null
echo "verified"
