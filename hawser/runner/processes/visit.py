"""Visit the site as a visitor would: through the web server of this host, with the domain's name."""

from __future__ import annotations

import os
import time

from ..kernel.starts import Start
from ..system import Change, Failure, Kind
from .managers import manager, tail

TYPE_CHECKING = False
if TYPE_CHECKING:
    import ssl
    from typing import Dict, List, Optional, Tuple

    from ..specs.processes import VisitedSpec

# Seconds that one question may take.
PATIENCE = 10.0
CLOSED = 503


class Answer:
    """An answer to a visitor.

    :param status: None where there is none.
    :param location: where it leads to, if anywhere.
    :param why: why there is none.
    :param headers: by their names in small letters.
    """

    def __init__(
        self,
        status: Optional[int],
        location: str = "",
        why: str = "",
        headers: Optional[Dict[str, List[str]]] = None,
    ) -> None:
        self.status = status
        self.location = location
        self.why = why
        self.headers = headers or {}

    def __str__(self) -> str:
        return "answers visitors with %d" % self.status if self.status else "does not answer (%s)" % self.why


def unjudging() -> ssl.SSLContext:
    """Return a context that judges no certificate, and so does not load those of all authorities, which takes long."""
    import ssl

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


def visit(port: int, tls: bool, domain: str, path: str, timeout: float = PATIENCE, encoding: str = "") -> Answer:
    """Return the answer that a visitor gets.

    The certificate is not judged here: a self-signed one is allowed, and others are checked before they are installed.

    :param encoding: the compression that the visitor takes.
    """
    import http.client
    import socket

    link = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout)
    try:
        plain = socket.create_connection(("127.0.0.1", port), timeout)
        link.sock = plain
        if tls:
            link.sock = unjudging().wrap_socket(plain, server_hostname=domain)
        wanted = {"Accept-Encoding": encoding} if encoding else {}
        own = {"Host": domain, "User-Agent": "hawser", "Connection": "close"}
        link.request("GET", path, headers={**own, **wanted})
        answer = link.getresponse()
        # Not more: a stream without an end is an answer as well.
        answer.read1(65536)
        headers: Dict[str, List[str]] = {}
        for name, value in answer.getheaders():
            headers.setdefault(name.lower(), []).append(value)
        return Answer(answer.status, answer.getheader("Location", ""), headers=headers)
    except (OSError, ValueError, http.client.HTTPException) as error:
        return Answer(None, why="%s: %s" % (type(error).__name__, error))
    finally:
        link.close()


class Visited(Kind):
    """See `hawser.resources.Visited`."""

    spec: VisitedSpec

    def ask(self, timeout: float) -> Tuple[bool, str]:
        """Return whether a visitor is served, and the answer otherwise."""
        spec = self.spec
        answer = visit(spec["port"], spec["tls"], spec["domain"], spec["path"], timeout)
        status = answer.status
        if status is None:
            return False, str(answer)
        # Closed by somebody's wish, which is no failure of this release.
        closed = status == CLOSED and bool(spec["page"]) and os.path.exists(spec["page"])
        return closed or any(first <= status <= last for first, last in spec["statuses"]), str(answer)

    def check(self) -> Optional[Change]:
        # Asking is reading; only a server that has just been reloaded needs to be waited for.
        return None if self.ask(PATIENCE)[0] else Change("waits until visitors are served")

    def apply(self, change: Change) -> None:
        began = time.monotonic()
        before = Start(self.spec["server_log"])
        deadline = began + self.spec["timeout"]
        tries = 0
        while True:
            tries += 1
            well, said = self.ask(max(1.0, min(PATIENCE, deadline - time.monotonic())))
            if well:
                return
            if time.monotonic() >= deadline:
                break
            time.sleep(min(0.05 * tries, 0.5))
        count = "1 try" if tries == 1 else "%d tries" % tries
        seconds = time.monotonic() - began
        raise Failure("%s %s; %s in %.0f s" % (self.spec["url"], said, count, seconds), self.logs(before))

    def logs(self, before: Start) -> str:
        """Return the last lines of the process behind it, and those of the web server about these visits."""
        spec, parts = self.spec, []
        if spec["unit"]:
            parts.append(manager(spec["manager"], self.system).log(spec["unit"], spec["log"]))
        if spec["server_log"]:
            parts.append(tail(spec["server_log"], before))
        return "\n".join(part for part in parts if part)
