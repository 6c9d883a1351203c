"""Get into a host without its SSH: run commands, copy files, reboot it, cut its line."""

from __future__ import annotations

import contextlib
import io
import os
import subprocess
import tarfile
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from ..errors import HawserError
from . import cgroups, commands, host, keys, network
from .model import Place, RunningHost, current_instance


def private_key() -> Path:
    """Return the client key that root of every host accepts; it is made at first use."""
    return keys.client_key(current_instance().folder)


def exec_in(
    name: str, argv: Sequence[str], input: bytes | None = None, timeout: float | None = 600
) -> subprocess.CompletedProcess[bytes]:
    """Run a command as root in a host, through its namespaces.

    :param timeout: seconds after which it is killed.
    :raises HawserError: when the host is not up.
    :raises subprocess.TimeoutExpired: when the time is over.
    """
    return commands.run(host.inside(_host(name).pid, *argv), input, timeout)


def copy_in(name: str, source: Path, target: str, owner: str = "root:root") -> None:
    """Copy a file, or a folder with its files, into a host; missing parent folders are made.

    :param target: the absolute path of the copy.
    """
    path = PurePosixPath(target)
    user, _, group = owner.partition(":")

    def owned(member: tarfile.TarInfo) -> tarfile.TarInfo:
        member.uname, member.gname = user, group or user
        return member

    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        archive.add(source, arcname=path.name, filter=owned)
    unpack = 'mkdir -p "$1" && tar -x -p -f - -C "$1"'
    done = exec_in(name, ["sh", "-c", unpack, "sh", str(path.parent)], input=buffer.getvalue())
    if done.returncode:
        raise HawserError(
            f"sandbox: {name}: {target} cannot be written: {done.stderr.decode(errors='replace').strip()}"
        )


def reboot(name: str, seconds: float = host.START_SECONDS) -> RunningHost:
    """Reboot a host from within and wait until it is up again.

    :raises HawserError: when it does not come back.
    """
    running = _host(name)
    with contextlib.suppress(subprocess.TimeoutExpired):
        exec_in(name, ["systemctl", "reboot"], timeout=10)
    return host.wait(_place(name), after=running.pid, seconds=seconds)


def cut(name: str) -> None:
    """Cut a host off: every packet from and to it is dropped, silently, and its connections stay open."""
    network.cut(_place(name).instance, _record(name).number)


def join(name: str) -> None:
    """Connect a host again that was cut off."""
    network.join(_place(name).instance, _record(name).number)


def shell(name: str) -> None:
    """Replace this process by an interactive shell of a host: over SSH, or without where no ssh client is installed."""
    running = _host(name)
    if commands.which("ssh") is None:
        entry = host.inside(running.pid, "env", f"TERM={os.environ.get('TERM', 'dumb')}", "bash", "-l")
        os.execvp(entry[0], entry)
    options = [
        f"UserKnownHostsFile={_place(name).folder / 'known_hosts'}",
        "GlobalKnownHostsFile=/dev/null",
        "StrictHostKeyChecking=yes",
        "IdentitiesOnly=yes",
    ]
    argv = ["ssh", "-i", str(private_key()), *(word for option in options for word in ("-o", option))]
    os.execvp("ssh", [*argv, "-p", str(running.port), f"{running.user}@{running.address}"])


def processes(name: str) -> list[int]:
    """Return the ids, on this machine, of all processes of a host and of its keeper."""
    return cgroups.processes(_place(name))


def _place(name: str) -> Place:
    return current_instance().place(name)


def _host(name: str) -> RunningHost:
    running = host.running(_place(name))
    if running is None:
        raise HawserError(f"sandbox: {name} is not up", next="fab sandbox.up")
    return running


def _record(name: str) -> host.Record:
    record = host.read_record(_place(name))
    if record is None:
        raise HawserError(f"sandbox: there is no host {name}")
    return record
