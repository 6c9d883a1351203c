"""The host itself: packages, users, commands, services, shared folders and volumes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

from .base import Changed, Resource, Resources, changed
from .files import Absent


@dataclass(frozen=True, eq=False)
class Packages(Resource):
    """Debian packages, installed; their versions are left alone."""

    kind: ClassVar[str] = "packages"
    names: tuple[str, ...]

    @property
    def label(self) -> str:
        return "packages " + " ".join(self.names)


@dataclass(frozen=True, eq=False)
class PackageLists(Resource):
    """What the package servers have, fetched not long ago.

    :param seconds: how old it may be.
    """

    kind: ClassVar[str] = "package_lists"
    seconds: int

    @property
    def label(self) -> str:
        return "lists of packages"


@dataclass(frozen=True, eq=False)
class Upgraded(Resource):
    """What is installed, in the newest version that its release of Debian has; files that were edited stay.

    :param everything: not security updates alone.
    """

    kind: ClassVar[str] = "upgraded"
    everything: bool = False

    @property
    def label(self) -> str:
        return "all packages" if self.everything else "security updates"


@dataclass(frozen=True, eq=False)
class Rebooted(Resource):
    """A host that has been booted since; it goes down a second after it has said so.

    :param boot: what told the boot before from all others.
    """

    kind: ClassVar[str] = "rebooted"
    boot: str

    @property
    def label(self) -> str:
        return "boot"


@dataclass(frozen=True, eq=False)
class User(Resource):
    """A system user without a password; an existing one only joins the groups that it lacks.

    :param group: its own group; empty: one of its name.
    :param groups: further groups that it is added to.
    """

    kind: ClassVar[str] = "user"
    name: str
    home: str
    group: str = ""
    shell: str = "/bin/bash"
    groups: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class FoldersGone(Resource):
    """No folder without contents that was made for the application outside of its own, ``root``."""

    kind: ClassVar[str] = "folders_gone"
    momentary: ClassVar[bool] = True
    root: str

    @property
    def label(self) -> str:
        return "no empty folders"


@dataclass(frozen=True, eq=False)
class UserGone(Resource):
    """No such user, where it was made for the application: its home tells. Its programs for the application end."""

    kind: ClassVar[str] = "user_gone"
    momentary: ClassVar[bool] = True
    name: str
    home: str

    @property
    def label(self) -> str:
        return f"no user {self.name}"


@dataclass(frozen=True, eq=False)
class Command(Resource):
    """A program that runs when its trigger is due, or where ``creates``/``unless`` says it has not run yet.

    :param argv: the program and its arguments; never a secret, for ``ps`` shows them.
    :param creates: a path; the command is in order once it exists.
    :param marker: a file that the runner writes after success; the command is in order once it exists.
    :param unless: a program; the command is in order when it exits with 0.
    :param env: variables for it, beside the runner's own clean ones; may hold secrets.
    :param env_file: a file of ``NAME="value"`` lines (written by an earlier resource) that it gets as well.
    :param stdin: what it reads; may hold secrets.
    :param timeout: seconds.
    :param title: what a person reads instead of the arguments.
    """

    kind: ClassVar[str] = "command"
    argv: tuple[str, ...]
    when: Changed | None = None
    creates: str = ""
    marker: str = ""
    unless: tuple[str, ...] = ()
    user: str = ""
    cwd: str = "/"
    env: Mapping[str, str] = field(default_factory=dict)
    env_file: str = ""
    stdin: str = ""
    timeout: int = 1800
    title: str = ""

    @property
    def label(self) -> str:
        return f"command {self.title or ' '.join(self.argv)}"


def without_units(*paths: str) -> Resources:
    """Yield that units of the application's own run no more, have no file, and are not remembered as failed.

    :param paths: their files, first the one whose presence tells whether they were there.
    """
    units = tuple(path.rpartition("/")[2] for path in paths)
    yield Command(("systemctl", "disable", "--now", *units), unless=("test", "!", "-e", paths[0]))
    files = [Absent(path) for path in paths]
    yield from files
    yield Command(("systemctl", "daemon-reload"), when=changed(*files))
    # A pattern fits what there is: without one, it is an error that nothing has failed.
    patterns = (f"{unit[:-1]}[{unit[-1]}]" for unit in units)
    yield Command(("systemctl", "reset-failed", *patterns), when=changed(*files))


@dataclass(frozen=True, eq=False)
class Once(Resource):
    """A command that runs once in the life of an environment; that it did is noted last, in the state folder.

    :param argv: the program and its arguments, never a secret; empty: only note that it has been done.
    :param unless: a program; where it exits with 0, the command has been done already, which is only noted.
    :param env: variables over those of ``env_file``; may hold secrets.
    :param again: run it in any case.
    :param hint: what to do when it fails, for people.
    :param entry: who does it, and in which release, for the record.
    """

    kind: ClassVar[str] = "once"
    momentary: ClassVar[bool] = True
    name: str
    argv: tuple[str, ...] = ()
    unless: tuple[str, ...] = ()
    user: str = ""
    cwd: str = "/"
    env: Mapping[str, str] = field(default_factory=dict)
    env_file: str = ""
    timeout: int = 1800
    title: str = ""
    again: bool = False
    hint: str = ""
    entry: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Tool(Resource):
    """A command-line tool from the Python package index, in a virtual environment of its own.

    :param requirement: name and exact version, as ``uv==1.2.3``.
    """

    kind: ClassVar[str] = "tool"
    requirement: str
    path: str


@dataclass(frozen=True, eq=False)
class Service(Resource):
    """A systemd unit that somebody else defines: enabled at boot and running.

    :param may_decline: it is in order as well when a condition of its own has kept it from starting.
    """

    kind: ClassVar[str] = "service"
    name: str
    running: bool = True
    enabled: bool = True
    may_decline: bool = False


@dataclass(frozen=True, eq=False)
class Exports(Resource):
    """A file of exports(5) that the NFS server has taken over; put back when it refuses it.

    :param shares: folders, each with the addresses that may mount it.
    :param user: as whom all that clients do is done, with
    :param user_group: the group.
    """

    kind: ClassVar[str] = "exports"
    path: str
    application: str
    shares: tuple[tuple[str, tuple[str, ...]], ...]
    user: str
    user_group: str
    mode: int = 0o644
    owner: str = "root"
    group: str = "root"
    validate: str = "exports"
    parents: bool = True


@dataclass(frozen=True, eq=False)
class Mount(Resource):
    """A mount by a unit of systemd that is there already: mounted now and at boot.

    :param when: unmounted and mounted again when this is due.
    """

    kind: ClassVar[str] = "mount"
    path: str
    unit: str
    when: Changed | None = None


@dataclass(frozen=True, eq=False)
class OnlyMounts(Resource):
    """No mount units of this application but these; others are unmounted and removed.

    :param keep: names of units.
    """

    kind: ClassVar[str] = "mounts"
    application: str
    keep: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Mounted(Resource):
    """Something mounted at this path that answers; it is only looked at.

    :param hint: what is said where there is none.
    """

    kind: ClassVar[str] = "mounted"
    path: str
    hint: str


@dataclass(frozen=True, eq=False)
class LuksVolume(Resource):
    """A device encrypted with LUKS, opened under ``/dev/mapper`` and mounted.

    :param name: what it is called there.
    :param unit: the mount unit, written before.
    :param hint: the command that makes one.
    :param formats: make it where the device is empty; else that is an error.
    """

    kind: ClassVar[str] = "luks_volume"
    name: str
    device: str
    mount: str
    unit: str
    passphrase: str
    filesystem: str
    hint: str
    formats: bool = False


@dataclass(frozen=True, eq=False)
class OnlyVolumes(Resource):
    """No encrypted volumes of this application but these; others are unmounted and closed, and their units removed.

    :param keep: names of mount units.
    :param patient: one that is in use stays open, with a warning; else that is an error.
    """

    kind: ClassVar[str] = "volumes"
    application: str
    keep: tuple[str, ...]
    patient: bool = True
