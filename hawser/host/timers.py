"""Services that timers of a host start for an application: where their files lie."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Self

from .host import Host


@dataclass(frozen=True)
class Place:
    """Where the files of such a service lie.

    :cvar kind: what its units and their templates are called by, and
    :cvar within: its folder in the application's state folder.
    :param folder: root's alone.
    """

    kind: ClassVar[str]
    within: ClassVar[str]
    application: str
    folder: str

    @classmethod
    def of(cls, host: Host) -> Self:
        return cls(host.app.name, f"{host.state}/{cls.within}")

    @property
    def unit(self) -> str:
        return f"hawser-{self.kind}-{self.application}"

    @property
    def service(self) -> str:
        return f"/etc/systemd/system/{self.unit}.service"

    @property
    def timer(self) -> str:
        return f"/etc/systemd/system/{self.unit}.timer"

    @property
    def job(self) -> str:
        return f"{self.folder}/job.json"

    @property
    def program(self) -> str:
        """The runner, as a file that Python runs."""
        return f"{self.folder}/runner.pyz"
