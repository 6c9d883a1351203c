"""The meaning of a name after ``-H``: an environment, a group, a host, or none of these."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, TypedDict, TypeGuard

from hawser.errors import InputErrors, UnknownTarget

from .base import did_you_mean
from .documents import Document, merged
from .schema import Environment

ALL = "all"
"""``ENVIRONMENT/all`` is the whole environment, also where a group elsewhere has the environment's name."""

_NAME = re.compile("[A-Za-z0-9_-]+")


class Environments(Protocol):
    """Where environments come from."""

    @property
    def names(self) -> tuple[str, ...]: ...

    @property
    def default(self) -> str | None: ...

    def documents(self, name: str) -> tuple[Document, ...]: ...

    def environment(self, name: str) -> Environment: ...


@dataclass(frozen=True)
class Selection:
    """The hosts that a command is about.

    :param hosts: their names, in the order of the file, each once.
    :param whole: whether these are all hosts of the environment.
    """

    environment: Environment
    hosts: tuple[str, ...]
    whole: bool


@dataclass(frozen=True)
class _Target:
    """A name, resolved: the environment, and the group or host in it (`ALL` for the environment itself)."""

    environment: str
    member: str

    def __str__(self) -> str:
        return f"{self.environment}/{self.member}"


def select(environments: Environments, names: Sequence[str]) -> Selection:
    """Return the environment and the hosts that `names` stand for.

    A name is ``ENVIRONMENT``, ``ENVIRONMENT/GROUP``, ``ENVIRONMENT/HOST``, or a bare group or host, which is looked up
    in the default environment first and then in all.

    :raises UnknownTarget: for a name that stands for nothing, for several things, or for hosts of another environment.
    :raises InputErrors: for mistakes in a file that is needed to tell.
    """
    if not names:
        raise UnknownTarget("no host was named (name hosts with -H, as in -H web1 or -H production)")
    targets = {name: _resolve(environments, name) for name in names}
    chosen = dict.fromkeys(target.environment for target in targets.values())
    if len(chosen) > 1:
        pairs = ", ".join(f"{name} is of {target.environment}" for name, target in targets.items())
        raise UnknownTarget(f"one environment per rollout: {pairs}")
    environment = environments.environment(next(iter(chosen)))
    wanted: set[str] = set()
    for target in targets.values():
        wanted.update(_hosts(environment, target.member))
    hosts = tuple(host for host in environment.hosts if host in wanted)
    return Selection(environment, hosts, whole=len(hosts) == len(environment.hosts))


def _hosts(environment: Environment, member: str) -> tuple[str, ...]:
    if member == ALL:
        return tuple(environment.hosts)
    return environment.groups.get(member) or (member,)


def _resolve(environments: Environments, name: str) -> _Target:
    parts = name.split("/")
    if len(parts) > 2 or not all(_NAME.fullmatch(part) for part in parts):
        raise UnknownTarget(
            f"unknown target {name!r}: hosts come from the environment files (hosts/*.toml), with their address, port "
            "and user; -H takes the name of a host, group or environment"
        )
    if len(parts) == 2:
        return _qualified(environments, *parts)
    return _bare(environments, name)


def _qualified(environments: Environments, environment: str, member: str) -> _Target:
    members = _members(environments, environment)
    if member != ALL and member not in members:
        environments.environment(environment)  # a mistake in the file explains more than a missing name
        otherwise = f"its groups and hosts: {', '.join(members) or 'none'}"
        raise UnknownTarget(
            f"unknown target '{environment}/{member}': {environment} has no such group or host "
            f"({did_you_mean(member, members, otherwise)})"
        )
    return _Target(environment, member)


def _bare(environments: Environments, name: str) -> _Target:
    found = [_Target(name, ALL)] if name in environments.names else []
    default = environments.default
    if default is not None:
        try:
            found += [_Target(default, name)] if name in _members(environments, default) else []
        except InputErrors:
            if not found:
                raise
    if not found:
        others = [other for other in environments.names if other != default]
        found = [_Target(other, name) for other in others if name in _members(environments, other)]
    if len(found) > 1:
        raise UnknownTarget(f"{name!r} stands for several: {', '.join(map(str, found))} (name one of these)")
    if not found:
        raise _unknown(environments, name)
    return found[0]


def _unknown(environments: Environments, name: str) -> UnknownTarget:
    if not environments.names:
        return UnknownTarget(
            f"unknown target {name!r}: there is no environment file yet (hosts/example.toml shows every setting)"
        )
    names = dict.fromkeys(environments.names)
    for environment in environments.names:
        names.update(dict.fromkeys(_members(environments, environment)))
    hint = did_you_mean(name, names, f"environments: {', '.join(environments.names)}")
    return UnknownTarget(f"unknown target {name!r}: no environment, group or host has this name ({hint})")


def members(environments: Environments, name: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the groups and the hosts of an environment; the rest of it is not checked: that would cost every command.

    :raises InputErrors: its file cannot be read.
    """
    hosts = merged(environments.documents(name)).get("hosts", {})
    if not _readable(hosts):
        environment = environments.environment(name)
        return tuple(environment.groups), tuple(environment.hosts)
    groups = dict.fromkeys(group for host in hosts.values() for group in host.get("groups", []))
    return tuple(groups), tuple(hosts)


def _members(environments: Environments, name: str) -> tuple[str, ...]:
    """Return the names of groups and hosts of an environment, each once."""
    groups, hosts = members(environments, name)
    return tuple(dict.fromkeys([*groups, *hosts]))


class _Host(TypedDict, total=False):
    groups: list[str]


def _readable(hosts: object) -> TypeGuard[dict[str, _Host]]:
    return isinstance(hosts, dict) and all(
        isinstance(host, dict)
        and isinstance(host.get("groups", []), list)
        and all(isinstance(group, str) for group in host.get("groups", []))
        for host in hosts.values()
    )
