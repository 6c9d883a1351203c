"""The host itself: packages, users, commands, services, shared folders and volumes."""

from __future__ import annotations

from typing import Dict, List, Tuple, TypedDict

from .base import Triggered
from .files import WholeFileSpec


class PackagesSpec(TypedDict):
    names: List[str]


class PackageListsSpec(TypedDict):
    seconds: int


class UpgradedSpec(TypedDict):
    everything: bool


class RebootedSpec(TypedDict):
    boot: str


class UserSpec(TypedDict):
    name: str
    home: str
    group: str
    shell: str
    groups: List[str]


class FoldersGoneSpec(TypedDict):
    root: str


class UserGoneSpec(TypedDict):
    name: str
    home: str


class ProgramSpec(TypedDict):
    argv: List[str]
    user: str
    cwd: str
    env: Dict[str, str]
    env_file: str
    timeout: int
    title: str


class CommandSpec(ProgramSpec, Triggered):
    unless: List[str]
    creates: str
    marker: str
    stdin: str


class OnceSpec(ProgramSpec):
    unless: List[str]
    name: str
    again: bool
    hint: str
    entry: Dict[str, str]


class ToolSpec(TypedDict):
    requirement: str
    path: str


class ServiceSpec(TypedDict):
    name: str
    running: bool
    enabled: bool
    may_decline: bool


class ExportsSpec(WholeFileSpec):
    application: str
    shares: List[Tuple[str, List[str]]]
    user: str
    user_group: str
    validate: str


class MountSpec(Triggered):
    path: str
    unit: str


class OnlyMountsSpec(TypedDict):
    application: str
    keep: List[str]


class MountedSpec(TypedDict):
    path: str
    hint: str


class LuksVolumeSpec(TypedDict):
    name: str
    device: str
    mount: str
    unit: str
    passphrase: str
    filesystem: str
    hint: str
    formats: bool


class OnlyVolumesSpec(TypedDict):
    application: str
    keep: List[str]
    patient: bool
