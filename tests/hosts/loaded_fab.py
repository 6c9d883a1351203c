"""The real `fab`, forked from a process that has loaded it: the start of hundreds of commands is half of their work.

How it starts by itself is tried where it is installed, by newcomers, and wherever a test starts a process of its own.
"""

from __future__ import annotations

import contextlib
import functools
import gc
import json
import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

PROJECT = Path(__file__).parents[2]
LONGEST_REQUEST = 1 << 17


class LoadedFab:
    """The process that has loaded `fab`, as seen from the tests."""

    def __init__(self) -> None:
        self.requests, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            argv = [sys.executable, __file__, str(theirs.fileno())]
            self.process = subprocess.Popen(argv, cwd=PROJECT, stdin=subprocess.DEVNULL, pass_fds=[theirs.fileno()])

    def run(
        self, words: Sequence[str], cwd: Path, environ: Mapping[str, str], timeout: float
    ) -> subprocess.CompletedProcess[str]:
        """Run `fab`, as `subprocess.run` would, and capture its output.

        :raises subprocess.TimeoutExpired: it takes longer; it is killed then.
        """
        request = json.dumps({"words": words, "cwd": str(cwd), "environ": dict(environ)}).encode()
        read, write = os.pipe()
        with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as errors, os.fdopen(read, "rb", 0) as told:
            try:
                socket.send_fds(self.requests, [request], [output.fileno(), errors.fileno(), write])
            finally:
                os.close(write)
            pid = int(told.readline())
            if not select.select([told], [], [], timeout)[0]:
                os.kill(pid, signal.SIGKILL)
                raise subprocess.TimeoutExpired(list(words), timeout)
            code = int(told.readline())
            for stream in (output, errors):
                stream.seek(0)
            return subprocess.CompletedProcess(list(words), code, output.read().decode(), errors.read().decode())


@functools.cache
def loaded_fab() -> LoadedFab:
    """Return the process of this worker; it ends with it."""
    return LoadedFab()


def serve(requests: socket.socket) -> list[str]:
    """Fork for each request, and tell when each fork ends; return, in a fork, the words of its command."""
    read, write = os.pipe()
    os.set_blocking(write, False)
    signal.signal(signal.SIGCHLD, lambda *_arguments: None)
    signal.set_wakeup_fd(write)
    answers: dict[int, int] = {}
    while True:
        ready, _, _ = select.select([requests, read], [], [])
        if read in ready:
            os.read(read, 4096)
            for pid, status in iter(ended, None):
                answer = answers.pop(pid)
                # Whoever has killed it listens no more.
                with contextlib.suppress(BrokenPipeError):
                    os.write(answer, b"%d\n" % os.waitstatus_to_exitcode(status))
                os.close(answer)
        if requests in ready:
            data, fds, _, _ = socket.recv_fds(requests, LONGEST_REQUEST, 3)
            if not data:
                os._exit(0)
            pid = os.fork()
            if pid == 0:
                signal.set_wakeup_fd(-1)
                signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                return become(json.loads(data), fds, [requests.detach(), read, write, *answers.values()])
            for fd in fds[:2]:
                os.close(fd)
            answers[pid] = fds[2]
            os.write(fds[2], b"%d\n" % pid)


def ended() -> tuple[int, int] | None:
    """Return process and status of a fork that has ended."""
    with contextlib.suppress(ChildProcessError):
        pid, status = os.waitpid(-1, os.WNOHANG)
        return (pid, status) if pid else None
    return None


def become(request: Mapping[str, object], fds: Sequence[int], others: Sequence[int]) -> list[str]:
    """Turn into the process that a request describes; the words of its command are returned."""
    output, errors, answer = fds
    os.dup2(output, 1)
    os.dup2(errors, 2)
    for fd in (output, errors, answer, *others):
        os.close(fd)
    os.chdir(str(request["cwd"]))
    os.environ.clear()
    os.environ.update(request["environ"])  # type: ignore[call-overload]
    time.tzset()
    return list(request["words"])  # type: ignore[call-overload]


if __name__ == "__main__":
    gc.disable()
    sys.path[0] = str(PROJECT)
    from hawser import namespace, program
    from hawser.executor import Executor

    assert namespace and Executor
    sys.argv = ["fab", *serve(socket.socket(fileno=int(sys.argv[1])))]
    program.fab()
