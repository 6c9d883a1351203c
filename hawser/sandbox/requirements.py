"""Programs that the machine must have before it can carry a sandbox, and getting them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from ..errors import HawserError
from . import commands
from .machine import Release, machine_release
from .model import Instance
from .mounts import file_system, mounted
from .rights import sudo

PROGRAMS = {
    "mmdebstrap": "mmdebstrap",
    "systemd-nspawn": "systemd-container",
    "nft": "nftables",
    "ip": "iproute2",
    "nsenter": "util-linux",
    "setsid": "util-linux",
    "mount": "mount",
}


KEYRINGS = {"debian": "debian-archive-keyring", "ubuntu": "ubuntu-keyring"}


def missing_packages() -> list[str]:
    """Return the packages whose programs this machine lacks."""
    return sorted({package for program, package in PROGRAMS.items() if commands.which(program) is None})


def requirements() -> None:
    """Check that this machine can carry a sandbox.

    :raises HawserError: when it is no Debian or Ubuntu, or packages are missing.
    """
    _supported_system()
    if missing := missing_packages():
        raise HawserError(
            f"sandbox: missing on this machine: {', '.join(missing)}", next=f"apt-get install {' '.join(missing)}"
        )


def install_requirements(say: Callable[[str], None] = print) -> None:
    """Install the packages that the machine lacks, as root or through sudo.

    :raises HawserError: when neither is possible, or the system is neither Debian nor Ubuntu.
    """
    _supported_system()
    if missing := missing_packages():
        install = _installation(missing, say)
        if not commands.tried(*install):
            commands.must(*sudo(), "apt-get", "update", "-q")
            commands.must(*install)


def install_keys(release: Release, say: Callable[[str], None]) -> None:
    """See that this machine has the keys of a release's archive.

    :raises HawserError: when it lacks them and its own archive has no package of them.
    """
    if release.distribution == machine_release().distribution or Path(release.keyring).exists():
        return
    package = KEYRINGS[release.distribution]
    if not commands.tried(*_installation([package], say)) or not Path(release.keyring).exists():
        raise HawserError(
            f"sandbox: this machine lacks {release.keyring}, the keys of {release.codename}'s archive",
            next=f"bring the file from the package {package}",
        )


def _installation(packages: Sequence[str], say: Callable[[str], None]) -> list[str]:
    """Return the command that installs packages."""
    say(f"installing {', '.join(packages)} on this machine")
    rights = [*sudo(), "env", "DEBIAN_FRONTEND=noninteractive"]
    return [*rights, "apt-get", "install", "-y", "-q", "--no-install-recommends", *packages]


def check_folder(instance: Instance) -> None:
    """Check that the sandbox's folder can carry overlays.

    :raises HawserError: when its name cannot stand in mount options, or it lies on an overlay, as in a container.
    """
    for folder in (instance.folder, instance.shared):
        if set(str(folder)) & set(",:\\ "):
            raise HawserError(f"sandbox: the folder {folder} has a comma, colon, backslash or blank in its name", 2)
    instance.folder.mkdir(parents=True, exist_ok=True, mode=0o711)
    if file_system(instance.folder, mounted()) == "overlay":
        raise HawserError(
            f"sandbox: {instance.folder} lies on an overlay file system, which cannot carry another",
            next="set HAWSER_SANDBOX to a folder on a disk, a volume or a tmpfs",
        )


def _supported_system() -> Release:
    release = machine_release()
    if release.distribution not in ("debian", "ubuntu") or not release.codename:
        raise HawserError(
            f"sandbox: throwaway hosts need Debian or Ubuntu, and this machine is {release.distribution or 'unknown'}",
            next="use a machine with Debian or Ubuntu, or name real hosts in the environment file",
        )
    return release
