"""Who gets into a host, and how: the accounts of a team, settings of sshd, banned addresses."""

from __future__ import annotations

from typing import Dict, List, Tuple, TypedDict


class TeamSpec(TypedDict):
    application: str
    members: List[Tuple[str, str, List[str]]]
    group: str


class SshdSettingsSpec(TypedDict):
    application: str
    path: str
    settings: List[Tuple[str, str]]
    stricter: Dict[str, List[str]]
    seconds: int


class SshdConfirmedSpec(TypedDict):
    application: str
    path: str


class BansSpec(TypedDict):
    application: str
    path: str
    wanted: bool
    ports: List[int]
    never: List[str]
    here: str
