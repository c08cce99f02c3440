#!/bin/sh
# verify_ledger.sh LEDGER VKEY: verify_ledger.py accepts the ledger, and refuses it with one byte changed anywhere that matters.
# It runs in the Python of $PYTHON, or in a new environment with pyarrow and cryptography.
set -eu
ledger=$1 vkey=$2
check=$(dirname "$0")/verify_ledger.py
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
if [ -z "${PYTHON-}" ]; then
  python3 -m venv "$work/venv"
  "$work/venv/bin/pip" install --quiet pyarrow cryptography
  PYTHON=$work/venv/bin/python
fi
"$PYTHON" "$check" "$ledger" "$vkey"

# flip FILE EVERY: one copy for each EVERYth byte of the file, one bit of that byte flipped.
flip() {
  rm -rf "$work/copy" && cp -r "$ledger" "$work/copy"
  size=$(wc -c <"$ledger/$1")
  at=$(($2 / 3))
  tried=0
  while [ "$at" -lt "$size" ]; do
    cp "$ledger/$1" "$work/copy/$1"
    byte=$(od -An -tu1 -j "$at" -N 1 "$ledger/$1" | tr -d ' ')
    printf "\\$(printf %03o $((byte ^ (1 << at % 8))))" | dd of="$work/copy/$1" bs=1 seek="$at" conv=notrunc 2>/dev/null
    if "$PYTHON" "$check" "$work/copy" "$vkey" >/dev/null 2>&1; then
      echo "FAILED: byte $at of $1 was changed and nobody saw it" >&2
      exit 1
    fi
    tried=$((tried + 1))
    at=$((at + $2))
  done
  echo "$1: $tried of $size bytes changed, each was seen"
}
cd "$ledger"
files=$(ls -d checkpoint wal/*.wal segments/*.parquet 2>/dev/null)
cd - >/dev/null
for file in $files; do
  flip "$file" $(($(wc -c <"$ledger/$file") / 12 + 1))
done
