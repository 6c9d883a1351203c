"""What a host watches by itself."""

from __future__ import annotations

from typing import Dict, List, TypedDict


class Job(TypedDict):
    """What the timer's service is told.

    :ivar title: what people know the host by.
    :ivar cron: by entry, the longest time between two runs in seconds; 0: it has no schedule.
    :ivar cron_file: the table of cron, whose date tells since when they run, and
    :ivar cron_folder: where they note their runs.
    :ivar certificates: the paths of those that visitors see, by name.
    :ivar backup_hours: how old the last backup may be that has left the host; 0: none is to leave it.
    :ivar addresses: the file with the addresses of those who are told.
    :ivar tells: whether there are any.
    :ivar masks: the secrets in them.
    :ivar textfile: where the same is written for Prometheus; empty: nowhere.
    """

    application: str
    title: str
    state: str
    cron: Dict[str, int]
    cron_file: str
    cron_folder: str
    certificates: Dict[str, str]
    backup_hours: int
    addresses: str
    tells: bool
    textfile: str
    masks: List[str]
