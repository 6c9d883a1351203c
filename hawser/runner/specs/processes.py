"""Programs that keep running."""

from __future__ import annotations

from typing import List, Tuple, TypedDict

from .base import Triggered


class RunningSpec(Triggered):
    unit: str
    manager: str
    log: str
    again: bool


class SettledSpec(Triggered):
    unit: str
    manager: str
    seconds: float
    log: str


class RetiredSpec(TypedDict):
    unit: str
    manager: str
    path: str
    wait: bool


class DrainedSpec(TypedDict):
    addresses: List[str]
    server: str
    seconds: float


class ReloadedSpec(Triggered):
    server: str


class VacatedSpec(TypedDict):
    port: int
    unit: str
    prefix: str
    release: str


class OnlyUnitsSpec(TypedDict):
    prefix: str
    keep: List[str]


class HealthySpec(Triggered):
    address: str
    unit: str
    manager: str
    path: str
    host: str
    statuses: List[Tuple[int, int]]
    timeout: float
    successes: int
    fast: float
    log: str
    tls: bool
    ca: str
    command: List[str]
    user: str
    cwd: str


class TriedSpec(HealthySpec):
    serves: str
    serves_under: str
    port: int
    path_of_definition: str
    definition: str
    becomes: str
    placeholder: str


class ServedSpec(TypedDict):
    server: str
    page: str
    names: List[str]
    doors: List[Tuple[int, bool]]
    serves: bool


class VisitedSpec(TypedDict):
    url: str
    path: str
    domain: str
    port: int
    tls: bool
    statuses: List[Tuple[int, int]]
    timeout: float
    page: str
    unit: str
    manager: str
    log: str
    server_log: str
