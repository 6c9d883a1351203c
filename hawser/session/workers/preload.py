"""What a worker loads when it starts: ``dask worker --preload hawser.session.workers.preload``.

The first line does not wait for it then. And it fits the process to many threads that mostly wait, for each line has
some: dask's profiler is off, which would look at all of them a hundred times a second, and those that wait for the
interpreter ask for it less often.
"""

from __future__ import annotations

import sys

import dask

from . import desk

__all__ = ["desk"]

dask.config.set({"distributed.worker.profile.enabled": False})
sys.setswitchinterval(0.05)
