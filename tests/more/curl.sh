#!/bin/bash
# The curl examples of docs/operations.md run as they stand, and the README's but for its host. Needs curl and openssl, and port 8477 free.
set -euo pipefail
backtrail=$(realpath "$1")
page=$(realpath "$(dirname "$0")/../../docs/operations.md")
work=$(mktemp -d)
cd "$work"
server=
trap 'test -z "$server" || kill "$server" 2> /dev/null || true; rm -rf "$work"' EXIT
mkdir bin
ln -s "$backtrail" bin/backtrail
PATH="$work/bin:$PATH"
# The blocks of "Taking deliveries": its config, and the commands in order.
section() { sed -n '/^## Taking deliveries/,/^### What is answered/p' "$page"; }
section | sed -n '/^```toml/,/^```/p' | sed '/^```/d' > backtrail.toml
section | awk '/^```sh/ { n++; on = 1; next } /^```/ { on = 0 } on { print > ("block-" n) }'
blocks=$(ls block-* | wc -l)
test "$blocks" -ge 4
backtrail init ./ledger --origin ledger.example.org/prod > /dev/null 2>&1
# The first block makes the secrets; the server has them in its environment.
. ./block-1
backtrail serve --ledger ./ledger 2> log &
server=$!
for _ in $(seq 100); do grep -q "serving" log && break; sleep 0.1; done
for n in $(seq 2 "$blocks"); do
  . "./block-$n" > "answer-$n" || { cat "block-$n" "answer-$n" log; exit 1; }
done
grep -q '"accepted":1' answer-2
grep -q '"ignored":1' answer-3
grep -q '"proof":' answer-4
TOKEN=$(cat ci.token)
readme=$(dirname "$page")/../README.md
. <(sed -n '/^curl https:\/\/HOST/,/^```/p' "$readme" | sed '/^```/d; s#https://HOST#http://127.0.0.1:8477#') > answer-readme
grep -q '"accepted":1' answer-readme
kill -TERM "$server"
wait "$server"
server=
backtrail verify ledger --vkey ledger.vkey > /dev/null
echo "curl: $blocks examples of docs/operations.md run, and the README's"
