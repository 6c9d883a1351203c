"""The health of processes, asked over HTTP on their own socket or port, and of their own command."""

from __future__ import annotations

import contextlib
import os
import socket
import threading
import time

from ..kernel.ports import at_port
from ..system import Change, Failure, Kind
from .managers import STARTING, manager

TYPE_CHECKING = False
if TYPE_CHECKING:
    import http.client
    from typing import Dict, Optional, Sequence, Tuple

    from ..specs.processes import HealthySpec
    from ..specs.questions import ProcessQuestion
    from ..system import System

# Seconds that one question may take; and where all processes are asked for a survey, where a command may have to load
# the whole application first.
PATIENCE = 10.0
SURVEY_PATIENCE, COMMAND_PATIENCE = 5.0, 30.0


def ask(
    address: str, path: str, host: str, timeout: float = PATIENCE, tls: bool = False, ca: str = ""
) -> Tuple[Optional[int], str]:
    """Return the status that a path answers with, or None and a sentence that says why there is none.

    :param path: empty asks only for a connection; its status is 0.
    :param host: the name that it is asked for.
    :param tls: speak TLS, and check that its certificate is for that name.
    :param ca: a file of certificates that it must lead to; empty: those that the host trusts.
    """
    import http.client

    from .unix import connection

    late = threading.Event()
    try:
        link = secure(address, timeout, host, ca) if tls else connection(address, timeout)
        # The timeout of the connection is for each word: one byte at a time would keep us waiting for ever.
        clock = threading.Timer(timeout, hang_up, (link, late))
        clock.daemon = True
        try:
            link.connect()
            clock.start()
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
            # Not more: a stream without an end is an answer as well.
            answer.read1(65536)
            if late.is_set():
                # What was cut reads like an answer that has come to its end.
                return None, tardy(timeout)
            return answer.status, ""
        finally:
            clock.cancel()
            link.close()
    except (OSError, ValueError, http.client.HTTPException) as error:
        if late.is_set():
            return None, tardy(timeout)
        return None, "%s: %s" % (type(error).__name__, error)


def time_left(deadline: float) -> float:
    """Return how many seconds a question may take, when all must have come to an end at a moment."""
    return max(1.0, min(PATIENCE, deadline - time.monotonic()))


def tardy(timeout: float) -> str:
    """Say that there was no answer in time."""
    return "no whole answer within %.3g s" % timeout


def hang_up(link: http.client.HTTPConnection, late: threading.Event) -> None:
    """End a connection that takes too long; whoever reads from it wakes up."""
    late.set()
    with contextlib.suppress(OSError, AttributeError):
        link.sock.shutdown(socket.SHUT_RDWR)


def secure(address: str, timeout: float, name: str, ca: str) -> http.client.HTTPConnection:
    """Return an HTTPS connection to a socket's path or to ``host:port``, whose certificate must be for a name."""
    import ssl

    from .unix import connection

    context = ssl.create_default_context(cafile=ca or None)
    # Python 3.13 refuses what programs and browsers take, as an authority without a key identifier.
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    if ca:
        # The chain may end below the root, and a self-signed certificate is its own: what the file names is trusted.
        # (X509_V_FLAG_PARTIAL_CHAIN of OpenSSL; ssl has a name for it since Python 3.10.)
        context.verify_flags |= ssl.VerifyFlags(0x80000)
    plain = connection(address, timeout)
    connect = plain.connect

    def connect_securely() -> None:
        connect()
        plain.sock = context.wrap_socket(plain.sock, server_hostname=name)

    setattr(plain, "connect", connect_securely)  # noqa: B010
    return plain


def expected(status: Optional[int], path: str, statuses: Sequence[Sequence[int]]) -> bool:
    """Tell whether an answer counts as healthy.

    :param statuses: first and last of each range that does.
    """
    if status is None:
        return False
    return not path or any(first <= status <= last for first, last in statuses)


def complaint(system: System, command: Sequence[str], user: str, cwd: str, timeout: float) -> str:
    """Run the command that tells whether a process works; say why it does not, nothing where it does.

    :param command: the program with its arguments; empty for none.
    :param timeout: seconds that it may take.
    """
    if not command:
        return ""
    try:
        system.run(command, user, cwd, timeout=timeout, scoped=True)
    except Failure as failure:
        lines = [line.strip() for line in failure.output.splitlines() if line.strip()]
        # Of `run NAME sh -c LINE`, a person knows the line.
        ended = failure.message.partition(" ")[2]
        said = "%s: %s" % (ended, lines[-1]) if lines else ended
        return "health.command `%s` %s" % (command[-1], system.show(said))
    return ""


class Healthy(Kind):
    """See `hawser.resources.Healthy`."""

    spec: HealthySpec

    def ask(self, timeout: float) -> Tuple[bool, str]:
        """Return whether it is healthy, and its complaint when it is not."""
        spec = self.spec
        if not spec["address"]:
            said = self.complaint(timeout)
            return not said, said
        well, said = self.answers(timeout)
        if not well:
            return False, said
        other = self.somebody_else()
        if other:
            return False, "is not who answers on %s: %s does" % (spec["address"], other)
        said = self.complaint(timeout)
        return not said, said

    def answers(self, timeout: float) -> Tuple[bool, str]:
        """Return whether it answers as it should, and its complaint when it does not."""
        spec, path = self.spec, self.spec["path"]
        status, why = ask(spec["address"], path, spec["host"], timeout, spec["tls"], spec["ca"])
        if expected(status, path, spec["statuses"]):
            return True, ""
        return False, "does not answer (%s)" % why if status is None else "answers %s with %d" % (path, status)

    def ask_often(self, deadline: float) -> Tuple[bool, str]:
        """Return whether it is healthy, with as many good and fast answers in a row as it takes, or its complaint.

        :param deadline: when no further question is asked, by the monotonic clock.
        """
        well, said = self.ask(time_left(deadline))
        many = self.spec["successes"]
        if not well or many == 1:
            return well, said
        # One after the other, they might all reach the same of several workers.
        together = [threading.Thread(target=self.answers, args=(time_left(deadline),)) for _ in range(many)]
        for thread in together:
            thread.start()
        for thread in together:
            thread.join()
        for number in range(many):
            began = time.monotonic()
            well, said = self.answers(time_left(deadline))
            took = time.monotonic() - began
            if not well:
                return False, said
            if took > self.spec["fast"]:
                slow = "takes %.1f s for an answer, where health.fast allows %g (answer %d of %d)"
                return False, slow % (took, self.spec["fast"], number + 1, many)
        return True, ""

    def complaint(self, timeout: float) -> str:
        spec = self.spec
        return complaint(self.system, spec["command"], spec["user"], spec["cwd"], timeout)

    def somebody_else(self) -> str:
        """Say who answers on its port in its place; nothing where it is itself, or where that cannot be told."""
        port = self.spec["address"].rpartition(":")[2]
        if self.spec["address"].startswith("/") or not port.isdigit():
            return ""
        unit = self.spec["unit"]
        state = manager(self.spec["manager"], self.system).state(unit)
        if not state.known:
            return ""
        there = at_port(int(port))
        for row in there:
            # Sockets of the kernel's or of systemd's own are handed on.
            if row["pid"] <= 1 or row["unit"] == unit + ".service" or (state.pid and state.pid in row["pids"]):
                return ""
        return "%(program)s (pid %(pid)d)" % there[0] if there else ""

    def check(self) -> Optional[Change]:
        if self.spec.get("when") is not None and not self.due:
            return None
        # Asking is reading; only a process that has just been started needs to be waited for.
        if self.spec["address"].startswith("/") and not os.path.exists(self.spec["address"]):
            return Change("waits until it is healthy")
        well, _said = self.ask_often(time.monotonic() + PATIENCE)
        return None if well else Change("waits until it is healthy")

    def apply(self, change: Change) -> None:
        spec, there = self.spec, manager(self.spec["manager"], self.system)
        began = time.monotonic()
        deadline = began + spec["timeout"]
        pid: Optional[int] = None
        tries = 0
        while True:
            tries += 1
            well, said = self.ask_often(deadline)
            if well:
                return
            state = there.state(spec["unit"])
            if not state.active and state.phase != STARTING:
                said = "has ended (%s)" % state.word
            elif pid not in (None, state.pid):
                said = "has ended, and was started again"
            elif time.monotonic() < deadline:
                pid = state.pid if state.active else pid
                time.sleep(min(0.05 * tries, 0.5))
                continue
            count = "1 try" if tries == 1 else "%d tries" % tries
            raise Failure(
                "%s %s; %s in %.0f s" % (spec["unit"], said, count, time.monotonic() - began),
                there.log(spec["unit"], spec["log"]),
            )


def health(system: System, checks: Sequence[ProcessQuestion]) -> Dict[str, str]:
    """Ask each process for its health now.

    :returns: by process ``ok`` or what is wrong.
    """
    found = {}
    for check in checks:
        if not check["address"]:
            found[check["name"]] = own_complaint(system, check) or "ok"
            continue
        secure = check.get("tls", False), check.get("ca", "")
        answer, why = ask(check["address"], check["path"], check["host"], SURVEY_PATIENCE, *secure)
        if expected(answer, check["path"], check["statuses"]):
            found[check["name"]] = own_complaint(system, check) or "ok"
        else:
            found[check["name"]] = why if answer is None else "answers %d" % answer
    return found


def own_complaint(system: System, check: ProcessQuestion) -> str:
    """Return the complaint of a process's own command; see `complaint`."""
    command, user, cwd = check.get("command", ()), check.get("user", ""), check.get("cwd", "/")
    return complaint(system, command, user, cwd, COMMAND_PATIENCE)
