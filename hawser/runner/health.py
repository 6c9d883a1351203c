"""Ask a process over HTTP, on its own socket or port, whether it is well."""

import http.client
import os
import socket
import time

from .managers import UnixConnection, manager
from .system import Change, Failure, Kind


def connection(address, timeout):
    """Return an HTTP connection to a socket's path or to ``host:port``."""
    if address.startswith("/"):
        return UnixConnection(address, timeout)
    host, _, port = address.rpartition(":")
    return http.client.HTTPConnection(host, int(port), timeout=timeout)


def ask(address, path, host, timeout=5.0):
    """Return the status that a path answers with, or a sentence that says why there is none.

    :param path: empty asks only for a connection; its status is 0.
    """
    link = connection(address, timeout)
    try:
        link.connect()
        if not path:
            return 0, ""
        link.putrequest("GET", path, skip_host=True)
        for name, value in (
            ("Host", host),
            ("X-Forwarded-Proto", "https"),
            ("User-Agent", "hawser"),
            ("Connection", "close"),
        ):
            link.putheader(name, value)
        link.endheaders()
        answer = link.getresponse()
        answer.read(65536)
        return answer.status, ""
    except (OSError, http.client.HTTPException, socket.timeout) as error:
        return None, "%s: %s" % (type(error).__name__, error)
    finally:
        link.close()


class Healthy(Kind):
    """See `hawser.resources.Healthy`."""

    def expects(self, status):
        if status is None:
            return False
        if not self.spec.get("path"):
            return True
        return any(first <= status <= last for first, last in self.spec["statuses"])

    def ask(self):
        spec = self.spec
        return ask(spec["address"], spec.get("path", ""), spec["host"])

    def check(self):
        # Asking is reading; only a process that has just been started needs to be waited for.
        if self.spec["address"].startswith("/") and not os.path.exists(self.spec["address"]):
            return Change("waits until it is healthy")
        status, _why = self.ask()
        return None if self.expects(status) else Change("waits until it is healthy")

    def apply(self, change):
        spec = self.spec
        there = manager(spec["manager"], self.system)
        deadline = time.monotonic() + spec["timeout"]
        tries = 0
        while True:
            tries += 1
            status, why = self.ask()
            if self.expects(status):
                return
            state = there.state(spec["unit"])
            gone = not state.active and "activating" not in state.word and state.word != "starting"
            if gone or time.monotonic() > deadline:
                what = "answers %s with %s" % (spec.get("path"), status) if status else "does not answer (%s)" % why
                if gone:
                    what = "ended (%s)" % state.word
                raise Failure(
                    "%s %s; %d tries in %.0f s"
                    % (spec["unit"], what, tries, spec["timeout"] - (deadline - time.monotonic())),
                    there.log(spec["unit"], spec.get("log", "")),
                )
            time.sleep(min(0.05 * tries, 0.5))
