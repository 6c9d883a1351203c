"""The Python of this machine's system, packed as python-build-standalone packs its own."""

from __future__ import annotations

import json
import subprocess
import tarfile
from pathlib import Path

PROGRAM = "/usr/bin/python3"
ASK = (
    "import json, os, sys, sysconfig as s; print(json.dumps([os.path.realpath(sys.executable), s.get_path('stdlib')]))"
)
NOT_PACKED = ("site-packages", "dist-packages", "test", "__pycache__", "idlelib", "tkinter")


def packed(archive: Path) -> Path:
    """Write the archive, without the parts that no test needs."""
    said = subprocess.run([PROGRAM, "-I", "-c", ASK], capture_output=True, text=True, check=True).stdout
    program, library = json.loads(said)
    name = Path(library).name

    def wanted(info: tarfile.TarInfo) -> tarfile.TarInfo | None:
        own = info.name.rpartition("/")[2]
        return None if own in NOT_PACKED or own.startswith("config-") else info

    with tarfile.open(archive, "w:gz", compresslevel=1, dereference=True) as target:
        target.add(program, f"python/bin/{name}")
        target.add(library, f"python/lib/{name}", filter=wanted)
    return archive
