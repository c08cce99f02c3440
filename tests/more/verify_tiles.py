"""verify_tiles.py FOLDER|URL VKEY-FILE [OLDER-CHECKPOINT]: PyPI's aics-tlog accepts the whole log, or exit 1.

Its command line checks the head, inclusion of a few entries and consistency with the older head; its library walks
every tile and every entry.
"""

import subprocess
import sys
from pathlib import Path

from aics_tlog import FileSystemTileReader, HttpTileReader, audit_tiles, parse_checkpoint, parse_note

source, vkey_file, *older = sys.argv[1:]


def tool(command, *args):
    """Runs one command of the tool on the log."""
    flags = ["--tiles", source, "--vkey-file", vkey_file, *map(str, args)]
    done = subprocess.run([sys.executable, "-m", "aics_tlog", command, *flags], capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"{command} {args}: {done.stdout}{done.stderr}")


saved = Path(vkey_file + ".head")
tool("verify-checkpoint", "--save-checkpoint", saved)
checkpoint = parse_checkpoint(parse_note(saved.read_text()).text)
saved.unlink()
for index in sorted({0, checkpoint.size // 2, checkpoint.size - 1}):
    tool("verify-inclusion", "--index", index)
for note in older:
    tool("verify-consistency", "--old-checkpoint", note)
reader = HttpTileReader(source) if source.startswith("http://") else FileSystemTileReader(source)
try:
    report = audit_tiles(reader, checkpoint.size, checkpoint.root)
except Exception as error:
    sys.exit(f"audit_tiles: {error}")
print(f"ok: {report.size} entries, {report.tiles} tiles, {report.bundles} bundles of {checkpoint.origin}")
