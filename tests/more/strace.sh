#!/usr/bin/env bash
# Injects one failing system call at a time into `ingest`, with the real binary and the real disk: whatever fails, every
# receipt that was printed is in the log once, the log verifies, and the same deliveries can be sent again.
#
# usage: strace.sh BACKTRAIL        (needs strace, permission to trace, and python3)
set -euo pipefail
backtrail=$(realpath "$1")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

"$backtrail" init base --origin strace.example/log > /dev/null 2>&1
"$backtrail" generate --seed 3 --events 340 > all.ndjson
head -300 all.ndjson > first.ndjson
tail -n +301 all.ndjson > second.ndjson
"$backtrail" ingest --ledger base --source native first.ndjson > /dev/null 2>&1

# The calls that write, and how often a whole run makes each.
calls="openat write fdatasync fsync renameat rename unlink unlinkat mkdir mkdirat ftruncate flock close"
cp -r base counted
strace -f -qq -c -S name -e "trace=$(echo $calls | tr ' ' ',')" -o counts \
  "$backtrail" ingest --ledger counted --key base.key --source native second.ndjson > /dev/null 2>&1

# Whether every printed receipt is in the log once, after another run of the same deliveries.
holds() {
  "$backtrail" ingest --ledger try --key base.key --source native --format ndjson second.ndjson > again 2> errors ||
    { echo "$1: it does not go on: $(cat errors)"; return 1; }
  "$backtrail" verify try --vkey base.vkey > verdict 2>&1 || { echo "$1: $(cat verdict)"; return 1; }
  "$backtrail" export events --ledger try |
    python3 -c 'import json, sys; [print(json.loads(row)["event_id"]) for row in sys.stdin]' | sort | uniq -c > there
  awk '$1 != 1 { bad = 1; print "twice:", $0 } END { exit bad }' there || { echo "$1"; return 1; }
  sed -n 's/.*"event_id":"\([^"]*\)".*/\1/p' receipts | sort -u > told
  awk '{ print $2 }' there | sort -u | comm -13 - told > lost
  [ ! -s lost ] || { echo "$1: lost $(head -1 lost)"; return 1; }
}

runs=0
hit=0
for call in $calls; do
  count=$(awk -v call="$call" '$NF == call { print $4 }' counts)
  [ -n "$count" ] || continue
  for errno in EIO ENOSPC EINTR; do
    # Every call of the run, but of the many identical ones at most a spread of forty.
    step=$(((count + 39) / 40))
    for ((number = 1; number <= count; number += step)); do
      rm -rf try
      cp -r base try
      exit=0
      strace -f -qq -o trace -e "trace=$call" -e "inject=$call:error=$errno:when=$number" \
        "$backtrail" ingest --ledger try --key base.key --source native --format ndjson second.ndjson \
        > receipts 2> errors || exit=$?
      case $exit in 0 | 65 | 66 | 70 | 73 | 75) ;; *) echo "$call $errno $number: exit $exit: $(cat errors)"; exit 1 ;; esac
      ! grep -q panicked errors || { echo "$call $errno $number: $(cat errors)"; exit 1; }
      ! grep -q INJECTED trace || hit=$((hit + 1))
      runs=$((runs + 1))
      holds "$call $errno $number"
    done
  done
done
echo "$runs runs, a system call failed in $hit of them: no receipt lost, nothing twice, every log verified"
[ "$hit" -gt 100 ]
