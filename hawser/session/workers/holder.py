"""The actor that a worker runs for one run of `fab`.

The scheduler loads this module when it passes the actor on, and needs nothing of what the actor needs.
"""

from __future__ import annotations

import json
import os
import sys

# A variable of the worker: the jump host through which it reaches hosts, in place of that of the settings.
JUMP = "HAWSER_JUMP"
# With which it is started.
PRELOAD = "hawser.session.workers.preload"


class Holder:
    """The actor. Its methods take and return bytes that dask does not look into."""

    def __init__(self) -> None:
        from .desk import Desk

        self.desk = Desk()

    def greet(self) -> bytes:
        """Say which Hawser this is, whether it was started as it should, and by which jump host it reaches hosts."""
        from ...installed import this_version

        said = {"hawser": this_version(), "prepared": PRELOAD in sys.modules, "jump": os.environ.get(JUMP)}
        return json.dumps(said).encode()

    async def give(self, frames: bytes) -> None:
        """Take pieces."""
        self.desk.take(frames)

    async def fetch(self) -> bytes:
        """Return pieces."""
        return await self.desk.fetched()

    async def end(self) -> None:
        """Cut what is left."""
        self.desk.end()

    def __del__(self) -> None:
        # The scheduler has the worker drop it as soon as it loses the client.
        desk = self.__dict__.get("desk")
        if desk is not None:
            desk.end()
