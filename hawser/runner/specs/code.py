"""From a commit to a release: checkouts, environments, builds, and the record of a rollout."""

from __future__ import annotations

from typing import Dict, List, Tuple, TypedDict

from .base import JSON
from .system import ProgramSpec


class WorkingCopySpec(TypedDict):
    path: str
    mirror: str
    commit: str


class CheckoutSpec(WorkingCopySpec):
    owner: str
    group: str
    named: str
    repo: str
    bundle: str
    key: str
    token: str
    host_keys: List[str]
    built: str
    done: str


class SealedSpec(WorkingCopySpec):
    pass


class UntouchedSpec(WorkingCopySpec):
    besides: List[str]


class OnlyWorktreesSpec(TypedDict):
    folder: str
    keep: List[str]


class OnlyCheckoutsSpec(TypedDict):
    folder: str
    keep: List[str]


class UploadedPythonSpec(TypedDict):
    path: str
    sha256: str
    source: str
    user: str


class PythonEnvironmentSpec(TypedDict):
    link: str
    folder: str
    source: str
    user: str
    uv: str
    directory: str
    interpreter: str
    requirements: List[str]
    packages: List[str]
    lock: str
    extras: List[str]
    groups: List[str]
    own: str
    detect: bool
    resolver: str
    build_constraints: List[str]
    conda: str
    conda_packages: str
    conda_program: str
    kept: str
    resolved: str
    chosen: str
    mirror: str
    variables: Dict[str, str]
    repo: str
    key: str
    token: str
    host_keys: List[str]


class PythonVersionsSpec(PythonEnvironmentSpec):
    pass


class BuildSpec(TypedDict):
    name: str
    link: str
    folder: str
    mirror: str
    commit: str
    source: str
    user: str
    group: str
    commands: List[str]
    inputs: List[str]
    directory: str
    outputs: List[str]
    env: Dict[str, str]
    patches: List[Tuple[str, str]]
    timeout: int


class DerivedSpec(ProgramSpec):
    record: str
    source: str
    inputs: List[str]
    outputs: List[str]
    variables: List[str]
    releases: str
    again: bool


class PruneSpec(TypedDict):
    root: str
    keep: int


class JournalSpec(TypedDict):
    release: str
    entry: Dict[str, JSON]


class HistorySpec(TypedDict):
    entry: Dict[str, str]
