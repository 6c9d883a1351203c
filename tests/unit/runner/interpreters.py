"""The Pythons of this machine that the runner supports."""

from __future__ import annotations

import functools
import os
import subprocess
from pathlib import Path

NAMES = ("python3", *(f"python3.{minor}" for minor in range(8, 15)))
ASK = "import sys; print('%d.%d' % sys.version_info[:2]); sys.exit(sys.version_info < (3, 8))"


@functools.cache
def interpreters() -> dict[str, str]:
    """Return version and path of each Python from 3.8 on that really starts, the system's own first."""
    folders = [
        Path("/usr/bin"),
        *sorted(Path("~/.pyenv/versions").expanduser().glob("*/bin")),
        *(Path(folder) for folder in os.environ["PATH"].split(":")),
    ]
    found: dict[str, str] = {}
    for folder in folders:
        for name in NAMES:
            path = folder / name
            # What pyenv puts on the PATH need not start, and is slow in saying so.
            if name.removeprefix("python") in found or not path.exists():
                continue
            result = subprocess.run([path, "-c", ASK], capture_output=True, text=True, check=False)
            if result.returncode == 0:
                found.setdefault(result.stdout.strip(), str(path))
    return found
