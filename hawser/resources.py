"""The vocabulary: one frozen dataclass per kind of fact that shall hold on a host.

A resource is pure data. A step yields resources, a catalog carries them to the host, and the runner there
(`hawser.runner`) checks and applies each. The field names here are the field names of the runner's specification.
"""

from __future__ import annotations

import base64
import dataclasses
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import ClassVar, TypeAlias

JSON: TypeAlias = "bool | int | float | str | list[JSON] | dict[str, JSON] | None"


@dataclass(frozen=True, eq=False)
class Resource:
    """What all kinds share: a name on the wire, a label for people, and an optional trigger."""

    kind: ClassVar[str]

    @property
    def label(self) -> str:
        """What a person reads in the report: the kind and what it is about."""
        first = dataclasses.fields(self)[0].name
        return f"{self.kind} {getattr(self, first)}"


Resources: TypeAlias = Iterator[Resource]


@dataclass(frozen=True)
class Changed:
    """A trigger: due when one of these resources changed, in this run or in one that died before it was served."""

    resources: tuple[Resource, ...]


def changed(*resources: Resource) -> Changed:
    """Name the resources of the same catalog whose change is to be followed up."""
    return Changed(resources)


@dataclass(frozen=True, eq=False)
class File(Resource):
    """A file with exactly this content, mode (int, e.g. ``0o644``), owner and group, replaced atomically.

    :param validate: a validator of the runner (``json``, ``yaml``, ``python``, ``sudoers``, ``systemd``, ``nginx``,
        ``apache``, ``supervisor``, ``cron``) or a command line in which ``{}`` stands for a temporary copy.
    :param keep: leave an existing file's content alone; mode and owner still hold.
    :param opaque: no diff is shown, for the content is a secret or nothing that a person reads.
    :param parents: make missing folders on the way, as root's, 0755.
    """

    kind: ClassVar[str] = "file"
    path: str
    content: str | bytes
    mode: int = 0o644
    owner: str = "root"
    group: str = "root"
    validate: str = ""
    keep: bool = False
    opaque: bool = False
    parents: bool = False


@dataclass(frozen=True, eq=False)
class Block(Resource):
    """Lines between two marker comments inside a file that someone else owns; the rest is left alone.

    :param path: may hold ``*`` in its folders when exactly one file fits (``/etc/postgresql/*/main/pg_hba.conf``).
    :param content: the lines; empty removes the block.
    :param top: put a new block at the top of the file, not at its end.
    """

    kind: ClassVar[str] = "block"
    path: str
    name: str
    content: str
    top: bool = False


@dataclass(frozen=True, eq=False)
class Directory(Resource):
    """A folder with this mode, owner and group; missing parents are made as root's, 0755."""

    kind: ClassVar[str] = "directory"
    path: str
    mode: int = 0o755
    owner: str = "root"
    group: str = "root"


@dataclass(frozen=True, eq=False)
class Link(Resource):
    """A symbolic link with exactly this target text, replaced by a rename.

    :param parents: make missing folders on the way, as root's, 0755.
    """

    kind: ClassVar[str] = "link"
    path: str
    target: str
    parents: bool = False


@dataclass(frozen=True, eq=False)
class Absent(Resource):
    """Nothing at this path; a folder goes with its contents only when ``recursive``."""

    kind: ClassVar[str] = "absent"
    path: str
    recursive: bool = False


@dataclass(frozen=True, eq=False)
class Packages(Resource):
    """Debian packages, installed; their versions are left alone."""

    kind: ClassVar[str] = "packages"
    names: tuple[str, ...]

    @property
    def label(self) -> str:
        return "packages " + " ".join(self.names)


@dataclass(frozen=True, eq=False)
class User(Resource):
    """A system user without a password; one that exists already only joins the groups that it lacks.

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
class Checkout(Resource):
    """One commit of a repository, checked out into a folder of its own through a mirror on the host.

    :param path: the folder; complete once its marker file (``PATH.complete``) exists.
    :param commit: the full 40-digit hash.
    :param repo: where the mirror fetches from; empty when the commit is pushed as ``bundle``.
    :param bundle: the id of a blob (a git bundle) sent ahead on the wire.
    :param key: a private SSH key; with ``host_keys`` (lines as in known_hosts) for the server of the repository.
    :param token: a password for HTTPS.
    """

    kind: ClassVar[str] = "checkout"
    path: str
    mirror: str
    commit: str
    owner: str
    group: str
    repo: str = ""
    bundle: str = ""
    key: str = ""
    token: str = ""
    host_keys: tuple[str, ...] = ()

    @property
    def label(self) -> str:
        return f"checkout {self.commit[:8]} in {self.path}"


@dataclass(frozen=True, eq=False)
class Trees(Resource):
    """No working copies of a repository in its folder but these, and the youngest of the others, which may be in use.

    :param keep: their names.
    """

    kind: ClassVar[str] = "trees"
    folder: str
    keep: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Checkouts(Resource):
    """No repositories beside the application's own but these; what it has written into others stays.

    :param keep: their names.
    """

    kind: ClassVar[str] = "checkouts"
    folder: str
    keep: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Settings(Resource):
    """A settings file made on the host from a sample: its keys and types, with these values, or a whole text.

    :param sample: the sample; may be the file itself, whose original is then kept in ``originals``.
    :param format: ``json``, ``yaml``, ``ini`` or ``python``.
    :param values: nested tables that are laid over the sample's; each value takes the type that the sample has.
    :param content: the whole text instead of values; it must have every key of the sample.
    :param optional: keys (with dots) that the text may lack.
    :param new_keys: keys that the sample lacks are allowed.
    :param source: the checkout that the sample belongs to.
    """

    kind: ClassVar[str] = "settings"
    path: str
    sample: str
    format: str
    source: str
    originals: str
    values: Mapping[str, JSON] = field(default_factory=dict)
    content: str = ""
    optional: tuple[str, ...] = ()
    new_keys: bool = False
    mode: int = 0o640
    owner: str = "root"
    group: str = "root"
    opaque: bool = False
    parents: bool = False


@dataclass(frozen=True, eq=False)
class Patch(Resource):
    """Exact texts replaced in a file of a checkout, whose original is kept.

    :param edits: old text, new text, and how often the old one must be there, in this order.
    """

    kind: ClassVar[str] = "patch"
    path: str
    source: str
    originals: str
    edits: tuple[tuple[str, str, int], ...]


@dataclass(frozen=True, eq=False)
class PythonEnvironment(Resource):
    """A virtual environment under ``folder``, named by the hash of what goes into it, and a link to it.

    :param link: the path by which the release refers to it.
    :param source: the checkout that requirement files are relative to.
    :param own: a release id: the environment is this release's alone. Empty: shared by hash.
    :param conda: an environment file of conda; empty for none.
    :param conda_packages: who installs conda's part of it: ``conda``, ``uv``, or nobody (``skip``).
    :param conda_program: the path of micromamba, mamba or conda; empty to look for it.
    """

    kind: ClassVar[str] = "environment"
    link: str
    folder: str
    source: str
    user: str
    uv: str
    interpreter: str = ""
    requirements: tuple[str, ...] = ()
    packages: tuple[str, ...] = ()
    lock: str = ""
    extras: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    own: str = ""
    conda: str = ""
    conda_packages: str = "conda"
    conda_program: str = ""


@dataclass(frozen=True, eq=False)
class Build(Resource):
    """What is made from source by commands, under ``folder``, named by the hash of what goes into it, and a link to it.

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
class Mounts(Resource):
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
class Running(Resource):
    """One process of the application, running from its current definition and started at boot.

    :param unit: its name under its manager (``systemd`` or ``supervisor``).
    :param settle: seconds for which it must stay up before it counts as running.
    :param when: restarted when this is due and it was already running.
    :param again: restarted in any case.
    :param log: a file whose tail is shown when it does not come up; systemd's journal is asked anyway.
    """

    kind: ClassVar[str] = "running"
    unit: str
    manager: str
    settle: float = 1.0
    when: Changed | None = None
    log: str = ""
    again: bool = False


@dataclass(frozen=True, eq=False)
class Retired(Resource):
    """A process that shall no longer run, nor start at boot; it ends by its own stop timeout, nobody waits for it.

    :param path: its definition, removed for supervisor; kept but disabled for systemd, which needs it to stop it.
    :param drain: seconds between the traffic's move and the stop.
    :param wait: wait for its end, for what takes its place needs its port or must be the only one.
    """

    kind: ClassVar[str] = "retired"
    unit: str
    manager: str
    path: str
    drain: float = 0.0
    wait: bool = False


@dataclass(frozen=True, eq=False)
class Units(Resource):
    """No process definitions of this application but these; others are stopped and removed.

    :param prefix: the start of all unit names of the application.
    :param keep: those that stay, as ``MANAGER/NAME`` without suffix.
    """

    kind: ClassVar[str] = "units"
    prefix: str
    keep: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Files(Resource):
    """No files in a folder that match a pattern but these; others are removed.

    :param pattern: a glob on file names.
    :param keep: file names that stay.
    """

    kind: ClassVar[str] = "files"
    folder: str
    pattern: str
    keep: tuple[str, ...]
    recursive: bool = False


@dataclass(frozen=True, eq=False)
class Healthy(Resource):
    """A process that answers HTTP on its own socket or port with an expected status.

    :param address: a socket's path, or ``host:port``.
    :param path: the URL path that is asked for; empty: that it accepts a connection is enough.
    :param host: the name that it is asked for.
    :param tls: it speaks TLS, and its certificate must be for that name.
    :param ca: a file of certificates that its own must lead to; empty: those that the host trusts.
    :param statuses: first and last of each range of statuses that count as healthy.
    :param timeout: seconds until it is given up.
    :param unit: whose log tail is shown on failure.
    """

    kind: ClassVar[str] = "healthy"
    address: str
    unit: str
    manager: str
    path: str = ""
    host: str = "localhost"
    statuses: tuple[tuple[int, int], ...] = ((200, 399),)
    timeout: float = 30.0
    log: str = ""
    when: Changed | None = None
    tls: bool = False
    ca: str = ""


@dataclass(frozen=True, eq=False)
class Visited(Resource):
    """The site answers on this host as visitors reach it: through its web server, with its domain's name.

    :param url: what a visitor would type.
    :param statuses: first and last of each range of statuses that count as served.
    :param timeout: seconds until it is given up.
    :param page: the maintenance page; while it is there, 503 counts as well.
    :param unit: the process behind it, if it runs on this host, whose log tail is shown on failure, and
    :param server_log: the log of the web server's errors, likewise.
    """

    kind: ClassVar[str] = "visited"
    url: str
    path: str
    domain: str
    port: int
    tls: bool
    statuses: tuple[tuple[int, int], ...]
    timeout: float
    page: str
    unit: str = ""
    manager: str = ""
    log: str = ""
    server_log: str = ""


@dataclass(frozen=True, eq=False)
class PostgresRole(Resource):
    """A PostgreSQL role that may log in with this password (checked by logging in)."""

    kind: ClassVar[str] = "postgres_role"
    name: str
    password: str


@dataclass(frozen=True, eq=False)
class PostgresDatabase(Resource):
    """A PostgreSQL database (UTF-8) with an owner and extensions."""

    kind: ClassVar[str] = "postgres_database"
    name: str
    owner: str
    extensions: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class MariadbDatabase(Resource):
    """A database of MariaDB with the character set of its new tables."""

    kind: ClassVar[str] = "mariadb_database"
    name: str
    charset: str


@dataclass(frozen=True, eq=False)
class MariadbRole(Resource):
    """A role of MariaDB with a password (checked by logging in) and all rights on some databases.

    :param hosts: the addresses from which it may connect, beside ``localhost``; accounts of it for others go.
    """

    kind: ClassVar[str] = "mariadb_role"
    name: str
    password: str
    databases: tuple[str, ...]
    hosts: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class RabbitAccess(Resource):
    """A RabbitMQ user with a password and all rights on one vhost (checked by logging in over AMQP)."""

    kind: ClassVar[str] = "rabbit_access"
    user: str
    password: str
    vhost: str


@dataclass(frozen=True, eq=False)
class Backup(Resource):
    """A new backup of a database, proven readable; old ones go.

    :param engine: ``postgresql``, ``mariadb`` or ``sqlite``.
    :param owner: the role, or for SQLite the Unix user, that the database belongs to.
    :param path: the file of SQLite.
    :param keep: how many backups of this database stay, and
    :param days: how old they may become; the youngest always stays.
    :param entry: who makes it, and what serves, for the record beside it.
    :param may_lack: a file of SQLite that is not there yet needs no backup.
    """

    kind: ClassVar[str] = "backup"
    database: str
    engine: str
    owner: str
    folder: str
    keep: int
    days: int
    path: str = ""
    entry: Mapping[str, str] = field(default_factory=dict)
    may_lack: bool = False


@dataclass(frozen=True, eq=False)
class Restore(Resource):
    """A database brought back from a backup; the one that was there is kept beside it where the server can.

    :param name: the backup's file name.
    """

    kind: ClassVar[str] = "restore"
    database: str
    name: str
    engine: str
    owner: str
    folder: str
    path: str = ""


@dataclass(frozen=True, eq=False)
class SelfSigned(Resource):
    """A key and a self-signed certificate for these names, remade when a name is missing or 30 days are left.

    :param owner: who owns the key, and may read it alone unless `group` is another one than root.
    :param chain: a third file, which holds the certificate again, for a program that asks for its issuer.
    """

    kind: ClassVar[str] = "self_signed"
    certificate: str
    key: str
    names: tuple[str, ...]
    group: str = "root"
    owner: str = "root"
    chain: str = ""


@dataclass(frozen=True, eq=False)
class Placed(Resource):
    """No files of a kind but these: those that were placed before and are not among them go away.

    It comes before the files themselves, for it notes on the host what is going to be placed.

    :param record: the kind, under which the host remembers what was placed.
    :param paths: the files that stay.
    :param folder: removed as well when nothing is left in it.
    """

    kind: ClassVar[str] = "placed"
    record: str
    paths: tuple[str, ...]
    folder: str = ""


@dataclass(frozen=True, eq=False)
class AcmeCertificate(Resource):
    """A certificate that the host's certbot gets from an ACME server; one that it got for another name here goes.

    :param name: under which certbot keeps it; empty: none is wanted.
    :param webroot: the folder that the web server shows under ``/.well-known/acme-challenge/``'s parent.
    :param hint: what to do where the server refuses, which is a warning.
    """

    kind: ClassVar[str] = "acme_certificate"
    name: str
    domains: tuple[str, ...] = ()
    server: str = ""
    email: str = ""
    webroot: str = ""
    hint: str = ""


@dataclass(frozen=True, eq=False)
class AcmeLink(Resource):
    """A link to the folder of a certificate of certbot's, or while there is none, to what stands in for it.

    :param name: under which certbot keeps it.
    :param stand_in: a folder with ``fullchain.pem`` and ``privkey.pem``.
    """

    kind: ClassVar[str] = "acme_link"
    path: str
    name: str
    stand_in: str


@dataclass(frozen=True, eq=False)
class Notice(Resource):
    """Nothing on the host, but a warning for whoever gives the command; it does not travel."""

    kind: ClassVar[str] = "notice"
    text: str


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
class Prune(Resource):
    """Old releases, and environments that no release uses any more, removed.

    :param keep: how many releases stay, the one that serves and the one before among them.
    """

    kind: ClassVar[str] = "prune"
    root: str
    keep: int


@dataclass(frozen=True, eq=False)
class Journal(Resource):
    """The record that a rollout of a release is under way on this host; removed when it is complete.

    :param release: the release that is being rolled out; empty: none is.
    :param entry: what else is written down of it (see `hawser.journal.Record`).
    """

    kind: ClassVar[str] = "journal"
    release: str
    entry: Mapping[str, JSON] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class History(Resource):
    """One more line in this host's record of releases.

    :param entry: the line's fields.
    """

    kind: ClassVar[str] = "history"
    entry: Mapping[str, str]

    @property
    def label(self) -> str:
        return "history"


@dataclass(frozen=True, eq=False)
class DatabaseGone(Resource):
    """No such database, after a last backup of it that was proven readable; nor its role, unless others need it.

    The fields are those of `Backup`.
    """

    kind: ClassVar[str] = "database_gone"
    database: str
    engine: str
    owner: str
    folder: str
    keep: int
    days: int
    path: str = ""
    entry: Mapping[str, str] = field(default_factory=dict)

    @property
    def label(self) -> str:
        return f"no database {self.database}"


@dataclass(frozen=True, eq=False)
class RabbitGone(Resource):
    """No such vhost of RabbitMQ, nor its user, unless that one has rights on others."""

    kind: ClassVar[str] = "rabbit_gone"
    user: str
    vhost: str

    @property
    def label(self) -> str:
        return f"no vhost {self.vhost} of {self.user}"


@dataclass(frozen=True, eq=False)
class UserGone(Resource):
    """No such user, where it was made for the application: its home tells. What it still runs for it ends."""

    kind: ClassVar[str] = "user_gone"
    name: str
    home: str

    @property
    def label(self) -> str:
        return f"no user {self.name}"


@dataclass(frozen=True)
class Item:
    """A resource of a catalog with the step that asked for it."""

    step: str
    resource: Resource


@dataclass(frozen=True)
class Catalog:
    """The resources of one host for one phase, in order; what travels to the host.

    :param notices: what is said here meanwhile.
    """

    items: tuple[Item, ...]
    notices: tuple[str, ...] = ()

    @classmethod
    def of(cls, parts: Iterable[tuple[str, Iterable[Resource]]]) -> Catalog:
        """Collect (step name, its resources) pairs, in order."""
        items = [Item(step, resource) for step, resources in parts for resource in resources]
        notices = tuple(item.resource.text for item in items if isinstance(item.resource, Notice))
        return cls(tuple(item for item in items if not isinstance(item.resource, Notice)), notices)

    def to_wire(self) -> list[JSON]:
        """Turn into the JSON list that the runner reads; triggers become positions in the list.

        :raises ValueError: a trigger names a resource that does not come before it in this catalog.
        """
        positions: dict[int, int] = {}
        rows: list[JSON] = []
        for position, item in enumerate(self.items):
            row: dict[str, JSON] = {"kind": item.resource.kind, "step": item.step, "label": item.resource.label}
            for each in dataclasses.fields(item.resource):
                value = getattr(item.resource, each.name)
                if isinstance(value, Changed):
                    missing = [r.label for r in value.resources if id(r) not in positions]
                    if missing:
                        raise ValueError(f"{item.resource.label}: its trigger comes before {', '.join(missing)}")
                    row[each.name] = [positions[id(r)] for r in value.resources]
                elif isinstance(value, bytes):
                    row[each.name] = {"base64": base64.b64encode(value).decode()}
                elif isinstance(value, tuple):
                    row[each.name] = list(value)
                elif isinstance(value, Mapping):
                    row[each.name] = dict(value)
                elif value is not None:
                    row[each.name] = value
            rows.append(row)
            positions[id(item.resource)] = position
        return rows
