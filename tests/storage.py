"""Servers that backups are sent to, on this machine: one that speaks S3, and one that speaks REST as restic's own."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

# Whom they let in.
NAME, KEY = "shop-backups", "a key of the storage's"
PROGRAM = Path(sys.executable).with_name("rclone")
PASSWORDS: Mapping[str, Mapping[str, str]] = {
    # A list of pairs, as CSV.
    "s3": {"RCLONE_AUTH_KEY": f'"{NAME},{KEY}"'},
    "restic": {"RCLONE_USER": NAME, "RCLONE_PASS": KEY},
}


@contextmanager
def serving(kind: str, folder: Path, address: str = "127.0.0.1", port: int = 0) -> Iterator[int]:
    """Serve a folder while the block runs, and tell on which port.

    :param kind: ``s3`` or ``restic``.
    :param port: 0: any that is free.
    """
    if not port:
        with socket.create_server((address, 0)) as free:
            port = free.getsockname()[1]
    folder.mkdir(exist_ok=True)
    argv = [str(PROGRAM), "serve", kind, "--addr", f"{address}:{port}", "--config", "", str(folder)]
    with subprocess.Popen(argv, env={**os.environ, **PASSWORDS[kind]}, stderr=subprocess.DEVNULL) as server:
        try:
            deadline = time.monotonic() + 20
            while not answers(address, port):
                assert server.poll() is None and time.monotonic() < deadline, f"rclone serve {kind} does not answer"
                time.sleep(0.05)
            yield port
        finally:
            server.kill()


def answers(address: str, port: int) -> bool:
    try:
        socket.create_connection((address, port), 1).close()
    except OSError:
        return False
    return True
