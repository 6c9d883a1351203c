"""From a commit to a release: checkouts, environments, builds, and the record of a rollout."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

from .base import Resource


@dataclass(frozen=True, eq=False)
class Checkout(Resource):
    """One commit of a repository, checked out into a folder of its own through a mirror on the host.

    :param path: the folder; complete once its marker file (``PATH.complete``) exists.
    :param commit: the full 40-digit hash.
    :param named: by what it is fetched where it is on no branch or tag: its hash, or a reference. Empty: it is refused.
    :param repo: where the mirror fetches from; empty when the commit is pushed as ``bundle``.
    :param bundle: the id of a blob (a git bundle) sent ahead on the wire.
    :param key: a private SSH key; with ``host_keys`` (lines as in known_hosts) for the server of the repository.
    :param token: a password for HTTPS.
    :param built: the file that says that all was built in it, and
    :param done: the folder of markers of what was: they go when it is made anew. With them, files that somebody has
        taken away come back.
    """

    kind: ClassVar[str] = "checkout"
    path: str
    mirror: str
    commit: str
    owner: str
    group: str
    named: str = ""
    repo: str = ""
    bundle: str = ""
    key: str = ""
    token: str = ""
    host_keys: tuple[str, ...] = ()
    built: str = ""
    done: str = ""

    @property
    def label(self) -> str:
        return f"checkout {self.commit[:8]} in {self.path}"


@dataclass(frozen=True, eq=False)
class Sealed(Resource):
    """A note beside a working copy, once it was built in, of the files of its commit that builds have removed."""

    kind: ClassVar[str] = "sealed"
    bookkeeping: ClassVar[bool] = True
    momentary: ClassVar[bool] = True
    path: str
    mirror: str
    commit: str

    @property
    def label(self) -> str:
        return f"what builds removed from {self.path}"


@dataclass(frozen=True, eq=False)
class Untouched(Resource):
    """A working copy whose files are those that the commit and its build have left; it is only looked at.

    :param besides: files of the commit that are ours to write, or lie behind links of ours.
    """

    kind: ClassVar[str] = "untouched"
    path: str
    mirror: str
    commit: str
    besides: tuple[str, ...] = ()

    @property
    def label(self) -> str:
        return f"code in {self.path}"


@dataclass(frozen=True, eq=False)
class OnlyWorktrees(Resource):
    """No working copies of a repository in its folder but these, and the youngest of the others, which may be in use.

    :param keep: their names.
    """

    kind: ClassVar[str] = "trees"
    momentary: ClassVar[bool] = True
    folder: str
    keep: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class OnlyCheckouts(Resource):
    """No repositories beside the application's own but these; the application's files in others stay.

    :param keep: their names.
    """

    kind: ClassVar[str] = "checkouts"
    folder: str
    keep: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class UploadedPython(Resource):
    """A Python of this machine, unpacked into a folder that has it whole or does not exist.

    :param path: the folder.
    :param sha256: its digest. The blob that is sent ahead, where a host lacks it, is called by it and by its own.
    :param source: the archive, or the folder that was packed, as the settings have it.
    :param user: who it is tried out as.
    """

    kind: ClassVar[str] = "uploaded_python"
    path: str
    sha256: str
    source: str
    user: str

    @property
    def label(self) -> str:
        return f"python {self.source}"


@dataclass(frozen=True, eq=False)
class PythonEnvironment(Resource):
    """A virtual environment under ``folder``, named by the hash of its inputs, and a link to it.

    :param link: the path by which the release refers to it.
    :param source: the checkout that requirement files are relative to.
    :param directory: the application's folder in it, from which upwards the usual files are looked for.
    :param own: a release id: the environment is this release's alone. Empty: shared by hash.
    :param detect: with no requirements and no lock: look for the usual files in the checkout.
    :param resolver: ``pip-legacy``: pip with its resolver of before 2020 chooses versions; empty: uv.
    :param build_constraints: limits for what packages are built with, one requirement each.
    :param conda: an environment file of conda; empty for none.
    :param conda_packages: who installs conda's part of it: ``conda``, ``uv``, or nobody (``skip``).
    :param conda_program: the path of micromamba, mamba or conda; empty to look for it.
    :param kept: the file that keeps the versions that the release was given.
    :param resolved: any word; another one, and versions are chosen anew.
    :param chosen: the versions that were chosen on the leader, as they stand in its file; empty for none.
    :param mirror: where uv fetches a Python that the host lacks; empty: from its own place.
    :param variables: those of the installers, which may hold secrets; they make no other environment.
    :param repo: where the code comes from: its key, token and host keys let git in for packages of the same server.
    """

    kind: ClassVar[str] = "environment"
    link: str
    folder: str
    source: str
    user: str
    uv: str
    directory: str = ""
    interpreter: str = ""
    requirements: tuple[str, ...] = ()
    packages: tuple[str, ...] = ()
    lock: str = ""
    extras: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    own: str = ""
    detect: bool = True
    resolver: str = ""
    build_constraints: tuple[str, ...] = ()
    conda: str = ""
    conda_packages: str = "conda"
    conda_program: str = ""
    kept: str = ""
    resolved: str = ""
    chosen: str = ""
    mirror: str = ""
    variables: Mapping[str, str] = field(default_factory=dict)
    repo: str = ""
    key: str = ""
    token: str = ""
    host_keys: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class PythonVersions(PythonEnvironment):
    """The versions of all packages of such an environment, chosen and kept; nothing is installed."""

    kind: ClassVar[str] = "versions"
    momentary: ClassVar[bool] = True


@dataclass(frozen=True, eq=False)
class Build(Resource):
    """A build from source by commands, under ``folder``, named by the hash of its inputs, and a link to it.

    :param link: the path by which the release refers to its ``prefix``.
    :param mirror: the repository on the host that knows the state of the source; ``source`` is the checkout.
    :param inputs: paths in the code that it is made of; none: all of it.
    :param commands: command lines; where they name a link beside ``link``, what it leads to takes its place.
    :param outputs: paths in the code that the commands leave, and that are copied into the checkout.
    :param patches: what was changed in the inputs after the checkout.
    :param timeout: seconds for each command.
    """

    kind: ClassVar[str] = "build"
    name: str
    link: str
    folder: str
    mirror: str
    commit: str
    source: str
    user: str
    group: str
    commands: tuple[str, ...]
    inputs: tuple[str, ...] = ()
    directory: str = ""
    outputs: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    patches: tuple[tuple[str, str], ...] = ()
    timeout: int = 3600


@dataclass(frozen=True, eq=False)
class Derived(Resource):
    """A command of a release that need not run again while all that it reads is the same.

    :param source: the checkout of the release; ``env``, its Python environment, stands beside it.
    :param inputs: what it reads of the code, as patterns of git, and
    :param outputs: paths in the code that it leaves.
    :param variables: the files of variables that it gets.
    :param record: the file that says of what it was run.
    :param releases: the folder of the releases, each with a record of that name: one that has the same inputs has
        what it would leave, too. Empty: it leaves nothing in the code, and the record is the only one.
    :param again: it runs in any case.
    """

    kind: ClassVar[str] = "derived"
    argv: tuple[str, ...]
    record: str
    source: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...] = ()
    variables: tuple[str, ...] = ()
    releases: str = ""
    again: bool = False
    user: str = ""
    cwd: str = "/"
    env: Mapping[str, str] = field(default_factory=dict)
    env_file: str = ""
    timeout: int = 1800
    title: str = ""

    @property
    def label(self) -> str:
        return f"command {self.title or ' '.join(self.argv)}"


@dataclass(frozen=True, eq=False)
class Prune(Resource):
    """Old releases, and environments and builds that no release uses any more, removed.

    :param keep: how many releases that have served stay, the one that serves and the one before among them. One that
        has never served goes, unless an open rollout needs it. One in whose folder a process goes on stays as well.
    """

    kind: ClassVar[str] = "prune"
    momentary: ClassVar[bool] = True
    root: str
    keep: int


@dataclass(frozen=True, eq=False)
class Journal(Resource):
    """The record that a rollout of a release is under way on this host; removed when it is complete.

    :param release: the release that is being rolled out; empty: none is.
    :param entry: what else is written down of it (see `hawser.host.journal.Record`).
    """

    kind: ClassVar[str] = "journal"
    bookkeeping: ClassVar[bool] = True
    fleeting: ClassVar[bool] = True
    momentary: ClassVar[bool] = True
    release: str
    entry: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class History(Resource):
    """One more line in this host's record of releases.

    :param entry: the line's fields.
    """

    kind: ClassVar[str] = "history"
    bookkeeping: ClassVar[bool] = True
    fleeting: ClassVar[bool] = True
    momentary: ClassVar[bool] = True
    entry: Mapping[str, str]

    @property
    def label(self) -> str:
        return "history"
