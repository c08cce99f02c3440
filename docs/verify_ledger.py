#!/usr/bin/env python3
"""verify_ledger.py LEDGER VKEY: checks the rows of a ledger against its key, a text or a file: steps 2, 3, 4, 6 of [12].
Written from ledger-format.md alone; [n] is its section n. Needs `pip install pyarrow cryptography`."""
import base64, functools, hashlib, io, itertools, json, pathlib, sys
import pyarrow as pa, pyarrow.compute as pc, pyarrow.parquet as pq
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
def check(good, what): return good or sys.exit(f"FAILED: {what}")
def sha(data): return hashlib.sha256(data).digest()
def root(level):  # [4] pair neighbours, let an odd last one rise as it is, repeat
    while len(level) > 1:
        level = [sha(b"\1" + a + b) if b else a for a, b in itertools.zip_longest(level[::2], level[1::2])]
    return level[0]
def head(note):  # [5] size and root of a checkpoint; `verify` raises if a signature by the key does not hold
    (text, lines), signed = note.decode().rsplit("\n\n", 1), False
    for line in lines.removesuffix("\n").split("\n"):
        dash, by, encoded, signature = *(words := line.split(" ")), base64.b64decode(words[2])
        check(dash == "—" and base64.b64encode(signature).decode() == encoded, "a malformed note")
        if (by, signature[:4].hex()) == (name, key_id): signed = public.verify(signature[4:], f"{text}\n".encode()) is None
    origin, size, hashed = text.split("\n")
    check(signed and lines[-1:] == "\n" and origin == name, "no signature is by this key")
    return int(size), base64.b64decode(hashed, validate=True)
MASK, TABLE = 0xFFFFFFFF, [functools.reduce(lambda n, _: n >> 1 ^ 0x82F63B78 * (n & 1), range(8), n) for n in range(256)]
def crc(data):  # [6] CRC-32C
    return (functools.reduce(lambda c, byte: c >> 8 ^ TABLE[(c ^ byte) & 255], data, MASK) ^ MASK).to_bytes(4, "big")
def tail(data, first, size):  # [6, 7] the leaves from row `first` up to `size`, once a commit frame covers them
    at, leaves, committed = 0, [], first
    while committed < size:
        end, kind = at + 9 + int.from_bytes(data[at:at + 4], "big"), data[at + 8:at + 9]
        sums = crc(data[at:at + 4] + kind), crc(payload := data[at + 9:end])
        check(sums == (data[at + 4:at + 8], data[end:end + 4]), f"the tail is damaged at offset {at}")
        leaves += [payload] if kind == b"L" else []
        at, committed = end + 4, first + len(leaves) if kind == b"C" else committed
    return leaves[:size - first]
def cells(column):  # [3] as they are in a leaf
    if pa.types.is_timestamp(column.type): column = pc.strftime(column.cast(pa.timestamp("us")), "%Y-%m-%dT%H:%M:%SZ")
    if not pa.types.is_map(column.type): return column.to_pylist()
    return [v and check(len(dict(v)) == len(v), "a key twice") and dict(v) for v in column.to_pylist()]
def segment(seal, end):  # [8] the leaves of the segment that ends before row `end`
    start, n = int(seal["start"]), int(seal["file"].split(".")[1])
    data = (ledger / (path := f"segments/{start:020}-{end:020}.{n}.parquet")).read_bytes()
    check((seal["file"], seal["sha256"]) == (path, sha(data).hex()), f"{path} is not what was sealed")
    notes[end] = (table := pq.ParquetFile(io.BytesIO(data)).read()).schema.metadata[b"backtrail.checkpoint"]
    columns = {name: cells(table[name]) for name in table.column_names}
    check(columns.pop("seq") == list(range(start, end)), f"{path} has other rows")
    rows = ({name: cell[at] for name, cell in columns.items() if cell[at] is not None} for at in range(end - start))
    return start, [json.dumps(row, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode() for row in rows]
ledger, vkey = pathlib.Path(sys.argv[1]), sys.argv[2]
name, key_id, key = (open(vkey).read().strip() if pathlib.Path(vkey).is_file() else vkey).split("+", 2)
public = Ed25519PublicKey.from_public_bytes(base64.b64decode(key)[1:])
notes = {(size := head(newest := (ledger / "checkpoint").read_bytes())[0]): newest}
first = max(int(file.stem) for file in (ledger / "wal").glob("*.wal") if int(file.stem) < size)
newer, rows = [], (leaves := tail((ledger / f"wal/{first:020}.wal").read_bytes(), first, size))
while first:  # [8] from the tail back to row 0; of the entries about a file that ends here, the newest counts
    newer = [json.loads(leaf) for leaf in leaves if b'"phase":"segment_rewritten"' in leaf] + newer
    named = [row["attributes"] for row in newer if row["kind"] == "ledger" and row["attributes"]["end"] == str(first)]
    first, leaves = segment((named or [json.loads(leaves[0])["attributes"]])[-1], first)
    rows = leaves + rows
hashes = [sha(b"\0" + leaf) for leaf in rows]
for end, note in notes.items(): check(head(note) == (end, root(hashes[:end])), f"other rows below {end} were signed")
print(f"{name}\n{size}\n{base64.b64encode(root(hashes)).decode()}")
