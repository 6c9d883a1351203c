"""Backups that leave the host."""

from __future__ import annotations

from typing import Dict, List, TypedDict

from .databases import BackupSpec


class Job(TypedDict):
    """What the timer's service is told.

    :ivar env: the variables of restic: the repository, its password, and those of its server.
    :ivar masks: the secrets among them.
    :ivar without: files in the folders that are left out.
    :ivar ssh: how restic logs in at a server of SFTP, but for whom and where; empty: it does not.
    :ivar keep: how many snapshots stay, by ``daily``, ``weekly`` …
    """

    application: str
    host: str
    state: str
    databases: List[BackupSpec]
    folders: List[str]
    env: Dict[str, str]
    masks: List[str]
    without: List[str]
    ssh: str
    keep: Dict[str, int]


class Outcome(TypedDict, total=False):
    """How the last backups have ended.

    :ivar time: of the last good one, in seconds since 1970.
    :ivar snapshot: its id.
    :ivar size: bytes that it is made of.
    :ivar failed: why the one after it failed; empty: none did.
    """

    time: int
    snapshot: str
    size: int
    failed: str
    failed_at: int
