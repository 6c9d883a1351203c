"""People who are told of a rollout from where it runs: that it has begun, and how it has ended."""

from __future__ import annotations

import contextlib
import importlib.util
import logging
import re
import threading
import time
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Protocol

from ..errors import HawserError
from ..host.journal import PUT_BACK, Record
from ..host.watch import addresses
from ..report.text import brief, safe

if TYPE_CHECKING:
    from ..host import Host
    from ..inventory import Environment
    from ..inventory.tables.notify import Moment
    from ..report import Report
    from .progress import Progress

# Seconds for which a run waits at its end for what it still has to tell.
PATIENCE = 20.0
# Lines of an error that are told.
LINES = 10
# Characters that a part of an address has at least which could be a password.
SHORTEST = 6
MISSING = "apprise is not installed here; next: pip install 'hawser-deploy[notify]'"


class Run(Protocol):
    """The run of ``fab`` that tells people."""

    dry: bool
    report: Report
    progress: Progress

    @property
    def environment(self) -> Environment: ...

    @property
    def entry(self) -> dict[str, str]: ...

    @property
    def masks(self) -> tuple[str, ...]: ...

    def host(self, name: str) -> Host: ...


class Notices:
    """What a run tells people, while it goes on; that somebody cannot be told is a warning, and stops nothing.

    :param run: the run.
    """

    def __init__(self, run: Run) -> None:
        self.run = run
        self._sending: list[threading.Thread] = []
        self._troubles: list[str] = []

    @contextlib.contextmanager
    def of(self, record: Record) -> Iterator[None]:
        """Tell of a rollout that begins, and of its end.

        :param record: what is rolled out.
        """
        began = time.monotonic()
        self.tell("begun", record, "")
        try:
            yield
        except BaseException as error:
            rollout = self.run.progress.rollout
            back = rollout is not None and rollout.phase == PUT_BACK
            self.tell("put back" if back else "failed", record, why(error))
            raise
        self.tell("done", record, f"It took {time.monotonic() - began:.0f} s.")

    def tell(self, moment: Moment, record: Record, more: str) -> None:
        """Tell something, without waiting for it; nothing in a dry run."""
        setting = self.run.environment.notify
        if setting is None or moment not in setting.about or self.run.dry:
            return
        entry, masks = self.run.entry, self.run.masks
        state = {"begun": "has begun", "failed": "has failed", "put back": "has failed, and was put back"}
        title = f"{self.run.environment.name}: {record.what} {state.get(moment, moment)}"
        lines = [f"{record.release} on {', '.join(record.hosts)}", f"By {entry['who']} on {entry['from']}.", more]
        body = safe("\n".join(filter(None, lines)), masks)
        urls = addresses(self.run.host(self.run.environment.leader), setting)
        arguments = (urls, safe(title, masks), body, moment)
        thread = threading.Thread(target=self._send, args=arguments, daemon=True)
        thread.start()
        self._sending.append(thread)

    def _send(self, urls: Sequence[str], title: str, body: str, moment: Moment) -> None:
        try:
            self._troubles += send(urls, title, body, moment)
        except Exception as error:
            parts = [part for url in urls for part in (url, *pieces(url))]
            self._troubles.append(safe(f"{type(error).__name__}: {error}", parts))

    def finish(self) -> None:
        """Wait for what is still under way, and warn of what did not arrive."""
        deadline = time.monotonic() + PATIENCE
        for thread in self._sending:
            thread.join(max(0.0, deadline - time.monotonic()))
        if any(thread.is_alive() for thread in self._sending):
            self._troubles.append(f"no answer within {PATIENCE:.0f} s")
        for trouble in dict.fromkeys(self._troubles):
            self.run.report.note("", f"not everybody could be told: {trouble}", "warning")
        self._sending.clear()
        self._troubles.clear()


def send(urls: Sequence[str], title: str, body: str, moment: Moment) -> list[str]:
    """Send a message to all addresses, one after the other.

    :returns: what went wrong, with no address in it.
    """
    if not installed():
        return [MISSING]
    import apprise  # takes longer to load than all that a run without it does

    kinds = {"begun": "info", "done": "success", "failed": "failure", "put back": "warning"}
    troubles = []
    with told_by_apprise() as said:
        for number, url in enumerate(urls):
            place = f"notify.urls[{number}]"
            service = apprise.Apprise.instantiate(url, suppress_exceptions=True)
            if service is None:
                troubles.append(f"{place}: apprise knows no such address")
                continue
            said.clear()
            if not service.notify(title=title, body=body, notify_type=apprise.NotifyType(kinds[moment])):
                reasons = "; ".join(said) or f"{service.service_name} did not take it"
                troubles.append(f"{place}: {safe(reasons, [url, *pieces(url)])}")
    return troubles


def pieces(url: str) -> list[str]:
    """Return the parts of an address that nobody else may know."""
    return [part for part in re.split(r"[/:@?&=]+", url.partition("://")[2]) if len(part) >= SHORTEST]


@contextlib.contextmanager
def told_by_apprise() -> Iterator[list[str]]:
    """Collect what apprise complains of while the block runs."""
    said: list[str] = []

    class Collector(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            said.append(record.getMessage())

    handler, logger = Collector(logging.WARNING), logging.getLogger("apprise")
    logger.addHandler(handler)
    former, logger.propagate = logger.propagate, False
    try:
        yield said
    finally:
        logger.removeHandler(handler)
        logger.propagate = former


def installed() -> bool:
    """Tell whether the library is here that reaches people."""
    return importlib.util.find_spec("apprise") is not None


def why(error: BaseException) -> str:
    """Return the first lines of an error."""
    if isinstance(error, KeyboardInterrupt):
        return "Somebody has stopped it."
    text = str(error) if isinstance(error, HawserError) else f"{type(error).__name__}: {error}".removesuffix(": ")
    lines = brief(text).splitlines()
    return "\n".join([*lines[:LINES], *(["…"] if len(lines) > LINES else [])])
