"""The application and its releases: the tables ``[app]``, ``[python]``, ``[env]`` and ``[release]``."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field, SerializerFunctionWrapHandler, model_serializer

from ..base import Model, Shape
from ..values.jinja import references
from ..values.types import (
    AbsolutePath,
    AnyPath,
    AppName,
    Batch,
    CodePattern,
    Command,
    Flag,
    GroupName,
    Integer,
    Interpreter,
    Line,
    LinkName,
    LocalPath,
    PublicKey,
    PythonMirror,
    PythonPackage,
    RelativePath,
    Repository,
    Requirement,
    Revision,
    SecretName,
    SecretNames,
    Template,
    UnixName,
    VariableName,
    Version,
    Wait,
    unique,
)


def is_local(repo: str) -> bool:
    """Tell whether `repo` is a path on the controlling machine rather than an address.

    Source: git-clone(1), GIT URLS: ``host:path`` is an SSH address unless a slash stands before the first colon.
    """
    return not re.match(r"[A-Za-z][A-Za-z0-9+.-]*://|[^/:]+:", repo)


class App(Model):
    """The application: its name, where its code comes from, and where it lives on a host."""

    name: AppName = Field(description="Names the units, the role of the database, and every file on the hosts.")
    repo: Repository | None = Field(
        default=None,
        description="Where the code comes from: an address for git, or a path on the controlling machine, relative to "
        "the project folder.",
    )
    package: PythonPackage | None = Field(
        default=None,
        description="Instead of `repo`: the name of a package of the Python package index. Extras stand in "
        "`python.extras`.",
    )
    version: Version | None = Field(
        default=None, description="The version of the package that `deploy` takes without `--revision`."
    )
    directory: RelativePath | None = Field(
        default=None,
        description="The application's folder in the repository: commands run there, and all paths relative to the "
        "code are seen from it. Files of Python packages that it lacks are looked for in the folders above it. "
        "Default: the top folder.",
    )
    branch: Revision = Field(default="main", description="The branch that `deploy` takes without `--revision`.")
    push: Flag = Field(
        default_factory=lambda data: data["repo"] is not None and is_local(data["repo"]),
        description="Send the commits from the controlling machine, for hosts that cannot reach the repository; tags "
        "go along, files of Git LFS do not. Default: true when `repo` is a path.",
    )
    deploy_key: SecretName | None = Field(
        default=None, description="The secret that holds the private SSH key with which the hosts fetch the code."
    )
    token: SecretName | None = Field(
        default=None, description="The secret that holds the access token with which the hosts fetch over HTTPS."
    )
    repo_host_keys: tuple[PublicKey, ...] = Field(
        default=(), description="Public keys of the repository's server; any other key is refused."
    )
    agent: Flag = Field(default=False, description="Let the hosts fetch with the keys of your own SSH agent.")
    root: AbsolutePath = Field(
        default_factory=lambda data: f"/srv/{data['name']}",
        description="The folder that holds everything of the application. Default: `/srv/NAME`.",
    )
    user: UnixName = Field(
        default_factory=lambda data: data["name"],
        description="The Unix user that the application runs as; made if missing. Default: the name.",
    )
    group: UnixName = Field(default_factory=lambda data: data["user"], description="Its group. Default: the user.")
    source: LinkName = Field(default="source", description="The name, under `root`, of the link to the current code.")
    environment: LinkName = Field(
        default="env", description="The name, under `root`, of the link to the current Python environment."
    )
    keep: Integer = Field(
        default=5,
        ge=2,
        le=100,
        description="How many releases that have served stay on a host, for `rollback`; one that never served goes.",
    )

    def within(self, path: str) -> str:
        """Return a path that is relative to the code as the repository has it."""
        return f"{self.directory}/{path}".rstrip("/") if self.directory else path

    @property
    def local(self) -> bool:
        """Whether the code comes from a path on the controlling machine."""
        return self.repo is not None and is_local(self.repo)


class PythonSettings(Model):
    """The Python environment that the application runs in."""

    interpreter: Interpreter | None = Field(
        default=None, description="A version, or the path of an interpreter on the host. Default: the host's `python3`."
    )
    upload: LocalPath | None = Field(
        default=None,
        description="A Python of this machine that hosts get: an archive as python-build-standalone makes them "
        "(`install_only`, `.tar.gz` or `.tar.xz`), or a folder such as pyenv's `versions/3.12.9`; relative to the "
        "project's folder. It must be for the system of the hosts.",
    )
    mirror: PythonMirror | None = Field(
        default=None,
        description="Where hosts fetch a Python that they lack, instead of github.com: an address, or a folder on each "
        "host as `file:///…`, with the folders and archives of python-build-standalone's releases.",
    )
    environment: dict[VariableName, Template] = Field(
        default_factory=dict,
        description="Variables for uv and pip while packages are installed. They may hold secrets, such as passwords "
        "of package indexes.",
    )
    requirements: tuple[RelativePath, ...] | Literal[False] = Field(
        default=(),
        description="Requirements files, relative to the code. Default: what the code has of `uv.lock`, `pylock.toml`, "
        "`requirements.lock`, `requirements.txt` and `pyproject.toml`, in this order. `false`: none of them.",
    )
    packages: tuple[Requirement, ...] = Field(
        default=(), description="More requirements, written here; also for code that lists none."
    )
    lock: RelativePath | None = Field(default=None, description="A lock file: `uv.lock` or `pylock.toml`.")
    extras: tuple[Line, ...] = Field(
        default=(), description="Extras of the project, from `uv.lock`, or of the package."
    )
    groups: tuple[Line, ...] = Field(default=(), description="Dependency groups to install from `uv.lock`.")
    conda: RelativePath | None = Field(
        default=None, description="An environment file of conda, such as `environment.yml`. uv installs its pip part."
    )
    conda_packages: Literal["conda", "uv", "skip"] = Field(
        default="conda",
        description="Who installs the rest of it: micromamba, mamba or conda, which the host must have; uv, by the "
        "same names from the package index; or nobody.",
    )
    conda_program: AbsolutePath | None = Field(
        default=None,
        description="Where micromamba, mamba or conda is on the host. Default: in `PATH` or under `/opt`, the first of "
        "these.",
    )
    resolver: Literal["uv", "pip-legacy"] = Field(
        default="uv",
        description="Who chooses the versions. `pip-legacy`: pip with its resolver of before 2020, for pins that "
        "contradict each other, which uv refuses. Interpreters that uv does not know, 2.7 and 3.5, get the pip of "
        "their time anyway.",
    )
    build_constraints: tuple[Requirement, ...] = Field(
        default=(),
        description="Limits for what packages are built with, such as `setuptools<58`. Where pip installs, they limit "
        "what is installed as well.",
    )
    resolved: Line | None = Field(
        default=None,
        description="Any word, such as today's date. Versions that the code leaves open are chosen once, and stay as "
        "long as the requirements do; another word has them chosen anew.",
    )
    own: Flag = Field(
        default=False,
        description="Give each release an environment of its own, for an application that installs itself into it.",
    )

    @property
    def leaves_open(self) -> bool:
        """Whether versions may be left to be chosen on a host, as far as the settings tell."""
        return bool(self.packages) or (not self.lock and self.requirements is not False)


SecretFormat = Literal["token", "hex", "sha256", "uuid", "base64", "alphanumeric"]


# The secret that every environment has without listing it: what hosts keep is signed with it.
SIGNING_KEY = "HAWSER_SIGNING_KEY"


# Behind the name of a secret, while another value takes its place: the one that comes, and the one that went.
NEXT, FORMER = "__NEXT", "__FORMER"


class EnvSettings(Model):
    """What the application finds in its environment, and the secrets it needs."""

    dotenv: AnyPath | None = Field(
        default=None, description="Where to write a dotenv file, relative to the code or absolute. Default: nowhere."
    )
    dotenv_variable: VariableName | None = Field(
        default=None, description="A variable that carries the absolute path of the dotenv file."
    )
    dotenv_keys: SecretNames | None = Field(
        default=None, description="The variables and secrets that the dotenv file holds. Default: all variables."
    )
    required: SecretNames = Field(
        default=(), description="Secrets that `NAME.env`, beside this file, must hold, or another of `secrets.sources`."
    )
    generated: SecretNames = Field(
        default=(),
        description="Secrets that the first `bootstrap` makes and keeps: in `NAME.env`, or in `NAME.env.age`.",
    )
    formats: dict[SecretName, SecretFormat] = Field(
        default_factory=dict,
        description="How a generated secret is written: `token` (64 characters that need no quotes anywhere), `hex` "
        "(64 digits of random bytes), `sha256` (the hexadecimal digest of 2048 random bytes), `uuid`, `base64` (of 32 "
        "bytes) or `alphanumeric` (50 characters). Default: `token`.",
    )
    variables: dict[VariableName, Template] = Field(
        default_factory=dict, description="What every process, management command and cron line gets."
    )

    @property
    def shared(self) -> dict[str, str]:
        """The variables that are the same for all instances."""
        return {name: value for name, value in self.variables.items() if "instance" not in references(value).names}

    @property
    def of_instances(self) -> dict[str, str]:
        """The variables that each instance has for itself."""
        return {name: value for name, value in self.variables.items() if name not in self.shared}

    @property
    def secrets(self) -> tuple[str, ...]:
        """The names of all secrets, required ones first."""
        return self.required + self.generated


def _several(value: object) -> object:
    return (
        [value] if isinstance(value, str | dict) else (value or ())
    )  # a release kept by an older version may say null


def _table(value: object) -> object:
    return {"command": value} if isinstance(value, str) else value


class ReleaseCommand(Model):
    """A command as a table, which says what it reads: it need not run again for the same."""

    command: Command = Field(description="The command.")
    inputs: Annotated[tuple[CodePattern, ...], AfterValidator(unique)] = Field(
        default=(), description="The files and folders of the code that it reads, as patterns of git. Default: any."
    )

    @model_serializer(mode="wrap")
    def _as_written(self, dump: SerializerFunctionWrapHandler) -> object:
        """Write a command that always runs as a text, as it stands in kept releases."""
        return dump(self) if self.inputs else self.command


class BuildCommand(ReleaseCommand):
    """A command as a table, which says what it reads and leaves: it need not run again for the same."""

    outputs: Annotated[tuple[RelativePath, ...], AfterValidator(unique)] = Field(
        default=(), description="The files and folders that it leaves in the code. Default: none."
    )


OneOrMore = Annotated[tuple[Command, ...], BeforeValidator(_several), Shape("command (Jinja2), or list: command")]


def instance_of(command: str) -> tuple[str, str]:
    """Return the instance whose variables a command asks for, empty for none, and the command without it."""
    if not command.startswith("@"):
        return "", command
    name, _, rest = command[1:].partition(" ")
    return name, rest.strip()


class ReleaseSettings(Model):
    """What happens when a new release is made and put into service."""

    build: Annotated[
        tuple[Annotated[BuildCommand, BeforeValidator(_table)], ...], Shape("list: command (Jinja2) or table")
    ] = Field(
        default=(),
        description="Commands that run in the new release, as the app's user, before anything switches. `{ command = "
        '"…", inputs = ["*/static"], outputs = ["static"] }` does not run where a kept release has what it leaves: of '
        "the same files (patterns of git, where `**/` stands for any folders), Python packages, variables and command.",
    )
    check: tuple[Command, ...] = Field(
        default=(), description="Commands that must succeed before the switch; else the old release stays."
    )
    migrate: Annotated[
        tuple[Annotated[ReleaseCommand, BeforeValidator(_table)], ...],
        BeforeValidator(_several),
        Shape("command (Jinja2) or table, or list: command or table"),
    ] = Field(
        default=(),
        description="The command that migrates the database, or a list of commands: once, on the leader, before the "
        'switch. `{ command = "…", inputs = ["**/migrations"] }` does not run, and nothing asks what is pending, where '
        "these are as when it ran last (see `build`); after a database was changed by hand, run `fab db.migrate`. "
        "`@NAME ` before a command, here and in `build` and `check`, gives it the variables of an instance.",
    )
    after_migrate: OneOrMore = Field(
        default=(),
        description="The command that belongs behind `migrate`, or a list of commands (a search index, a check that "
        "asks the tables): each time that it has run, there and in the same way. One that fails stops the deploy "
        "before the switch; they run again with the next one.",
    )
    manage: Command = Field(
        default="python manage.py",
        description="What `fab manage` puts before the command that it is given; it runs in the code.",
    )
    pending: Command | None = Field(
        default=None,
        description="A command that prints the pending migrations, one a line, and nothing when there are none. "
        "Default: where `migrate` is Django's command, Django is asked; where it is Alembic's, its files are read.",
    )
    rolling_migrations: Literal["additive", "unclassified", "all"] = Field(
        default="additive",
        description="Which migrations may run while the code before them serves, without `--maintenance` or "
        "`--accept-migrations`: those that only add; also those of which nobody knows (RunPython, RunSQL, "
        "op.execute, other commands); or also those that remove, rename or restrict what that code uses. What "
        "a deploy generates is judged as well.",
    )
    leader: GroupName | None = Field(
        default=None,
        description="The host, or the group whose first host, runs what must run once. Default: the first host of the "
        "first process with a socket.",
    )
    batch: Batch | None = Field(
        default=None,
        description="How many hosts switch at the same time, or which share of them. Default: one first, and when it "
        "serves, all others at once, where all processes of those start beside the old ones, so that nothing is away "
        "meanwhile (each service sees the connections of both for some seconds); half of all at a time, where those "
        "that restart in place listen nowhere; else one after the other.",
    )
    pause: Wait = Field(
        default=0, description="Seconds between two batches; at their end the hosts just switched are asked once more."
    )
    canary: GroupName | None = Field(
        default=None, description="The host or group that switches first, of those that wait for the same processes."
    )
    max_failures: Integer = Field(
        default=0,
        ge=0,
        le=1000,
        description="How many hosts may fail: each is put back, the others go on, and the run fails at its end. One "
        "more, and all are put back.",
    )
    unreachable: Literal["fail", "skip"] = Field(
        default="fail",
        description="What a host that does not answer means: nothing happens anywhere, or the others go on without it.",
    )

    def lines(self, kind: str) -> list[str]:
        """Return the commands of a kind: of ``build``, ``check``, ``migrate`` or ``after_migrate``."""
        return [each if isinstance(each, str) else each.command for each in getattr(self, kind)]

    def batch_size(self, hosts: int) -> int | None:
        """Return how many of `hosts` hosts switch at the same time, at least one; None where nobody has said so."""
        if self.batch is None or isinstance(self.batch, int):
            return self.batch
        return max(1, hosts * int(self.batch.rstrip("%")) // 100)
