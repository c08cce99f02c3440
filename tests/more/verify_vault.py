#!/usr/bin/env python3
"""verify_vault.py LEDGER EVENTS: checks that each commitment in the exported rows is that of what the vault and the quarantine
keep. Written from docs/ledger-format.md alone, sections 6 and 10; Python's own library is enough."""
import base64, hashlib, hmac, json, pathlib, sys

def frames(path):
    data, at = path.read_bytes(), 0
    while at < len(data):
        end = at + 9 + int.from_bytes(data[at:at + 4], "big")
        yield data[at + 8:at + 9], data[at + 9:end]
        at = end + 4

def sha256(data):
    return hashlib.sha256(data).hexdigest()

def digests(record):
    body = base64.b64decode(record["body_base64"]) if "body_base64" in record else record["body"].encode()
    headers = json.dumps(record["headers"], sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return {"payload": sha256(body), "headers": sha256(headers.encode())}

def commitment(salt, event_id, field, value):
    message = f"backtrail/commit/1\n{event_id}\n{field}\n{value}".encode()
    return "hmac-sha256:" + hmac.new(bytes.fromhex(salt), message, "sha256").hexdigest()

ledger, kept = pathlib.Path(sys.argv[1]), {}
for path in sorted(ledger.glob("vault/*.vault")):
    for kind, payload in frames(path):
        if kind == b"D":
            delivery = digests(json.loads(payload))
        elif kind == b"E":
            record = json.loads(payload)
            values = delivery | record["texts"]
            for field, salt in record["salts"].items():
                kept[record["event_id"], field] = commitment(salt, record["event_id"], field, values[field])
for path in sorted(ledger.glob("quarantine/*.quarantine")):
    for kind, payload in frames(path):
        if kind == b"Q":
            record = json.loads(payload)
            for entry in record["entries"]:
                for field, value in digests(record).items():
                    kept[entry["event_id"], field] = commitment(entry[f"{field}_salt"], entry["event_id"], field, value)
said = {}
for line in open(sys.argv[2]):
    row = json.loads(line)
    said |= {(row["event_id"], name.removesuffix("_commitment")): value
             for name, value in row.items() if name.endswith("_commitment") and value}
wrong = [key for key in said.keys() | kept.keys() if said.get(key) != kept.get(key)]
if wrong or not said:
    sys.exit(f"{len(wrong)} of {len(said)} commitments do not hold, as {wrong[:1]}")
print(f"{len(said)} commitments hold")
