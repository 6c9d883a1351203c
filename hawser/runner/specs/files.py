"""Files, folders and links."""

from __future__ import annotations

from typing import Dict, List, Tuple, TypedDict, Union

from .base import JSON


class Base64(TypedDict):
    """Bytes, for which JSON has no form."""

    base64: str


class AccessSpec(TypedDict):
    mode: int
    owner: str
    group: str


class WholeFileSpec(AccessSpec):
    """A file with any source of its content."""

    path: str
    parents: bool


class FileSpec(WholeFileSpec):
    content: Union[str, Base64]
    validate: str
    keep: bool
    opaque: bool
    code: str


class HttpBlockSpec(WholeFileSpec):
    settings: Dict[str, str]
    sites: str


class BlockSpec(TypedDict):
    path: str
    name: str
    content: str
    top: bool


class DirectorySpec(AccessSpec):
    path: str


class LinkSpec(TypedDict):
    path: str
    target: str
    parents: bool


class LinkedFolderSpec(TypedDict):
    path: str
    target: str
    aside: str
    owner: str
    group: str


class AbsentSpec(TypedDict):
    path: str
    recursive: bool


class OnlyFilesSpec(TypedDict):
    folder: str
    pattern: str
    keep: List[str]
    recursive: bool


class SettingsSpec(WholeFileSpec):
    sample: str
    format: str
    source: str
    originals: str
    values: Dict[str, JSON]
    content: str
    optional: List[str]
    new_keys: bool
    opaque: bool


class PatchSpec(TypedDict):
    path: str
    source: str
    originals: str
    edits: List[Tuple[str, str, int]]
