"""Changing the sandbox as an ordinary user: the same work, in a process that sudo starts."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from ..errors import HawserError
from . import commands
from .machine import PROXIES

VARIABLES = ("HOME", "HAWSER_SANDBOX", "HAWSER_SANDBOX_BASE", "HAWSER_SANDBOX_RELEASE")
CARRIED = (*VARIABLES, *PROXIES, *(name.upper() for name in PROXIES))


def is_root() -> bool:
    """Tell whether this process may do everything itself."""
    return os.geteuid() == 0


def sudo() -> list[str]:
    """Return how to begin a command that root has to run: nothing for root itself.

    :raises HawserError: when there is no sudo, or it wants a password and nobody can be asked.
    """
    if is_root():
        return []
    asking = sys.stdin is not None and sys.stdin.isatty()
    if commands.which("sudo") is None or not (asking or commands.tried("sudo", "-n", "true")):
        raise HawserError(
            "sandbox: throwaway hosts need root's rights, and sudo gives none here", next="run this as root"
        )
    return ["sudo"] if asking else ["sudo", "-n"]


def through_sudo(arguments: Sequence[str], say: Callable[[str], None]) -> None:
    """Run ``python -m hawser.sandbox`` as root and pass on its output.

    :raises HawserError: with its messages, when it fails.
    """
    package = Path(__file__).resolve().parents[2]
    carried = [f"{name}={os.environ[name]}" for name in CARRIED if name in os.environ]
    setting = [f"PYTHONPATH={package}", "PYTHONDONTWRITEBYTECODE=1", "PYTHONUNBUFFERED=1", *carried]
    argv = [*sudo(), "env", *setting, sys.executable, "-m", "hawser.sandbox", *arguments]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout and process.stderr
        for line in process.stdout:
            say(line.rstrip("\n"))
        errors = process.stderr.read().strip()
    if process.returncode:
        raise HawserError(errors or f"sandbox: {arguments[0]} failed as root")
