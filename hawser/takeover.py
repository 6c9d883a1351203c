"""Fabric's own `fab`, which an installer may leave in the place of ours: it hands over to ours."""

from __future__ import annotations

import os
import sys
from pathlib import Path

# Where Hawser was found is a place to find it again; it is the last one, as modules beside a fabfile may have any name.
START = """\
import sys
sys.path.append({folder!r})
sys.argv[0] = "fab"
from hawser.program import fab
fab()
"""


def take_over() -> None:
    """Become our `fab` with the same words, if Fabric's own is what runs.

    The packages fabric and hawser-deploy both bring a `fab`, and the one that is unpacked last stays: pip unpacks what
    depends on another one behind it, uv all at once. Fabric's own would connect to hosts whose keys nobody knows.
    """
    fabric, main = sys.modules.get("fabric.main"), sys.modules["__main__"]
    if fabric is None or getattr(main, "program", None) is not fabric.program:
        return
    start = START.format(folder=str(Path(__file__).parent.parent))
    sys.stdout.flush()
    os.execv(sys.executable, [sys.executable, "-P", "-c", start, *sys.argv[1:]])
