"""How long the disk below this folder takes, with nobody beside: bench_disk.py SECONDS"""

import os
import sys
import tempfile
import time

took = []
with tempfile.TemporaryFile(dir=".") as file:
    ends = time.monotonic() + float(sys.argv[1])
    while time.monotonic() < ends:
        began = time.monotonic()
        os.write(file.fileno(), bytes(40960))
        os.fdatasync(file.fileno())
        took.append((time.monotonic() - began) * 1e3)
took.sort()
at = [took[min(int(len(took) * q), len(took) - 1)] for q in (0.5, 0.99, 1)]
print(f"disk alone, 40 KiB and fdatasync: p50_ms {at[0]:.2f} p99_ms {at[1]:.2f} max_ms {at[2]:.2f}")
