"""The base image of the hosts: made once with mmdebstrap, and kept under the hash of all that went into it."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shlex
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from . import commands
from .machine import Inheritance
from .model import Instance
from .mounts import mounted, remove_tree

VERSION = 1  # raised when making an image changes in a way that its ingredients do not show
UNUSED_SECONDS = 14 * 86400
PACKAGES = ("apt", "systemd", "systemd-sysv", "dbus", "openssh-server", "sudo", "ca-certificates", "iproute2", "cron")
# Of the default archive, which serves where the machine names no sources.
COMPONENTS = {"ubuntu": ("main", "universe")}
PYTHON_PACKAGES = ("python3", "python3-venv", "git")


def packages(python: bool) -> list[str]:
    """Return the packages that a base image has installed."""
    return [*PACKAGES, *(PYTHON_PACKAGES if python else ())]


def fingerprint(inherited: Inheritance, python: bool) -> str:
    """Return the name of the image that these ingredients make."""
    parts = {
        "version": VERSION,
        "release": [inherited.release.distribution, inherited.release.codename],
        "packages": packages(python),
        "sources": [[source.name, source.text] for source in inherited.sources],
        "options": list(inherited.apt_options),
        "files": {path: hashlib.sha256(content).hexdigest() for path, content in inherited.files.items()},
    }
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:12]


def image(instance: Instance, inherited: Inheritance, python: bool, say: Callable[[str], None]) -> Path:
    """Return the root folder of a base image, and make it first where it is missing.

    :raises HawserError: when mmdebstrap fails; nothing is left behind then.
    """
    final = instance.shared / f"base-{fingerprint(inherited, python)}"
    if not final.exists():
        instance.shared.mkdir(parents=True, exist_ok=True, mode=0o711)
        with locked(instance.shared / "base.lock") as lock:
            if not final.exists():
                _remove_leftovers(instance)
                _make(final, inherited, python, say, lock)
    os.utime(final)
    return final / "root"


def bootstrap_command(root: Path, stage: Path, inherited: Inheritance, python: bool) -> list[str]:
    """Return the mmdebstrap command that makes an image.

    :param stage: a folder that holds ``sources/``, ``apt.conf`` and the tree ``files/`` to lay over the image.
    """
    files = shlex.quote(str(stage / "files"))
    components = COMPONENTS.get(inherited.release.distribution, ())
    hooks = [
        # Debian 13 has a link that leads nowhere at /etc/default/locale, which cp would not write through.
        f'cp -rT --no-preserve=ownership --remove-destination {files} "$1"',
        'chroot "$1" update-ca-certificates',
        'rm -f "$1"/etc/ssh/ssh_host_* "$1"/etc/resolv.conf "$1"/etc/hostname',
        ': > "$1"/etc/machine-id',
    ]
    return [
        "mmdebstrap",
        "--mode=root",
        "--variant=minbase",
        "--format=directory",
        f"--include={','.join(packages(python))}",
        f"--aptopt={stage / 'apt.conf'}",
        "--dpkgopt=force-unsafe-io",
        *([f"--components={','.join(components)}"] if not inherited.sources and components else []),
        *(f"--customize-hook={hook}" for hook in hooks),
        inherited.release.codename,
        str(root),
        *(str(stage / "sources" / source.name) for source in inherited.sources),
    ]


@contextmanager
def locked(path: Path) -> Iterator[int]:
    """Hold a lock file, waiting for another holder; the value is its open descriptor."""
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield file.fileno()


def _make(final: Path, inherited: Inheritance, python: bool, say: Callable[[str], None], lock: int) -> None:
    """Make an image under another name first.

    :param lock: is handed to mmdebstrap, so that nobody clears up under one that has outlived its caller.
    """
    kind = "with" if python else "without"
    say(
        f"making the base image {kind} Python: {inherited.release.distribution} {inherited.release.codename}"
        " (once, about a minute)"
    )
    begun = time.monotonic()
    work = Path(tempfile.mkdtemp(prefix="making-", dir=final.parent))
    try:
        work.chmod(0o755)
        _stage(work, inherited)
        commands.must(*bootstrap_command(work / "image" / "root", work, inherited, python), holding=[lock])
        (work / "image").chmod(0o700)  # its setuid programs are for the hosts alone
        (work / "image").rename(final)
    finally:
        remove_tree(work)
    say(f"base image ready after {time.monotonic() - begun:.0f} s")


def _stage(work: Path, inherited: Inheritance) -> None:
    (work / "image").mkdir()
    (work / "sources").mkdir()
    (work / "files").mkdir(mode=0o755)
    (work / "apt.conf").write_text("\n".join(inherited.apt_options) + "\n")
    for source in inherited.sources:
        (work / "sources" / source.name).write_text(source.text)
    for path, content in inherited.files.items():
        target = work / "files" / path.lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)


def _remove_leftovers(instance: Instance) -> None:
    """Remove the leftovers of interrupted runs, and images that no host uses and nobody has asked for in a while."""
    for folder in instance.shared.glob("making-*"):
        remove_tree(folder)
    used = " ".join(option for mount in mounted() for option in mount.options)
    for folder in instance.shared.glob("base-*"):
        if folder.name not in used and time.time() - folder.stat().st_mtime > UNUSED_SECONDS:
            remove_tree(folder)
