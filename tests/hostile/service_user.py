"""A service user that has been taken over: swaps a file of its own for other things, as fast as it can.

It runs as that user, on a host or in a folder of a test, with nothing but the host's Python:
``service_user.py PATH PREY [SECONDS]``. In turn PATH is the file that it was, a link to PREY (what the user may not
read), a second name of PREY where the kernel lets it, a pipe, and a link by another way. PATH.swaps says how often
it has swapped. It ends after some seconds, or when the folder has gone.
"""

import os
import sys
import time
from pathlib import Path


def kinds(content, prey):
    """Return functions that make something at a path."""
    return [
        lambda made: made.write_bytes(content),
        lambda made: made.symlink_to(prey),
        lambda made: made.write_bytes(content),
        lambda made: os.link(prey, made),
        os.mkfifo,
        lambda made: made.symlink_to(f"/proc/self/root{prey}"),
    ]


def main(path, prey, seconds="600"):
    path, deadline, swaps = Path(path), time.monotonic() + float(seconds), 0
    made, count = Path(f"{path}.new-{os.getpid()}"), Path(f"{path}.swaps")
    ways = kinds(path.read_bytes(), prey)
    while time.monotonic() < deadline:
        for make in ways:
            try:
                make(made)
                made.rename(path)
            except PermissionError:
                # fs.protected_hardlinks is set.
                continue
            swaps += 1
        count.write_text(str(swaps))


if __name__ == "__main__":
    main(*sys.argv[1:])
