"""Files, folders and links."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

from .base import JSON, Resource


@dataclass(frozen=True, eq=False)
class File(Resource):
    """A file with exactly this content, mode (int, e.g. ``0o644``), owner and group, replaced atomically.

    :param validate: a validator of the runner (``json``, ``yaml``, ``python``, ``sudoers``, ``systemd``,
        ``supervisor``, ``cron``, a web server) or a command line in which ``{}`` stands for a temporary copy.
    :param keep: leave an existing file's content alone; mode and owner still hold.
    :param opaque: no diff is shown, for the content is a secret or nothing that a person reads.
    :param parents: make missing folders on the way, as root's, 0755.
    :param code: the checkout that it lies in, whose links between its own folders are followed; empty: none.
    """

    kind: ClassVar[str] = "file"
    path: str
    content: str | bytes
    mode: int = 0o644
    owner: str = "root"
    group: str = "root"
    validate: str = ""
    keep: bool = False
    opaque: bool = False
    parents: bool = False
    code: str = ""


@dataclass(frozen=True, eq=False)
class HttpBlock(Resource):
    """A file of nginx with what its http block lacks for the sites of all applications.

    :param path: the file, in a folder that nginx.conf includes.
    :param settings: directives and their values; those that stand elsewhere are left to whoever wrote them.
    :param sites: the folder of the sites, which it includes where nothing else does.
    """

    kind: ClassVar[str] = "http_block"
    path: str
    settings: Mapping[str, str]
    sites: str
    mode: int = 0o644
    owner: str = "root"
    group: str = "root"
    parents: bool = True


@dataclass(frozen=True, eq=False)
class Block(Resource):
    """Lines between two marker comments inside a file that someone else owns; the rest is left alone.

    :param path: may hold ``*`` in its folders when exactly one file fits (``/etc/postgresql/*/main/pg_hba.conf``).
    :param content: the lines; empty removes the block.
    :param top: put a new block at the top of the file, not at its end.
    """

    kind: ClassVar[str] = "block"
    path: str
    name: str
    content: str
    top: bool = False


@dataclass(frozen=True, eq=False)
class Directory(Resource):
    """A folder with this mode, owner and group; missing parents are made as root's, 0755."""

    kind: ClassVar[str] = "directory"
    bookkeeping: ClassVar[bool] = True
    path: str
    mode: int = 0o755
    owner: str = "root"
    group: str = "root"


@dataclass(frozen=True, eq=False)
class Link(Resource):
    """A symbolic link with exactly this target text, replaced by a rename.

    :param parents: make missing folders on the way, as root's, 0755.
    """

    kind: ClassVar[str] = "link"
    bookkeeping: ClassVar[bool] = True
    path: str
    target: str
    parents: bool = False


@dataclass(frozen=True, eq=False)
class LinkedFolder(Resource):
    """A link in the code to a folder that survives releases; the code's own files there are not lost.

    Files that the folder lacks are copied into it, those that it has stay as they are. Then the code's own folder makes
    way for the link.

    :param target: the folder, which must exist.
    :param aside: where the code's own folder is kept.
    :param owner: whose the copies are.
    """

    kind: ClassVar[str] = "linked_folder"
    path: str
    target: str
    aside: str
    owner: str
    group: str


@dataclass(frozen=True, eq=False)
class Absent(Resource):
    """Nothing at this path; a folder goes with its contents only when ``recursive``."""

    kind: ClassVar[str] = "absent"
    path: str
    recursive: bool = False


@dataclass(frozen=True, eq=False)
class OnlyFiles(Resource):
    """No files in a folder that match a pattern but these; others are removed.

    :param pattern: a glob on file names.
    :param keep: file names that stay.
    """

    kind: ClassVar[str] = "files"
    folder: str
    pattern: str
    keep: tuple[str, ...]
    recursive: bool = False


@dataclass(frozen=True, eq=False)
class Settings(Resource):
    """A settings file made on the host from a sample: its keys and types, with these values, or a whole text.

    :param sample: the sample; may be the file itself, whose original is then kept in ``originals``.
    :param format: ``json``, ``yaml``, ``ini`` or ``python``.
    :param values: nested tables that are laid over the sample's; each value takes the type that the sample has.
    :param content: the whole text instead of values; it must have every key of the sample.
    :param optional: keys (with dots) that the text may lack.
    :param new_keys: keys that the sample lacks are allowed.
    :param source: the checkout that the sample belongs to.
    """

    kind: ClassVar[str] = "settings"
    path: str
    sample: str
    format: str
    source: str
    originals: str
    values: Mapping[str, JSON] = field(default_factory=dict)
    content: str = ""
    optional: tuple[str, ...] = ()
    new_keys: bool = False
    mode: int = 0o640
    owner: str = "root"
    group: str = "root"
    opaque: bool = False
    parents: bool = False


@dataclass(frozen=True, eq=False)
class Patch(Resource):
    """Exact texts replaced in a file of a checkout, whose original is kept.

    :param edits: old text, new text, and how often the old one must be there, in this order.
    """

    kind: ClassVar[str] = "patch"
    path: str
    source: str
    originals: str
    edits: tuple[tuple[str, str, int], ...]
