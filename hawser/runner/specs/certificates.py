"""Certificates."""

from __future__ import annotations

from typing import List, TypedDict


class SelfSignedSpec(TypedDict):
    certificate: str
    key: str
    names: List[str]
    group: str
    owner: str
    chain: str


class OnlyPlacedSpec(TypedDict):
    record: str
    paths: List[str]
    folder: str
    adds: bool


class AcmeCertificateSpec(TypedDict):
    name: str
    domains: List[str]
    server: str
    email: str
    webroot: str
    plugin: str
    credentials: str
    propagation: int
    hint: str


class AcmeLinkSpec(TypedDict):
    path: str
    name: str
    stand_in: str
