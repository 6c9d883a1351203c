"""Files between this machine and the hosts: nothing is sent that is there already, nothing lies half in its place."""

from __future__ import annotations

import base64
import hashlib
import os
import tempfile
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise, takewhile
from pathlib import Path
from typing import TYPE_CHECKING

from ..answers import reading
from ..answers.messages import Message
from ..answers.rows import RemoteFile
from ..errors import HawserError, StepFailed, Unreachable
from ..report.text import hearsay

if TYPE_CHECKING:
    from .fleet import Fleet


# Bytes that are taken from one host at most, unless more is asked for.
MOST_BYTES = 10 * 2**30
# How much of what a host said is shown.
SHOWN = 200
# Bytes of the longest path below the place that was named.
LONGEST_PATH = 1000
# What a repository lies in. Its tool reads settings there, and runs what they name, when it is only asked for the state
# of the folder around it, as by many a prompt.
REPOSITORIES = (".git", ".hg", ".jj", ".sl")
# What git knows a repository by that lies in no such folder: HEAD, with any of the others.
BARE = {"head", "config", "objects", "refs", "commondir", "hooks"}


@dataclass(frozen=True)
class Upload:
    """One file to bring to a host.

    :param owner: empty: as it is there, else root; likewise the group.
    """

    source: Path
    target: str
    mode: int
    owner: str = ""
    group: str = ""


def uploads(source: Path, target: str, mode: int | None, owner: str, group: str) -> Iterator[Upload]:
    """Yield the files of a file or folder, each with its place on the host.

    :raises HawserError: there is nothing to send, or the place is no absolute path.
    """
    if not target.startswith("/"):
        raise HawserError(f"{target} is no absolute path on the host", code=2)
    if source.is_file():
        place = target + source.name if target.endswith("/") else target
        yield Upload(source, place, mode or source.stat().st_mode & 0o777, owner, group)
        return
    files = sorted(path for path in source.rglob("*") if path.is_file())
    if not files:
        raise HawserError(f"{source} is neither a file nor a folder with files", code=2)
    for path in files:
        below = path.relative_to(source).as_posix()
        yield Upload(path, f"{target.rstrip('/')}/{below}", mode or path.stat().st_mode & 0o777, owner, group)


def digest(path: Path) -> str:
    """Return the SHA-256 of a file."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def put(fleet: Fleet, name: str, upload: Upload) -> str:
    """Bring a file to a host, unless it is there already; returns the outcome."""
    wanted = digest(upload.source)
    there = fleet.ask(name, reading.REMOTE_STATE, {"path": upload.target})
    owner = upload.owner or (there["owner"] if there else "root")
    group = upload.group or (there["group"] if there else "root")
    if there == {"sha256": wanted, "mode": upload.mode, "owner": owner, "group": group}:
        return "is there already"
    if fleet.dry:
        return "would be replaced" if there else "would be new"
    wire, blob = fleet.connections.wires[name], f"{upload.target}:{wanted}"
    with upload.source.open("rb") as stream:
        wire.blob_of(blob, stream, upload.source.stat().st_size)
    arguments = {"path": upload.target, "mode": upload.mode, "owner": owner, "group": group, "sha256": wanted}
    fleet.request(name, "place", {"blob": blob, **arguments})
    return "replaced" if there else "new"


@dataclass(frozen=True)
class Offer:
    """One file that a host says it has.

    :param path: below the folder that was asked for, in parts; none for the file itself.
    :param size: bytes.
    """

    path: tuple[str, ...]
    sha256: str
    mode: int
    size: int


def offers(name: str, listing: Sequence[RemoteFile]) -> list[Offer]:
    """Check a host's listing of files: every path stays below the folder to which it is brought.

    :raises StepFailed: one does not, or two would have one place; nothing of it is used.
    """
    found = [offer(name, each) for each in listing]
    # On a disk that does not tell them apart, one would replace the other.
    places = sorted(tuple(map(on_disk, each.path)) for each in found)
    # In this order what is in a folder follows it at once.
    if any(one == other[: len(one)] for one, other in pairwise(places)):
        raise StepFailed("lists two files that would have one place here", host=name)
    return found


def offer(name: str, row: RemoteFile) -> Offer:
    """Check a host's row about one file; see `offers`."""
    path = row["path"]
    parts = tuple(path.split("/")) if path else ()
    if not all(contained(part) for part in parts) or sum(len(part.encode()) + 1 for part in parts) > LONGEST_PATH:
        told = hearsay(repr(path[:SHOWN]))
        raise StepFailed(
            f"lists {told}; taken are paths below a folder, of printable names, of at most "
            f"{LONGEST_PATH} bytes, and no {', '.join(REPOSITORIES)}; nothing was written",
            host=name,
            next="get the files that you need by name",
        )
    return Offer(parts, row["sha256"], row["mode"], row["size"])


def contained(part: str) -> bool:
    """Whether a part of a path is a name, and one that every file system and terminal can bear."""
    return (
        part not in ("", ".", "..")
        and part.isprintable()
        and len(part.encode()) <= 255
        and "\\" not in part
        and on_disk(part) not in REPOSITORIES
    )


def on_disk(part: str) -> str:
    """Return a name as the disk may take it that tells the fewest names apart."""
    return unicodedata.normalize("NFC", part).casefold().rstrip(". ")


def refuse_repository(name: str, local: Path, found: Sequence[Offer]) -> None:
    """Refuse files that make their folder here, with what is in it already, a repository that git finds by itself.

    :raises StepFailed: they do.
    """
    # Folder by folder: all that are seen at a time lead to one file.
    way: list[set[str]] = []
    before: tuple[str, ...] = ()
    paths = [(local.name, *each.path) for each in found]
    for place, path in sorted((tuple(map(on_disk, each)), each) for each in paths):
        same = sum(1 for _same in takewhile(lambda pair: pair[0] == pair[1], zip(before, place, strict=False)))
        way = [*way[: same + 1], *(set() for _part in place[len(way[: same + 1]) :])]
        before = place
        for depth, part in enumerate(place):
            if part in way[depth] or part not in BARE:
                continue
            way[depth].add(part)
            folder = local.parent.joinpath(*path[:depth])
            names = way[depth].union(on_disk(each.name) for each in (folder.iterdir() if folder.is_dir() else ()))
            if "head" in names and len(names & BARE) > 1:
                raise StepFailed(
                    f"{folder} would become a repository of git, which runs what such a folder says, for many "
                    "a prompt at once; nothing was written",
                    host=name,
                    next="pack it on the host, and get the archive; or get the files that you need by name",
                )


def get(fleet: Fleet, name: str, remote: str, local: Path, force: bool, limit: int = MOST_BYTES) -> Iterator[str]:
    """Take a file, or all files of a folder, from a host; yields the outcome of each.

    :param limit: bytes; more is not taken from one host.
    :raises StepFailed: a file is in the way, what the host lists is too much or would lie elsewhere, or what arrived is
        not what was listed.
    """
    found = offers(name, fleet.ask(name, reading.REMOTE_FILES, {"path": remote}))
    try:
        refuse_repository(name, local, found)
        yield from _get(fleet, name, remote, local, found, force, limit)
    except OSError as error:
        raise StepFailed(f"{error.filename or local}: {(error.strerror or str(error)).lower()}", host=name) from None


def _get(
    fleet: Fleet, name: str, remote: str, local: Path, found: Sequence[Offer], force: bool, limit: int
) -> Iterator[str]:
    total = sum(each.size for each in found)
    if total > limit:
        raise StepFailed(
            f"{remote} has {total:,} bytes, more than {limit:,};", host=name, next="--limit BYTES, or get parts of it"
        )
    if len(found) > 1:
        yield f"{len(found)} files, {total:,} bytes"
    for each in found:
        target = local.joinpath(*each.path)
        refuse_way_out(name, local, target)
        if target.is_file() and digest(target) == each.sha256:
            yield f"{target} is here already"
        elif os.path.lexists(target) and not force:
            raise StepFailed(f"{target} is here already and differs;", host=name, next="--force, or another place")
        elif target.is_dir():
            raise StepFailed(f"{target} is a folder here;", host=name, next="another place")
        elif fleet.dry:
            yield f"{target} would be written"
        else:
            _fetch(fleet, name, "/".join([remote, *each.path]), target, each)
            yield f"{target} written"


def refuse_way_out(name: str, local: Path, target: Path) -> None:
    """Refuse to write where a link leads out of the folder that was named.

    :raises StepFailed: there is one below it on the way.
    """
    for folder in [target, *target.parents]:
        if folder == local or not folder.is_relative_to(local):
            break
        if folder.is_symlink():
            raise StepFailed(
                f"{folder} is a link here, and nothing is written through it;", host=name, next="another place"
            )


def _fetch(fleet: Fleet, name: str, remote: str, target: Path, wanted: Offer) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    found, size, wire = hashlib.sha256(), 0, fleet.connections.wires[name]
    descriptor, temporary = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name[:50]}.")  # mode 0600
    try:
        with os.fdopen(descriptor, "wb") as stream:

            def on_message(message: Message) -> None:
                nonlocal size
                if message["t"] != "part":
                    return
                data = base64.b64decode(message["data"])
                size += len(data)
                if size > wanted.size or not data:
                    # Whoever sends more than was announced may never end: this has the line cut.
                    raise Unreachable(f"{remote}: more arrives than the {wanted.size:,} bytes announced", host=name)
                found.update(data)
                stream.write(data)

            answer = wire.request("send", {"path": remote, "size": wanted.size}, (), on_message)
            os.fchmod(stream.fileno(), wanted.mode & 0o700)
        if answer.error or found.hexdigest() != wanted.sha256:
            if answer.error:
                raise StepFailed(f"{remote}: {answer.error}", host=name)
            raise StepFailed(f"{remote}: did not arrive as it was listed;", host=name, next="once more")
        Path(temporary).replace(target)
    finally:
        Path(temporary).unlink(missing_ok=True)
