"""A worker whose tasks take two seconds; it finishes the one at hand before it stops."""

import os
import signal
import time
from pathlib import Path

LOG = Path(os.environ["TASKS"])
stopping = []
signal.signal(signal.SIGTERM, lambda *_: stopping.append(True))
number = 0
while not stopping:
    number += 1
    task = f"{os.getpid()}-{number}"
    with LOG.open("a") as log:
        log.write(f"begin {task}\n")
    end = time.monotonic() + 2
    while time.monotonic() < end:
        time.sleep(0.1)
    with LOG.open("a") as log:
        log.write(f"end {task}\n")
