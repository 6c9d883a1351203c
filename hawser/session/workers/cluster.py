"""The only module that knows dask: the way to a scheduler over TLS, its workers, and actors on them."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Iterator
from typing import TYPE_CHECKING, cast

from ...errors import HawserError, Unreachable
from ...report.text import reason
from .holder import Holder

if TYPE_CHECKING:
    from distributed import Client

    from .station import Actor

# Seconds within which the scheduler answers, and a worker starts something.
PATIENCE = 15.0
# What stands in front of the hosts that a worker was started for: `dask worker --resources "hosts:paris=1"`.
HOSTS = "hosts:"
TLS = ("distributed.comm.tls.ca-file", "distributed.comm.tls.client.cert", "distributed.comm.tls.client.key")
# Who would write to standard error otherwise.
TALKERS = ("distributed", "tornado", "asyncio")
INSTALL = "hawser-deploy[dask]"


def be_quiet() -> None:
    """Have dask say nothing on this terminal, where it has a handler for each of its parts: errors of lines tell it."""
    for name in list(logging.root.manager.loggerDict):
        if name.partition(".")[0] in TALKERS:
            logger = logging.getLogger(name)
            logger.handlers.clear()
            logger.setLevel(logging.NOTSET)
    for name in TALKERS:
        logging.getLogger(name).setLevel(logging.CRITICAL + 1)


class Cluster:
    """A scheduler and its workers.

    :param address: ``tls://HOST:PORT``.
    :raises HawserError: this machine lacks a package or a certificate, or nobody answers there.
    """

    def __init__(self, address: str) -> None:
        try:
            import dask
            import distributed
        except ImportError as error:
            raise HawserError(
                f"HAWSER_ENGINE wants dask.distributed, which is not installed here ({error});",
                next=f"install {INSTALL} in place of hawser-deploy",
                code=2,
            ) from None
        be_quiet()
        self.address = address
        missing = [name for name in TLS if not dask.config.get(name, None)]
        if missing:
            variables = ", ".join(f"DASK_{name.upper().replace('.', '__').replace('-', '_')}" for name in missing)
            raise HawserError(
                f"no certificate for {address}: dask's settings lack {', '.join(missing)};",
                next=f"name the files there, or in {variables}",
                code=2,
            )
        try:
            self.client: Client = distributed.Client(
                address,
                security=distributed.Security(require_encryption=True),
                direct_to_workers=True,
                set_as_default=True,
                timeout=PATIENCE,
                name="hawser",
            )
        except Exception as error:
            raise HawserError(
                f"the scheduler {address} cannot be reached: {reason(error)}",
                next="is it up, and are both certificates of one authority? docs/scale.md",
            ) from None

    def workers(self) -> Iterator[tuple[str, str, list[str]]]:
        """Yield address, name, and what it was started for, of each worker.

        :raises HawserError: the scheduler does not answer, or one of them can be spoken with in the clear only.
        """
        try:
            said = self.client.scheduler_info(n_workers=-1)["workers"]
        except Exception as error:
            raise Unreachable(f"the scheduler {self.address} is gone: {reason(error)}") from None
        for address, each in said.items():
            if not address.startswith("tls://"):
                raise HawserError(
                    f"the worker {each['name']} listens at {address}: secrets would go there in the clear;",
                    next="start it with certificates, for a scheduler of `tls://`",
                    code=2,
                )
            hosts = [name.removeprefix(HOSTS) for name in each["resources"] if name.startswith(HOSTS)]
            yield address, str(each["name"]), hosts

    def actor(self, address: str, title: str) -> Actor:
        """Start a holder of lines on a worker; nothing secret is said to it on the way by the scheduler.

        :raises Unreachable: the worker starts nothing.
        """
        future = self.client.submit(
            Holder,
            actor=True,
            workers=[address],
            allow_other_workers=False,
            pure=False,
            key=f"hawser-{uuid.uuid4().hex}",
        )
        try:
            return cast("Actor", future.result(PATIENCE))
        except ModuleNotFoundError as error:
            raise HawserError(
                f"the worker {title} has no {error.name};", next=f"install {INSTALL} there, as here", code=2
            ) from None
        except Exception as error:
            raise Unreachable(f"its worker {title} starts nothing for us: {reason(error)}") from None

    def close(self) -> None:
        """Let go of it; what was started there ends."""
        self.client.close()
