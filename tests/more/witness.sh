#!/bin/sh
# Our log before somebody else's witness, and our witness before somebody else's client: `aics-witness` from PyPI, on
# loopback. Usage: witness.sh BACKTRAIL TOOLS; the virtual environment is made in TOOLS and kept there.
set -eu
backtrail=$(realpath "$1")
mkdir -p "$2"
venv=$(realpath "$2")/aics-witness
fail() { echo "FAILED: $*" >&2; exit 1; }

# A Python of 3.12 or later that runs: a shim may name one that is not enabled.
enough() { "$1" -c 'import sys, venv; sys.exit(sys.version_info < (3, 12))' 2>/dev/null; }
python=
for candidate in python3 python3.12 python3.13 python3.14 "${PYENV_ROOT:-$HOME/.pyenv}"/versions/3.*/bin/python3; do
    if enough "$candidate"; then python=$candidate; break; fi
done
test -n "$python" || fail "there is no Python 3.12 or later"
test -x "$venv/bin/aics-witness" || {
    "$python" -m venv --clear "$venv"
    "$venv/bin/pip" install --quiet --disable-pip-version-check aics-witness==0.1.0 aics-tlog==0.2.1
}

work=$(mktemp -d)
pids=
trap 'for pid in $pids; do kill "$pid" 2>/dev/null || true; done; rm -rf "$work"' EXIT
trap 'exit 1' INT TERM
cd "$work"
export AICS_WITNESS_CONFIG=$work/witness.json
unset BACKTRAIL_CONFIG BACKTRAIL_LEDGER BACKTRAIL_KEY WITNESS_SEED_HEX http_proxy HTTP_PROXY all_proxy ALL_PROXY

# `url FILE` waits for the address that a server writes into a file.
url() {
    for _ in $(seq 100); do
        found=$(grep -o 'http://127\.0\.0\.1:[0-9]*' "$1" | head -n 1)
        if [ -n "$found" ]; then echo "$found"; return; fi
        sleep 0.1
    done
    cat "$1" >&2
    fail "no server began to listen"
}
# `expect EXIT COMMAND…` runs the tool and compares its exit code.
expect() {
    wanted=$1; shift; got=0
    "$backtrail" "$@" > out 2> err || got=$?
    test "$got" = "$wanted" || { cat out err >&2; fail "exit $got instead of $wanted: $*"; }
}
says() { grep -q -- "$1" out err || { cat out err >&2; fail "nothing says \"$1\""; }; }

# The log, and both witnesses.
expect 0 init ledger --origin ledger.example/interop
"$venv/bin/aics-witness" init --name witness.example/theirs --listen 127.0.0.1:0 > theirs.vkey 2> /dev/null
"$venv/bin/aics-witness" add-log --origin ledger.example/interop --vkey "$(cat ledger.vkey)" > /dev/null 2>&1
"$venv/bin/aics-witness" serve > theirs.log 2>&1 &
theirs_pid=$!
pids="$pids $theirs_pid"
expect 0 witness init ours --name witness.example/ours
expect 0 witness add-log ours ledger.vkey
"$backtrail" witness serve ours --listen 127.0.0.1:0 > ours.log 2>&1 &
pids="$pids $!"
theirs=$(url theirs.log)
ours=$(url ours.log)
cat > ledger.policy <<END
log $(cat ledger.vkey)
witness theirs $(cat theirs.vkey) $theirs
witness ours $(cat ours.vkey) $ours/
group both all theirs ours
quorum both
END
for name in ledger older; do
    printf '[ledger]\npath = "%s"\nkey = "ledger.key"\npolicy = "ledger.policy"\n' "$name" > "$name.toml"
done
verify() { expect "$1" verify ledger --policy ledger.policy --require-anchor; }

# Each publication is cosigned by both; `verify` accepts it with the policy alone.
"$backtrail" generate --seed 1 --events 60 > history
verify 40
head -n 20 history > first
expect 0 ingest --config ledger.toml first
verify 0
says "anchor: witnessed"
cp -r ledger older
for part in 40 60; do
    head -n $part history > more
    expect 0 ingest --config ledger.toml more
    verify 0
done
expect 0 anchor --config ledger.toml
size=$(sed -n 2p ledger/checkpoint)

# `feed WITNESS VKEY LEDGER`: their client, with proofs that it makes from our tiles; prints what it comes to.
cat > feed.py <<'END'
import sys
from aics_tlog import FileSystemTileReader, consistency_proof_from_tiles
from aics_witness.feeder import FeederError, WitnessClient
url, vkey, ledger = sys.argv[1], open(sys.argv[2]).read().strip(), sys.argv[3]
note = open(f"{ledger}/checkpoint", "rb").read()
tiles = FileSystemTileReader(ledger)
with WitnessClient(url, vkey, max_attempts=1) as client:
    try:
        client.submit(note, lambda old, new: consistency_proof_from_tiles(tiles, old, new))
        print("cosigned")
    except FeederError as error:
        print(type(error).__name__, getattr(error, "status", getattr(error, "known_size", "")))
END
feed() {
    got=$("$venv/bin/python" feed.py "$2" "$3" "$4")
    test "$got" = "$1" || fail "$2 answers \"$got\" to $4 instead of \"$1\""
}
for witness in "$theirs theirs.vkey" "$ours ours.vkey"; do
    # shellcheck disable=SC2086
    set -- $witness
    feed cosigned "$1" "$2" ledger
    # A rollback: the same log as it was.
    feed "WitnessAhead $size" "$1" "$2" older
done
expect 13 ingest --config older.toml history
says "witness"
expect 13 anchor --config older.toml

# A fork: from there on with another history, until it is larger than the true one.
"$backtrail" generate --seed 2 --events 200 > other
expect 0 ingest --ledger older --key ledger.key other
test "$(sed -n 2p older/checkpoint)" -gt "$size" || fail "the fork is too short"
feed "WitnessRejected 422" "$theirs" theirs.vkey older
feed "WitnessRejected 422" "$ours" ours.vkey older
expect 13 anchor --config older.toml
expect 13 seal --config older.toml

# None of that moved a witness, and the true log goes on.
for head in $(printf 'ledger.example/interop' | sha256sum | cut -d ' ' -f 1)/checkpoint; do
    for witness in "$theirs" "$ours"; do
        shown=$("$venv/bin/python" -c 'import sys, urllib.request as u; print(u.urlopen(sys.argv[1]).read().decode().split("\n")[1])' "$witness/$head")
        test "$shown" = "$size" || fail "$witness shows $shown instead of $size"
    done
done
expect 0 ingest --config ledger.toml other
verify 0

# A witness that is away is a warning, and costs the quorum.
kill "$theirs_pid"
wait "$theirs_pid" 2> /dev/null || true
"$backtrail" generate --seed 3 --events 10 > late
expect 0 ingest --config ledger.toml late
says "warning: .*witness.example/theirs"
verify 40
expect 69 anchor --config ledger.toml
echo "witnesses: both cosigned up to the end, and refused a rollback and a fork"
