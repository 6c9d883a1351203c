"""Which engine a run has: that of this machine, or one that the environment names."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence

from ..errors import HawserError
from ..ssh.connect import Connector
from .engine import Direct, Engine

VARIABLE = "HAWSER_ENGINE"
PORT = 8786


def engine(environ: Mapping[str, str], connector: Connector, labels: Callable[[str], Sequence[str]]) -> Engine:
    """Return the engine that a variable names: ``dask://SCHEDULER[:PORT]``; without one, that of this machine.

    :param labels: returns the names of a host, of its groups and of its environment.
    :raises HawserError: it names none that we have, or one to which secrets would go in the clear.
    """
    named = environ.get(VARIABLE, "")
    if not named:
        return Direct(connector)
    if named.startswith("tcp://"):
        raise HawserError(
            f"{VARIABLE}={named}: secrets would go to the workers in the clear;",
            next=f"a scheduler with TLS, as {VARIABLE}=dask://{named.removeprefix('tcp://')} (docs/scale.md)",
            code=2,
        )
    found = re.fullmatch(r"(?:dask|tls)://(\[[0-9a-fA-F:.]+\]|[^:/\[\]\s]+)(?::(\d+))?/?", named)
    if not found:
        raise HawserError(f"{VARIABLE}={named}: it is written {VARIABLE}=dask://SCHEDULER[:{PORT}]", code=2)
    # Most runs have no need of it.
    from .workers.engine import Workers

    return Workers(f"tls://{found[1]}:{found[2] or PORT}", connector, labels)
