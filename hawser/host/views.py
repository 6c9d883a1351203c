"""The views that templates have of an environment: its hosts, certificates, instances and builds."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from types import SimpleNamespace
from typing import TYPE_CHECKING, Generic, TypeVar

from ..inventory.schema import Environment
from ..inventory.tables.certificates import CertificateFiles
from ..templates.bounded import for_templates

if TYPE_CHECKING:
    from .release import Release

T = TypeVar("T")


@dataclass(frozen=True)
class BuildView:
    """A build: `{{ builds.NAME.prefix }}`."""

    prefix: str


@dataclass(frozen=True)
class HostView:
    """A host: `{{ host.address }}`, `{{ group('data')[0].vars.slots }}`."""

    name: str
    address: str
    groups: tuple[str, ...]
    vars: Mapping[str, object]


class Same(Generic[T]):
    """A key for one object, and for none that is equal to it."""

    def __init__(self, value: T) -> None:
        self.value = value

    def __hash__(self) -> int:
        return id(self.value)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Same) and self.value is other.value


def host_views(environment: Environment, addresses: Mapping[str, str]) -> dict[str, HostView]:
    """Return the hosts of an environment by name, in the order of the file; each of them sees all of these.

    :param addresses: where each of them is reached.
    """
    return _host_views(Same(environment), Same(addresses))


# Today's settings, and those of some releases.
@lru_cache(maxsize=8)
def _host_views(environment: Same[Environment], addresses: Same[Mapping[str, str]]) -> dict[str, HostView]:
    return {
        name: HostView(name, addresses.value[name], setting.groups, setting.vars)
        for name, setting in environment.value.hosts.items()
    }


def group_of(environment: Environment, hosts: Mapping[str, HostView]) -> Callable[[str], list[HostView]]:
    """Return the function `group` of templates."""

    @for_templates
    def group(name: str) -> list[HostView]:
        if name not in environment.groups:
            raise ValueError(f"there is no group {name}; groups: {', '.join(sorted(environment.groups))}")
        return [hosts[each] for each in environment.groups[name]]

    return group


def certificates_folder(environment: Environment) -> str:
    """Return the folder of the application's own certificates on a host."""
    return f"{environment.app.root}/certs"


def certificate_files(environment: Environment) -> dict[str, CertificateFiles]:
    """Return the places of the application's own certificates on a host, by name."""
    folder = certificates_folder(environment)
    return {
        name: entry.files.model_copy(
            update={part: f"{folder}/{file}" for part, file in entry.files.model_dump().items()}
        )
        for name, entry in environment.certificates.items()
    }


def instance_values(environment: Environment) -> dict[str, SimpleNamespace]:
    """Return the instances of the application with their values."""
    return {name: instance_value(environment, name) for name in environment.instances}


def instance_value(environment: Environment, name: str) -> SimpleNamespace:
    """Return one instance of the application with its values."""
    return SimpleNamespace(**{**environment.instances[name], "name": name})


def build_views(environment: Environment, release_path: str) -> dict[str, BuildView]:
    """Return the builds of a release by name, in the order of the file."""
    return {name: BuildView(build_link(release_path, name)) for name in environment.builds}


def release_view(release: Release, path: str, code: str) -> dict[str, str]:
    """Return a release as settings and templates see it.

    :param code: the application's folder in its checkout.
    """
    return {"id": release.id, "commit": release.commit, "path": path, "code": code}


def build_link(release_path: str, name: str) -> str:
    """Return the link by which a release refers to the files of a build."""
    return f"{release_path}/builds/{name}"
