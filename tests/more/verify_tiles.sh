#!/bin/sh
# verify_tiles.sh BACKTRAIL LEDGER VKEY: verifiers that know nothing of Backtrail accept the log as it is exported and
# served, and refuse it with one byte changed.
# Needs Go with golang.org/x/mod (Debian: golang-go, golang-golang-x-mod-dev) and Python 3.12 or newer; aics-tlog is
# installed into a new environment unless $PYTHON has it.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
backtrail=$(realpath "$1")
ledger=$(realpath "$2")
vkey=$(realpath "$3")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

(cd "$here/verify_go" && GO111MODULE=off GOPATH="$PWD:/usr/share/gocode" GOCACHE="$work/cache" go build -o "$work/verify_go" .)

is_new() { "$1" -c 'import sys; sys.exit(sys.version_info < (3, 12))' 2>/dev/null; }
python=${PYTHON:-}
if [ -z "$python" ] || ! is_new "$python" || ! "$python" -c 'import aics_tlog' 2>/dev/null; then
  for python in python3 $(ls -d "$HOME"/.pyenv/versions/*/bin/python3.1[2-9] 2>/dev/null) none; do
    is_new "$python" && break
  done
  test "$python" != none || { echo "no Python 3.12 or newer"; exit 1; }
  "$python" -m venv "$work/venv"
  "$work/venv/bin/pip" install --quiet aics-tlog==0.2.1
  python=$work/venv/bin/python
fi

cp "$vkey" "$work/vkey"
older=$(ls "$ledger"/checkpoints/*.note | head -n 1)
by_go() { "$work/verify_go" "$1" "$(cat "$work/vkey")" "$older"; }
by_python() { "$python" "$here/verify_tiles.py" "$1" "$work/vkey" "$older"; }
accepts() { by_go "$1" && by_python "$1"; }

"$backtrail" export tiles "$work/log" --ledger "$ledger"
accepts "$work/log"

size=$(sed -n 2p "$work/log/checkpoint")
last=$(printf '%03d' $((size / 256))).p/$((size % 256))
refused=0
for file in checkpoint tile/0/000 tile/entries/000 "tile/0/$last" "tile/entries/$last"; do
  test -f "$work/log/$file" || { echo "the demo's log has no $file"; exit 1; }
  cp "$work/log/$file" "$work/whole"
  python3 - "$work/log/$file" <<'PY'
import sys
data = bytearray(open(sys.argv[1], "rb").read())
data[len(data) // 2] ^= 1
open(sys.argv[1], "wb").write(data)
PY
  for verifier in by_go by_python; do
    if $verifier "$work/log" > "$work/said" 2>&1; then echo "$verifier accepts a changed $file"; exit 1; fi
    refused=$((refused + 1))
  done
  cp "$work/whole" "$work/log/$file"
done
accepts "$work/log"
echo "exported: accepted by both, $refused changes refused"

# The same over HTTP, from a copy of the ledger: a server adds to it.
cp -a "$ledger" "$work/served"
test ! -f "$ledger.key" || cp -a "$ledger.key" "$work/served.key"
changed() {
  python3 - "$work/served/$1" <<'PY'
import sys
data = bytearray(open(sys.argv[1], "rb").read())
data[len(data) // 2] ^= 1
open(sys.argv[1], "wb").write(data)
PY
}
"$backtrail" serve --ledger "$work/served" --listen 127.0.0.1:0 2> "$work/server" &
server=$!
trap 'kill $server 2>/dev/null || true; rm -rf "$work"' EXIT
address=
for _ in $(seq 100); do
  address=$(grep -o 'http://[0-9.:]*' "$work/server") && break
  sleep 0.1
done
test -n "$address" || { cat "$work/server"; exit 1; }
accepts "$address"
# A tile that rots on disk is served as it is, and refused.
changed tile/0/000
for verifier in by_go by_python; do
  if $verifier "$address" > "$work/said" 2>&1; then echo "$verifier accepts a changed tile from the server"; exit 1; fi
done
changed tile/0/000
accepts "$address"
kill $server
wait $server
echo "served: accepted by both, a changed tile refused"
