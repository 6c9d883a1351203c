"""Who gets into a host, and how: the accounts of a team, settings of sshd, banned addresses."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

from .base import Resource


@dataclass(frozen=True, eq=False)
class Team(Resource):
    """The accounts of those who work on an application, each with these keys and no others.

    Members of before who are named no more are locked, with their programs ended, unless another application's team
    has them too. Accounts that were not made so are never touched.

    :param members: of each the name, the role and the keys.
    :param group: the group of those with the role ``deploy``.
    """

    kind: ClassVar[str] = "team"
    application: str
    members: tuple[tuple[str, str, tuple[str, ...]], ...]
    group: str

    @property
    def label(self) -> str:
        return f"team of {self.application}"


@dataclass(frozen=True, eq=False)
class SshdSettings(Resource):
    """Settings of sshd in a file of their own, of which `sshd -T` says that they hold; without any, no such file.

    They are taken back after some seconds, or at a boot, unless `SshdConfirmed` comes before.

    :param path: the file, in a folder that sshd_config includes.
    :param settings: keywords and values.
    :param stricter: by keyword, values of others that are left as they are.
    """

    kind: ClassVar[str] = "sshd_settings"
    application: str
    path: str
    settings: tuple[tuple[str, str], ...]
    stricter: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    seconds: int = 120

    @property
    def label(self) -> str:
        return f"sshd {self.path}"


@dataclass(frozen=True, eq=False)
class SshdConfirmed(Resource):
    """The settings of a `SshdSettings` before, for good: a new login has worked with them."""

    kind: ClassVar[str] = "sshd_confirmed"
    momentary: ClassVar[bool] = True
    application: str
    path: str

    @property
    def label(self) -> str:
        return f"sshd {self.path} for good"


@dataclass(frozen=True, eq=False)
class Bans(Resource):
    """The jail of fail2ban for sshd, for all applications of the host that want it; the package comes later.

    :param wanted: whether this application does.
    :param ports: those of sshd.
    :param never: addresses and networks that are never banned.
    :param here: the address from which this run comes; empty where nobody knows it.
    """

    kind: ClassVar[str] = "bans"
    application: str
    path: str
    wanted: bool
    ports: tuple[int, ...] = ()
    never: tuple[str, ...] = ()
    here: str = ""

    @property
    def label(self) -> str:
        return f"jail {self.path}"
