"""Requests to the sandbox, the hosts that it hands back, and the names it gives to things on the machine."""

from __future__ import annotations

import hashlib
import os
import re
from dataclasses import dataclass, field
from ipaddress import IPv4Network
from pathlib import Path

from ..errors import HawserError

DEFAULT_FOLDER = Path("/var/lib/hawser-sandbox")
NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?")
RELEASE = re.compile("[a-z]{2,20}")


@dataclass(frozen=True)
class SandboxSpec:
    """A throwaway host that is wanted.

    :param name: lower-case letters, digits and dashes, at most 40; also its hostname.
    :param python: False makes a host without Python and git, as small distributions ship.
    :param release: the code name of the release that it shall run, such as ``trixie``; empty: `default_release`.
    """

    name: str
    python: bool = True
    release: str = ""

    def __post_init__(self) -> None:
        if not NAME.fullmatch(self.name):
            raise HawserError(
                f"sandbox: {self.name!r} is no host name (lower-case letters, digits and dashes, at most 40)", 2
            )
        if self.release and not RELEASE.fullmatch(self.release):
            raise HawserError(f"sandbox: {self.release!r} is no code name of a release, such as trixie", 2)

    def __str__(self) -> str:
        kinds = ",".join(kind for kind in (self.release, "" if self.python else "bare") if kind)
        return f"{self.name}={kinds}" if kinds else self.name

    @classmethod
    def parse(cls, word: str) -> SandboxSpec:
        """Read ``NAME``, ``NAME=bare``, ``NAME=RELEASE`` or ``NAME=RELEASE,bare``."""
        name, _, kinds = word.partition("=")
        releases = [kind for kind in kinds.split(",") if kind not in ("", "bare")]
        return cls(name, python="bare" not in kinds.split(","), release=",".join(releases))


@dataclass(frozen=True)
class RunningHost:
    """A throwaway host that is up.

    :param host_keys: its public host keys, each as ``TYPE BASE64``.
    :param pid: the process id, on this machine, of the host's init.
    :param up_since: when that init was started, in seconds since the epoch.
    """

    name: str
    address: str
    host_keys: tuple[str, ...]
    pid: int
    up_since: float = field(compare=False)  # a correction of the machine's clock moves it
    port: int = 22
    user: str = "root"


@dataclass(frozen=True)
class Instance:
    """One sandbox on this machine: its state folder, and the names derived from it, so that several can coexist.

    :param folder: hosts and the client key are kept here.
    :param shared: base images and downloaded packages; may be shared by several sandboxes.
    """

    folder: Path
    shared: Path

    @property
    def id(self) -> str:
        """``0`` for the default folder, else four hexadecimal digits of the folder's hash."""
        return "0" if self.folder == DEFAULT_FOLDER else hashlib.sha256(str(self.folder).encode()).hexdigest()[:4]

    @property
    def bridge(self) -> str:
        return f"hawser{self.id}"

    @property
    def table(self) -> str:
        """The name of this sandbox's nftables tables."""
        return f"hawser_sandbox_{self.id}"

    @property
    def prefix(self) -> str:
        """The beginning of the names of this sandbox's network namespaces, machines and cgroups."""
        return f"hawser{self.id}-"

    @property
    def hosts(self) -> Path:
        return self.folder / "hosts"

    def place(self, name: str) -> Place:
        """Return where a host of this sandbox lives."""
        return Place(self, name)


@dataclass(frozen=True)
class Place:
    """Where one host lives: its folder, and its names on the machine."""

    instance: Instance
    name: str

    @property
    def folder(self) -> Path:
        return self.instance.hosts / self.name

    @property
    def disk(self) -> Path:
        """The layers of the host's disk, which nobody but root may enter: there are setuid programs in them."""
        return self.folder / "disk"

    @property
    def root(self) -> Path:
        return self.disk / "root"

    @property
    def log(self) -> Path:
        return self.folder / "log"

    @property
    def archives(self) -> Path:
        """The host's ``/var/cache/apt/archives``."""
        return self.folder / "archives"

    @property
    def machine(self) -> str:
        """The name of the container, of its network namespace and of its cgroup."""
        return f"{self.instance.prefix}{self.name}"

    @property
    def namespace(self) -> Path:
        return Path("/run/netns") / self.machine


def default_release() -> str:
    """Return the release of hosts for which none is named: ``HAWSER_SANDBOX_RELEASE``; empty for this machine's."""
    return os.environ.get("HAWSER_SANDBOX_RELEASE", "")


def current_instance() -> Instance:
    """Return the sandbox that ``HAWSER_SANDBOX`` names, with ``HAWSER_SANDBOX_BASE`` for the shared folder."""
    folder = Path(os.environ.get("HAWSER_SANDBOX") or DEFAULT_FOLDER).expanduser().resolve()
    shared = Path(os.environ.get("HAWSER_SANDBOX_BASE") or folder).expanduser().resolve()
    return Instance(folder, shared)


@dataclass(frozen=True)
class Address:
    """The address of a host inside the sandbox's network.

    :param number: the host's number in the network, from 2 on; 1 is the machine.
    """

    network: IPv4Network
    number: int

    @property
    def host(self) -> str:
        return str(self.network[self.number])

    @property
    def gateway(self) -> str:
        return str(self.network[1])
