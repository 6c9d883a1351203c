"""Databases, brokers and their backups."""

from __future__ import annotations

from typing import Dict, List, TypedDict


class PostgresRoleSpec(TypedDict):
    name: str
    password: str
    former: str


class PostgresLoginSpec(TypedDict):
    name: str
    owner: str
    password: str
    alone: bool


class PostgresDatabaseSpec(TypedDict):
    name: str
    owner: str
    extensions: List[str]


class MariadbDatabaseSpec(TypedDict):
    name: str
    charset: str


class MariadbRoleSpec(TypedDict):
    name: str
    password: str
    databases: List[str]
    hosts: List[str]
    beside: bool


class RabbitAccessSpec(TypedDict):
    user: str
    password: str
    vhost: str
    former: str


class RabbitLoginsSpec(TypedDict):
    user: str
    keep: str


class DatabaseSpec(TypedDict):
    database: str
    engine: str
    owner: str
    folder: str
    path: str


class SavedSpec(DatabaseSpec):
    entry: Dict[str, str]


class BackupSpec(SavedSpec):
    keep: int
    days: int
    may_lack: bool
    why: str


class DrillSpec(TypedDict):
    job: str
    folder: str
    max_age: int
    questions: List[Dict[str, str]]


class RestoreSpec(SavedSpec):
    name: str


class NoOpenRestoreSpec(DatabaseSpec):
    pass


class DatabaseGoneSpec(SavedSpec):
    keep: int
    days: int


class RabbitGoneSpec(TypedDict):
    user: str
    vhost: str
