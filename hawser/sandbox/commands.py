"""Run the machine's own programs, with one kind of error when they fail."""

from __future__ import annotations

import contextlib
import os
import shlex
import shutil
import signal
import subprocess
from collections.abc import Sequence

from ..children import inherited
from ..errors import HawserError

SYSTEM_FOLDERS = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


class CommandFailed(HawserError):
    """A program of the machine that the sandbox needs ended with an error."""


def environment() -> dict[str, str]:
    """Return the environment for the machine's programs: untranslated messages, and the folders of root's programs."""
    folders = f"{os.environ.get('PATH', '')}:{SYSTEM_FOLDERS}".strip(":")
    return {**inherited(), "PATH": folders, "LC_ALL": "C.UTF-8", "DEBIAN_FRONTEND": "noninteractive"}


def which(program: str) -> str | None:
    """Return the path of a program, looking into the folders of root's programs too."""
    return shutil.which(program, path=environment()["PATH"])


def run(
    argv: Sequence[str], input: bytes | None = None, timeout: float | None = None, holding: Sequence[int] = ()
) -> subprocess.CompletedProcess[bytes]:
    """Run a program in a session of its own and collect its output.

    :param timeout: seconds after which the program and its children are ended.
    :param holding: open files, such as locks, that the program holds open too.
    :raises subprocess.TimeoutExpired: when the time is over.
    """
    process = subprocess.Popen(
        argv,
        stdin=subprocess.DEVNULL if input is None else subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment(),
        start_new_session=True,
        pass_fds=holding,
    )
    try:
        output, errors = process.communicate(input, timeout=timeout)
    except BaseException:
        _end(process)
        raise
    return subprocess.CompletedProcess(list(argv), process.returncode, output, errors)


def must(*argv: str, input: str | None = None, timeout: float | None = None, holding: Sequence[int] = ()) -> str:
    """Run a program that has to succeed.

    :returns: what it wrote to its standard output.
    :raises CommandFailed: with the end of its messages.
    """
    try:
        done = run(argv, None if input is None else input.encode(), timeout, holding)
    except FileNotFoundError as error:
        raise CommandFailed(f"sandbox: the program {argv[0]} is missing on this machine") from error
    except subprocess.TimeoutExpired as error:
        raise CommandFailed(f"sandbox: no end after {timeout:.0f} s: {shlex.join(argv)}") from error
    if done.returncode:
        lines = (done.stderr or done.stdout).decode(errors="replace").strip().splitlines()[-12:]
        end = "\n".join(f"  {line}" for line in lines)
        raise CommandFailed(f"sandbox: exit status {done.returncode} of: {shlex.join(argv)}\n{end}")
    return done.stdout.decode(errors="replace")


def tried(*argv: str) -> bool:
    """Run a program that may fail, and tell whether it succeeded."""
    return run(argv).returncode == 0


def _end(process: subprocess.Popen[bytes]) -> None:
    """End a program and its children: politely first, because mmdebstrap then undoes its mounts."""
    for how in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError, PermissionError, subprocess.TimeoutExpired):
            os.killpg(process.pid, how)
            process.communicate(timeout=3)
            return
