"""What a worker loads when it starts: ``dask worker --preload hawser.session.workers.preload``.

The first line does not wait for it then. And dask's profiler is off, which would look at every thread of the worker two
hundred times a second: each line has some.
"""

from __future__ import annotations

import dask

from . import desk

__all__ = ["desk"]

dask.config.set({"distributed.worker.profile.enabled": False})
